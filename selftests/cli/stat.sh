#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus stat: the same figures in all formats; totals and rates.
. "$(dirname "$0")/ktap.bash"

mqbus topic create -q t -n 2 -s 64K
mqbus group create t g
mqbus queue jobs --limit 1 >/dev/null
seq 10 | mqbus pub t -q
seq 3 | mqbus pub jobs -q
mqbus sub t -g g -c 4 >/dev/null

figure() { # TOPIC GROUP NAME
	awk -F '\t' -v t="$1" -v g="$2" -v name="$3" \
		'$2 == t && $3 == g && $4 == name { print $5 }' "$tmp/tsv"
}
mqbus stat --tsv >"$tmp/tsv"
same "records, published, groups" "10 10 1" \
	"$(figure t - records) $(figure t - published_records) $(figure t - groups)"
same "lag, settled, members" "6 4 0" \
	"$(figure t g lag_records) $(figure t g settled_records) $(figure t g members)"
same "lag of a queue group" 3 "$(figure jobs workers lag_records)"
same "a stream group has no figures of a queue" "" "$(figure t g acked_records)"
[ "$(figure t - published_bytes)" -ge $((10 * 64)) ] && [ "$(figure t - bytes)" -ge $((10 * 64)) ]
result "bytes" $?
[ "$(figure t g lag_ns)" -gt 0 ]
result "a lag has an age" $?
# A member fetches what there is, whatever it prints of it
same "records delivered" 10 "$(figure t g delivered_records)"

mqbus stat -j >"$tmp/json"
same "JSON has the same" "True True None" "$(json "$tmp/json" \
	"all(v == int(next(l.split('\t')[4] for l in open('$tmp/tsv') if
		l.split('\t')[1:4] == [x['topic'], x.get('group', '-'), k]))
	for x in j['topics'] + j['groups'] for k, v in x.items()
	if type(v) is int and not k.endswith('_ns')), '%s %s' % (
	all(len(x) > 15 for x in j['topics']), j['interval_ns'])" | tr -d "(),'")"

mqbus stat --prometheus >"$tmp/prometheus"
same "Prometheus: a counter" 'mqbus_topic_published_records_total{topic="t"} 10' \
	"$(grep '^mqbus_topic_published_records_total{topic="t"}' "$tmp/prometheus")"
same "a gauge of a group" 'mqbus_group_lag_records{topic="t",group="g",type="stream"} 6' \
	"$(grep '^mqbus_group_lag_records{topic="t"' "$tmp/prometheus")"
same "a time is in seconds" \
	"$(awk -v ns="$(figure t - blocked_ns)" 'BEGIN { printf "%.9f", ns / 1e9 }')" \
	"$(sed -n 's/^mqbus_topic_blocked_seconds_total{topic="t"} //p' "$tmp/prometheus")"
same "each has its help and its type, once" "" "$(awk '
	$1 == "#" { seen[$2, $3]++; next }
	{ sub(/{.*/, "", $1); used[$1] = 1 }
	END { for (m in used) if (seen["HELP", m] != 1 || seen["TYPE", m] != 1) print m }' \
	"$tmp/prometheus")"
if command -v promtool >/dev/null; then
	promtool check metrics <"$tmp/prometheus" >"$tmp/lint" 2>&1
	result "promtool check metrics" $?
fi

mqbus stat >"$tmp/table"
same "table: records and totals, no rates yet" "10 10 -" \
	"$(awk '$1 == "t" && $2 == 10 { print $2, $5, $6 }' "$tmp/table")"
same "table: lag of the group" "t g stream 0 6" \
	"$(awk '$2 == "g" { print $1, $2, $3, $4, $5 }' "$tmp/table")"

# The rates come from the same two looks as the totals, so they can be told exactly
mqbus stat t -j -i 0.2 >"$tmp/lines" &
pid=$!
grows() { # until two lines differ
	echo more | mqbus pub t -q
	[ "$(grep -o '"published_records":[0-9]*,' "$tmp/lines" | sort -u | wc -l)" -ge 2 ]
}
within 20 grows
kill $pid
wait $pid
same "a signal ends it" 143 $?
same "-i -c: so many lines" 3 "$(mqbus stat t -j -i 10ms -c 3 | wc -l)"
same "a rate is the difference by the time" "True True" "$(python3 -I -S -c '
import json, sys
s = [json.loads(line) for line in open(sys.argv[1])]
good = all(abs(b["topics"][0]["rates"]["published_records"] * b["interval_ns"] / 1e9 -
	       (b["topics"][0]["published_records"] - a["topics"][0]["published_records"])) < 0.01
	   for a, b in zip(s, s[1:]))
print(good, s[-1]["topics"][0]["published_records"] > 10)' "$tmp/lines")"
same "one topic: only it and its groups" "1 1" \
	"$(tail -1 "$tmp/lines" >"$tmp/last"; json "$tmp/last" \
	'"%d %d" % (len(j["topics"]), len(j["groups"]))')"

mqbus sub t -g g -e >/dev/null
mqbus stat t --tsv >"$tmp/tsv"
same "and delivered again" "$(($(figure t - published_records) + 6)) 6" \
	"$(figure t g delivered_records) $(figure t g redelivered_records)"

mqbus topic create -q small -s 4K -f evict
seq 300 | mqbus pub small -q
mqbus topic create -q strict -s 4K -f reject
seq 300 | mqbus pub strict -q 2>/dev/null
mqbus stat --tsv >"$tmp/tsv"
same "evicted is what was published and is not kept" 300 \
	"$(($(figure small - evicted_records) + $(figure small - records)))"
[ "$(figure strict - rejected_records)" -ge 1 ]
result "rejected" $?

mqbus topic create -q full -s 4K
seq 300 | mqbus pub full -q &
pid=$!
blocked() {
	mqbus stat full --tsv >"$tmp/tsv"
	[ "$(figure full - blocked_producers)" = "$1" ]
}
within 10 blocked 1
result "a producer that waits is counted" $?
mqbus sub full -g g -c 300 >/dev/null &
wait $pid
within 10 blocked 0
result "and one that does not is not" $?
[ "$(figure full - blocked_ns)" -gt 0 ] && [ "$(figure full - waits_full)" -ge 1 ]
result "the time and the waits are" $?
wait

mqbus stat -i 100 >"$tmp/out" &
pid=$!
sleep 0.3
kill $pid
wait $pid
same "a signal ends it at once" 143 $?
fails "no such topic" 1 "there is no such topic" mqbus stat nope
fails "a bad interval" 2 "--interval '0': expected a time" mqbus stat -i 0
fails "a count needs an interval" 2 "-c goes with -i" mqbus stat -c 3
finish

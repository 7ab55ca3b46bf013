#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus group members, and what topic show and group show tell of limits and options.
. "$(dirname "$0")/ktap.bash"

mqbus topic create -q t -n 3 --rate 5000/s --user-rate-bytes 1M/s --burst 2s --share 40 \
	--over reject --retention-size 256K
mqbus topic show t >"$tmp/show"
shows() { # WHAT PATTERN
	grep -q -- "$2" "$tmp/show"
	result "topic show: $1" $?
}
shows "rate" '^rate  *5000 records/s$'
shows "rate of a user" '^user rate  *1 MiB/s$'
shows "burst" '^burst  *2 s$'
shows "share" '^share  *40 %'
shows "what happens over it" '^over  *reject$'
shows "bytes kept" '256 KiB of each partition'
mqbus topic show t -j >"$tmp/json"
same "and as JSON" "262144 5000 0 1048576 2000000000 40 reject" "$(json "$tmp/json" \
	'"%d %d %d %d %d %d %s" % (j["retention_bytes"], j["limits"]["rate"],
		j["limits"]["user_rate"], j["limits"]["user_rate_bytes"],
		j["limits"]["burst_ns"], j["limits"]["share"], j["limits"]["over"])')"

mqbus group create t g --grace 1h --rebalance-timeout 7s
mqbus group show t g >"$tmp/show"
same "group show: rebalance timeout and grace" "7 s 1 h" \
	"$(awk '/^(rebalance|grace)/ { print $2, $3 }' "$tmp/show" | xargs)"
prints "no members" "[]" mqbus group members t g -j
fails "no such group" 1 "has no such group" mqbus group members t nobody

members() { # each as ID:STATE:PARTITIONS, by id
	mqbus group members t g | awk 'NR > 1 { print $1 ":" $2 ":" $(NF - 2) }' | sort | xargs
}
pids=()
for id in a b c d; do
	mqbus sub t -g g --member $id >/dev/null 2>&1 &
	pids+=($!)
	within 10 eval 'mqbus group members t g | grep -q "^$id "'
done
same "one partition each, one stands by" "a:active:1 b:active:1 c:active:1 d:standby:0" \
	"$(members)"
mqbus group members t g -j >"$tmp/json"
same "each with its process" "$(printf '%s\n' "${pids[@]}" | sort -n | xargs)" \
	"$(json "$tmp/json" '" ".join(str(p) for p in sorted(m["pid"] for m in j))')"

same "each partition has one owner" "0 1 2" \
	"$(json "$tmp/json" '" ".join(str(p) for p in sorted(sum((m["assigned"] for m in j), [])))')"
same "and the table names it" "$(json "$tmp/json" \
	'" ".join(m["id"] + "=" + (str(m["assigned"][0]) if m["assigned"] else "-") for m in
		sorted(j, key=lambda m: m["id"]))')" \
	"$(mqbus group members t g | awk 'NR > 1 { print $1 "=" $NF }' | sort | xargs)"

kill -9 "${pids[1]}"
wait "${pids[1]}" 2>/dev/null
within 10 eval 'mqbus group members t g | grep -q "^b .*away"'
same "a member with an id that died is away, and nobody else's changes" \
	"a:active:1 b:away:0 c:active:1 d:standby:0" "$(members)"
mqbus sub t -g g --member b >/dev/null 2>&1 &
pids[1]=$!
within 10 eval 'mqbus group members t g | grep -q "^b .*active"'
same "and comes back to what it had" "a:active:1 b:active:1 c:active:1 d:standby:0" \
	"$(members)"
kill "${pids[@]}"
wait

mqbus topic create -q wide -n 70
mqbus sub wide -g g >/dev/null 2>&1 &
pid=$!
within 10 eval 'mqbus group members wide g | grep -q active'
same "partitions in a row" "0-69" "$(mqbus group members wide g | awk 'NR > 1 { print $NF }')"
kill $pid
wait

mqbus queue jobs >/dev/null
mqbus sub jobs -g workers -t queue >/dev/null 2>&1 &
pid=$!
within 10 eval 'mqbus group members jobs workers | grep -q " $pid "'
same "a member of a queue group" "active $pid" \
	"$(mqbus group members jobs workers | awk 'NR > 1 { print $2, $3 }')"
same "no limit of what it may hold" "0 -" \
	"$(mqbus group members jobs workers | awk 'NR > 1 { print $(NF - 1), $NF }')"
mqbus group set jobs workers --credit 5
same "a limit" "0 5" "$(mqbus group members jobs workers | awk 'NR > 1 { print $(NF - 1), $NF }')"
mqbus group members jobs workers -j >"$tmp/json"
same "and as JSON" 5 "$(json "$tmp/json" 'j[0]["credit"]')"
kill $pid 2>/dev/null
wait
finish

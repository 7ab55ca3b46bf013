#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus dlq: dead letters are listed, shown, redriven and purged.
. "$(dirname "$0")/ktap.bash"
umask 022
mkfifo "$tmp/self"
exec 9<>"$tmp/self"

# decide TOPIC GROUP WORD: settle all that is there in the same way
decide() {
	mqbus sub "$1" -g "$2" -t queue --ack manual -f "$3 %L\n" -e <&9 >&9
}
# letters TOPIC [OPTION]...: the values of its dead letters, sorted
letters() {
	mqbus dlq show "$@" | awk '
		$1 == "value" {
			for (i = ++n; i > 1 && value[i - 1] > $2; i--)
				value[i] = value[i - 1]
			value[i] = $2
		}
		END { for (i = 1; i <= n; i++) printf "%s%s", value[i], i < n ? " " : "\n" }'
}
lag() {
	group_sum "$1" "$2" LAG
}

mqbus queue jobs -q --backoff 0 --limit 3
begin=$(date +%s%N)
printf '%s\n' k1=one k2=two | mqbus pub jobs -q -K = -r a.b -H user=ann -H mqbus.reason=lie -H empty=
decide jobs workers nack
printf 'k1=three\nfour\n' | mqbus pub jobs -q -K = -H user=bob
decide jobs workers reject
end=$(date +%s%N)
same "records that failed are dead letters" "four one three two" "$(letters jobs.dlq)"
same "and not in the queue" "0 4" "$(lag jobs workers) $(lag jobs.dlq dlq)"
mqbus dlq list jobs.dlq >"$tmp/list"
same "list" "ORIGIN GROUP REASON ATTEMPTS|jobs/0/0 workers nack 3|jobs/0/1 workers nack 3|jobs/0/2 workers rejected 1|jobs/0/3 workers rejected 1|" \
	"$(awk '{ if (NR == 1) print $2, $3, $4, $5; else print $3, $4, $5, $6 }' "$tmp/list" | tr '\n' '|')"
mqbus dlq list jobs.dlq -j >"$tmp/list"
same "list as JSON" "jobs 0 2 workers 1 rejected 0 k1 5" "$(json "$tmp/list" '" ".join(
	str(v) for l in j if l["dead"]["offset"] == 2 for v in (l["dead"]["topic"],
	l["dead"]["partition"], l["dead"]["offset"], l["dead"]["group"], l["dead"]["attempts"],
	l["dead"]["reason"], l["dead"]["uid"], l["key"], l["value_bytes"]))')"
mqbus dlq show jobs.dlq -j >"$tmp/show"
same "who wrote them is known" True "$(json "$tmp/show" 'all(l["dead"]["verified"] is True for l in j)')"
same "show as JSON: the producer's headers are kept, but for those that would lie" \
	"one k1 a.b user=ann empty= nack" "$(json "$tmp/show" '" ".join(
	str(v) for l in j if l["dead"]["offset"] == 0 for v in (l["value"], l["key"], l["routing_key"],
	*(h["name"] + "=" + h["value"] for h in l["headers"]), l["dead"]["reason"]))')"
same "the times are those of the first and the last attempt" True "$(json "$tmp/show" \
	"all($begin < l['dead']['first'] <= l['dead']['last'] < $end for l in j)")"
mqbus dlq show jobs.dlq >"$tmp/show"
same "show" "origin jobs/0/0|group workers|reason nack, attempts: 3|key k1|routing key a.b|header user=ann|header empty=|bytes 3|value one|" \
	"$(awk '/^$/ { exit } !/^(letter|first|given|process)/ { $1 = $1; print }' "$tmp/show" | tr '\n' '|')"
same "one for each" 4 "$(grep -c ^letter "$tmp/show")"
same "nothing was taken, nothing failed" "4 0" "$(lag jobs.dlq dlq) $(mqbus group show jobs.dlq dlq -j |
	json /dev/stdin 'j["queue"]["nacked"] + j["queue"]["died"] + j["queue"]["leased"]')"

same "--match reason" "four three" "$(letters jobs.dlq --match reason=rejected)"
same "--match with the whole name" "one two" "$(letters jobs.dlq --match mqbus.reason=nack)"
same "--match key" "one three" "$(letters jobs.dlq -m key=k1)"
same "--match routing-key" "one two" "$(letters jobs.dlq -m routing-key=a.b)"
same "--match a header of the record" "four three" "$(letters jobs.dlq -m user=bob)"
same "--match origin" "two" "$(letters jobs.dlq -m topic=jobs -m partition=0 -m offset=1)"
same "--match an empty value" "one two" "$(letters jobs.dlq -m empty=)"
same "all must hold" "three" "$(letters jobs.dlq -m key=k1 -m user=bob -m group=workers)"
same "none does" "" "$(letters jobs.dlq -m key=k3)"
same "--count" 2 "$(mqbus dlq list jobs.dlq -c 2 -j | json /dev/stdin 'len(j)')"

run mqbus dlq redrive jobs.dlq --dry-run -m reason=nack
same "--dry-run lists what it would do" "jobs/0/0 jobs/0/1 2 would be redriven, 4 left" \
	"$(awk 'NR > 1 { print ($3 ~ "/") ? $3 : $0 }' <<<"$out" | xargs)"
same "and does nothing" "0 4" "$(lag jobs workers) $(lag jobs.dlq dlq)"
prints "redrive --match" "1 redriven, 3 left" mqbus dlq redrive jobs.dlq -m reason=nack -m key=k1
same "the record is as it was, in the same partition" "k1 a.b user=ann,empty= one" \
	"$(mqbus sub jobs -g workers -t queue -e -f '%k %r %h %s\n')"
prints "redrive of the rest, as JSON" '3 0 False' json <(mqbus dlq redrive jobs.dlq -j) \
	'"%d %d %s" % (j["redriven"], j["left"], j["dry_run"])'
same "and it is in the queue" " four|k1 three|k2 two|" \
	"$(mqbus sub jobs -g workers -t queue -e -f '%k %s\n' | LC_ALL=C sort | tr '\n' '|')"
prints "redrive of nothing" "0 redriven, 0 left" mqbus dlq redrive jobs.dlq
prints "list of nothing" 1 eval 'mqbus dlq list jobs.dlq | wc -l'

mqbus topic create -q else
mqbus topic create -q narrow -m 3
printf '%s\n' five six seven | mqbus pub jobs -q
decide jobs workers reject
prints "redrive --to" "1 redriven, 2 left" mqbus dlq redrive jobs.dlq --to else -m offset=8
same "goes there" five "$(mqbus sub else -g g -e)"
fails "what does not fit there is left" 1 \
	"topic 'narrow': letter 0/6 stays where it is: record of 5 bytes is over the maximum of 3" \
	mqbus dlq redrive jobs.dlq --to narrow
same "the rest goes" "1 redriven, 1 left" "$out"
fails "no such topic" 1 "topic 'nope': letters stay where they are (--to): there is no such topic" \
	mqbus dlq redrive jobs.dlq --to nope
same "nothing is lost" seven "$(letters jobs.dlq)"
prints "purge --dry-run" "1 would be purged, 1 left" eval 'mqbus dlq purge jobs.dlq --all --dry-run | tail -1'
fails "purge: which?" 2 "which? (--match NAME=VALUE, or --all)" mqbus dlq purge jobs.dlq
prints "purge --match" "0 purged, 1 left" mqbus dlq purge jobs.dlq -m reason=nack
prints "purge --all" "1 purged, 0 left" mqbus dlq purge jobs.dlq --all
same "is the end of it" "0 " "$(lag jobs.dlq dlq) $(letters jobs.dlq)"

# From two partitions and two topics, more than one batch of them
mqbus queue many -q -n 2 --dlq jobs.dlq --limit 1 --backoff 0
seq 200 | mqbus pub many -q -b 20
seq 201 300 | mqbus pub jobs -q
decide many workers nack
decide jobs workers reject
same "300 letters" 300 "$(mqbus dlq list jobs.dlq -j | json /dev/stdin 'len(j)')"
prints "redrive to where each came from" "300 redriven, 0 left" mqbus dlq redrive jobs.dlq
same "each goes there" "$(seq 200 | cksum) $(seq 201 300 | cksum)" \
	"$(mqbus sub many -g workers -t queue -e | sort -n | cksum) $(mqbus sub jobs -g workers -t queue -e | cksum)"

# What fails again while it is redriven waits for the next redrive
mqbus queue loop -q --limit 1 --backoff 0
seq 100 | mqbus pub loop -q
decide loop workers nack
mkfifo "$tmp/again"
mqbus sub loop -g workers -t queue --ack manual -f 'nack %L\n' <>"$tmp/again" >"$tmp/again" 2>/dev/null &
sub=$!
run timeout 60 mqbus dlq redrive loop.dlq
[[ $status = 0 && $out == "100 redriven, "* ]]
result "a redrive ends although all fails again" $?
within 10 eval '[ "$(lag loop.dlq dlq)" = 100 ]'
result "and is dead again" $?
kill $sub
wait $sub
before=$(date +%s%N)
prints "redrive --rate" "6 redriven, 94 left" mqbus dlq redrive loop.dlq --rate 10/s -c 6
[ $(($(date +%s%N) - before)) -ge 450000000 ]
result "takes its time" $?
mqbus topic delete loop
fails "the topic that they came from is gone" 1 \
	"says that it came from 'loop', but no group of that topic has written it: any producer may have (--to)" \
	mqbus dlq redrive loop.dlq
same "that is told once, and how many they are" "2 94" \
	"$(wc -l <<<"$err") $(sed -n 's/.*: \([0-9]*\) letters in all stay for that reason.*/\1/p' <<<"$err")"
same "they are left" "0 redriven, 94 left" "$out"

# A redrive that has to wait for room, and is interrupted
mqbus queue slow -q -s 4K --limit 1
seq 8 | mqbus pub slow -q
decide slow workers reject
seq 1000 | mqbus pub slow -q -t 100ms 2>/dev/null
mqbus dlq redrive slow.dlq >"$tmp/out1" 2>/dev/null &
redrive=$!
within 10 eval '[ "$(mqbus topic show slow -j | json /dev/stdin "j[\"producers\"]")" = 1 ]'
kill -INT $redrive
wait $redrive
same "SIGINT ends a redrive that waits" "130 0 redriven, 8 left" "$? $(<"$tmp/out1")"
same "nothing is lost, nothing has failed" "8 0" "$(lag slow.dlq dlq) $(mqbus group show slow.dlq dlq -j |
	json /dev/stdin 'j["queue"]["died"]')"

mqbus topic create -q plain
seq 2 | mqbus pub plain -q
run mqbus dlq list plain
same "any topic can be listed; the group is made, and records are told from letters" \
	"0 (no dead letter) (no dead letter)" \
	"$status $(awk 'NR > 1 { print $2, $3, $4 }' <<<"$out" | xargs)"
same "in JSON, too" "[None, None]" "$(mqbus dlq list plain -j | json /dev/stdin '[l["dead"] for l in j]')"
same "and by show" "origin (no dead letter)|bytes 1|value 1|" "$(mqbus dlq show plain -c 1 |
	awk '!/^letter/ { $1 = $1; print }' | tr '\n' '|')"
fails "but what does not say where it came from is left" 1 \
	"topic 'plain' group 'dlq': letter 0/0 does not say where it came from (--to)" \
	mqbus dlq redrive plain
prints "unless it is told" "2 redriven, 0 left" mqbus dlq redrive plain --to else
mqbus group create slow.dlq few -t queue --max-inflight 3
fails "what the group does not let be held is told" 0 \
	"only 3 letters were examined, as the group lets 3 be held (group set --max-inflight" \
	mqbus dlq list slow.dlq -g few
mqbus group create plain stream
fails "a stream group" 1 "is a stream group: its records are not leased" mqbus dlq list plain -g stream
for what in list show redrive "purge --all"; do
	fails "$what: no topic" 1 "topic 'nope': there is no such topic" mqbus dlq $what nope
	same "and nothing else is printed" "" "$out"
done
fails "bad --match" 2 "--match 'reason': expected NAME=VALUE" mqbus dlq list plain -m reason
fails "bad --rate" 2 "--rate '0': expected" mqbus dlq redrive plain --rate 0
fails "purge has no --to" 2 "'--to' is unknown" mqbus dlq purge plain --to else
fails "one topic" 2 "dlq list takes one TOPIC" mqbus dlq list

# Whoever may publish to the topic of dead letters may write headers as the kernel's
mqbus queue -q victim
mqbus topic create -q other
printf 'evil\nworse\n' | mqbus pub victim.dlq -q -H mqbus.topic=victim -H mqbus.group=workers \
	-H mqbus.partition=0 -H mqbus.offset=0 -H mqbus.reason=nack
echo elsewhere | mqbus pub victim.dlq -q -H mqbus.topic=other -H mqbus.group=workers
printf 'odd' | mqbus pub victim.dlq -q -H mqbus.topic=$'\e[31m\tred' -H mqbus.group=$'\xff'
echo true | mqbus pub victim -q
decide victim workers reject
mqbus dlq list victim.dlq >"$tmp/list"
same "list: what nobody vouches for is marked" \
	"victim/0/0 (unverified)|victim/0/0 (unverified)|other/0/0 (unverified)|\\x1b[31m\\x09red/0/0 (unverified)|victim/0/0|" \
	"$(sed -n 's/^.* \([^ ]*\/0\/0\( (unverified)\)\?\) .*/\1/p' "$tmp/list" | tr '\n' '|')"
same "show does so, too" 4 "$(mqbus dlq show victim.dlq | grep -c '^origin .* (unverified)$')"
same "and JSON" "[False, False, False, False, True]" \
	"$(mqbus dlq list victim.dlq -j | json /dev/stdin '[l["dead"]["verified"] for l in j]')"
fails "redrive believes none of them" 1 \
	"letter 0/0 says that it came from 'victim', but no group of that topic has written it: any producer may have (--to)" \
	mqbus dlq redrive victim.dlq --dry-run
same "--dry-run tells" "1 would be redriven, 5 left" "$(tail -n 1 <<<"$out")"
run mqbus dlq redrive victim.dlq
same "only the true one goes" "1 1 redriven, 4 left" "$status $out"
same "and how many do not" 4 "$(sed -n 's/.*: \([0-9]*\) letters in all stay.*/\1/p' <<<"$err")"
same "it has come back" true "$(mqbus sub victim -g workers -t queue -e)"
same "nothing has gone elsewhere" "" "$(mqbus sub other -g g -e)"
prints "redrive --to" "4 redriven, 0 left" mqbus dlq redrive victim.dlq --to other
same "takes them, without the headers" "evil|worse|elsewhere|odd|" \
	"$(mqbus sub other -g g -e -f '%h%s|')"
echo old | mqbus pub victim -q
decide victim workers reject
mqbus group delete victim workers
mqbus group create victim workers -t queue --dlq victim.dlq
fails "nor for another group of that name" 1 "says that it came from 'victim', but no group" \
	mqbus dlq redrive victim.dlq

# Killed at any moment: each letter is in one place
mqbus queue -q killed
n=$((300 / ${MQ_SLOW:-1}))
seq $n | mqbus pub killed -q
decide killed workers reject
RANDOM=${KILL_SEED:-$$}
note "KILL_SEED=${KILL_SEED:-$$}"
for _ in 1 2 3 4 5 6; do
	mqbus dlq redrive killed.dlq >/dev/null &
	sleep 0.0$((RANDOM % 90 + 10))
	kill -9 $!
	wait $!
done 2>/dev/null
succeeds "a redrive after six that were killed" mqbus dlq redrive killed.dlq
same "all are there once" "$(seq $n | xargs)" \
	"$(mqbus sub killed -g workers -t queue -e | sort -n | xargs)"
finish

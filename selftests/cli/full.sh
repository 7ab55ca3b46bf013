#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A full topic: who holds its records back, and the way out, is told.
. "$(dirname "$0")/ktap.bash"

last() { # TOPIC: the last line of topic show
	mqbus topic show "$1" | tail -n 1
}
fill() { # TOPIC: 56 records fit into 4K
	seq 10000001 10000056 | mqbus pub "$1" -q -t 100ms
}

mqbus topic create -q orders -s 4K
fill orders
same "no group" \
	"topic 'orders' is full: it has no group that reads it: mqbus group create orders GROUP" \
	"$(last orders)"
mqbus group create orders forgotten
mqbus group create orders quick
mqbus sub orders -g quick -c 56 >/dev/null
same "a group without members" \
	"topic 'orders' is full: group 'forgotten' (no members) holds 56 records; read them, or: mqbus group delete orders forgotten" \
	"$(last orders)"
same "what it holds" "held 56 records (3.9 KiB) of partition 0, by group 'forgotten'" \
	"$(mqbus topic show orders | awk '$1 == "held" { $1 = $1; print }')"
mqbus topic show orders -j >"$tmp/json"
same "the same as JSON" "forgotten 0 56 4032 0 56 4032 0 True" \
	"$(json "$tmp/json" "' '.join([str(j['holder'][k]) for k in ('group', 'partition',
	'records', 'bytes', 'wanted_bytes', 'all_records', 'all_bytes', 'members')] +
	[str(j['holder']['oldest_ns'] > 0)])")"
eval "$(last orders | sed 's/.*or: //')"
[[ $(last orders) != *"is full"* ]]
result "what it says to do helps" $?
mqbus topic show orders -j >"$tmp/json"
same "no holder in JSON" None "$(json "$tmp/json" "j['holder']")"

mqbus group pause orders quick
fill orders
same "a group that is paused" \
	"topic 'orders' is full: group 'quick' (no members, paused) holds 56 records; hand them out again: mqbus group resume orders quick" \
	"$(last orders)"
mqbus group resume orders quick

# A member that does not commit; times are left out
untimed() { # TOPIC
	last "$1" | sed -E 's/[0-9.]+ (ns|us|µs|ms|s)\b/TIME/g'
}
mqbus sub orders -g quick -c 56 >/dev/null
mqbus sub orders -g quick >/dev/null &
pid=$!
within 10 has_member orders quick
kill -STOP $pid
fill orders
same "a member that is stuck" \
	"topic 'orders' is full: group 'quick' (1 member) holds 56 records, the oldest stored TIME ago; add members, or see which one is stuck: mqbus group members orders quick" \
	"$(untimed orders)"
kill -KILL $pid
wait $pid 2>/dev/null

mqbus topic create -q jobs -s 4K -n 2
mqbus group create jobs workers -t queue
mkfifo "$tmp/in"
exec 5<>"$tmp/in"
seq 10000001 10000056 | mqbus pub jobs -q -p 1
mqbus pub jobs -q -p 0 <<<10
mqbus sub jobs -g workers -t queue --ack manual -b 3 <&5 >"$tmp/held" &
pid=$!
held() { [ "$(wc -l <"$tmp/held")" = 3 ]; }
within 10 held
same "leases of a queue group" \
	"topic 'jobs' is full: group 'workers' (1 member) holds 56 records of partition 1, 57 in all, 3 leased, the oldest for TIME; add members, or see which one is stuck: mqbus group members jobs workers" \
	"$(untimed jobs)"
kill $pid
wait $pid

# Others learn nothing of a group that they may not see
mqbus group set jobs workers --mode 0600
[[ $(setpriv --reuid 65534 --regid 65534 --clear-groups mqbus topic show jobs) != *workers* ]]
result "nobody may see it" $?
mqbus topic show jobs | grep -q "workers"
result "but its owner" $?
finish

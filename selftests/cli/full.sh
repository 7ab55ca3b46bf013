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

echo 10000057 >"$tmp/one"
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
why="the topic is full: group 'forgotten' (no members) holds 56 records; read them, or: mqbus group delete orders forgotten"
fails "a timeout" 124 "not stored within the timeout: $why" \
	mqbus pub orders -q -t 100ms "$tmp/one"
fails "no timeout" 1 "not stored at once: $why" mqbus pub orders -q -t 0 "$tmp/one"
fails "a note and a timeout" 124 "not stored within the timeout: $why" \
	mqbus pub orders -t 1500ms "$tmp/one"
same "the note" "mqbus: topic 'orders': waits: $why" "$(head -n 1 <<<"$err")"
same "is there once" 1 "$(grep -c waits: <<<"$err")"
fails "or not at all" 124 "not stored within" mqbus pub orders -q -t 1500ms "$tmp/one"
same "with --quiet" 0 "$(grep -c waits: <<<"$err")"
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

# Room that is for one that came before
mqbus topic create -q turns -s 4K --max-record 1500
seq 10000001 10000040 | mqbus pub turns -q
head -c 1500 /dev/zero >"$tmp/large"
mqbus pub turns -q --raw "$tmp/large" &
pid=$!
blocked() { [ "$(mqbus topic show turns -j | grep -o '"wanted_bytes": *[0-9]*' | tr -dc 0-9)" != 0 ]; }
within 10 blocked
fails "others' turns" 1 "not stored at once: the topic is full but for some room, which is for producers that came before: it has no group" \
	mqbus pub turns -q -t 0 "$tmp/one"
[[ $(last turns) == "topic 'turns' is full: it has no group"* ]]
result "it is full if one waits, whatever the room" $?
kill $pid
wait $pid

# Others learn nothing of a group that they may not see
mqbus group set jobs workers --mode 0600
[[ $(setpriv --reuid 65534 --regid 65534 --clear-groups mqbus topic show jobs) != *workers* ]]
result "nobody may see it" $?
mqbus topic show jobs | grep -q "workers"
result "but its owner" $?
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus lag: each state by what makes it so.
. "$(dirname "$0")/ktap.bash"

state() { # TOPIC GROUP [OPTION]...
	mqbus lag -w 0.6 -s 4 "$@" | awk 'NR == 2 { print $NF }'
}

mqbus topic create -q t -s 4M
mqbus group create t g
same "no lag, no members: OK" OK "$(state t g)"
seq 10 | mqbus pub t -q
same "a lag and no members: STOPPED" STOPPED "$(state t g)"

# sub prints and commits, so it stops where nobody takes its lines: it holds what it fetched
mkfifo "$tmp/pipe"
exec 3<>"$tmp/pipe"
seq 30000 | mqbus pub t -q
mqbus sub t -g g >"$tmp/pipe" 2>/dev/null &
member=$!
settles_nothing() {
	local before
	before=$(group_sum t g COMMITTED)
	sleep 0.5
	[ "$(group_sum t g COMMITTED)" = "$before" ] && has_member t g
}
within 10 settles_nothing
same "a member that holds records and settles none: STALLED" STALLED "$(state t g)"
mqbus group pause t g
same "paused: STOPPED" STOPPED "$(state t g)"
mqbus group resume t g
cat <&3 >/dev/null &
reader=$!
caught_up() {
	[ "$(group_sum t g LAG)" = 0 ]
}
within 20 caught_up
same "it has caught up: OK" OK "$(state t g)"

kill -STOP $member
seq 5 | mqbus pub t -q
same "a member that fetches nothing: STOPPED" STOPPED "$(state t g)"
kill -CONT $member
kill $member $reader 2>/dev/null
wait 2>/dev/null
exec 3>&-

# One that reads slower than is published: the lag grows from look to look. What
# publishes starts no programs, which could take as long as what reads.
mqbus topic create -q busy -s 4M
mkfifo "$tmp/never"
exec 4<>"$tmp/never"
mqbus group create busy slow -t queue
while :; do
	read -rt 0.1 -u 4
	printf '%s\n' {1..20}
done | mqbus pub busy -q &
mqbus run -t busy -g slow -- sleep 0.1 >/dev/null 2>&1 &
reader=$!
warned() {
	[ "$(state busy slow -w 3)" = WARN ]
}
within 30 warned
result "the lag grows although it settles: WARN" $?
mqbus topic delete busy
wait $reader 2>/dev/null
exec 4>&-

mqbus topic create -q u
mqbus group create u g
seq 5 | mqbus pub u -q
mqbus lag g -w 10ms -s 2 -j >"$tmp/json"
same "by the group's name: on all topics" "[('t', 'g'), ('u', 'g')]" \
	"$(json "$tmp/json" '[(g["topic"], g["group"]) for g in j]')"
mqbus lag u g -w 10ms -s 2 -j >"$tmp/json"
same "JSON: lag and its age" "True" "$(json "$tmp/json" \
	'len(j) == 1 and j[0]["lag"] == 5 and j[0]["lag_ns"] > 0 and j[0]["state"] == "STOPPED"')"
mqbus lag -w 10ms -s 2 >"$tmp/table"
same "all groups" "t/g u/g" "$(awk 'NR > 1 { print $1 "/" $2 }' "$tmp/table" | xargs)"

mqbus queue jobs >/dev/null
seq 3 | mqbus pub jobs -q
mqbus run -t jobs -g workers -- sh -c "echo \$\$ >$tmp/job; exec sleep 1000" >/dev/null 2>&1 &
pid=$!
within 10 is_figure jobs workers leased 1
same "a worker that is stuck: STALLED" STALLED "$(state jobs workers)"
kill -9 $pid
wait 2>/dev/null
kill "$(<"$tmp/job")"

fails "no such group" 1 "the topic has no such group" mqbus lag t nope
fails "nor on any topic" 1 "mqbus: group 'nope': no topic has it; a single name is a group's" mqbus lag nope
fails "no such topic" 1 "there is no such topic" mqbus lag nope g
fails "a window of one look" 2 "--samples '1': expected" mqbus lag -s 1
mqbus lag --help | grep -q "STALLED  its members hold"
result "the rules are in the help" $?
finish

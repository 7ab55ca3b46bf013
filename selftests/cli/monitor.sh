#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus monitor: each event as what causes it happens.
. "$(dirname "$0")/ktap.bash"

# It hears only what happens once it listens, so tell it things until one is heard
started() { # FILE
	mqbus topic create -q mark
	mqbus topic delete mark
	grep -q mark "$1"
}
kinds() { # of topic t and what is with it
	grep -v mark "$tmp/events" | python3 -I -S -c '
import json, sys
for line in sys.stdin:
	e = json.loads(line)
	print(*(str(e[k]) for k in ["kind"] + sys.argv[1:] if k in e))' "$@"
}
heard() { # LINE, as kinds() prints it
	local line=$1
	shift
	kinds "$@" | grep -qxF -- "$line"
}

mqbus monitor -j >"$tmp/events" &
monitor=$!
within 10 started "$tmp/events"
result "a topic that is made and deleted" $?

mqbus topic create -q t -n 2
mqbus group create t g
mqbus sub t -g g --member one >/dev/null 2>&1 &
one=$!
within 10 heard "member-joined t g one $one" topic group member pid
result "a member that joins, with its id and process" $?
heard "topic-made t" topic && heard "group-made t g" topic group
result "topic and group before it" $?
kill -9 $one
wait $one 2>/dev/null
within 10 heard "member-left t g one 0" topic group member count
result "one that is killed when it holds nothing has left" $?
mqbus sub t -g g >/dev/null 2>&1 &
two=$!
within 10 heard "member-joined t g $two" topic group pid
kill $two
wait $two
within 10 heard "member-left t g $two" topic group pid
result "one that leaves" $?
within 10 heard "rebalanced t g" topic group
result "and what both meant to the others" $?

mqbus sub t -g g --member same >/dev/null 2>&1 &
former=$!
within 10 heard "member-joined t g same $former" topic group member pid
mqbus sub t -g g --member same >/dev/null 2>&1 &
later=$!
within 10 heard "member-fenced t g same $former" topic group member pid
result "one whose id another comes with" $?
kill $later
wait $former $later

mqbus queue jobs --limit 1 --backoff 1ms >/dev/null
echo poison | mqbus pub jobs -q
mqbus run -t jobs -g workers -c 1 -- false >/dev/null 2>&1
within 10 heard "dead-letter jobs workers 0 0" topic group partition offset
result "a dead letter, and where it was published" $?

seq 3 | mqbus pub jobs -q
mqbus sub jobs -g workers -t queue --ack on-exit >/dev/null 2>&1 &
three=$!
within 10 is_figure jobs workers leased 3
kill -9 $three
wait $three 2>/dev/null
within 10 heard "member-died jobs workers $three 3" topic group pid count
result "one that is killed with leases has died, and how many they were" $?

mqbus topic create -q small -s 4K -f evict
mqbus group create small g
seq 300 | mqbus pub small -q
mqbus sub small -g g -e >/dev/null 2>&1
lost=$(group_sum small g LOST)
within 10 heard "lost small g $lost" topic group count
result "records that a group lost" $?

mqbus topic create -q full -s 4K
seq 300 | mqbus pub full -q &
pub=$!
within 20 heard "producer-blocked full $pub full" topic pid reason
result "a producer that waits" $?
mqbus topic delete full
wait $pub 2>/dev/null
within 10 heard "topic-deleted full" topic
result "a topic that is deleted" $?

kill -INT $monitor
wait $monitor
same "it ends at a signal" 130 $?
mqbus monitor u --kind group-made -k group-deleted -c 2 >"$tmp/text" &
monitor=$!
mqbus topic create -q u
mqbus topic create -q other
made() {
	mqbus group create u g
	mqbus group create other g
	mqbus group delete u g
	mqbus group delete other g
	! kill -0 $monitor 2>/dev/null
}
within 10 made
wait $monitor
same "-c ends it" 0 $?
same "only the kinds and the topic that are wanted" 2 \
	"$(grep -Ec '^[-0-9]{10} [:0-9]{8}\.[0-9]{6} group-(made|deleted) topic=u group=g' \
	"$tmp/text")"

# One that takes nothing for a time is told how many it lost
mqbus monitor -j --buffer 8K >"$tmp/events" &
monitor=$!
within 10 started "$tmp/events"
kill -STOP $monitor
for n in $(seq 25); do
	mqbus topic create -q flood
	mqbus topic delete flood
done
kill -CONT $monitor
grew() { # events and losses, until both are 50
	[ "$(python3 -I -S -c '
import json, sys
e = [json.loads(line) for line in open(sys.argv[1])]
lost = sum(x["count"] for x in e if x["kind"] == "overrun")
heard = sum(x.get("topic") == "flood" for x in e)
print(lost > 0 and lost + heard)' "$tmp/events" 2>/dev/null)" = 50 ]
}
within 10 grew
result "what is heard and what is lost is all there was" $?
kill $monitor
wait $monitor

if [ "$(printf '%s\n' 6.8 "$(uname -r)" | sort -V | head -1)" != 6.8 ]; then
	fails "another user may not listen before Linux 6.8" 1 "only root" \
		setpriv --reuid 65534 --clear-groups "$(command -v mqbus)" monitor
else
	mqbus topic create -q --mode 0600 secret
	# not by the function: then the number would be that of the shell that calls it
	setpriv --reuid 65534 --clear-groups "$(command -v mqbus)" monitor >"$tmp/other" &
	other=$!
	within 10 started "$tmp/other"
	mqbus group create secret g
	mqbus group create u g
	within 10 grep -q "topic=u" "$tmp/other"
	! grep -q secret "$tmp/other"
	result "another user hears nothing of what he may not read" $?
	kill $other
	wait $other
fi

mqbus topic create -q lagging
mqbus group create lagging g --lag-limit 5
same "group create sets a limit" 5 "$(mqbus group show lagging g | awk '/^lag limit/ { print $3 }')"
mqbus group set lagging g --lag-limit 10
mqbus monitor -j lagging >"$tmp/events" &
monitor=$!
events_of_lag() { # until it listens, each round goes above and below the limit
	seq 20 | mqbus pub lagging -q
	within 3 heard "lag-above lagging g 10" topic group limit
	mqbus sub lagging -g g -e >/dev/null
	within 3 heard "lag-below lagging g 10" topic group limit
}
within 20 events_of_lag
result "a lag that goes above its limit, and below" $?
kill $monitor
wait $monitor

fails "a bad kind" 2 "--kind 'x': expected a kind" mqbus monitor -k x
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SIGINT, SIGTERM and SIGHUP end a command that waits, at once, and it tells what it has done. A
# consumer that is restarted in order does not use up the attempts of what it held.
. "$(dirname "$0")/ktap.bash"
seq 200 >"$tmp/in"

blocked() { # TOPIC
	[ "$(mqbus stat "$1" --tsv | awk -F '\t' '$4 == "blocked_producers" { print $5 }')" = 1 ]
}
gone() { # PID
	! kill -0 "$1" 2>/dev/null
}
# stops NAME SIGNAL: the last process ends by it, at once
stops() {
	local pid=$! got
	kill -s "$2" $pid
	within 3 gone $pid || kill -9 $pid
	wait $pid 2>/dev/null
	got=$?
	same "$1" $((128 + $(kill -l "$2"))) $got
}

for s in INT TERM; do
	# A group holds all that is there, so that exactly what fits is stored
	mqbus topic create -q full$s -s 4K
	mqbus group create full$s g
	mqbus pub full$s "$tmp/in" 2>"$tmp/err" &
	within 10 blocked full$s
	stops "pub, when a part of it is stored: SIG$s" $s
	mqbus sub full$s -g g -e >"$tmp/out"
	same "tells how much that is" "$(wc -l <"$tmp/out")" "$(sed -n 's/^\([0-9]*\) records .* stored.*/\1/p' "$tmp/err")"
	head -n "$(wc -l <"$tmp/out")" "$tmp/in" | cmp -s - "$tmp/out" && [ -s "$tmp/out" ]
	result "and it is what came first" $?

	mqbus topic create -q raw$s -s 4K
	seq 1000 | mqbus pub raw$s -q -t 10ms 2>/dev/null
	mqbus pub raw$s -q --raw "$tmp/in" "$tmp/in" 2>"$tmp/err" &
	within 10 blocked raw$s
	stops "pub of one record, with another behind it: SIG$s" $s
	same "nothing of it is stored" 0 "$(sed -n 's/^\([0-9]*\) records .* stored.*/\1/p' "$tmp/err")"

	mqbus topic create -q settled$s
	mqbus group create settled$s never
	mqbus pub settled$s -q --wait-for never -v "$tmp/in" >"$tmp/out" 2>"$tmp/err" &
	within 10 grep -qx 'stored 200' "$tmp/out"
	stops "pub --wait-for, when all is stored: SIG$s" $s
done
mqbus topic create -q idle
mqbus sub idle -g g >"$tmp/out" 2>&1 &
within 10 has_member idle g
stops "sub" TERM
mqbus sub idle -g q -t queue >"$tmp/out" 2>&1 &
within 10 has_member idle q
stops "sub -t queue" TERM
nohup mqbus sub idle -g q -t queue >"$tmp/out" 2>&1 &
within 10 has_member idle q
kill -HUP $!
sleep 0.3
has_member idle q
result "nohup keeps it from SIGHUP" $?
stops "and not from SIGTERM" TERM
mqbus stat -i 30 >"$tmp/out" 2>&1 &
sleep 0.3
stops "stat -i" INT
mqbus lag -w 30 >"$tmp/out" 2>&1 &
sleep 0.3
stops "lag" INT

holds() { [ "$(figures "$1" workers leased)" = 1 ]; } # QUEUE
# restarts NAME SIGNAL COMMAND...: a consumer of queue NAME, again and again
restarts() {
	local queue=$1 signal=$2 i
	mqbus queue "$queue" -q --limit 3
	echo job | mqbus pub "$queue" -q
	for i in 1 2 3 4; do
		"${@:3}" >/dev/null 2>&1 &
		within 10 holds "$queue" || break
		kill -s "$signal" $!
		wait $! 2>/dev/null
	done
	same "$queue, ended by SIG$signal four times: died, nacked, dead letters" "0 0 0" \
		"$(figures "$queue" workers died nacked dead_lettered)"
	same "and the next one gets it as a first attempt" 1 \
		"$(mqbus sub "$queue" -g workers -t queue -e -f '%a')"
}
for s in INT TERM HUP; do
	restarts sub-$s $s mqbus sub sub-$s -g workers -t queue --ack on-exit -q
done
for s in TERM HUP; do
	restarts run-$s $s mqbus run -t run-$s -g workers --grace 0 -- sleep 100
done
finish

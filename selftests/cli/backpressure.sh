#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Many lines through a small topic that blocks, to a consumer that is slow, stops
# now and then, and is replaced: everything arrives once and in order.
. "$(dirname "$0")/ktap.bash"

lines=${LINES_COUNT:-1000000}
mqbus topic create -q t --size 1M
seq "$lines" | mqbus pub t -b 1024 2>"$tmp/summary" &
pub=$!

# Nobody reads: the producer fills the topic and waits
full() {
	local before after
	before=$(mqbus topic show t | awk '$1 == "records"')
	sleep 0.3
	after=$(mqbus topic show t | awk '$1 == "records"')
	[ "$before" = "$after" ] && [[ $before != *" 0 kept"* ]]
}
within 30 full
result "the producer waits while nobody reads" $?
kill -0 $pub
result "and has not ended" $?
within 30 grep -q waits: "$tmp/summary"

# A consumer that stops for a while, several times
{
	mqbus sub t -g g -c $((lines / 2)) &
	sub=$!
	for _ in 1 2 3 4 5; do
		sleep 0.2
		kill -STOP $sub 2>/dev/null
		sleep 0.3
		kill -CONT $sub 2>/dev/null
	done
	wait $sub
	# its successor goes on behind what it committed
	mqbus sub t -g g -c $((lines - lines / 2))
} | cmp - <(seq "$lines")
result "$lines lines arrive, all, once and in order" $?
wait $pub
same "the producer ends" 0 $?
[[ $(tail -n 1 "$tmp/summary") == "$lines records"* ]]
result "and has stored all" $?
same "it told once what it waits for" \
	"mqbus: topic 't': waits: the topic is full: it has no group that reads it: mqbus group create t GROUP" \
	"$(grep waits: "$tmp/summary")"
same "nothing is left to read" 0 "$(group_sum t g LAG)"
same "nothing was lost" 0 "$(group_sum t g LOST)"
finish

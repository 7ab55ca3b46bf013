#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What mqbus costs, in instructions and in bytes. Run in a guest whose
# nanoseconds count instructions (ICOUNT=1): the figures are then the same on
# every machine, and are bounds that may be asserted.
. "$(dirname "$0")/../cli/ktap.bash"

# cost NAME LIMIT ARGUMENT...: instructions for each message of mqbus bench
cost() {
	local name=$1 limit=$2
	shift 2
	run mqbus bench "$@" --size 64 --json
	[ "$status" = 0 ] || { note "$err"; result "$name" 1; return; }
	figure=$(json "$tmp/out" 'round(j["ns_per_msg"])')
	note "$name: $figure instructions a message, limit $limit"
	[ "$figure" -le "$limit" ]
	result "$name" $?
}

cost "1 to 1, batches of 64" 600 pair --msgs 100000 --batch 64
alone=$figure
cost "1 to 4, batches of 64" 1500 fanout --consumers 4 --msgs 50000 --batch 64
# What posix-mq takes when each message wakes its reader
cost "1 to 1, one at a time, blocking" 6300 pair --msgs 20000 --batch 1
# For comparison, nothing is asked of them
for peer in posix-mq pipe; do
	run mqbus bench pair --size 64 --msgs 20000 --batch 1 --against $peer --json
	note "$peer, 1 to 1: $(json "$tmp/out" 'round(j["ns_per_msg"])')"
	run mqbus bench fanout --consumers 4 --size 64 --msgs 5000 --batch 1 --against $peer --json
	note "$peer, 1 to 4: $(json "$tmp/out" 'round(j["ns_per_msg"])')"
done

free_kb() { awk '$1 == "MemFree:" { print $2 }' /proc/meminfo; }

# Caches that fill up anyway should be full before it is measured
topics() { for ((i = $1; i < $2; i++)); do mqbus topic create "t$i" --size 16K >/dev/null || return; done; }
topics 0 100
before=$(free_kb)
topics 100 1000
result "1000 topics" $?
bytes=$(((before - $(free_kb)) * 1024 / 900))
note "a topic with a ring of 16 KiB: $bytes bytes of memory"
[ "$bytes" -le $(((16 + 4 + 2) * 1024)) ]
result "an idle topic takes its ring, a page of the ring, and less than 2 KiB" $?

cost "1 to 1 beside 1000 topics: not 2 % more than alone" $((alone * 102 / 100)) \
	pair --msgs 100000 --batch 64
finish

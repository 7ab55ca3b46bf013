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

cost "1 to 1, batches of 64" 485 pair --msgs 100000 --batch 64
alone=$figure
cost "1 to 4, batches of 64" 980 fanout --consumers 4 --msgs 50000 --batch 64
# posix-mq takes as much when each message wakes its reader
cost "1 to 1, one at a time, blocking" 6500 pair --msgs 20000 --batch 1
# From publish to settled ack
cost "queue, 4 workers, batches of 64" 1175 queue --workers 4 --msgs 100000 --batch 64
cost "queue, a settlement for each" 1310 queue --workers 4 --msgs 100000 --batch 64 --ack each
# The same, and each is published to another topic, which evicts its oldest
cost "queue, in transactions" 1925 queue --workers 4 --msgs 50000 --batch 64 --ack transact
# For comparison, without a limit
for peer in posix-mq pipe; do
	run mqbus bench pair --size 64 --msgs 20000 --batch 1 --against $peer --json
	note "$peer, 1 to 1: $(json "$tmp/out" 'round(j["ns_per_msg"])')"
	run mqbus bench fanout --consumers 4 --size 64 --msgs 5000 --batch 1 --against $peer --json
	note "$peer, 1 to 4: $(json "$tmp/out" 'round(j["ns_per_msg"])')"
done

# settle COUNT: instructions to settle a message at random while COUNT are in flight
settle() {
	run mqbus bench queue --inflight "$1" --msgs 100000 --batch 10 --size 64 --json
	[ "$status" = 0 ] || note "$err"
	json "$tmp/out" 'round(j["settle_ns_per_msg"])'
}
few=$(settle 10)
many=$(settle 10000)
note "settling at random: $few instructions a message with 10 in flight, $many with 10000"
[ "$many" -le $((few * 3 / 2)) ]
result "settling among 10000 in flight: not half as much again as among 10" $?

# crowd COUNT: instructions of a call that publishes a record, beside so many sleeping members
crowd() {
	MQ_CROWD=$1 "$(dirname "$0")/../../build/kselftest/publish_cost_test" 2>&1 |
		sed -n 's/.*crowd of .*: \([0-9]*\) ns a publish.*/\1/p'
}
one=$(crowd 1)
many=$(crowd 1000)
note "a record that wakes its reader: $one instructions if that is alone, $many beside 999 others"
[ "${one:-0}" -gt 0 ] && [ "${many:-0}" -gt 0 ] && [ "$many" -le $((one * 6 / 5)) ]
result "publishing beside 1000 members that sleep: not a fifth more than beside one" $?
# Limits are for the call alone: whether a woken reader runs at once, as above, depends on the
# scheduler, and differs by a fifth with the place of its ticks
[ "${one:-0}" -gt 0 ] && [ "${one:-0}" -le 3790 ]
result "publishing a record that wakes its reader: 3790 instructions at most" $?

# charged COUNT: bytes of a queue group that may have COUNT records in flight
charged() {
	local before
	before=$(mqbus info -j | awk -F '[:,]' '/"used_bytes"/ { print $2 + 0 }')
	mqbus group create inflight "g$1" -t queue --max-inflight "$1" || return
	echo $(($(mqbus info -j | awk -F '[:,]' '/"used_bytes"/ { print $2 + 0 }') - before))
}
mqbus topic create -q inflight
bytes=$((($(charged 10000) - $(charged 1000)) / 9000))
note "state of a record in flight: $bytes bytes"
[ "$bytes" -gt 0 ] && [ "$bytes" -le 64 ]
result "a record in flight takes 64 bytes at most" $?
mqbus topic delete inflight

free_kb() { awk '$1 == "MemFree:" { print $2 }' /proc/meminfo; }

# Caches that fill up anyway are filled before measuring
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

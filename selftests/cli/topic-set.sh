#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rates, shares, bytes kept, and changing a topic.
. "$(dirname "$0")/ktap.bash"

over="a rate of the topic is used up (topic show; topic set a --rate"
prints "create with limits" \
	"topic 'r': 1 x 1 MiB, block when full, records up to 64 KiB, kept for ever, mode 0600, up to 128 KiB of them, up to 5 records/s in all, up to 1 MiB/s for each user, at most 50% of a ring for each user, reject over that" \
	mqbus topic create r --mode 0600 --retention-size 128K --rate 5/s --user-rate-bytes 1M/s \
	--share 50% --burst 1h --over reject
prints "without limits nothing is said" \
	"topic 'plain': 1 x 1 MiB, block when full, records up to 64 KiB, kept for ever, mode 0600" \
	mqbus topic create plain --mode 0600

mqbus topic create -q a --rate 10 --burst 1s --over reject
fails "over a rate" 1 "line 11 of stdin: rejected: $over" eval 'seq 1000 | mqbus pub a'
[[ $err == *$'\n10 records'* ]]
result "what was within it is stored" $?
prints "set: wait instead" "" mqbus topic set a --over block
fails "over the timeout" 124 "not stored within the timeout: $over" \
	eval 'seq 1000 | mqbus pub a -t 1ms'
prints "set: no limit" "" mqbus topic set a --rate none
prints "so there is none" "" eval 'seq 1000 | mqbus pub a -q -t 0'

mqbus topic create -q s -s 64K --share 25 --over reject
mqbus group create s g
fails "over a share" 1 "rejected: user 0 has its share of the topic (topic set s --share) until its records are settled: group 'g' (no members) holds" \
	eval 'seq 10000 | mqbus pub s'
stored=$(group_sum s g LAG)
[ "$stored" -gt 50 ] && [ "$stored" -lt 400 ]
result "a part of the ring was filled" $?
mqbus sub s -g g -e >/dev/null
prints "what is settled makes room" "" eval 'seq $stored | mqbus pub s -q'
prints "set: no share" "" mqbus topic set s --share none --full reject
fails "so all of it is there" 1 "rejected: the topic is full: group 'g' (no members) holds" eval 'seq 10000 | mqbus pub s'

prints "set: owner and mode" "" mqbus topic set a --mode 0640 --owner 12:13
mqbus topic show a -j >"$tmp/json"
same "are shown" "12 13 0640" "$(json "$tmp/json" '"%d %d %s" % (j["uid"], j["gid"], j["mode"])')"
prints "set: a group alone" "" mqbus topic set a --owner :14 --retention 5s --retention-size 8K
mqbus topic show a -j >"$tmp/json"
same "leaves the owner" "12 14" "$(json "$tmp/json" '"%d %d" % (j["uid"], j["gid"])')"

fails "set: evicting" 1 "--full cannot change to or from evict" mqbus topic set a --full evict
fails "a share of one that evicts" 1 "a topic that evicts takes no --share (--full)" \
	mqbus topic create e --full evict --share 10
fails "set: no topic" 1 "there is no such topic" mqbus topic set nope --rate 1
fails "set: what" 2 "change what?" mqbus topic set a
fails "set: of new ones" 2 "--partitions, --size and --max-record are for new topics" \
	mqbus topic set a -s 1M
fails "set: one name" 2 "topic set takes one NAME" mqbus topic set --rate 1
prints "set: not the owner" "1 mqbus: topic 's': only its owner or root (CAP_DAC_OVERRIDE) may change it" \
	eval 'setpriv --reuid 1 --clear-groups mqbus topic set s --rate 1 2>&1 | sed "s/^/1 /"'
fails "a rate of something" 2 "--rate 'x': expected records a second such as 1000/s, or none" \
	mqbus topic create new --rate x
fails "a rate over the maximum" 2 "--user-rate '1000000000001/s': expected" \
	mqbus topic create new --user-rate 1000000000001/s
fails "bytes of something" 2 "--rate-bytes '1M/m': expected bytes a second such as 1M/s, or none" \
	mqbus topic create new --rate-bytes 1M/m
fails "a share of too much" 2 "--share '101': expected 1% to 100%, or none" \
	mqbus topic create new --share 101
fails "no burst" 2 "--burst '0': expected a time such as 5s, up to 30d" \
	mqbus topic create new --burst 0
fails "over what" 2 "--over 'x': expected block or reject" mqbus topic create new --over x
fails "bytes kept" 2 "--retention-size 'x': expected bytes" \
	mqbus topic create new --retention-size x
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus bench, and the library's example.
. "$(dirname "$0")/ktap.bash"

# bench NAME ARGUMENTS...: runs, verifies, leaves its JSON in $tmp/bench
bench() {
	local name=$1
	shift
	run mqbus bench "$@" -j
	[ "$status" = 0 ] && grep -q '"verified": true' "$tmp/out"
	local bad=$?
	[ $bad = 0 ] || note "status $status: $err"
	result "$name" $bad
}
slow=${MQ_SLOW:-1}
n=$((20000 / slow))
bench "pair" pair -n $n
same "JSON" "pair 64 $n 64 1 True" "$(json "$tmp/out" \
	'" ".join(str(j[k]) for k in ("mode", "size", "msgs", "batch", "consumers", "verified"))')"
same "the figures agree" "(1.0, 1.0)" "$(json "$tmp/out" \
	'(round(j["msgs_per_second"] * j["seconds"] / j["msgs"], 3),
	  round(j["ns_per_msg"] * j["msgs"] / j["seconds"] / 1e9, 3))')"
bench "pair, one record a call" pair -n $((2000 / slow)) -b 1
bench "fanout" fanout -n $((10000 / slow))
bench "fanout to ten" fanout -n $((2000 / slow)) -c 10
for size in 1 7 8 15 24 100 4096 262144; do
	bench "messages of $size bytes" pair -n $((300 / slow)) -s $size
done
bench "a ring of 4 KiB" pair -n $((5000 / slow)) -r 4K -b 4096
bench "queue" queue -n $((20000 / slow))
same "JSON of a queue" "queue 64 $((20000 / slow)) 64 4 True" "$(json "$tmp/out" \
	'" ".join(str(j[k]) for k in ("mode", "size", "msgs", "batch", "workers", "verified"))')"
bench "queue, one settlement for each" queue -n $((20000 / slow)) -w 8 --ack each
bench "queue, in transactions" queue -n $((20000 / slow)) -w 8 --ack transact
bench "queue, one record a call" queue -n $((2000 / slow)) -w 2 -b 1
bench "queue, large messages" queue -n $((300 / slow)) -s 262144
bench "queue, large batches" queue -n $((30000 / slow)) -w 16 -b 4096 --ack each
run mqbus bench queue -n $((5000 / slow)) -w 1
[[ $status = 0 && $out == "queue over mqbus: $((5000 / slow)) messages of 64 bytes, batch 64, 1 worker, verified"* ]]
result "the text of a queue" $?
run mqbus bench queue --inflight 1000 -n 3000 -j
[ "$status" = 0 ] && [ "$(json "$tmp/out" 'j["inflight"] == 1000 and j["settle_ns_per_msg"] > 0')" = True ]
result "settling in random order" $?
for peer in posix-mq pipe; do
	bench "pair against $peer" pair -n $((2000 / slow)) --against $peer
	bench "fanout against $peer" fanout -n $((500 / slow)) -s 1000 --against $peer
done
run mqbus bench pair -n 1000
[[ $status = 0 && $out == *"1 consumer, verified"*" ns/msg "* ]]
result "the text" $?
prints "no topic is left" "[]" mqbus topic list -j

mqbus bench fanout -n 100000000 &
bench=$!
running() {
	mqbus topic list | grep -q ^bench-
}
within 10 running
kill -INT $bench
wait $bench
same "SIGINT ends it" 130 $?
prints "and no topic is left" "[]" mqbus topic list -j
sysctl -qw net.mqbus.max_bytes=100000
fails "a refused topic" 1 "are over the limit of this network namespace" mqbus bench pair
fails "unknown mode" 2 "there is no mode 'trio'" mqbus bench trio
fails "bad peer" 2 "--against 'x': expected posix-mq or pipe" mqbus bench pair --against x
fails "workers of a queue only" 2 "only a queue has workers and acks" mqbus bench pair -w 2
fails "which has no consumers" 2 "a queue has workers (-w)" mqbus bench queue -c 2
fails "and no peers" 2 "nothing else has a queue with acks" mqbus bench queue --against pipe
fails "transactions that are too large" 2 "512 messages at most" \
	mqbus bench queue --ack transact -b 513
fails "bad ack" 2 "--ack 'some': expected all, each or transact" mqbus bench queue --ack some
fails "pair has one consumer" 2 "a pair has one consumer" mqbus bench pair -c 2
sysctl -qw net.mqbus.max_bytes=10000000
prints "the example of the library" "offset 0: Hello, world" \
	"$(dirname "$0")/../../build/examples/hello"
finish

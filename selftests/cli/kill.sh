#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Producers and consumers are killed at random moments. Whatever a producer was
# told is stored is read, in its order; only what was not committed is read twice.
. "$(dirname "$0")/ktap.bash"

kills=${KILL_COUNT:-300}
RANDOM=${KILL_SEED:-$$}
note "KILL_SEED=${KILL_SEED:-$$}"
mqbus topic create -q t -s 256K
run=0

start_producer() {
	run=$((run + 1))
	: >"$tmp/report.$run"
	mqbus pub t -v -b 16 < <(exec seq -f "$run %.0f" 1000000) >"$tmp/report.$run" 2>/dev/null &
	producer=$!
}

start_consumer() {
	# A killed writer may leave half a line; its record is read again
	echo >>"$tmp/read"
	mqbus sub t -g g >>"$tmp/read" &
	consumer=$!
}

# A pipe that never says anything: a sleep without a process
exec 3<> <(:)

start_producer
start_consumer
for _ in $(seq "$kills"); do
	read -rt 0.0$((RANDOM % 90 + 10)) <&3
	if [ $((RANDOM % 2)) = 0 ]; then
		kill -9 $producer
		wait $producer
		start_producer
	else
		kill -9 $consumer
		wait $consumer
		start_consumer
	fi
done 2>/dev/null
{
	kill -9 $producer $consumer
	wait
} 2>/dev/null
echo >>"$tmp/read"
succeeds "a last reader gets to the end" mqbus sub t -g g -e
cat "$tmp/out" >>"$tmp/read"
same "nothing is left" 0 "$(group_sum t g LAG)"

# The first time that each record is seen, its number follows that of the record
# before it from the same producer: so none is missing and the order is kept
awk 'NF == 2 {
		if ($2 == last[$1] + 1)
			last[$1] = $2
		else if ($2 > last[$1]) {
			if (!bad++)
				print "# producer " $1 ": " $2 " after " last[$1]
		} else
			again++
		lines++
	}
	END {
		for (p in last)
			print p, last[p] >out
		print "# " lines " lines, " again + 0 " of them read again"
		exit !!bad
	}' out="$tmp/last" "$tmp/read"
result "each producer's records are read without gap, in order" $?
for p in $(seq $run); do
	stored=$(tail -1 "$tmp/report.$p")
	echo "$p ${stored#stored }"
done >"$tmp/stored"
awk 'NR == FNR { last[$1] = $2; next }
	{ told += $2; if ($2 + 0 > last[$1] + 0) { bad = 1; print "# producer " $1 " was told " $2 ", read " last[$1] } }
	END { print "# " told " records told as stored"; exit bad || !told }' "$tmp/last" "$tmp/stored"
result "all that was told as stored is read, after $kills kills" $?
same "no producer is left" 0 "$(mqbus topic show t | awk '$1 == "producers" { print $2 }')"
succeeds "the topic is deleted" mqbus topic delete t
same "and all memory given back" 0 "$(mqbus info -j | awk -F '[:,]' '/"used_bytes"/ { print $2 + 0 }')"
finish

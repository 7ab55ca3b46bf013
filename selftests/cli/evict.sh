#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A topic that evicts: a group is told exactly how many records it lost, also of
# those that go while it reads them in place.
. "$(dirname "$0")/ktap.bash"

# lost_in FILE: the sum that sub told in the end
lost_in() {
	awk '/ records lost in all$/ { for (i = 1; i <= NF; i++) if ($i == "records") n = $(i - 1) }
		END { print n + 0 }' "$1"
}

mqbus topic create -q idle -f evict -s 4K
mqbus group create idle g
seq 1000 | mqbus pub idle -q
mqbus sub idle -g g -e >"$tmp/read" 2>"$tmp/notes"
same "before the first read: read + lost = published" 1000 \
	$(($(wc -l <"$tmp/read") + $(lost_in "$tmp/notes")))
same "what is left are the last ones" "$(seq 1000 | tail -n "$(wc -l <"$tmp/read")" | cksum)" \
	"$(cksum <"$tmp/read")"
same "group show tells the same" "$(lost_in "$tmp/notes")" "$(group_sum idle g LOST)"
seq 3 | mqbus pub idle -q
prints "a reader that keeps up loses nothing" $'1\n2\n3' mqbus sub idle -g g -e
printf '1\n' | mqbus pub idle -q
run mqbus sub idle -g other -e -q
same "-q tells nothing" "" "$err"

# Values so long that the output fills its pipe and waits in the middle of a range
records=${EVICT_COUNT:-20000}
mqbus topic create -q busy -f evict -s 1M
mqbus group create busy g
mkfifo "$tmp/fifo"
mqbus sub busy -g g -f '%o %s\n' >"$tmp/fifo" 2>"$tmp/notes" &
sub=$!
while n=$(head -c 300000 | tee -a "$tmp/busy" | wc -c); [ "$n" -gt 0 ]; do
	sleep 0.1
done <"$tmp/fifo" &
reader=$!
seq -f %0999.0f "$records" | mqbus pub busy -q -b 16
all_read() {
	[ "$(group_sum busy g LAG)" = 0 ]
}
within 60 all_read
result "a slow reader comes to the end" $?
kill -INT $sub
wait $sub $reader
read=$(wc -l <"$tmp/busy")
lost=$(lost_in "$tmp/notes")
seen=$(group_sum busy g LOST)
note "published $records, read $read, lost $lost: $seen before the fetch, $((lost - seen)) after"
same "while reading: read + lost = published" "$records" $((read + lost))
[ "$read" -gt 0 ] && [ "$seen" -gt 0 ] && [ $((lost - seen)) -gt 0 ]
result "and records went both before and after they were fetched" $?
awk 'length($2) != 999 || $2 + 0 != $1 + 1 || $1 + 0 < next_offset { bad = 1; exit }
	{ next_offset = $1 + 1 }
	END { exit bad }' "$tmp/busy"
result "what was read is whole and in order" $?
finish

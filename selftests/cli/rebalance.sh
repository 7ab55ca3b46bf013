#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Members of a stream group that share its partitions: they come and go, are slow, and are
# fenced; and groups that are paused, moved, and changed.
. "$(dirname "$0")/ktap.bash"

mqbus topic create -q t -n 4 -s 256K
mqbus group create t g --rebalance-timeout never

# member_count N: so many members read t as g
member_count() {
	mqbus group show t g | grep -q "^members  *$1$"
}

# One file for all: a partition is written by its next owner only after its last one
# has committed, and before that written
start() {
	mqbus sub t -g g -q >>"$tmp/read" &
	members+=($!)
}

# ---- coming and going ----

lines=$((4000 / ${MQ_SLOW:-1}))
members=()
start
within 30 member_count 1
for key in 1 2 3 4 5 6; do
	seq -f "$key=$key %.0f" $lines | mqbus pub t -q -K = -b 8 &
done
for count in 2 3 4; do
	start
	within 30 member_count $count
done
for i in 0 2; do
	kill -INT "${members[i]}"
	wait "${members[i]}"
done
within 30 member_count 2
start
within 30 member_count 3
within 60 eval '[ "$(group_sum t g LAG)" = 0 ] && [ "$(wc -l <"$tmp/read")" -ge '$((6 * lines))' ]'
result "all is read while members come and go" $?
kill -INT "${members[1]}" "${members[3]}" "${members[4]}"
wait
awk -v each=$lines '
	$2 > last[$1] + 1 { if (!bad++) print "# key " $1 ": " $2 " after " last[$1] }
	$2 > last[$1] { last[$1] = $2 }
	END { for (k = 1; k <= 6; k++) bad += last[k] != each; exit !!bad }' "$tmp/read"
result "each key in its order, without a gap" $?

# ---- a member that does not get rid of what it read ----

# stuck NAME ARGUMENT...: a member whose stdout is not read: $stuck; fd 5 reads it
stuck() {
	rm -f "$tmp/fifo"
	mkfifo "$tmp/fifo"
	mqbus sub "$@" >"$tmp/fifo" 2>"$tmp/stuck.err" &
	stuck=$!
	exec 5<"$tmp/fifo"
}

mqbus topic create -q slow -n 2 -s 4M
mqbus group create slow g --rebalance-timeout never
value=$(printf %01000d 0)
for p in 0 1; do
	seq -f "$p %.0f $value" 1500 | mqbus pub slow -q -p $p
done
stuck slow -g g
within 30 eval '[ "$(group_sum slow g FETCHED)" = 3000 ]'
mqbus sub slow -g g >"$tmp/other" 2>/dev/null &
other=$!
within 30 eval 'mqbus group members slow g | grep -q " $other "'
sleep 0.2
same "as long as it is stuck nothing moves" 0 "$(wc -l <"$tmp/other")"
# More than it writes at a time, and than the pipe holds
head -c 400000 <&5 >"$tmp/first"
within 60 eval '[ "$(cut -d" " -f1 "$tmp/other" | sort -u | wc -l)" = 1 ] && [ "$(wc -l <"$tmp/other")" -ge 1000 ]'
result "in the middle of it, it lets go of what is wanted" $?
moved=$(head -1 "$tmp/other" | cut -d' ' -f1)
# What it had not read
exec 6<"$tmp/fifo"
cat <&5 >>"$tmp/first" &
cat=$!
exec 5<&- 6<&-
within 60 eval '[ "$(group_sum slow g LAG)" = 0 ]'
kill -INT $stuck $other
wait $stuck $other $cat
same "and nobody read twice what the other had committed" "1500 1500" \
	"$(cat "$tmp/first" "$tmp/other" | awk '{ n[$1]++ } END { print n[0], n[1] }')"
[ -n "$moved" ] && awk -v p="$moved" '$1 == p { n++; if ($2 != n) bad = 1 } END { exit bad }' \
	"$tmp/first" "$tmp/other"
result "in order across the two" $?
same "without a word" "" "$(cat "$tmp/stuck.err")"

mqbus topic create -q fence -n 2 -s 1M
mqbus group create fence g --rebalance-timeout 300ms
for p in 0 1; do
	seq -f "$p %.0f $value" 200 | mqbus pub fence -q -p $p
done
stuck fence -g g
within 30 eval '[ "$(group_sum fence g FETCHED)" = 400 ]'
mqbus sub fence -g g >"$tmp/other" 2>/dev/null &
other=$!
within 60 eval '[ "$(wc -l <"$tmp/other")" = 400 ]'
result "one that does not let go in time is fenced: the other reads all" $?
cat <&5 >"$tmp/first" &
cat=$!
exec 5<&-
within 60 eval 'grep -q "fenced: revoked partitions were not released in time" "$tmp/stuck.err"'
result "it says so" $?
within 60 eval 'mqbus group members fence g | grep -q " active .* $stuck "' ||
	mqbus group members fence g | sed 's/^/# /'
seq -f "more %.0f" 10 | mqbus pub fence -q -p 0
seq -f "more %.0f" 10 | mqbus pub fence -q -p 1
within 60 eval '[ "$(cat "$tmp/first" "$tmp/other" | grep -c more)" = 20 ] && grep -q more "$tmp/first"'
result "and goes on with what it is given" $?
kill -INT $stuck $other
wait

# ---- an id ----

mqbus topic create -q id -n 2
mqbus group create id g --grace 1h
mqbus sub id -g g --member a 2>"$tmp/a.err" >"$tmp/a" &
a=$!
within 30 has_member id g
same "--member: the group shows it" a "$(mqbus group members id g | awk 'NR > 1 { print $1 }')"
echo 1 | mqbus pub id -q
within 30 grep -q 1 "$tmp/a"
timeout 20 mqbus sub id -g g --member a -t 300ms >"$tmp/a2" 2>/dev/null
same "the same id again: the new one waits for records" 124 $?
wait $a
same "and fences the old one" 1 $?
[[ $(cat "$tmp/a.err") == *"fenced: another member has joined with this id (--member)"* ]]
result "which says so" $?
fails "--member of a queue" 2 "--member is for stream groups" \
	mqbus sub id -g q -t queue --member a
fails "--member: what" 2 "--member '': expected an id" mqbus sub id -g g --member ''
fails "--member: a bad one" 1 "a name has only letters" mqbus sub id -g g --member 'a b'

# ---- pause ----

mqbus topic create -q p
mqbus group create p g
seq 5 | mqbus pub p -q
prints "pause" "" mqbus group pause p g
fails "nothing is handed out" 124 "no record came" mqbus sub p -g g -t 100ms
same "it is not lost" 5 "$(group_sum p g LAG)"
paused="is paused and hands out nothing (mqbus group resume p"
fails "sub -e says that there may be more" 0 "topic 'p' group 'g': $paused g)" mqbus sub p -g g -e
same "which is all that it prints" " 1" "$out $(wc -l <<<"$err")"
run mqbus sub p -g g -e -q
same "unless it is told to be quiet" "0 " "$status $err"
mqbus sub p -g g -c 5 >"$tmp/read" 2>"$tmp/err1" &
within 30 has_member p g
within 30 grep -qF "$paused g)" "$tmp/err1"
result "who would wait for ever is told at once" $?
prints "resume" "" mqbus group resume p g
wait $!
same "who waits gets it" "1 2 3 4 5" "$(xargs <"$tmp/read")"
mqbus group create p q -t queue
mqbus group pause p q
prints "a queue group" "" mqbus sub p -g q -t queue -e -q
fails "says so" 0 "group 'q': $paused q)" mqbus sub p -g q -t queue -e
fails "settled by hand" 0 "group 'q': $paused q)" mqbus sub p -g q -t queue -e --ack manual
mqbus group resume p q
same "too" 5 "$(mqbus sub p -g q -t queue -e | wc -l)"
fails "pause: no group" 1 "has no such group" mqbus group pause p nope
fails "pause: no topic" 1 "there is no such topic" mqbus group pause nope g
fails "pause needs two names" 2 "group pause takes a TOPIC and a GROUP" mqbus group pause p
succeeds "pause --help" mqbus group pause --help

# ---- seek ----

seek() {
	mqbus group seek "$@" | awk 'NR > 1 { print $2 ">" $3 }' | xargs
}
same "seek -N: back from what is committed" "5>2" "$(seek p g -o -3)"
same "which moved nothing" "5>5" "$(seek p g -o +0)"
same "not further than what is kept" "5>0" "$(seek p g -o -100)"
same "nor than the end" "5>5" "$(seek p g -o +100)"
same "--execute" "5>2" "$(seek p g -o -3 --execute)"
same "+N" "2>3" "$(seek p g -o +1 --execute)"
same "moved it" "4 5" "$(mqbus sub p -g g -e | xargs)"
mqbus sub p -g g >"$tmp/read" 2>"$tmp/sub.err" &
sub=$!
within 30 has_member p g
fails "not while it has members" 1 "--force moves it and gives these up" \
	mqbus group seek p g -o earliest --execute
same "but by force" "5>1" "$(seek p g -o -4 --execute --force)"
within 30 eval '[ "$(xargs <"$tmp/read")" = "2 3 4 5" ]'
result "its member reads from there" $?
kill -INT $sub
wait $sub
fails "seek: a bad shift" 2 "--offset '+x': expected earliest, latest, an offset" \
	mqbus group seek p g -o +x
fails "create takes no shift" 2 "--offset '-3': expected" mqbus group create p new -o -3
fails "nor does sub" 2 "--offset '+3': expected" mqbus sub p -g new -o +3

# ---- options ----

prints "set" "" mqbus group set p g --rebalance-timeout 9s --grace 2s
same "is shown" "9 s 2 s" \
	"$(mqbus group show p g | awk '/^(rebalance|grace)/ { print $2, $3 }' | xargs)"
prints "set -t stream" "" mqbus group set p g -t stream --grace 0
fails "set: of a queue" 1 "is a queue group, which has other options" \
	mqbus group set p q --grace 1s
fails "set: of a stream" 1 "is a stream group, which has other options (--rebalance-timeout" \
	mqbus group set p g --limit none
fails "set: of both" 2 "for two types of groups" mqbus group set p g --grace 1s --limit none
fails "set: not of that type" 2 "for two types of groups" mqbus group set p g -t queue --grace 1s
fails "set: what" 2 "change what?" mqbus group set p g
fails "create: of a queue" 2 "--rebalance-timeout and --grace are for -t stream" \
	mqbus group create p new -t queue --grace 1s
fails "a timeout of nothing" 2 "--rebalance-timeout '0': expected a time such as 30s, up to 30d, or never" \
	mqbus group set p g --rebalance-timeout 0
fails "a long grace" 2 "--grace '31d': expected a time such as 10s, up to 30d" \
	mqbus group set p g --grace 31d
finish

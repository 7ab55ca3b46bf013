#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus pub under a name, and waiting for groups.
. "$(dirname "$0")/ktap.bash"

mqbus topic create -q t -n 2
seq 20 >"$tmp/20"
seq 30 >"$tmp/30"
succeeds "under a name" mqbus pub t --name loader "$tmp/20"
succeeds "the same again" mqbus pub t --name loader "$tmp/20"
[[ $err == *"topic 't': 20 records skipped: stored before under the name 'loader'"* &&
	$err == *$'\n0 records'* ]]
result "is skipped, and told" $?
succeeds "a longer file" mqbus pub t --name loader "$tmp/30"
[[ $err == *"20 records skipped"* && $err == *$'\n10 records (20 bytes) stored in '* ]]
result "only what is missing is stored" $?
same "so all is there once" "$(seq 30 | xargs)" "$(mqbus sub t -g g -e | sort -n | xargs)"
fails "a gap" 1 "number 32 leaves a gap: the last one stored under the name 'loader' is 30 (--seq-from next)" \
	mqbus pub t --name loader --seq-from 32 "$tmp/20"
prints "--seq-from" "" mqbus pub t -q --name loader --seq-from 31 <(seq 31 35)
prints "--seq-from next" "" mqbus pub t -q --name loader --seq-from next <(seq 36 40)
prints "another name begins anew" "" mqbus pub t -q --name other <(seq 41 45)
same "all of them are stored" "$(seq 31 45 | xargs)" "$(mqbus sub t -g g -e | sort -n | xargs)"
prints "each file of --raw is a record" "" mqbus pub t -q --name raw --raw "$tmp/20" "$tmp/30"
succeeds "and is skipped" mqbus pub t --name raw --raw "$tmp/20" "$tmp/30" "$tmp/20"
[[ $err == *"2 records skipped"* && $err == *$'\n1 records'* ]]
result "by its number" $?

mkfifo "$tmp/fifo"
mqbus pub t --name fenced -v <"$tmp/fifo" >"$tmp/report" 2>"$tmp/err1" &
pub=$!
exec 3>"$tmp/fifo"
echo one >&3
within 30 grep -q "stored 1" "$tmp/report"
succeeds "the name is opened again" mqbus pub t --name fenced --seq-from next <(echo two)
echo three >&3
exec 3>&-
wait $pub
same "who had it is fenced" 1 $?
[[ $(cat "$tmp/err1") == *"line 2 of stdin: fenced: another producer has opened the name"* ]]
result "and says so" $?

# Killed at any moment and started again: nothing is lost or repeated
mqbus topic create -q k -s 4M
n=$((20000 / ${MQ_SLOW:-1}))
seq $n >"$tmp/many"
RANDOM=${KILL_SEED:-$$}
note "KILL_SEED=${KILL_SEED:-$$}"
for _ in $(seq 20); do
	mqbus pub k -q --name killed -b 16 "$tmp/many" &
	sleep 0.0$((RANDOM % 90 + 10))
	kill -9 $!
	wait $!
done 2>/dev/null
succeeds "the last run ends" mqbus pub k --name killed "$tmp/many"
mqbus sub k -g g -e | cmp - "$tmp/many"
result "all is stored once, in order" $?

fails "--seq-from without a name" 2 "--seq-from is for a producer with a --name" \
	mqbus pub t --seq-from 1
fails "--seq-from 0" 2 "--seq-from '0': expected a number from 1, or next" \
	mqbus pub t --name x --seq-from 0
fails "an empty name" 2 "--name '': expected a name" mqbus pub t --name ''
fails "a bad name" 1 "a name has only letters" mqbus pub t --name 'a b'

# ---- waiting ----

mqbus topic create -q w
mqbus group create w s
mqbus group create w q -t queue
fails "no such group" 1 "topic 'w' group 'nope': the topic has no such group" \
	mqbus pub w --wait-for nope "$tmp/20"
same "is told before anything is published" 0 "$(group_sum w s LAG)"
fails "nobody reads" 124 "topic 'w' group 's': has not settled all published records within the timeout (group show; --timeout)" \
	mqbus pub w --wait-for s -t 100ms "$tmp/20"
[[ $err == *"20 records"* ]]
result "what was stored is told" $?
fails "without waiting" 1 "group 's': has not settled all published records" \
	mqbus pub w --wait-for s -t 0 "$tmp/20"
mqbus pub w -q --wait-for s --wait-for q "$tmp/20" &
pub=$!
within 30 eval '[ "$(group_sum w s LAG)" = 60 ]'
mqbus sub w -g s -e >/dev/null
kill -0 $pub
result "it waits for all groups" $?
mqbus sub w -g q -t queue -e >/dev/null
wait $pub
same "until they have settled all" 0 $?
prints "nothing published is nothing to wait for" "" mqbus pub w -q --wait-for s -t 0 /dev/null
mqbus pub w -q --name w "$tmp/20"
fails "what was skipped is waited for" 124 "has not settled all" \
	mqbus pub w --name w --wait-for s -t 100ms "$tmp/20"
# What is there to wait for is fixed once, for all groups, whatever comes later
mqbus topic create -q v
mqbus group create v s
mqbus group create v q -t queue
mqbus pub v -q --name v "$tmp/20"
mqbus pub v -q --name v --wait-for s --wait-for q "$tmp/20" 2>/dev/null &
pub=$!
sleep 0.5
seq 5 | mqbus pub v -q
# The wait begins again
kill -STOP $pub
kill -CONT $pub
mqbus sub v -g s -c 20 >/dev/null
mqbus sub v -g q -t queue -c 20 >/dev/null
within 10 eval '! kill -0 $pub 2>/dev/null'
result "records that came later are not waited for" $?
kill $pub 2>/dev/null
mqbus pub w -q --wait-for s "$tmp/20" 2>"$tmp/err1" &
pub=$!
sleep 0.2
kill -INT $pub
wait $pub
same "a signal ends it" 130 $?
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus run --to: what commands print and the acks of their records are one.
. "$(dirname "$0")/ktap.bash"

cd "$tmp" || exit 1

# in_and_out NAME [OPTION]...: topics NAME with a queue group "w" and NAME.out with a group "g"
in_and_out() {
	mqbus topic create -q "$1" &&
		mqbus group create "$1" w -t queue --backoff 1ms:1ms "${@:2}" &&
		mqbus topic create -q "$1.out" -n 4 &&
		mqbus group create "$1.out" g
}
# to NAME ARGUMENT...: run from the one into the other
to() { mqbus run -t "$1" -g w --to "$1.out" "${@:2}"; }
# got NAME [FORMAT]: what has come out
got() { mqbus sub "$1.out" -g g -e -f "${2-%s\\n}"; }

# ---- what becomes of what it prints ----

in_and_out t
printf 'a=1\nb=2\na=3\n4\n' | mqbus pub -q t -K =
succeeds "a line" to t -c 4 -- sed 's/$/!/'
[ -z "$out" ]
result "goes nowhere else" $?
same "each is a record with the key of its own" "/4! a/1! a/3! b/2!" "$(got t '%k/%s\n' | sort | xargs)"
same "and is acked" "4 0" "$(figures t w acked inflight)"
echo x | mqbus pub -q t -k k
succeeds "many lines" to t -c 1 -- printf 'one\n\nthree\nlast'
same "are so many records" "k one,k ,k three,k last," "$(got t '%k %s,')"
echo x | mqbus pub -q t
succeeds "nothing" to t -c 1 -- true
same "is none" "" "$(got t)"
echo x | mqbus pub -q t
succeeds "an empty line" to t -c 1 -- echo
same "is one" "0," "$(got t '%S,')"
echo x | mqbus pub -q t
succeeds "--raw" to t -c 1 --raw -- printf 'one\0\ntwo\n'
got t %s | cmp - <(printf 'one\0\ntwo\n')
result "all is one record" $?
echo x | mqbus pub -q t
succeeds "--raw of nothing" to t -c 1 --raw -- true
same "is none, too" "" "$(got t)"
same "all are acked" 9 "$(figures t w acked)"

in_and_out f --limit none
echo x | mqbus pub -q f
cat >fail <<'E'
echo "attempt $MQBUS_ATTEMPT"
[ "$MQBUS_ATTEMPT" = 1 ] && exit 1
[ "$MQBUS_ATTEMPT" = 2 ] && kill -9 $$
exit 0
E
succeeds "a command that fails, dies, and ends well" to f -c 3 -- sh fail
same "only the last is published" "attempt 3" "$(got f)"
same "acked, nacked, died" "1 1 1" "$(figures f w acked nacked died)"

in_and_out many
seq 50 | mqbus pub -q many
succeeds "several at a time" to many -j 4 -c 50 -- sh -c 'v=$(cat); echo $v; echo $v' </dev/null
same "each twice" "50 100" "$(got many | sort -n | uniq -c | awk '{ v++; n += $1 } END { print v, n }')"

# A pipe holds 64 KiB: who does not read it while it waits, waits for ever
in_and_out large
echo x | mqbus pub -q large
succeeds "more than a pipe holds" to large -c 1 -- sh -c 'head -c 200000 /dev/zero | tr "\0" "x" | fold -w 1000'
same "comes out" "200 200000" "$(got large | awk '{ n++; b += length } END { print n, b }')"
echo x | mqbus pub -q large
succeeds "who leaves its stdout open behind it" to large -c 1 -- sh -c 'sleep 100 & echo done; echo $! >sleeper'
same "is not waited for" "done" "$(got large)"
kill "$(cat sleeper)"

# ---- limits ----

in_and_out big --limit none
echo x | mqbus pub -q big
too_much="the command's output is not published, and the record nacked: up to 1023 records of up to 65536 bytes, 327680 bytes together and half a ring of 'big.out' (--to, --raw; topic create --max-record)"
fails "a line too long" 0 "0/0: $too_much" to big -c 1 -- printf %070000d 0
fails "lines too many" 0 "$too_much" to big -c 1 -- seq 1024
fails "bytes too many" 0 "$too_much" timeout 60 mqbus run -t big -g w --to big.out -c 1 -v -- \
	sh -c 'yes | head -c 400000'
fails "without an end" 0 "nacked (signal" timeout 60 mqbus run -t big -g w --to big.out -c 1 -v -- yes
[[ $err == *"printed too much"* ]]
result "it is ended" $?
same "nothing is published, and the record is there" " 1 4" "$(got big) $(figures big w lag nacked | xargs)"
succeeds "as many lines as go" to big -c 1 -- seq 1023
same "go" 1023 "$(got big | wc -l)"

# ---- a topic that is full ----

lease=$((4 * ${MQ_SLOW:-1}))
in_and_out full --lease ${lease}s
mqbus topic delete full.out
mqbus topic create -q full.out -s 4K
mqbus group create full.out g
seq 1000 | mqbus pub -q full.out -t 0 2>/dev/null
echo mine | mqbus pub -q full
to full -c 1 -v -- sh -c 'cat; echo >begun' 2>run.err &
run=$!
within 60 test -e begun
sleep $((lease + 1))
same "a full topic is waited for, and the lease kept" "1 0 0" "$(figures full w leased expired acked)"
kill -0 $run && got full >old
wait $run
same "until there is room" 0 $?
same "then it is there" mine "$(cat old <(got full) | tail -1)"
same "once" "1 1" "$(figures full w acked delivered)"
seq 1000 | mqbus pub -q full.out -t 0 2>/dev/null
rm -f begun
echo later | mqbus pub -q full
mqbus run -t full -g w --to full.out -- sh -c 'cat; echo >begun' 2>run.err &
run=$!
within 60 test -e begun
while kill $run 2>/dev/null; do sleep 0.5; done &
wait $run
same "a second signal ends the wait" 0 $?
same "and releases the record" "0 1" "$(figures full w leased released)"
mqbus topic set full.out --full reject
fails "a full topic that rejects" 0 "topic 'full.out': the topic is full and rejects" \
	to full -c 1 --again 0 -- cat
same "leaves it for later, and it has not failed" "2 0" "$(figures full w released nacked)"

# ---- killed ----

in_and_out kill
n=$((60 / ${MQ_SLOW:-1}))
seq $n | mqbus pub -q kill
for _ in 1 2 3 4 5 6; do
	mqbus run -t kill -g w --to kill.out -j 2 -- cat 2>/dev/null &
	sleep 0.5
	pkill -9 -P $!
	sleep 0.5
	kill -9 $!
	wait $!
done 2>/dev/null
succeeds "after six kills, the rest" to kill -j 2 --idle-exit 1 -- cat
same "all came out once" "$n $n" "$(got kill | sort -n | uniq -c | awk '{ v++; n += $1 } END { print v, n }')"

# ---- what is wrong ----

fails "no such topic" 1 "topic 'nope': there is no such topic" mqbus run -t t -g w --to nope -- cat
fails "--raw alone" 2 "--raw goes with --to" mqbus run -t t -g w --raw -- cat
in_and_out gone
echo x | mqbus pub -q gone
fails "a topic that is deleted meanwhile" 1 "topic 'gone.out': was deleted" \
	to gone -c 1 -- sh -c 'mqbus topic delete gone.out; cat'
same "the record is released" "1 1" "$(figures gone w released lag)"
finish

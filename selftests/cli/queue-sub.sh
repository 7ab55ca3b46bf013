#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Members of queue groups: mqbus sub -t queue.
. "$(dirname "$0")/ktap.bash"
umask 022

mqbus topic create -q t
mqbus group create t stream
mqbus topic create -q ev -f evict
mqbus queue w -q --backoff 0 --limit 2
seq 10 | mqbus pub w -q
same "sub -t queue" "1 2 3" "$(mqbus sub w -g workers -t queue -c 3 | xargs)"
same "offset, attempt" "3/1 4/1" "$(mqbus sub w -g workers -t queue -c 2 -f '%o/%a\n' | xargs)"
same "the rest, with --type" "6 7 8 9 10" "$(mqbus sub w -g workers --type queue -e -b 2 | xargs)"
same "all are acked" "10 10 0 0" "$(figures w workers delivered acked inflight released)"
same "and settled" 10 "$(group_sum w workers SETTLED)"
prints "-e at the end" "" mqbus sub w -g workers -t queue -e
fails "--timeout" 124 "no record came within the timeout" mqbus sub w -g workers -t queue -t 100ms
echo json | mqbus pub w -q -k k
mqbus sub w -g workers -t queue -e -j >"$tmp/json"
same "as JSON" "w 10 1 k json True" "$(json "$tmp/json" \
	'" ".join(str(v) for v in (j["topic"], j["offset"], j["attempt"], j["key"], j["value"], j["lease"] > 0))')"
fails "a stream group is none" 1 "is a stream group" mqbus sub t -g stream -t queue
fails "a queue group is no stream" 1 "is a queue group: its records are leased (sub -t queue)" \
	mqbus sub w -g workers -e
fails "--no-create" 1 "the topic has no such group" mqbus sub t -g new -t queue --no-create
fails "a topic that evicts" 1 "a topic that evicts cannot have queue groups" mqbus sub ev -g g -t queue -e
prints "a group that is not there is made" "" mqbus sub t -g new -t queue -e -q
same "with the usual options" "100000000 20 null" \
	"$(figures t new backoff_min_ns backoff_jitter_percent limit)"
fails "--ack of a stream" 2 "are for -t queue" mqbus sub t -g stream --ack auto
fails "bad --ack" 2 "--ack 'never': expected auto, on-exit or manual" \
	mqbus sub w -g workers -t queue --ack never
fails "bad --lease" 2 "--lease '0': expected" mqbus sub w -g workers -t queue --lease 0
fails "bad --batch" 2 "--batch '5000': expected 1 to 4096" mqbus sub w -g workers -t queue -b 5000

# Members share the records: all of them together, each once
mqbus queue share -q
for _ in 1 2 3 4; do
	mqbus sub share -g workers -t queue -b 7 -t 2s -q >>"$tmp/shared" &
done
seq 4000 | mqbus pub share -q
wait
same "4 members: each record once" "$(seq 4000 | cksum)" "$(sort -n "$tmp/shared" | cksum)"
same "nothing is left" "4000 0 0" "$(figures share workers acked inflight redelivered)"

(sleep 0.5; exec mqbus sub w -g pipe -t queue -e 2>"$tmp/err1") | :
same "a closed stdout ends sub" 1 "${PIPESTATUS[0]}"
[[ $(cat "$tmp/err1") == *"stdout: Broken pipe: the last records are not acked"* ]]
result "and says so" $?
same "what was not written is released" "0 11" "$(figures w pipe acked released)"
same "and comes again, as a first attempt" "1 11" \
	"$(mqbus sub w -g pipe -t queue -e -f '%a\n' | sort | uniq -c | awk '{ print $2, $1 }')"

seq 3 | mqbus pub w -q
same "--ack on-exit" "1 2 3" "$(mqbus sub w -g workers -t queue -e --ack on-exit -b 1 | xargs)"
same "acks when it ends well" "14 0" "$(figures w workers acked released)"
seq 3 | mqbus pub w -q
run mqbus sub w -g workers -t queue --ack on-exit -t 100ms
same "--ack on-exit with a timeout" "124 1 2 3" "$status $(xargs <<<"$out")"
same "releases all" "14 3 0" "$(figures w workers acked released died)"
mqbus sub w -g workers -t queue --ack on-exit >"$tmp/out1" &
sub=$!
within 10 eval '[ "$(wc -l <"$tmp/out1")" = 3 ]'
same "while it runs it holds them" 3 "$(figures w workers leased)"
kill -INT $sub
wait $sub
same "--ack on-exit with SIGINT" 130 $?
same "releases all, too" "14 6 0 0" "$(figures w workers acked released died leased)"
same "they are tried for the first time still" "1 1 1" \
	"$(mqbus sub w -g workers -t queue -e -f '%a\n' | xargs)"

# A reader that does not read: sub waits in the middle of its output
mqbus queue held -q
seq -f %01000.0f 300 | mqbus pub held -q
mkfifo "$tmp/fifo"
mqbus sub held -g workers -t queue -b 200 >"$tmp/fifo" 2>/dev/null &
sub=$!
exec 3<"$tmp/fifo"
within 10 is_figure held workers leased 200
kill -TERM $sub
wait $sub
same "SIGTERM ends sub" 143 $?
exec 3<&-
same "what it had not written is released" "0 200 0 0" \
	"$(figures held workers acked released died leased)"
mqbus sub held -g workers -t queue --ack on-exit >/dev/null &
sub=$!
within 10 is_figure held workers leased 300
kill -9 $sub
wait $sub 2>/dev/null
same "SIGKILL frees what it held, as a failure" "0 300 1" "$(figures held workers leased died deaths)"
same "of which each has its second attempt" "300 2" \
	"$(mqbus sub held -g workers -t queue -e -f '%a\n' | sort | uniq -c | xargs)"

# Where a member has gone too early, that is for the tests to find
trap '' PIPE

# manual OPTION...: a member whose leases this script settles; it writes $tmp/leases
manual() {
	rm -f "$tmp/in"
	mkfifo "$tmp/in"
	mqbus sub w -g workers -t queue --ack manual -f '%s %L %a\n' "$@" \
		<"$tmp/in" >"$tmp/leases" 2>"$tmp/err1" &
	sub=$!
	exec 4>"$tmp/in"
}
# lease VALUE: the number of the last lease of it, once there is one
lease() {
	within 10 grep -q "^$1 " "$tmp/leases"
	awk -v value="$1" '$1 == value { lease = $2 } END { print lease }' "$tmp/leases"
}
told() {
	within 10 grep -qF "$1" "$tmp/err1"
	result "$2" $?
}

printf '%s\n' a b c d e f | mqbus pub w -q
acked=$(figures w workers acked)
manual
for v in a b c d e f; do
	eval "$v=\$(lease $v)"
done
echo "ack ${a:?}" >&4
within 10 is_figure w workers acked $((acked + 1))
result "--ack manual: ack" $?
echo "ack $a" >&4
told "line 2 of stdin: lease $a: was settled before" "twice is an error that says which"
echo "nack ${b:?}" >&4
within 10 grep -q '^b .* 2$' "$tmp/leases"
result "nack: it comes again" $?
echo "nack $b" >&4
told "line 4 of stdin: lease $b: the lease ended, and the record was handed out again" "but not under the old lease"
echo "nack $(lease b) 0" >&4
within 10 is_figure w workers dead_lettered 1
result "after --limit failures it is a dead letter" $?
echo "release ${c:?} 20m" >&4
within 10 is_figure w workers released 7
result "release" $?
echo "reject ${d:?}" >&4
within 10 is_figure w workers dead_lettered 2
result "reject" $?
echo "extend ${e:?} 100ms" >&4
within 10 is_figure w workers expired 1
result "extend: until then" $?
echo "ack $e" >&4
told "lease $e: the lease" "then it is over"
printf 'ack 12345678901234\n' >&4
told "lease 12345678901234: there was never a lease of that number" "a lease that never was"
n=11
for line in "ack" "ack x" "ack $f 1s" "forget $f" "ack $f x y" "nack $f soon" "nack $f -1" "" "reject $f 1"; do
	echo "$line" >&4
	told "line $n of stdin: expected ack ID, nack ID [DELAY]" "no decision: '$line'"
	n=$((n + 1))
done
echo "nack $f 31d" >&4
told "lease $f: a delay is up to 30 days" "a delay out of range"
printf 'ack %s' "$f" >&4
exec 4>&-
wait $sub
same "the end of stdin ends it; errors are its status" 1 $?
same "a last line without newline counts; the rest is released" "$((acked + 2)) 0" \
	"$(figures w workers acked leased)"
mqbus sub w -g workers -t queue -e >/dev/null

acked=$(figures w workers acked)
printf '%s\n' g h i | mqbus pub w -q
manual -c 2
echo "ack $(lease g)" >&4
echo "ack $(lease h)" >&4
wait $sub
same "-c: ends when so many are settled" 0 $?
exec 4>&-
same "and leases no more" "2 g h" "$(wc -l <"$tmp/leases") $(awk '{ print $1 }' "$tmp/leases" | xargs)"
manual -e
echo "ack $(lease i)" >&4
wait $sub
same "-e: ends when there is no more" "0 $((acked + 3))" "$? $(figures w workers acked)"
exec 4>&-
printf '%s\n' j k l | mqbus pub w -q
manual -b 1
lease j >/dev/null
same "-b: holds no more at a time" 1 "$(figures w workers leased)"
echo "ack $(lease j)" >&4
lease k >/dev/null
kill -INT $sub
wait $sub
same "SIGINT ends it" 130 $?
exec 4>&-
same "what it held is released" "0 0" "$(figures w workers leased died)"
manual -t 200ms
wait $sub
same "--timeout: when no record came" "124 k l" "$? $(awk '{ print $1 }' "$tmp/leases" | xargs)"
exec 4>&-
mqbus sub w -g workers -t queue -e >/dev/null
prints "stdin at its end" "" mqbus sub w -g workers -t queue --ack manual

printf '%s\n' m n | mqbus pub w -q
manual --lease 100ms
within 10 grep -q '^m .* 2$' "$tmp/leases"
result "--lease: what runs out is leased again" $?
mqbus group delete w workers --force
wait $sub
same "a group that is deleted ends it" 1 $?
exec 4>&-
told "was deleted" "and says so"

mqbus group create t once -t queue --at-most-once -o latest
echo one | mqbus pub t -q
exec 4<>"$tmp/in"
same "--at-most-once: a nack is the end of it" 0 \
	"$(mqbus sub t -g once -t queue --ack manual -f 'nack %L\n' -e <&4 >&4; echo $?)"
same "which is counted" "1 1 0" "$(figures t once delivered discarded inflight)"
mqbus group create t keys -t queue --key-exclusive -o latest
printf '%s\n' a=1 a=2 b=1 | mqbus pub t -q -K =
same "--key-exclusive: one record of a key at a time" "a=1 b=1" \
	"$(mqbus sub t -g keys -t queue --ack on-exit -t 300ms -q -f '%k=%s\n' | xargs)"
same "in order" "a=1 a=2 b=1" "$(mqbus sub t -g keys -t queue -b 1 -e -f '%k=%s\n' | sort | xargs)"
mqbus group create t window -t queue --max-inflight 2
seq 5 | mqbus pub t -q
same "--max-inflight" 2 "$(mqbus sub t -g window -t queue --ack on-exit -t 300ms -q | wc -l)"
mqbus group set t window --credit 1
same "--credit" 1 "$(mqbus sub t -g window -t queue --ack on-exit -t 300ms -q | wc -l)"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus pub and mqbus sub: what goes in comes out.
. "$(dirname "$0")/ktap.bash"

# read_all TOPIC [OPTION]...: what a new group reads to the end
groups=0
read_all() {
	local topic=$1
	shift
	groups=$((groups + 1))
	mqbus sub "$topic" -g "all-$groups-$BASHPID" -e "$@"
}

mqbus topic create -q lines
printf 'one\n\ntwo words\nlast' | mqbus pub lines 2>"$tmp/summary"
same "lines, an empty one, a last one without newline" $'one\n\ntwo words\nlast' \
	"$(read_all lines)"
[[ $(cat "$tmp/summary") == "4 records (16 bytes) stored in "* ]]
result "the summary" $?
prints "a file, stdin as -, -q" "" mqbus pub lines -q /etc/hostname - /etc/hostname
same "were published" 6 "$(read_all lines | wc -l)"
same "the default format of an offset" 0 "$(read_all lines -f '%o\n' | head -1)"

mqbus topic create -q keys -n 4
printf 'k1=v1\nk2=v=2\n=empty key\nno key\n' | mqbus pub keys -q -K =
same "-K splits at the first" \
	$'/0/empty key/9\n/0/no key/6\nk1/2/v1/2\nk2/2/v=2/3' \
	"$(read_all keys -f '%k/%K/%s/%S\n' | LC_ALL=C sort)"
printf 'v\n' | mqbus pub keys -q -k key -r a.b -H n=1 -H 'name=with = and ,' -p 3
same "key, routing key, headers, partition" "3 key a.b n=1,name=with = and , v" \
	"$(read_all keys -f '%p %k %r %h %s\n' | grep a.b)"
same "topic, offset, literals, escapes" $'keys:0%\tA\\' \
	"$(read_all keys -f '%t:%o%%\t\x41\\\n' | head -1)"
before=$(date +%s%3N)
echo now | mqbus pub keys -q -k time
after=$(date +%s%3N)
stamp=$(read_all keys -f '%k %T\n' | awk '$1 == "time" { print $2 }')
[ "$before" -le "$stamp" ] && [ "$stamp" -le "$after" ]
result "%T is the time in ms" $?
fails "unknown letter" 2 "--format '%q'" mqbus sub keys -g g -f 'x%q'
fails "unknown escape" 2 "--format '\\q'" mqbus sub keys -g g -f 'x\q'

mqbus topic create -q raw
head -c 5000 /dev/urandom >"$tmp/random"
mqbus pub raw -q --raw "$tmp/random"
mqbus pub raw -q --raw <"$tmp/random"
printf 'a\0b\n\377c' | mqbus pub raw -q --raw
read_all raw -c 1 -f %s | cmp - "$tmp/random"
result "--raw is binary safe from a file" $?
read_all raw -f %s | cmp - <(cat "$tmp/random" "$tmp/random"; printf 'a\0b\n\377c')
result "and from stdin, and so is %s" $?
mqbus topic create -q json
printf '"\\ \303\244\n' | mqbus pub json -q -H 'h="x"' -k k
printf '\377\0\n' | mqbus pub json -q
read_all json -j >"$tmp/json"
same "JSON lines: UTF-8" '"\ ä k h="x" 0 0' "$(head -1 "$tmp/json" | json /dev/stdin \
	'" ".join(str(v) for v in (j["value"], j["key"], j["headers"][0]["name"] + "=" +
		j["headers"][0]["value"], j["partition"], j["offset"]))')"
same "JSON lines: other bytes are base64" "/wA= True" \
	"$(tail -1 "$tmp/json" | json /dev/stdin 'j["value"] + " " + str(j["value_base64"])')"

mqbus topic create -q count
seq 10 | mqbus pub count -q
same "-c reads as many" "1 2 3" "$(mqbus sub count -g c -c 3 | xargs)"
same "and commits exactly them" "4 5 6" "$(mqbus sub count -g c -c 3 | xargs)"
same "-e reads the rest" "7 8 9 10" "$(mqbus sub count -g c -e | xargs)"
prints "-e at the end" "" mqbus sub count -g c -e
fails "--timeout" 124 "no record came within the timeout" mqbus sub count -g c -t 100ms
prints "--timeout 0" "" mqbus sub count -g c -e -t 0
same "-o latest" "" "$(mqbus sub count -g l -e -o latest)"
same "-o OFFSET" "8 9 10" "$(mqbus sub count -g o -e -o 7 | xargs)"
same "-o @TIME in the past" 10 "$(mqbus sub count -g t1 -e -o @0.5 | wc -l)"
same "-o @TIME in ISO 8601, in the future" 0 \
	"$(mqbus sub count -g t2 -e -o @2100-01-01T00:00:00Z | wc -l)"
run mqbus sub count -g o -e -o 0
[[ $status = 0 && -z $out && $err == *"continues where it was"* ]]
result "-o is for new groups" $?
fails "--no-create" 1 "the topic has no such group" mqbus sub count -g new --no-create
fails "no topic: sub" 1 "there is no such topic" mqbus sub nope -g g
fails "no topic: pub" 1 "there is no such topic" mqbus pub nope
fails "no group" 2 "which group?" mqbus sub count -t queue
fails "bad -o" 2 "--offset 'yesterday': expected" mqbus sub count -g g -o yesterday
fails "-K with -k" 2 "goes with neither" mqbus pub count -K = -k x
fails "bad header" 2 "--header 'x': expected NAME=VALUE" mqbus pub count -H x
fails "bad batch" 2 "--batch '5000'" mqbus pub count -b 5000
fails "no such file" 1 "/nonexistent: No such file" mqbus pub count /nonexistent
fails "no such partition" 1 "there is no partition 9: the topic has 1" \
	mqbus pub count -p 9 /etc/hostname
mqbus topic create -q cpus -n per-cpu -s 64K
fails "per CPU takes no partition" 1 "a per-CPU topic takes no partition" \
	mqbus pub cpus -p 0 /etc/hostname
seq 100 | mqbus pub cpus -q
same "per CPU: all are read" 5050 "$(read_all cpus | awk '{ s += $1 } END { print s }')"

mqbus topic create -q small -m 100
printf '%s\n' ok ok "$(printf %0101d 0)" never >"$tmp/long"
fails "too long a line names its number" 1 \
	"topic 'small': line 3 of $tmp/long: record of 101 bytes is over the maximum of 100 (topic create --max-record)" \
	mqbus pub small "$tmp/long"
[[ $err == *"2 records (4 bytes) stored"* ]]
result "and tells how many were stored" $?
same "which they were" "ok ok" "$(read_all small | xargs)"
fails "the key counts too" 1 "record of 101 bytes" mqbus pub small -k 12345 <(printf %096d 0)
fails "a huge line" 1 "record of more than" mqbus pub small <(head -c 1000000 /dev/zero)
fails "a huge file" 1 "record of more than" mqbus pub small --raw <(head -c 1000000 /dev/zero)
fails "a long key" 1 "key of 1025 bytes is over the maximum of 1024" \
	mqbus pub count -K = <(printf %01025d=x 0)

seq 1000 >"$tmp/1000"
mqbus topic create -q reject -f reject -s 4K
fails "a full topic rejects" 1 "line 57 of $tmp/1000: rejected: the topic is full: it has no group that reads it" \
	mqbus pub reject -b 1 "$tmp/1000"
stored=${err##*$'\n'}
same "what was stored before is told" "$(read_all reject | wc -l)" "${stored%% *}"
mqbus topic create -q block -s 4K
fails "a full topic waits for the timeout" 124 "not stored within the timeout: the topic is full" \
	mqbus pub block -t 100ms <(seq 1000)

mqbus topic create -q slow
mkfifo "$tmp/fifo"
mqbus pub slow -v <"$tmp/fifo" >"$tmp/report" 2>/dev/null &
exec 3>"$tmp/fifo"
echo first >&3
within 10 grep -q "stored 1" "$tmp/report"
result "a slow pipe is not held back" $?
echo second >&3
within 10 grep -q "stored 2" "$tmp/report"
result "--report tells the sum" $?
exec 3>&-
wait

mqbus sub slow -g int >"$tmp/out1" 2>/dev/null &
sub=$!
within 10 grep -q second "$tmp/out1"
kill -INT $sub
wait $sub
same "SIGINT ends sub" 130 $?
same "with all committed" 0 "$(group_sum slow int LAG)"
mqbus pub slow <"$tmp/fifo" >/dev/null 2>"$tmp/err1" &
pub=$!
exec 3>"$tmp/fifo"
echo third >&3
same "an interactive line is there at once" third "$(mqbus sub slow -g int -c 1 -t 10s)"
kill -TERM $pub
wait $pub
same "SIGTERM ends pub" 143 $?
exec 3>&-
[[ $(cat "$tmp/err1") == "1 records"* ]]
result "with a summary" $?

(sleep 0.5; exec mqbus sub count -g pipe 2>"$tmp/err1") | :
same "a closed stdout ends sub" 1 "${PIPESTATUS[0]}"
[[ $(cat "$tmp/err1") == *"stdout: Broken pipe: the last records are not committed"* ]]
result "and says so" $?
same "what was not written is not committed" 10 "$(group_sum count pipe LAG)"

mqbus topic create -q gone
mqbus sub gone -g g 2>"$tmp/err1" &
sub=$!
within 10 has_member gone g
mqbus topic delete gone
wait $sub
same "a reader of a deleted topic ends" 1 $?
[[ $(cat "$tmp/err1") == *"was deleted"* ]]
result "and says why" $?

mqbus topic create -q order -n 4 -s 64K
each=$((5000 / ${MQ_SLOW:-1}))
for p in 1 2 3 4; do
	seq -f "key$p=$p %.0f" $each | mqbus pub order -q -K = &
done
mqbus sub order -g g -c $((4 * each)) |
	awk -v each=$each '$2 != ++last[$1] { bad = 1 }
		END { for (p = 1; p <= 4; p++) if (last[p] != each) bad = 1; exit bad }'
result "4 producers at once: order for each key" $?
wait
finish

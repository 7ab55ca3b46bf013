#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# demo.sh: what 'make demo' shows. Runs inside the virtual machine, as root,
# with the module loaded and mqbus on PATH.
set -euo pipefail

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; mqbus topic delete --all 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

bold=$'\e[1m' plain=$'\e[0m'
[ -t 1 ] || bold='' plain=''
say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
run() { printf '%s$ %s%s\n' "$bold" "$*" "$plain"; "$@"; }
fail() { echo "demo: $*" >&2; exit 1; }
lines() { wc -l <"$1"; }

# wait_for WHAT COMMAND...: poll until the command succeeds
wait_for() {
	local what=$1 i
	shift
	for ((i = 0; i < 600; i++)); do
		"$@" && return
		sleep 0.1
	done
	fail "waited in vain for $what"
}
has_lines() { [ "$(lines "$1")" -ge "$2" ]; }
quiet() { local n; n=$(lines "$1"); sleep 0.5; [ "$(lines "$1")" = "$n" ]; }

# A large file that all Debian machines have
input=/var/lib/dpkg/status
total=$(lines "$input")

say "mqbus $(mqbus --version | grep -o '[0-9.]*$'), kernel $(uname -r): a topic is a log in the kernel, behind /dev/mqbus"
run mqbus topic create packages --size 256K
run mqbus group create packages audit
run mqbus group create packages search

say "One producer writes $input ($total lines), two groups read all of it"
touch audit.1 search
# This consumer passes records on to a slow one, so that it can be killed half way
mkfifo slow
awk '{ print; fflush() } NR % 500 == 0 { system("sleep 0.2") }' <slow >audit.1 &
mqbus sub packages -g audit -f '%o\t%s\n' >slow 2>audit.err &
victim=$!
mqbus sub packages -g search -c "$total" -f '%o\t%s\n' >search &
echo "the topic has room for 256 KiB, so the producer goes as fast as the slower group"
mqbus pub packages "$input" 2>pub.err &
producer=$!

wait_for "the consumer of audit" has_lines audit.1 $((total / 4))
kill -9 $victim
wait $victim 2>/dev/null || true
wait_for "the end of what it wrote" quiet audit.1
say "The consumer of 'audit' was just killed (SIGKILL) after $(lines audit.1) lines"
run mqbus group show packages audit
echo "what it had not committed is still there, and holds the producer back:"
run mqbus topic show packages | grep -E '^(ring|records)'

say "Another consumer takes its place and goes on where the dead one had committed"
mqbus sub packages -g audit -e -c 1 -f '%o\t%s\n' >audit.2
committed=$(tail -n 1 audit.2 | cut -f 1)
echo "first record it gets: offset $committed"
mqbus sub packages -g audit -c $((total - committed - 1)) -f '%o\t%s\n' >>audit.2
wait $producer || fail "the producer failed: $(cat pub.err)"
cat pub.err
wait

say "Both groups have the whole file: same checksum as the input"
# At least once: records that were written and not committed when the consumer died come again,
# with the same offset. The second copy counts: the kill may have cut the last of the first
# ones.
sort -n -s -u -k 1,1 audit.2 audit.1 | cut -f 2- >audit.text
cut -f 2- search >search.text
again=$(($(lines audit.1) + $(lines audit.2) - total))
echo "($again records came to 'audit' a second time after the kill)"
run sha256sum "$input" audit.text search.text
[ "$(sha256sum <"$input")" = "$(sha256sum <audit.text)" ] || fail "audit differs"
[ "$(sha256sum <"$input")" = "$(sha256sum <search.text)" ] || fail "search differs"

say "A bounded topic holds back a fast producer"
run mqbus topic create narrow --size 128K --full block
run mqbus group create narrow slow
mqbus pub narrow "$input" 2>narrow.err &
producer=$!
sleep 1
echo "after one second nobody has read anything:"
run mqbus topic list
kill -0 $producer || fail "the producer was not held back"
echo "the producer is still there, waiting, at no cost and with nothing dropped. Now somebody reads:"
mqbus sub narrow -g slow -c "$total" >narrow.out
wait $producer
cat narrow.err
cmp "$input" narrow.out || fail "narrow differs"
run mqbus topic list

say "A work queue: any program is a worker. Some are killed in the middle of a job; one job is poison"
run mqbus queue jobs --limit 3 --backoff 100ms:100ms
cat >work <<'END'
#!/bin/bash
read -r job
sleep 0.1
[ "$job" != poison ] || [ -e repaired ] || kill -9 $$
echo "$job" >>done
END
chmod +x work
touch done
{ seq 20; echo poison; seq 21 40; } | run mqbus pub jobs
echo '$ mqbus run -t jobs -g workers -j 4 --idle-exit 1 -- ./work'
mqbus run -t jobs -g workers -j 4 --idle-exit 1 -- ./work 2>run.err &
jobs=$!
for n in 5 15; do
	wait_for "$n jobs" has_lines done $n
	# Fewer failures than --limit, so that no good job is given up
	pkill -9 -P $jobs || fail "there are no workers"
done
wait $jobs || fail "the workers failed: $(cat run.err)"
killed=$(grep -c 'was killed by signal 9' run.err) || fail "no worker was killed"
[ "$(sort -n done | uniq | xargs)" = "$(seq 40 | xargs)" ] || fail "jobs are missing"
echo "$killed workers were killed (SIGKILL), and every job is done, but for the poison:"
run mqbus dlq list jobs.dlq
[ "$(mqbus dlq show jobs.dlq | grep -c poison)" = 1 ] || fail "the poison is no dead letter"
say "Somebody repairs the worker, and the dead letter goes back to where it came from"
touch repaired
run mqbus dlq redrive jobs.dlq
run mqbus run -t jobs -g workers -c 1 -v -- ./work 2>&1
grep -q poison done || fail "the poison is not done"
run mqbus group show jobs workers

say "Exactly once: a publisher that is killed, workers that are killed, and each number squared once"
run mqbus queue raw
run mqbus topic create squares --partitions 2
run mqbus group create squares check
seq 60 >numbers
published() { [ "$(mqbus topic show raw | awk '$1 == "records" { print $(NF - 1) }')" -ge "$1" ]; }
{ head -n 40 numbers; exec sleep 60; } | mqbus pub raw --name loader -q &
disown
wait_for "40 numbers" published 40
pkill -9 -f 'pub raw --name loader' || fail "there is no publisher"
echo "the publisher was killed (SIGKILL); it is started again with the whole file:"
run mqbus pub raw --name loader numbers
cat >square <<'END'
#!/bin/bash
read -r n
sleep 0.05
echo "$n $((n * n))"
echo >>worked
END
chmod +x square
echo >worked
echo '$ mqbus run -t raw -g workers -j 4 --to squares --idle-exit 1 -- ./square'
mqbus run -t raw -g workers -j 4 --to squares --idle-exit 1 -- ./square 2>run.err &
jobs=$!
for n in 10 25; do
	wait_for "$n numbers" has_lines worked $n
	pkill -9 -P $jobs || fail "there are no workers"
done
wait $jobs || fail "the workers failed: $(cat run.err)"
mqbus sub squares -g check -e | sort -n >squares
echo "$(($(lines worked) - 1)) times a worker came to its end, and of the squares there are $(lines squares):"
[ "$(cat squares)" = "$(seq 60 | awk '{ print $1, $1 * $1 }')" ] || fail "squares are missing or repeated"
tail -n 2 squares

say "Clean up: topics pin the module, so they go first"
run mqbus topic delete --all
run rmmod mqbus
echo
echo "demo: all of it worked"

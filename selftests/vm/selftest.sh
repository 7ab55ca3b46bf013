#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Checks of the virtual machine runner itself. Prints TAP. About two minutes.
# Needs no module: KERNEL= chooses the kernel.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
vm=$here/vm
export NOMODULE=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export MQBUS_OUT=$tmp/out

n=0 failed=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() {
	n=$((n + 1)) failed=1
	echo "not ok $n - $1"
	sed 's/^/# /' "$tmp/out.txt" "$tmp/err.txt" 2>/dev/null | tail -n 50
}
# expect NAME STATUS: did the last run end like this?
expect() { if [ "$status" = "$2" ]; then ok "$1"; else bad "$1 (status $status, not $2)"; fi; }
run() { status=0; "$vm" "$@" >"$tmp/out.txt" 2>"$tmp/err.txt" </dev/null || status=$?; }
running() { pgrep -f "qemu-system.*$tmp/out" >/dev/null; }

run 'exit 0'; expect "exit status 0" 0
run 'exit 1'; expect "exit status 1" 1
run 'exit 42'; expect "exit status 42" 42

run 'exec >/dev/null; echo out >/dev/stderr; echo x >"$MQBUS_OUT/file"; touch /etc/mqbus-test'
if [ "$status $(cat "$tmp/out.txt") $(cat "$tmp/err.txt") $(cat "$tmp/out/file")" = "0  out x" ] &&
	[ ! -e /etc/mqbus-test ]; then
	ok "stdout and stderr are apart, files go out only through MQBUS_OUT"
else
	bad "stdout and stderr are apart, files go out only through MQBUS_OUT"
fi

run 'yes 0123456789abcde | head -c 10000000; yes fedcba9876543210 | head -c 3000000 >&2'
if [ "$status" = 0 ] &&
	cmp -s "$tmp/out.txt" <(yes 0123456789abcde | head -c 10000000) &&
	cmp -s "$tmp/err.txt" <(yes fedcba9876543210 | head -c 3000000); then
	ok "10 MB of output arrive intact"
else
	bad "10 MB of output arrive intact"
fi

nasty=$(printf 'a  "b" '\''c'\'' $HOME `id` $(id) \\ \\n %%s * ~ # ! ; & | < > \303\251\nnext\tline')
run printf %s "$nasty"
if [ "$(cat "$tmp/out.txt")" = "$nasty" ]; then ok "quoting survives"; else bad "quoting survives"; fi

status=0
{ printf 'echo start\n'; yes ': a line of a long script' | head -n 20000; echo 'echo end; exit 3'; } |
	"$vm" - >"$tmp/out.txt" 2>"$tmp/err.txt" || status=$?
if [ "$status $(tr '\n' ' ' <"$tmp/out.txt")" = "3 start end " ]; then
	ok "a script of half a megabyte from stdin"
else
	bad "a script of half a megabyte from stdin"
fi

run 'sleep 1000 & echo done'; expect "a process left behind does not keep the guest" 0

run 'head -c 100000 /dev/zero | tr "\0" x; echo c >/proc/sysrq-trigger'; expect "panic: status" 125
if grep -q 'Kernel panic' "$tmp/err.txt"; then ok "panic: the console is shown"; else bad "panic: the console is shown"; fi

TIMEOUT=12 run 'sleep 1000'; expect "hang: status" 124
TIMEOUT=12 run 'echo 0 >/proc/sys/kernel/printk; kill -STOP $PPID; kill -STOP $$'; expect "stopped guest: status" 124

"$vm" 'echo up; sleep 1000' >"$tmp/out.txt" 2>&1 & pid=$!
for _ in $(seq 300); do grep -qs up "$tmp/out.txt" && break; sleep 0.1; done
kill -INT "$pid" 2>/dev/null || true
kill -TERM "$pid" 2>/dev/null || true
wait "$pid" || true
sleep 0.2
if grep -q up "$tmp/out.txt" && ! running; then ok "a signal stops the guest"; else bad "a signal stops the guest"; fi

"$vm" 'echo up; sleep 1000' >"$tmp/out.txt" 2>&1 & pid=$!
for _ in $(seq 300); do grep -qs up "$tmp/out.txt" && break; sleep 0.1; done
kill -KILL "$pid"
wait "$pid" 2>/dev/null || true
sleep 0.5
if grep -q up "$tmp/out.txt" && ! running; then ok "killing the runner stops the guest"; else bad "killing the runner stops the guest"; fi

run 'head -c 1000000 /dev/zero; sleep 1' & first=$!
status2=0
"$vm" 'exit 7' 2>/dev/null || status2=$?
wait $first || true
if [ $status2 = 7 ]; then ok "two guests at once"; else bad "two guests at once"; fi

status=0
printf 'tty; sleep 0.1 & fg >/dev/null; exit 9\n' | "$vm" --shell >"$tmp/out.txt" 2>"$tmp/err.txt" || status=$?
if [ "$status" = 9 ] && grep -q /dev/hvc0 "$tmp/out.txt"; then
	ok "interactive shell has a terminal and job control"
else
	bad "interactive shell has a terminal and job control"
fi

# The guest's clock counts instructions: a loop of 2N takes 2N nanoseconds.
cat >"$tmp/loop.c" <<'C'
#include <stdio.h>
#include <time.h>
static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}
int main(void)
{
	long best = 1L << 60, k;

	for (k = 0; k < 10; k++) {
		long n = 50000, start = now(), took;

		__asm__ volatile("1: dec %0; jnz 1b" : "+r"(n));
		took = now() - start;
		if (took < best)
			best = took;
	}
	printf("%ld\n", best);
	return 0;
}
C
gcc -O2 -o "$tmp/loop" "$tmp/loop.c"
ICOUNT=1 run "$tmp/loop"
took=$(cat "$tmp/out.txt")
if [ "$status" = 0 ] && [ "$took" -ge 100000 ] && [ "$took" -le 100200 ]; then
	ok "ICOUNT: 100000 instructions take $took ns"
else
	bad "ICOUNT: 100000 instructions take about 100000 ns"
fi

echo "1..$n"
exit $failed

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# After all other tests on a debug kernel: nothing is left unreferenced, the
# module goes, comes and goes, and what watched the tests was awake to the end.
# Prints TAP.
set -uo pipefail

n=0 failed=0
result() {
	n=$((n + 1))
	if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; failed=1; fi
}

kmemleak=/sys/kernel/debug/kmemleak
# An object counts when it is five seconds old and did not change between two scans
no_leaks() {
	local found
	if [ ! -e $kmemleak ]; then
		n=$((n + 1))
		echo "ok $n - $1 # SKIP this kernel has no kmemleak"
		return
	fi
	sleep 6
	echo scan >$kmemleak
	echo scan >$kmemleak
	found=$(<$kmemleak)
	[ -z "$found" ]
	result "$1" $?
	[ -z "$found" ] || sed "s/^/# /" <<<"$found"
	echo clear >$kmemleak
}

# kmemleak does not know pages, but each ring's are mapped, and mappings are listed
no_rings() {
	local found
	found=$(grep mqbus_ /proc/vmallocinfo | grep -w vmap)
	[ -z "$found" ]
	result "$1" $?
	[ -z "$found" ] || sed "s/^/# /" <<<"$found"
}

unused() {
	local end=$((SECONDS + 60))
	until [ "$(</sys/module/mqbus/refcnt)" = 0 ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

echo "TAP version 13"
unused
result "nothing uses the module" $?
no_rings "no ring is left"
# the module must still be there to name the functions of a report
no_leaks "nothing leaked"
rmmod mqbus
result "it goes" $?
insmod "$MODULE"
result "it comes back" $?
rmmod mqbus
result "and goes" $?
no_leaks "it leaves nothing behind"
if [ -e /proc/lockdep_stats ]; then
	# lockdep turns itself off with its first report
	grep -q 'debug_locks: *1' /proc/lockdep_stats
	result "lockdep is still on" $?
	grep -E 'lock-classes|dependency chains|debug_locks' /proc/lockdep_stats | sed 's/^/# /'
fi
if [ -e /sys/kernel/debug/kcsan ]; then
	grep -q '^enabled: 1' /sys/kernel/debug/kcsan
	result "KCSAN is still on" $?
	sed 's/^/# /' /sys/kernel/debug/kcsan
fi
echo "1..$n"
exit $failed

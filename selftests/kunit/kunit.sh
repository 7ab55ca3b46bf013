#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tests that run inside the kernel: load their module and print what KUnit
# says of it. Only the debug kernels have KUnit.
set -uo pipefail

module=build/$KERNEL/mqbus_kunit.ko
results=/sys/kernel/debug/kunit/mqbus/results
if [ ! -e "$module" ]; then
	echo "1..0 # SKIP kernel $KERNEL has no KUnit"
	exit 4
fi
insmod "$module" || exit 1
# A suite's own results are set off to the right of the line that sums it up
echo "TAP version 13"
sed -n 's/^    //p' "$results"
! grep -q 'not ok' "$results"
status=$?
rmmod mqbus_kunit || status=1
exit $status

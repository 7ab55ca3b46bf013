#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The longest time that the module's spinlocks are held: builds the program with the set-ups,
# boots a kernel whose nanoseconds count instructions, and prints TAP.
#
#   selftests/cost/latency.sh [WORD]     only the set-ups whose name contains WORD
#
# KERNEL=6.1; it needs the function tracer, which debug kernels lack.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
top=$(realpath "$here/../..")
kernel=${KERNEL:-6.1}
program=$top/build/cost/latency

KSFT_INC=
eval "$("$top/scripts/ksource.sh" | grep '^KSFT_INC=')"
mkdir -p "${program%/*}"
"${CC:-cc}" -O2 -g -std=gnu11 -D_GNU_SOURCE -I"$top/uapi" -I"$top/userlib/include" \
	-isystem "$KSFT_INC" -Wall -Wextra -Wno-override-init -Wno-missing-field-initializers \
	-Wno-unused-function -Wno-unused-parameter -Wno-sign-compare \
	-o "$program" "$here/latency.c"
[ -n "${MODULE:-}" ] || "$top/scripts/build-module.sh" "$kernel" >/dev/null
command="'$program'"
[ $# = 0 ] || command+=" '$1'"
KERNEL=$kernel ICOUNT=1 MEM=3G exec "$top/selftests/vm/vm" "$command"

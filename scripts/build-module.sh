#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# build-module.sh KERNEL [make arguments]: build mqbus.ko for a cached kernel,
# or with KERNEL "running" for the one that runs, whose headers are installed.
#
# The sources are linked into build/KERNEL (BUILD= names another directory) and built there, so
# that objects of several kernels never mix. Changed, new and deleted files are built or
# dropped.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
top=${here%/*}

kernel=${1:?usage: build-module.sh KERNEL [make arguments]}
shift
if [ "$kernel" = running ]; then
	KDIR=/lib/modules/$(uname -r)/build
	if [ ! -e "$KDIR/Makefile" ]; then
		echo "build-module.sh: the headers of the running kernel, $(uname -r), are missing:" \
			"apt-get install linux-headers-$(uname -r) (Fedora: kernel-devel-$(uname -r))" >&2
		exit 1
	fi
else
	eval "$("$here/kernel.sh" "$kernel")"
fi
dir=${BUILD:-$top/build/$kernel}
[ -e "$top/Kbuild" ] || { echo "build-module.sh: $top/Kbuild is missing" >&2; exit 1; }

mkdir -p "$dir"
dir=$(realpath "$dir")
exec 9>"$dir/.lock"
flock 9

# Links are made anew each time, so that deleted files disappear; objects stay.
find "$dir" -type l -delete
cd "$top"
while IFS= read -r -d '' f; do
	mkdir -p "$dir/$(dirname "$f")"
	ln -s "$top/$f" "$dir/$f"
done < <(find Kbuild VERSION module uapi selftests/kunit \( -name Kbuild -o -name VERSION -o -name '*.[chS]' \) \
	! -name '*.mod.c' -type f -print0)

# The caller's make options are not for kbuild.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
# No BTF for the module: the packaged headers lack the vmlinux it needs.
llvm=()
! grep -qs '^CONFIG_CC_IS_CLANG=y' "$KDIR/.config" || llvm=(LLVM=1)
# Line numbers for the fuzzer's places; the debug kernels' configuration has none.
lines=()
[[ $kernel != debug-* ]] || lines=(KCFLAGS=-g)
make "${llvm[@]}" "${lines[@]}" -j"$(nproc)" -C "$KDIR" M="$dir" CONFIG_DEBUG_INFO_BTF_MODULES= --no-print-directory "$@" modules

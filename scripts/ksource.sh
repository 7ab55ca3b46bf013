#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ksource.sh: fetch the parts of the kernel source that the checks use, once,
# and print where they are as shell assignments:
#
#   KSRC      of 6.1: checkpatch, kernel-doc, the kselftest harness, the memory model
#   KSFT_INC  the harness' include directory in it
#   YNLSRC    of 6.12: the netlink code generator and its schemas
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scripts/cache.sh
. "$here/cache.sh"

# part VERSION SUITES LAYOUT PATTERN...: the files of linux-source-VERSION that
# match, unpacked into $cache/source/VERSION. Raise LAYOUT with the patterns.
part() {
	local version=$1 suites=$2 layout=$3 dest tmp
	shift 3
	dest=$cache/source/$version
	[ "$(cat "$dest/stamp" 2>/dev/null)" != "$layout" ] || return 0
	mkdir -p "$cache/source"
	exec 9>"$cache/source/.lock-$version"
	flock -n 9 || { say "waiting for another download of linux-source-$version"; flock 9; }
	[ "$(cat "$dest/stamp" 2>/dev/null)" != "$layout" ] || return 0
	tmp=$(mktemp -d "$cache/source/.$version.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT

	mkdir "$tmp/tree" "$tmp/deb"
	# shellcheck disable=SC2086
	source_tar "$version" "$tmp/deb" $suites |
		tar -x -C "$tmp/tree" --strip-components=1 --wildcards "$@"
	echo "$layout" >"$tmp/tree/stamp"
	rm -rf "$dest"
	mv -T "$tmp/tree" "$dest"
	rm -rf "$tmp"
	trap - EXIT
}

part 6.1 "bookworm bookworm-security" 2 \
	'*/scripts/checkpatch.pl' '*/scripts/const_structs.checkpatch' \
	'*/scripts/spelling.txt' '*/scripts/kernel-doc' '*/scripts/coccicheck' \
	'*/tools/testing/selftests/kselftest.h' \
	'*/tools/testing/selftests/kselftest_harness.h' \
	'*/tools/testing/selftests/lib.mk' '*/tools/testing/selftests/kselftest/*' \
	'*/tools/testing/selftests/run_kselftest.sh' '*/scripts/subarch.include' \
	'*/tools/scripts/Makefile.arch' '*/tools/memory-model/*'
part 6.12 bookworm-backports 1 '*/tools/net/ynl/*' '*/Documentation/netlink/*'

printf '%s=%q\n' KSRC "$cache/source/6.1" \
	KSFT_INC "$cache/source/6.1/tools/testing/selftests" \
	YNLSRC "$cache/source/6.12"

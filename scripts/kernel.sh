#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh VERSION: fetch a stock Debian kernel (image, modules, headers)
# into the cache, once, and print where its parts are as shell assignments:
#
#   KREL     kernel release
#   KDIR     build directory: make -C "$KDIR" M=...
#   KROOT    unpacked packages; modules are in $KROOT/lib/modules/$KREL
#   VMLINUZ  kernel image as shipped
#   VMLINUX  the same image unpacked: boots without decompressing
#
# "debug-a", "debug-b" and "debug-c" are not fetched but built, by debug-kernel.sh.
# Nothing is installed on this machine.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scripts/cache.sh
. "$here/cache.sh"

version=${1:-}
case $version in
6.1)  suites=(bookworm bookworm-security) ;;
6.12) suites=(bookworm-backports) ;;
debug-[abc]) exec "$here/debug-kernel.sh" "${version#debug-}" ;;
*)    die "unknown kernel '$version': KERNEL must be 6.1, 6.12, debug-a, debug-b or debug-c" ;;
esac

dest=$cache/kernels/$version
# Bump when the layout below changes: caches filled by older versions are redone.
layout=2

describe() {
	local krel
	krel=$(cat "$dest/release")
	printf '%s=%q\n' KREL "$krel" KDIR "$dest/usr/src/linux-headers-$krel" \
		KROOT "$dest" VMLINUZ "$dest/boot/vmlinuz-$krel" VMLINUX "$dest/vmlinux"
}

ready() { [ "$(cat "$dest/stamp" 2>/dev/null)" = "$layout $dest" ]; }

if ready; then describe; exit 0; fi

mkdir -p "$cache/kernels"
exec 9>"$cache/kernels/.lock-$version"
flock -n 9 || { say "waiting for another download of kernel $version"; flock 9; }
if ready; then describe; exit 0; fi

say "kernel $version is not in $dest yet"
tmp=$(mktemp -d "$cache/kernels/.$version.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
apt_setup "$version" "${suites[@]}"

# linux-image-amd64 and linux-headers-amd64 only name the real packages
first() { newest "$1" Depends | tr ',' '\n' | sed -n -E "s/^ *($2)( .*)?\$/\1/p" | head -n 1; }
image=$(first linux-image-amd64 'linux-image-[^ ]*')
headers=$(first linux-headers-amd64 'linux-headers-[^ ]*')
[ -n "$image" ] && [ -n "$headers" ] || die "no amd64 kernel found in: ${suites[*]}"
common=$(first "$headers" 'linux-headers-[^ ]*-common')
kbuild=$(first "$headers" 'linux-kbuild-[^ ]*')
[ -n "$common" ] && [ -n "$kbuild" ] || die "cannot tell what $headers needs"
krel=${image#linux-image-}

mkdir "$tmp/debs"
fetch_debs "$tmp/debs" "$image" "$headers" "$common" "$kbuild"
say "unpacking $image and its headers"
for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp"; done
rm -rf "$tmp/debs" "${tmp:?}/usr/share"
[ -d "$tmp/lib/modules/$krel" ] || { mkdir -p "$tmp/lib"; ln -s ../usr/lib/modules "$tmp/lib/modules"; }

# The headers refer to each other by absolute path, and to the compiler by
# its Debian 12 name.
hdr=$tmp/usr/src/linux-headers-$krel
com=$tmp/usr/src/$common
for f in "$hdr/Makefile" "$hdr/.kernelvariables" "$com/.kernelvariables" "$com/Makefile"; do
	[ -f "$f" ] && [ ! -L "$f" ] || continue
	sed -i -E -e "s#(^|[^A-Za-z0-9_.])/usr/(src|lib)/linux-#\1$dest/usr/\2/linux-#g" \
		-e 's#\$\(CROSS_COMPILE\)gcc-([0-9]+)#$(CROSS_COMPILE)$(if $(shell command -v gcc-\1),gcc-\1,gcc)#' "$f"
done
find "$hdr" "$com" "$tmp/lib/modules/$krel/" -type l -lname '/usr/*' -print0 | while IFS= read -r -d '' l; do
	ln -sfn "$dest$(readlink "$l")" "$l"
done
depmod -b "$tmp" "$krel"
python3 "$here/extract-vmlinux.py" "$tmp/boot/vmlinuz-$krel" "$tmp/vmlinux"

echo "$krel" >"$tmp/release"
echo "$layout $dest" >"$tmp/stamp"
rm -rf "$dest"
mv -T "$tmp" "$dest"
trap - EXIT
say "kernel $version ($krel) is ready in $dest"
describe

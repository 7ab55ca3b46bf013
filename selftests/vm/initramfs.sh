#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# initramfs.sh KERNEL: build (once) the initramfs that starts a guest with
# that kernel, and print its path. It holds busybox, the stock drivers the
# guest needs to reach the host's file system, and the two start-up scripts.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scripts/cache.sh
. "$here/../../scripts/cache.sh"

kernel=${1:?usage: initramfs.sh KERNEL}
eval "$("$here/../../scripts/kernel.sh" "$kernel")"
busybox=$(command -v busybox) || die "busybox is missing: run scripts/deps.sh (package busybox-static)"
wanted=(virtio_pci virtio_console 9pnet_virtio 9p overlay)

key=$(cat "$0" "$here/init" "$here/guest" "$busybox" "$KROOT/stamp" | sha256sum | cut -c1-16)
image=$cache/initramfs/$KREL-$key.cpio
if [ ! -e "$image" ]; then
	mkdir -p "${image%/*}"
	tmp=$(mktemp -d "$cache/initramfs/.tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	root=$tmp/root
	mkdir -p "$root"/{bin,dev,proc,lower,rw,new,modules}
	cp "$busybox" "$root/bin/busybox"
	install -m 755 "$here/init" "$here/guest" "$root"
	# Dependencies come first, a shared module once, built-in ones not at all
	for m in "${wanted[@]}"; do
		modprobe -d "$KROOT" -S "$KREL" --show-depends "$m" ||
			die "kernel $KREL has no module $m"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$tmp/list"
	: >"$root/modules.order"
	while read -r ko; do
		name=$(basename "${ko%.xz}")
		case $ko in
		*.xz) xz -dc "$ko" >"$root/modules/$name" ;;
		*)    cp "$ko" "$root/modules/$name" ;;
		esac
		echo "$name" >>"$root/modules.order"
	done <"$tmp/list"
	(cd "$root" && find . -print0 | sort -z | cpio -0 --quiet -o -H newc -R 0:0) >"$tmp/image"
	mv "$tmp/image" "$image"
	# remove the images of other versions of these scripts
	find "$cache/initramfs" -name '*.cpio' -mtime +7 -delete
fi
echo "$image"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# dkms.sh install          install the module through DKMS, for each installed
#                          kernel that has its headers (as root)
# dkms.sh uninstall        and remove it again
# dkms.sh test KERNEL...   build it with DKMS for cached kernels, in private
#                          directories; nothing on this machine changes. TAP.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
top=${here%/*}
version=$(cat "$top/VERSION")
command -v dkms >/dev/null || { echo "dkms.sh: dkms is missing: run scripts/deps.sh (package dkms)" >&2; exit 1; }

need_root() {
	[ "$(id -u)" = 0 ] || { echo "dkms.sh: $1 changes this machine: run it as root" >&2; exit 1; }
}

# what DKMS builds from: no tests, no tools
copy_sources() {
	mkdir -p "$1"
	cp -R "$top/Kbuild" "$top/VERSION" "$top/COPYING" "$top/dkms.conf" "$top/module" "$top/uapi" "$1"
	find "$1" \( -name '*.o' -o -name '*.cmd' -o -name '*.mod*' \) -delete
}

case ${1:-} in
install)
	need_root install
	# a kernel's directory without "build" is one without headers
	kernels=()
	for d in /lib/modules/*/build; do
		[ -d "$d/" ] && kernels+=("$(basename "${d%/build}")")
	done
	if [ ${#kernels[@]} = 0 ]; then
		echo "dkms.sh: no kernel headers are installed; first: apt-get install linux-headers-amd64" \
			"(Ubuntu: linux-headers-generic)" >&2
		exit 1
	fi
	dkms remove "mqbus/$version" --all >/dev/null 2>&1 || true
	rm -rf "/usr/src/mqbus-$version"
	copy_sources "/usr/src/mqbus-$version"
	dkms add "mqbus/$version"
	for k in "${kernels[@]}"; do dkms install "mqbus/$version" -k "$k"; done
	echo "mqbus $version is installed for: ${kernels[*]}. Load it with: modprobe mqbus"
	;;
uninstall)
	need_root uninstall
	dkms remove "mqbus/$version" --all || true
	rm -rf "/usr/src/mqbus-$version"
	;;
test)
	shift
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	mkdir "$tmp/tree" "$tmp/install"
	copy_sources "$tmp/src/mqbus-$version"
	private=(--dkmstree "$tmp/tree" --sourcetree "$tmp/src" --installtree "$tmp/install")
	# the cached headers come without pahole, which an installed kernel's have
	export MAKEFLAGS=CONFIG_DEBUG_INFO_BTF_MODULES=
	n=0 status=0
	for kernel; do
		n=$((n + 1))
		eval "$("$here/kernel.sh" "$kernel")"
		if dkms build "mqbus/$version" -k "$KREL" -a x86_64 --kernelsourcedir "$KDIR" \
				"${private[@]}" >"$tmp/log" 2>&1 </dev/null &&
			find "$tmp/tree/mqbus/$version/$KREL" -name 'mqbus.ko*' | grep -q .; then
			echo "ok $n - dkms build for $KREL"
		else
			echo "not ok $n - dkms build for $KREL"
			cat "$tmp/log" "$tmp/tree/mqbus/$version/build/make.log" 2>/dev/null | sed 's/^/# /'
			status=1
		fi
	done
	echo "1..$n"
	exit $status
	;;
*)
	sed -n '3,7s/^# //p' "$0" >&2
	exit 2
	;;
esac

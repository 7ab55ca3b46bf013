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
tree=/var/lib/dkms sources=/usr/src
private=()

say() { echo "dkms.sh: $*" >&2; }

need_root() {
	[ "$(id -u)" = 0 ] || { say "$1 changes this machine: run it as root"; exit 1; }
}

# DKMS builds from these: no tests, no tools
copy_sources() { # VERSION
	local to=$sources/mqbus-$1
	mkdir -p "$to"
	cp -R "$top/Kbuild" "$top/VERSION" "$top/COPYING" "$top/dkms.conf" "$top/module" "$top/uapi" "$to"
	find "$to" \( -name '*.o' -o -name '*.cmd' -o -name '*.mod*' \) -delete
}

# All versions: an older one would be loaded, or built for the next kernel
remove_all() {
	local dir
	for dir in "$tree"/mqbus/*/; do
		dir=$(basename "$dir")
		[[ $dir =~ ^[0-9] ]] || continue
		dkms remove "mqbus/$dir" --all "${private[@]}" >/dev/null 2>&1 || true
		rm -rf "$tree/mqbus/$dir"
	done
	for dir in "$sources"/mqbus-[0-9]*; do rm -rf "$dir"; done
}

# for_kernels VERB RELEASE...: build or install. A kernel that fails does not stop the others;
# one that dkms.conf excludes does not fail.
done_for=()
for_kernels() {
	local verb=$1 k status failed=0
	shift
	for k; do
		status=0
		dkms "$verb" "mqbus/$version" -k "$k" "${private[@]}" || status=$?
		case $status in
		0) done_for+=("$k") ;;
		77) say "kernel $k is not one of those that mqbus supports (6.1 to 7.x): left out" ;;
		*) say "kernel $k: see $tree/mqbus/$version/build/make.log"; failed=1 ;;
		esac
	done
	return $failed
}

# The flow of install, on private directories
test_upgrade() { # RELEASE KDIR
	local excluded=5.10.0-fake
	copy_sources 0.0.1
	sed -i 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="0.0.1"/' "$sources/mqbus-0.0.1/dkms.conf"
	dkms add mqbus/0.0.1 "${private[@]}"
	remove_all
	[ ! -e "$tree/mqbus/0.0.1" ] && [ ! -e "$sources/mqbus-0.0.1" ] || { echo "0.0.1 is still there"; return 1; }
	copy_sources "$version"
	dkms add "mqbus/$version" "${private[@]}"
	done_for=()
	private+=(-a x86_64 --kernelsourcedir "$2")
	for_kernels build $excluded "$1"
	[ "${done_for[*]}" = "$1" ] || { echo "built for: ${done_for[*]}"; return 1; }
}

command -v dkms >/dev/null || { say "dkms is missing: install the package dkms"; exit 1; }

case ${1:-} in
install)
	need_root install
	# a kernel's directory without "build" is one without headers
	kernels=()
	for d in /lib/modules/*/build; do
		[ -d "$d/" ] && kernels+=("$(basename "${d%/build}")")
	done
	if [ ${#kernels[@]} = 0 ]; then
		say "no kernel headers are installed; first: apt-get install linux-headers-amd64" \
			"(Ubuntu: linux-headers-generic; Fedora: kernel-devel)"
		exit 1
	fi
	remove_all
	copy_sources "$version"
	dkms add "mqbus/$version"
	status=0
	for_kernels install "${kernels[@]}" || status=1
	[ ${#done_for[@]} = 0 ] || echo "mqbus $version is installed for: ${done_for[*]}. Load it with: modprobe mqbus"
	[ ${#done_for[@]} != 0 ] || status=1
	exit $status
	;;
uninstall)
	need_root uninstall
	remove_all
	;;
test)
	shift
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	mkdir "$tmp/tree" "$tmp/install"
	tree=$tmp/tree sources=$tmp/src
	copy_sources "$version"
	private=(--dkmstree "$tree" --sourcetree "$sources" --installtree "$tmp/install")
	# the cached headers come without pahole, which an installed kernel's have
	export MAKEFLAGS=CONFIG_DEBUG_INFO_BTF_MODULES=
	n=0 status=0
	result() { # STATUS NAME
		n=$((n + 1))
		if [ "$1" = 0 ]; then
			echo "ok $n - $2"
		else
			echo "not ok $n - $2"
			cat "$tmp/log" "$tree/mqbus/$version/build/make.log" 2>/dev/null | sed 's/^/# /'
			status=1
		fi
	}
	for kernel; do
		eval "$("$here/kernel.sh" "$kernel")"
		built=1
		dkms build "mqbus/$version" -k "$KREL" -a x86_64 --kernelsourcedir "$KDIR" \
			"${private[@]}" >"$tmp/log" 2>&1 </dev/null &&
			find "$tree/mqbus/$version/$KREL" -name 'mqbus.ko*' | grep -q . && built=0
		result $built "dkms build for $KREL"
	done
	upgraded=0
	(set -e; test_upgrade "$KREL" "$KDIR") >"$tmp/log" 2>&1 </dev/null || upgraded=1
	result $upgraded "an older version goes, a kernel that is not supported is left out"
	echo "1..$n"
	exit $status
	;;
*)
	sed -n '3,7s/^# //p' "$0" >&2
	exit 2
	;;
esac

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Install what building and testing mqbus needs, if anything is missing.
# Quick and silent when everything is there.
set -euo pipefail

packages=(
	# build: module, library, tool
	gcc make pkg-config libc6-dev libelf-dev
	libnl-3-dev libnl-genl-3-dev libjansson-dev
	libmicrohttpd-dev libncurses-dev
	# virtual machine
	qemu-system-x86 busybox-static kmod cpio xz-utils zstd util-linux
	iproute2 debian-archive-keyring
	# debug kernels
	flex bison bc
	# checks
	git clang sparse gcc-multilib g++ g++-multilib dkms codespell perl python3
	python3-yaml python3-jsonschema
)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps: this is not a Debian or Ubuntu system; install the equivalents of:" >&2
	echo "  ${packages[*]}" >&2
	exit 1
fi

if [ "$(dpkg --print-architecture)" != amd64 ]; then
	echo "deps: the test kernels are amd64; this machine is $(dpkg --print-architecture)." \
	     "Use an amd64 Debian or Ubuntu machine." >&2
	exit 1
fi

missing() {
	local installed
	# "ii " lines only: a removed package with leftover configuration does not count
	installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${packages[@]}" \
		2>/dev/null | sed -n 's/^ii *//p') || true
	comm -23 <(printf '%s\n' "${packages[@]}" | sort -u) <(sort -u <<<"$installed")
}

mapfile -t need < <(missing)
[ ${#need[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps: missing packages: ${need[*]}" >&2
		echo "deps: install them as root: apt-get install ${need[*]}" >&2
		exit 1
	fi
	sudo=(sudo)
fi

echo "deps: installing ${need[*]}" >&2
apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
"${apt[@]}" update >&2
# --no-remove: never trade something the user has for one of ours
if ! "${apt[@]}" install -y --no-install-recommends --no-remove "${need[@]}" >&2; then
	echo "deps: apt-get could not install: ${need[*]}" >&2
	echo "deps: fix the apt error above, or install them by hand, and run make again." >&2
	exit 1
fi

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# deps.sh build         see whether what the library, the tools and the module are built
#                       with is here, on any distribution; installs nothing
# deps.sh vm            install what a virtual machine needs besides, on Debian or Ubuntu
# deps.sh check         and what all checks and tests need
# deps.sh amd64         say what works here if this is no amd64 machine
# Quick and silent when everything is there.
set -euo pipefail

# Each check, and its package: Debian and Ubuntu; Fedora and RHEL; openSUSE; Arch; Alpine
build_needs='
cc              gcc               gcc                  gcc                  gcc           gcc
make            make              make                 make                 make          make
pkg-config      pkg-config        pkgconf-pkg-config   pkg-config           pkgconf       pkgconf
libc            libc6-dev         glibc-devel          glibc-devel          glibc         musl-dev
linux           linux-libc-dev    kernel-headers       linux-glibc-devel    linux-api-headers linux-headers
libnl-3.0       libnl-3-dev       libnl3-devel         libnl3-devel         libnl         libnl3-dev
libnl-genl-3.0  libnl-genl-3-dev  libnl3-devel         libnl3-devel         libnl         libnl3-dev
jansson         libjansson-dev    jansson-devel        libjansson-devel     jansson       jansson-dev
libmicrohttpd   libmicrohttpd-dev libmicrohttpd-devel  libmicrohttpd-devel  libmicrohttpd libmicrohttpd-dev
ncursesw        libncurses-dev    ncurses-devel        ncurses-devel        ncurses       ncurses-dev
'
mapfile -t vm_packages < <(awk 'NF { print $2 }' <<<"$build_needs")
vm_packages+=(
	libelf-dev qemu-system-x86 busybox-static kmod cpio xz-utils zstd util-linux
	procps iproute2 debian-archive-keyring python3
)
check_packages=(
	# debug kernels
	flex bison bc
	git clang sparse gcc-multilib g++ g++-multilib dkms codespell perl
	python3-yaml python3-jsonschema
)

# without a compiler, the compiler is missing and not the header
compiles() { # HEADER
	! command -v cc >/dev/null || echo "#include $1" | cc -E -o /dev/null - 2>/dev/null
}

here_is() { # WHAT
	case $1 in
	cc | make | pkg-config) command -v "$1" >/dev/null ;;
	libc) compiles '<stdio.h>' ;;
	linux) compiles '<linux/types.h>' ;;
	*) ! command -v pkg-config >/dev/null || pkg-config --exists "$1" ;;
	esac
}

# The column of this distribution, and its command to install packages
distribution() {
	local ID='' ID_LIKE='' word
	local release=${OS_RELEASE:-/etc/os-release}
	# shellcheck source=/dev/null
	[ ! -e "$release" ] || . "$release"
	for word in $ID $ID_LIKE; do
		case $word in
		debian | ubuntu) echo "2 apt-get install"; return ;;
		fedora | rhel | centos) echo "3 dnf install"; return ;;
		suse | opensuse*) echo "4 zypper install"; return ;;
		arch) echo "5 pacman -S"; return ;;
		alpine) echo "6 apk add"; return ;;
		esac
	done
	echo "2"
}

check_build() {
	local column how need=() names
	while read -r -a names; do
		[ ${#names[@]} -gt 0 ] && ! here_is "${names[0]}" && need+=("${names[0]}")
	done <<<"$build_needs"
	[ ${#need[@]} -gt 0 ] || return 0
	read -r column how < <(distribution)
	names=()
	while read -r name; do names+=("$name"); done < <(
		for name in "${need[@]}"; do awk -v n="$name" -v c="$column" '$1 == n { print $c }' <<<"$build_needs"; done |
			sort -u)
	echo "deps: missing: ${need[*]}" >&2
	if [ -n "$how" ]; then
		echo "deps: install them, as root: $how ${names[*]}" >&2
	else
		echo "deps: install what this distribution calls ${names[*]} (names of Debian's packages)" >&2
	fi
	return 1
}

missing() { # PACKAGE...
	local installed
	# "ii " lines only: a removed package with leftover configuration does not count
	installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p') || true
	comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

# The guest runs this machine's programs on a kernel of amd64
need_amd64() { # WHAT-FOR
	local machine
	machine=$(uname -m)
	[ "$machine" != x86_64 ] || machine=$(dpkg --print-architecture 2>/dev/null || echo amd64)
	[ "$machine" != amd64 ] || return 0
	echo "deps: $1 is amd64 only, and this machine is $machine; here work: make user," \
		"make module KERNEL=running, make load, make install and make dkms-install" >&2
	return 1
}

install_packages() { # WHAT-FOR PACKAGE...
	local what=$1 need sudo=() apt
	shift
	need_amd64 "$what" || return
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "deps: $what runs Debian's kernels and is set up on Debian or Ubuntu only;" \
			"elsewhere there are make user, make load and make dkms-install" >&2
		return 1
	fi
	mapfile -t need < <(missing "$@")
	[ ${#need[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "deps: missing packages: ${need[*]}" >&2
			echo "deps: install them as root: apt-get install ${need[*]}" >&2
			return 1
		fi
		sudo=(sudo)
	fi
	echo "deps: installing ${need[*]}" >&2
	apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
	"${apt[@]}" update >&2
	# --no-remove: never remove a package of the user for one of these
	"${apt[@]}" install -y --no-install-recommends --no-remove "${need[@]}" >&2 && return
	echo "deps: apt-get could not install: ${need[*]}" >&2
	echo "deps: fix the apt error above, or install them by hand, and run make again." >&2
	[[ " ${need[*]} " != *multilib* ]] || echo "deps: gcc-multilib, which only the checks need," \
		"cannot be installed beside a cross compiler (gcc-aarch64-linux-gnu and the like)" >&2
	return 1
}

case ${1:-} in
build) check_build ;;
vm) install_packages "the virtual machine" "${vm_packages[@]}" ;;
amd64) need_amd64 "the virtual machine" ;;
check) install_packages "what is tested" "${vm_packages[@]}" "${check_packages[@]}" ;;
*) sed -n '3,8s/^# //p' "$0" >&2; exit 2 ;;
esac

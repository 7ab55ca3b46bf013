#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# load.sh            build the module for the running kernel and load it (as root); says which
#                    of the usual reasons it is when that does not work
# load.sh why TEXT   only say what insmod means by TEXT here
set -euo pipefail
here=$(dirname "$(realpath "$0")")
top=${here%/*}
efi=${EFIVARS:-/sys/firmware/efi/efivars}
lockdown=${LOCKDOWN:-/sys/kernel/security/lockdown}

say() { echo "load.sh: $*" >&2; }

# The last byte of the variable is 1
secure_boot() {
	local file
	for file in "$efi"/SecureBoot-*; do
		[ -r "$file" ] && [ "$(tail -c 1 "$file" | od -An -tu1 | tr -d ' ')" = 1 ] && return 0
	done
	grep -qs '\[\(integrity\|confidentiality\)\]' "$lockdown"
}

why() { # WHAT-INSMOD-SAID
	case $1 in
	*"rejected by service"* | *"Required key"*) say "the kernel takes signed modules only, and this one is not" ;;
	*"not permitted"*)
		if [ "$(id -u)" != 0 ]; then say "loading a module takes root: sudo make load"; return; fi
		secure_boot || { say "the kernel does not allow it: a container, or modules_disabled is set"; return; }
		say "Secure Boot is on: the kernel takes signed modules only"
		;;
	*"File exists"*) say "a module of that name is loaded already: make unload"; return ;;
	*"Invalid module format"*)
		say "it was built for another kernel than the one that runs; after an upgrade of the kernel: reboot"
		return
		;;
	*) say "see dmesg"; return ;;
	esac
	say "how to enrol a key for it: README.md, \"Secure Boot\""
}

if [ "${1:-}" = why ]; then why "${2:-}"; exit; fi
[ "$(id -u)" = 0 ] || { why "not permitted"; exit 1; }
"$here/build-module.sh" running "$@"
said=$("${INSMOD:-insmod}" "$top/build/running/mqbus.ko" 2>&1) && exit
echo "$said" >&2
why "$said"
exit 1

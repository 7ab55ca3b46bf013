#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Generate the netlink code from uapi/mqbus.yaml with the kernel's own
# generator, which also validates the specification against its schema.
#
#   ynl.sh          write uapi/linux/mqbus_netlink.h and module/ctl/netlink_policy.h
#   ynl.sh --check  only tell whether they are what would be written
#
# Of the generated kernel source only the policies are used: its tables of operations
# are of a kind that came with Linux 6.2.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
top=${here%/*}
eval "$("$here/ksource.sh")"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The generator looks for the schema beside the specification's directory and
# for the kernel's root by its MAINTAINERS file.
mkdir "$tmp/uapi" "$tmp/out"
touch "$tmp/MAINTAINERS"
cp "$YNLSRC"/Documentation/netlink/*.yaml "$tmp"
cp "$top/uapi/mqbus.yaml" "$tmp/uapi"

generate() { # FILE MODE KIND FILTER
	if ! timeout 60 /usr/bin/python3 "$YNLSRC/tools/net/ynl/ynl-gen-c.py" --spec "$tmp/uapi/mqbus.yaml" \
			--mode "$2" "--$3" -o "$tmp/out/${1##*/}" >"$tmp/log" 2>&1; then
		if grep -q ValidationError "$tmp/log"; then
			# the rest of the message quotes the whole schema
			grep -m 1 ValidationError "$tmp/log" >&2
			echo "ynl.sh: uapi/mqbus.yaml does not pass its schema" >&2
			exit 1
		else
			tail -n 5 "$tmp/log" >&2
			echo "ynl.sh: the generator cannot make $1 from uapi/mqbus.yaml" >&2
		fi
		return 1
	fi
	$4 "$tmp/out/${1##*/}"
}

policies() { # FILE: what is before the tables of operations, as a header
	sed -i -e '1s|// \(.*\)|/* \1 */|' -e '/^\/\* Ops table/,$d' \
		-e '/^#include "/d' -e 's|<uapi/|<|' "$1"
	# no two empty lines, and none at the end
	sed -i -e '/^$/N;/^\n$/D' "$1"
	sed -i -e '${/^$/d}' "$1"
}

status=0
files=()
while read -r file mode kind filter; do
	if generate "$file" "$mode" "$kind" "$filter"; then files+=("$file"); else status=1; fi
done <<'LIST'
uapi/linux/mqbus_netlink.h uapi header true
module/ctl/netlink_policy.h kernel source policies
LIST

for f in "${files[@]}"; do
	if cmp -s "$tmp/out/${f##*/}" "$top/$f"; then continue; fi
	if [ "${1:-}" = --check ]; then
		diff -u --label "$f" --label "$f, generated" "$top/$f" "$tmp/out/${f##*/}" >&2 || true
		echo "ynl.sh: $f is not what uapi/mqbus.yaml says; write it anew with 'make ynl'" >&2
		status=1
	else
		cp "$tmp/out/${f##*/}" "$top/$f"
		echo "wrote $f"
	fi
done
exit $status

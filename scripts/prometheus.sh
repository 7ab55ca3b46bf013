#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# prometheus.sh [--cached]: print the directory of prometheus and promtool, unpacked from
# Debian's package into the cache. They are not installed, as that would start a server on the
# machine. --cached: fail instead of downloading.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scripts/cache.sh
. "$here/cache.sh"

dest=$cache/prometheus
if [ ! -x "$dest/usr/bin/promtool" ]; then
	[ "${1:-}" != --cached ] || exit 1
	tmp=$(mktemp -d "$cache/.prometheus-XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	apt_setup prometheus bookworm
	fetch_debs "$tmp" prometheus
	dpkg-deb -x "$tmp"/prometheus_*.deb "$tmp/root"
	rm -rf "$dest"
	mv -T "$tmp/root" "$dest"
fi
echo "$dest/usr/bin"

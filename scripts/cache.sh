# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts that fetch Debian packages. Everything fetched lives
# in the cache directory; apt runs with a private configuration, so the
# machine's own package sources and lists are neither used nor changed.

home=${HOME:-~}
cache=${MQBUS_CACHE:-${XDG_CACHE_HOME:-$home/.cache}/mqbus}
mkdir -p "$cache"
cache=$(realpath "$cache")

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }

# This machine's Debian mirror is the nearest; an Ubuntu machine has none and gets the public
# one.
debian_mirror() {
	local uri
	uri=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
			/etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
		sed -E -n '/^[[:space:]]*#/d; s#^(deb |URIs:)(.*[[:space:]])?(https?://[^[:space:]]*/debian)/?([[:space:]].*)?$#\3#p' |
		head -n 1)
	echo "${uri:-http://deb.debian.org/debian}"
}

# apt_setup NAME SUITE...: prepare and refresh a private apt whose only
# sources are the given Debian suites; sets the array aptopts.
apt_setup() {
	local dir=$cache/apt/$1 mirror suite key=/usr/share/keyrings/debian-archive-keyring.gpg
	shift
	[ -e "$key" ] || die "$key is missing: run scripts/deps.sh (package debian-archive-keyring)"
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	mirror=$(debian_mirror)
	for suite; do
		case $suite in
		*-security) echo "deb [arch=amd64 signed-by=$key] ${mirror%/debian}/debian-security $suite main" ;;
		*) echo "deb [arch=amd64 signed-by=$key] $mirror $suite main" ;;
		esac
	done >"$dir/sources.list"
	aptopts=(-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=-
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache"
		-o APT::Architecture=amd64 -o APT::Default-Release=
		-o Acquire::Languages=none -o Acquire::Retries=3
		# files are downloaded as this user: the _apt user may not write here
		-o APT::Sandbox::User=root)
	say "reading the package lists of $* ($mirror)"
	apt-get "${aptopts[@]}" -q update >"$dir/update.log" 2>&1 ||
		{ cat "$dir/update.log" >&2; die "cannot read the package lists: is the network up?"; }
	! grep -E '^(E|Err|W: Failed)' "$dir/update.log" >&2 ||
		die "cannot read the package lists of $*: is the network up?"
}

# newest PACKAGE FIELD: a field of the newest version of the package
newest() {
	apt-cache "${aptopts[@]}" show --no-all-versions "$1" 2>/dev/null |
		sed -n "s/^$2: //p" | head -n 1
}

# fetch_debs DIR PACKAGE...: download the newest packages into DIR
fetch_debs() {
	local dir=$1
	shift
	say "downloading $*"
	(cd "$dir" && apt-get "${aptopts[@]}" -q download "$@" >download.log 2>&1) ||
		{ cat "$dir/download.log" >&2; die "download failed: is the network up?"; }
}

# source_tar VERSION DIR SUITE...: the tar stream of linux-source-VERSION, from the installed
# package or else from the suites, downloaded into DIR, with its revision in "source" there. If
# a suite no longer has that version: its newest.
source_tar() {
	local version=$1 dir=$2 package=linux-source-$1 deb other
	local tarball=/usr/src/$package.tar.xz
	shift 2
	if [ -e "$tarball" ]; then
		dpkg-query -W -f '${Package} ${Version}\n' "$package" >"$dir/source" 2>/dev/null ||
			echo "$tarball" >"$dir/source"
		say "unpacking $tarball"
		xz -T0 -dc "$tarball"
	else
		apt_setup "source-$version" "$@"
		if [ -z "$(newest "$package" Version)" ]; then
			other=$(apt-cache "${aptopts[@]}" search --names-only '^linux-source-[0-9.]+$' |
				awk '{ print $1 }' | sort -V | tail -n 1)
			[ -n "$other" ] || die "there is no $package in $*, nor another one"
			say "there is no $package in $* any more: taking the newest that is there, $other"
			package=$other
		fi
		fetch_debs "$dir" "$package"
		deb=("$dir"/linux-source-*.deb)
		dpkg-deb -W --showformat '${Package} ${Version}\n' "${deb[0]}" >"$dir/source"
		say "unpacking $(<"$dir/source")"
		dpkg --fsys-tarfile "${deb[0]}" |
			tar -xO --wildcards "*/$package.tar.xz" | xz -T0 -dc
		rm -f "${deb[@]}"
	fi
}

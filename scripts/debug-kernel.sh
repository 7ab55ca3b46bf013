#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# debug-kernel.sh a|b|c: build a debug kernel into the cache, once, and print
# where its parts are, in the same way as kernel.sh, which calls this:
#
#   a   KASAN, lockdep, kmemleak, fault injection, KCOV, UBSAN, KUnit; newest kernel
#   b   KCSAN; oldest kernel
#   c   tracers of preemption and interrupts that are off; oldest kernel
#
# The configuration is tinyconfig with selftests/vm/debug.config and debug-a.config,
# debug-b.config or debug-c.config. A build takes 10 to 20 minutes on two processors;
# one that was interrupted goes on where it was.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scripts/cache.sh
. "$here/cache.sh"
configs=$here/../selftests/vm

flavour=${1:-}
case $flavour in
a) version=7.2 suites=(sid) vars=() ;;
# The kernel has many races that are known and intended. So only its barriers are instrumented,
# as some of its directories ask for, and all accesses of the module: reports are the module's.
b) version=6.1 suites=(bookworm bookworm-security) vars=(KCSAN_SANITIZE=n) ;;
c) version=6.1 suites=(bookworm bookworm-security) vars=() ;;
*) die "usage: debug-kernel.sh a|b|c" ;;
esac
name=debug-$flavour
fragments=("$configs/debug.config" "$configs/$name.config")

# Bump when the layout below changes: caches filled by older versions are redone.
layout=1
# One directory for each configuration and version: different checkouts share a cache. Debian's
# revision is written to $dest/source, but makes no new directory: a newer one must not make a
# test run build a kernel, nor need the network. To get it, remove the directory.
key=$(echo "$layout $version" | cat - "${fragments[@]}" | sha256sum | cut -c1-12)
dest=$cache/kernels/$name-$key
work=$cache/kernels/.build-$name-$key

describe() {
	local krel
	krel=$(cat "$dest/release")
	printf '%s=%q\n' KREL "$krel" KDIR "$dest/build" KROOT "$dest" \
		VMLINUZ "$dest/boot/vmlinuz-$krel" VMLINUX "$dest/vmlinux" \
		SOURCE "$(cat "$dest/source" 2>/dev/null || true)"
}

# A module needs the compiler that built its kernel.
compiler=$(gcc -dumpfullversion)
ready() { [ "$(head -n 1 "$dest/stamp" 2>/dev/null)" = "$layout $compiler" ]; }

if ready; then touch "$dest/stamp"; describe; exit 0; fi

mkdir -p "$cache/kernels"
exec 9>"$cache/kernels/.lock-$name-$key"
flock -n 9 || { say "waiting for another build of $name"; flock 9; }
if ready; then describe; exit 0; fi

for tool in flex bison bc; do
	command -v $tool >/dev/null || die "$tool is missing: run scripts/deps.sh"
done

say "$name (linux $version) is not in $dest yet"
# The caller's make options are not for the kernel's make.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL KERNEL KERNELS O V M
export KBUILD_BUILD_USER=mqbus KBUILD_BUILD_HOST=mqbus

# quiet WHAT COMMAND...: show the output only if it fails
quiet() {
	local what=$1
	shift
	"$@" >"$work/quiet.log" 2>&1 || { cat "$work/quiet.log" >&2; die "$what failed"; }
}

if [ ! -e "$work/.unpacked" ]; then
	rm -rf "$work"
	mkdir -p "$work/deb"
	source_tar "$version" "$work/deb" "${suites[@]}" | tar -x -C "$work" --strip-components=1
	if [ "$flavour" = b ]; then
		for dir in kernel kernel/{locking,rcu,time} lib fs; do
			echo 'KCSAN_INSTRUMENT_BARRIERS := y' >>"$work/$dir/Makefile"
		done
	fi
	mv "$work/deb/source" "$work/.source"
	touch "$work/.unpacked"
fi
cd "$work"

say "configuring $(<.source)"
quiet "make tinyconfig" make tinyconfig
cat "${fragments[@]}" >>.config
quiet "make olddefconfig" make olddefconfig
# Kconfig drops options silently if it cannot have them.
vanished=$(awk '
	FNR == NR { if (/^CONFIG_/) { split($0, f, "="); have[f[1]] = $0 } next }
	/^CONFIG_/ { split($0, f, "="); if (have[f[1]] != $0) print "  " $0 }
	/^# CONFIG_.* is not set$/ { if ($2 in have) print "  " $2 "=n" }
' .config "${fragments[@]}")
[ -z "$vanished" ] || die "linux $version does not take these lines of selftests/vm/{debug,$name}.config:
$vanished
what they depend on is missing there, or their names have changed"

# progress PID: print a line now and then while it runs
progress() {
	local begin=$SECONDS next=0
	while kill -0 "$1" 2>/dev/null; do
		if [ $((SECONDS - begin)) -ge $next ]; then
			printf '%s: building %s: %d objects, %d:%02d\n' "${0##*/}" "$name" \
				"$(grep -cE '^ +(CC|AS) ' build.log || true)" \
				$(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60)) >&2
			next=$((SECONDS - begin + 30))
		fi
		sleep 1
	done
}

: >build.log
say "building, 10 to 20 minutes on two processors; log: $work/build.log"
nice -n 10 make -j"$(nproc)" "${vars[@]}" bzImage modules >build.log 2>&1 9>&- &
make=$!
trap 'kill $make 2>/dev/null || true' EXIT
progress $make
wait $make || { grep -nE -B5 ' error: |Error [0-9]' build.log | tail -n 40 >&2
	die "the kernel does not build; the log: $work/build.log"; }
trap - EXIT

krel=$(make -s kernelrelease)
new=$work/.new
rm -rf "$new"
mkdir -p "$new/boot" "$new/build/arch/x86" "$new/build/tools"
quiet "make modules_install" make INSTALL_MOD_PATH="$new" modules_install
rm -f "$new/lib/modules/$krel/build" "$new/lib/modules/$krel/source"
cp arch/x86/boot/bzImage "$new/boot/vmlinuz-$krel"
cp System.map "$new/boot/System.map-$krel"
python3 "$here/extract-vmlinux.py" arch/x86/boot/bzImage "$new/vmlinux"
# The files of the tree that "make -C ... M=..." uses
cp -a Makefile .config Module.symvers include scripts "$new/build"
cp -a arch/x86/Makefile* arch/x86/include "$new/build/arch/x86"
if [ -e tools/objtool/objtool ]; then
	mkdir "$new/build/tools/objtool"
	cp -a tools/objtool/objtool "$new/build/tools/objtool"
fi
echo "$krel" >"$new/release"
cp .source "$new/source"
printf '%s\n' "$layout $compiler" "$dest" >"$new/stamp"
rm -rf "$dest"
mv -T "$new" "$dest"
cd /
rm -rf "$work"
# remove other versions of the configuration
find "$cache/kernels" -mindepth 2 -maxdepth 2 -path "*/$name-*/stamp" -mtime +7 -printf '%h\0' |
	xargs -0 -r rm -rf
say "kernel $name ($krel, $(<"$dest/source")) is ready in $dest"
describe

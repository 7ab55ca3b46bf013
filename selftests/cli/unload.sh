#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module cannot go while anything is in use, and goes when nothing is. Needs
# the module from build/, to load it again, and no topics in any namespace.
KTAP_HOST_NS=1
. "$(dirname "$0")/ktap.bash"

module=${MODULE:-$(dirname "$0")/../../build/${KERNEL:-$(uname -r | cut -d. -f1,2)}/mqbus.ko}

# Namespaces of earlier tests go a moment after their last process
unused() {
	[ "$(</sys/module/mqbus/refcnt)" = 0 ]
}
within 20 unused
result "nothing uses the module" $?

refused() {
	rmmod mqbus 2>/dev/null && return 1
	[ -d /sys/module/mqbus ]
}
mqbus topic create -q t
refused
result "a topic keeps it" $?
mqbus sub t -g g >/dev/null &
sub=$!
within 10 has_member t g
mqbus topic delete t
wait $sub
exec 3<>/dev/mqbus
refused
result "an open file keeps it" $?
exec 3>&-
succeeds "without them it goes" rmmod mqbus
fails "then there is no device" 1 "mqbus: /dev/mqbus is not there: load the module (modprobe mqbus)" \
	mqbus info
fails "for pub" 1 "topic 't': /dev/mqbus is not there" mqbus pub t
fails "for lists" 1 "/dev/mqbus is not there" mqbus topic list
succeeds "it comes back" insmod "$module"
prints "and is empty" "[]" mqbus topic list -j
for i in 1 2 3 4 5; do
	mqbus topic create -q t && seq 100 | mqbus pub t -q &&
		[ "$(mqbus sub t -g g -e | wc -l)" = 100 ] && mqbus topic delete t &&
		rmmod mqbus && insmod "$module" || break
done
same "use and unload, five times" 5 "$i"
finish

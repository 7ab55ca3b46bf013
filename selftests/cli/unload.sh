#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module cannot go while anything is in use, and goes when nothing is. Needs
# the module's file, to load it again, and no topics in any namespace.
KTAP_HOST_NS=1
. "$(dirname "$0")/ktap.bash"

module=${MODULE:?the file of the module}

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
# A list that is being sent keeps it, and mqbus top asks for one five times a second
unload='for try in {1..100}; do rmmod mqbus 2>/dev/null && break; sleep 0.07; done'
same "without them it goes, and mqbus top ends" "status 1 restored" \
	"$(python3 -I -S "$(dirname "$0")/drive-top.py" "=TOPIC" "! bash -c '$unload'" | xargs)"
[ ! -d /sys/module/mqbus ]
result "it is gone" $?
fails "then there is no device" 1 "mqbus: /dev/mqbus does not exist: load the module (modprobe mqbus)" \
	mqbus info
fails "for pub" 1 "topic 't': /dev/mqbus does not exist" mqbus pub t
fails "for lists" 1 "/dev/mqbus does not exist" mqbus topic list
succeeds "it comes back" insmod "$module"
prints "and is empty" "[]" mqbus topic list -j
# Use of every kind: topics, groups, records, members and producers that are
# killed in the middle, and a deletion with a reader left.
use() {
	mqbus topic create -q t -n 4 -s 16M && mqbus topic create -q e -f evict &&
		mqbus group create t idle && seq 100 | mqbus pub t -q &&
		[ "$(mqbus sub t -g g -e | wc -l)" = 100 ] || return 1
	mqbus sub t -g g >/dev/null &
	local member=$!
	within 10 has_member t g || return 1
	mqbus sub e -g h >/dev/null &
	local reader=$!
	within 10 has_member e h || return 1
	mqbus pub t < <(exec yes) >/dev/null &
	local producer=$!
	kill -9 $member $producer
	mqbus topic delete e && mqbus topic delete t || return 1
	wait $member $producer $reader
	return 0
}

# memory: KiB that are free and KiB of the kernel's objects
memory() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemFree:/ { free = $2 } /^(SUnreclaim|Percpu|VmallocUsed):/ { used += $2 }
		END { print free, used }' /proc/meminfo
}

# The first rounds fill caches that stay; one of those after them is enough where all is slow
rounds=6
[ "${MQ_SLOW:-1}" = 1 ] || rounds=4
for ((i = 1; i <= rounds; i++)); do
	use 2>/dev/null && within 10 unused && rmmod mqbus && insmod "$module" || break
	if [ $i = 2 ]; then
		read -r free used < <(memory)
		echo "unload.sh: begin" >/dev/kmsg
	fi
done
same "use and unload, $rounds times" $((rounds + 1)) $i
same "without a word from the kernel" "" "$(dmesg | sed '1,/unload.sh: begin/d')"
read -r free_now used_now < <(memory)
note "KiB: free $free, then $free_now; in use by the kernel $used, then $used_now"
# A topic's rings are 64 MiB: one of them lost in each round is more than all noise
[ $((free - free_now)) -lt 65536 ]
result "pages come back" $?
[ $((used_now - used)) -lt 1024 ]
result "objects come back" $?
finish

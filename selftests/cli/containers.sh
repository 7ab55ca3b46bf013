#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Containers on one bus: it is pinned to a path, and who gets the path may join, with the rights of
# its user.
. "$(dirname "$0")/ktap.bash"

bus=$tmp/run/mqbus/bus
mkdir "$tmp/run"
chmod 755 "$tmp"

as=()
# Each has user, pid, mount and network namespaces of its own, and is the user NUMBER outside
container() { # NUMBER COMMAND...
	local uid=$1
	shift
	"${as[@]}" setpriv --reuid "$uid" --regid "$uid" --clear-groups \
		unshare --user --map-root-user --net --mount --pid --fork --mount-proc --kill-child "$@"
}
joined() { # NUMBER COMMAND...
	local uid=$1
	shift
	container "$uid" env MQBUS_BUS="$bus" "$@"
}
alice=61001 bob=61002

succeeds "the bus is pinned" mqbus bus pin "$bus"
succeeds "again is the same" mqbus bus pin "$bus"
same "to this namespace" "$(stat -Lc %i /proc/self/ns/net)" "$(stat -Lc %i "$bus")"
fails "by another it is not" 1 "another namespace is there (mqbus bus unpin $bus)" \
	unshare -n mqbus bus pin "$bus"
fails "nor by one who may not" 1 "only root may mount" \
	setpriv --reuid $alice --clear-groups mqbus bus unpin "$bus"

mqbus topic create -q jobs -s 64K --mode 0666
mqbus topic create -q secret -s 64K --mode 0600
mqbus group create jobs workers -t queue --mode 0666
result "a topic and a group of the machine" $?

# Without the path it has a bus of its own; with it, what is shared and no more
prints "a container sees nothing of it" "[]" container $alice mqbus topic list -j
fails "nor finds it by name" 1 "there is no such topic in this network namespace" \
	container $alice mqbus pub jobs
joined $alice mqbus topic list -j >"$tmp/list" 2>"$tmp/err"
same "one that joins sees what it may read" "['jobs']" \
	"$(json "$tmp/list" "[t['name'] for t in j]")"
fails "not the other" 1 "there is no such topic in the bus '$bus'" \
	joined $alice mqbus topic show secret
fails "nor may it write there" 1 "mode lacks w" joined $alice mqbus pub secret
fails "nor delete what is not its own" 1 "only its owner or root" \
	joined $alice mqbus topic delete jobs

# Published in one container, consumed in another
seq 100 | joined $alice mqbus pub jobs -q
result "one publishes" $?
joined $bob mqbus sub jobs -g workers -t queue -e -q >"$tmp/got" 2>"$tmp/err"
same "the other consumes" "$(seq 100)" "$(sort -n "$tmp/got")"
prints "by a list, nothing is left" "0" figures jobs workers lag

# A container that is killed lets go of what it had: another one has it at once
echo precious | mqbus pub jobs -q
mkfifo "$tmp/acks"
exec 3<>"$tmp/acks"
{
	as=(exec)
	joined $bob mqbus sub jobs -g workers -t queue --ack manual -q <&3 >"$tmp/held" 2>&1
} &
killed=$!
within 10 is_figure jobs workers leased 1
result "one holds a record" $?
mqbus group members jobs workers -j >"$tmp/members"
same "under its uid outside" $bob "$(json "$tmp/members" "j[0]['uid']")"
kill -9 $killed
wait $killed 2>/dev/null
joined $alice timeout 20 mqbus sub jobs -g workers -t queue -c 1 -q >"$tmp/got" 2>"$tmp/err"
exec 3>&-
same "it is killed, another has it" precious "$(cat "$tmp/got")"

# What it creates there is its user's, and counts for it and for that bus
used() { mqbus info -j >"$tmp/info" && json "$tmp/info" "j['used_bytes']"; }
before=$(used)
succeeds "one creates a topic" joined $alice mqbus topic create -q mine -s 1M --mode 0600
[ "$(used)" -ge $((before + 1048576)) ]
result "this bus pays" $?
mqbus topic show mine -j >"$tmp/show"
same "it is hers" $alice "$(json "$tmp/show" "j['uid']")"
container $alice mqbus info -j >"$tmp/info" 2>"$tmp/err"
same "her own bus pays nothing" 0 "$(json "$tmp/info" "j['used_bytes']")"
limit=$(</proc/sys/net/mqbus/max_bytes)
echo $(($(used) + 65536)) >/proc/sys/net/mqbus/max_bytes
fails "its limit holds, and is told" 1 "over the limit of the bus '$bus'" \
	joined $alice mqbus topic create -q more -s 1M
echo "$limit" >/proc/sys/net/mqbus/max_bytes
succeeds "she deletes it" joined $alice mqbus topic delete mine
same "and has paid" "$before" "$(used)"

# Events stay where they are
fails "events are not heard elsewhere" 1 "heard there alone" \
	unshare -n env MQBUS_BUS="$bus" mqbus monitor -c 1
MQBUS_BUS=$bus timeout 20 mqbus monitor -c 1 -j >"$tmp/event" 2>"$tmp/err" &
monitor=$!
heard() { mqbus topic create -q heard -s 4K; mqbus topic delete heard; ! kill -0 $monitor 2>/dev/null; }
within 20 heard
wait $monitor
result "they are where the bus is, by its path too" $?

# What is no bus
fails "a path that is not there" 1 "'$tmp/none', which MQBUS_BUS names, is no bus" \
	env MQBUS_BUS="$tmp/none" mqbus topic list
echo >"$tmp/file"
for path in "$tmp/file" /dev/null "$tmp" /proc/self/ns/mnt; do
	for args in "topic list" "pub jobs" "info" "topic show jobs"; do
		# shellcheck disable=SC2086
		fails "$args on ${path##*/}" 1 "which MQBUS_BUS names, is no bus" \
			env MQBUS_BUS="$path" mqbus $args
	done
done
prints "none is named by an empty word" "$(mqbus topic list -j)" env MQBUS_BUS= mqbus topic list -j

# More rights than who starts it: the starter does not choose
cp "$(type -P mqbus)" "$tmp/mqbus"
chmod 4755 "$tmp/mqbus"
fails "a setuid program's bus is its own" 1 "there is no such topic in this network namespace" \
	unshare -n setpriv --reuid $alice --clear-groups env MQBUS_BUS="$bus" "$tmp/mqbus" topic show jobs

fails "a file of content is not taken away" 1 "no bus is pinned there" mqbus bus unpin "$tmp/file"
succeeds "the bus is unpinned" mqbus bus unpin "$bus"
[ ! -e "$bus" ]
result "its file goes" $?
fails "then nobody joins" 1 "is no bus" joined $alice mqbus pub jobs

# A bus lives as long as it is pinned
unshare -n "$BASH" -c "mqbus bus pin $bus && mqbus topic create -q left -s 4K && echo kept | mqbus pub left -q"
result "a namespace ends, and its bus is pinned" $?
prints "its records are there" kept env MQBUS_BUS="$bus" mqbus peek left
succeeds "until it is unpinned" mqbus bus unpin "$bus"
finish

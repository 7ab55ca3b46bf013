#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each network namespace has topics of its own.
. "$(dirname "$0")/ktap.bash"

a=mqbus-a-$$
b=mqbus-b-$$
ip netns add $a
ip netns add $b
trap 'ip netns del $a; ip netns del $b; rm -rf "$tmp"' EXIT

for ns in $a $b; do
	succeeds "a topic in $ns" ip netns exec $ns mqbus topic create -q same -s 64K
	echo "in $ns" | ip netns exec $ns mqbus pub same -q
done
for ns in $a $b; do
	prints "$ns reads its own" "in $ns" ip netns exec $ns mqbus sub same -g g -e -q
done
prints "a third sees none" "[]" mqbus topic list -j
fails "nor finds one by name" 1 "there is no such topic in this network namespace" \
	mqbus topic show same
succeeds "deleting in one" ip netns exec $a mqbus topic delete same
succeeds "leaves the other's" ip netns exec $b mqbus topic show same

# A namespace lives as long as somebody has it open
mkfifo "$tmp/fifo"
ip netns exec $b mqbus pub same -v <"$tmp/fifo" >"$tmp/report" 2>/dev/null &
exec 3>"$tmp/fifo"
echo more >&3
within 10 grep -q stored "$tmp/report"
ip netns del $b
echo "and more" >&3
within 10 grep -q "stored 2" "$tmp/report"
result "an open producer outlives its namespace's name" $?
exec 3>&-
wait
ip netns add $b
prints "a new namespace of that name is empty" "[]" ip netns exec $b mqbus topic list -j
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Limits and permissions: each refusal names the limit and the way out.
. "$(dirname "$0")/ktap.bash"
umask 022
user_limit=/sys/module/mqbus/parameters/max_user_mbytes

# nobody COMMAND...: as a user who owns nothing
nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

sysctl -qw net.mqbus.max_topics=2
mqbus topic create -q a -s 4K
mqbus topic create -q b -s 4K
fails "topics of a namespace" 1 \
	"topic 'c': this network namespace has its maximum of 2 topics (sysctl net.mqbus.max_topics" \
	mqbus topic create c
sysctl -qw net.mqbus.max_topics=1000 net.mqbus.max_groups=1
mqbus group create a one
fails "groups of a topic" 1 \
	"topic 'a' group 'two': the topic has its maximum of 1 groups (sysctl net.mqbus.max_groups" \
	mqbus group create a two
fails "also through sub" 1 "the topic has its maximum of 1 groups" mqbus sub a -g two -e
sysctl -qw net.mqbus.max_groups=64

limit=$(sysctl -n net.mqbus.max_bytes)
sysctl -qw net.mqbus.max_bytes=1000000
fails "bytes of a namespace" 1 \
	"topic 'c': 1048576 bytes are over the limit of this network namespace: " \
	mqbus topic create c
[[ $err == *" of 1000000 are in use (sysctl net.mqbus.max_bytes"* ]]
result "with limit and use" $?
sysctl -qw net.mqbus.max_bytes="$limit"
succeeds "and fits under a larger one" mqbus topic create c
mqbus topic delete c

before=$(<$user_limit)
echo 1 >$user_limit
fails "bytes of a user" 1 "topic 'c': 2097152 bytes are over what user 65534 has left of 1048576 bytes: 0 are in use" \
	nobody mqbus topic create c -s 1M -n 2
[[ $err == *"$user_limit"* ]]
result "with the way out" $?
echo "$before" >$user_limit
all_limit=${user_limit%_user_mbytes}_mbytes
before=$(<$all_limit)
echo 1 >$all_limit
fails "bytes of the machine" 1 "over the limit of the machine: " nobody mqbus topic create c -s 1M
[[ $err == *" of 1048576 bytes are in use, and a 16th is root's ($all_limit"* ]]
result "with limit and use" $?
for size in 512K 256K 128K 64K; do mqbus topic create -q "root$size" -s $size; done
fails "also where root has what is left for root" 1 "over the limit of the machine: " \
	nobody mqbus topic create c -s 4K
for size in 512K 256K 128K 64K; do mqbus topic delete "root$size"; done
echo "$before" >$all_limit
succeeds "and fit under a larger limit" nobody mqbus topic create c -s 1M -n 2
succeeds "its owner deletes it" nobody mqbus topic delete c

mqbus topic create -q readable -s 4K --mode 0644
mqbus topic create -q writable -s 4K --mode 0622
mqbus group create readable private --mode 0600
mqbus group create readable shared --mode 0666
fails "publishing needs w" 1 "the topic is root's, and its mode 0644 lacks w for user 65534 (its owner: topic set" \
	nobody mqbus pub readable /etc/hostname
succeeds "w is enough" nobody mqbus pub writable /etc/hostname
fails "subscribing needs r" 1 "topic 'writable' group 'g': the topic's mode lacks r for user" nobody mqbus sub writable -g g -e
fails "a group needs r on the topic" 1 "the topic's mode lacks r for user 65534 (its owner: topic set writable --mode)" \
	nobody mqbus group create writable g
fails "joining needs w on the group" 1 "the group's mode lacks w for user 65534 (its owner: group set readable private --mode)" \
	nobody mqbus sub readable -g private -e
succeeds "which others may grant" nobody mqbus sub readable -g shared -e
fails "a group of one's own needs x" 1 "mode 0644 lacks x for user 65534, who may create no group that holds records" \
	nobody mqbus sub readable -g own -e
mqbus topic set readable --mode 0755
succeeds "which lets anybody hold" nobody mqbus sub readable -g own -e
mqbus topic set readable --mode 0644
echo seen | mqbus pub readable
prints "r is enough to look" seen nobody mqbus sub readable -e
prints "and to peek" seen nobody mqbus peek readable
succeeds "or for a group that holds nothing" nobody mqbus group create readable looks --observer
same "looking leaves nothing" "looks own private shared" \
	"$(mqbus group list readable | awk 'NR > 1 { print $2 }' | sort | xargs)"
same "what is listed of it" "observer 65534" \
	"$(nobody mqbus group show readable looks -j | json /dev/stdin '"observer" * j["observer"], j["uid"]' | tr -d "(',)")"
mqbus group set readable private --owner 65534:65534 --mode 0640
same "a group given away" "0640 65534 65534" "$(mqbus group show readable private -j |
	json /dev/stdin 'j["mode"], j["uid"], j["gid"]' | tr -d "(',)")"
fails "not by its owner" 1 "only the owner of the group or of the topic, or root" \
	nobody mqbus group set readable private --owner root
fails "deleting another's topic" 1 "topic 'readable': only its owner or root" \
	nobody mqbus topic delete readable
fails "deleting another's group" 1 "only the owner of the group or of the topic, or root" \
	nobody mqbus group delete readable shared
fails "moving another's group" 1 "only the owner of the group or of the topic, or root" \
	nobody mqbus group seek readable shared -o latest --execute
fails "giving a topic away" 1 "only root (CAP_CHOWN) may give a topic to another user (--owner)" \
	nobody mqbus topic create gift --owner root
same "what may not be read is not listed" "a b readable" \
	"$(nobody mqbus topic list | awk 'NR > 1 { print $1 }' | xargs)"

# A memory cgroup too small for the ring: refused, and nobody is killed for it
cgroup=/sys/fs/cgroup/mqbus-$$
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir $cgroup
echo 8M >$cgroup/memory.max
small() {
	(echo $BASHPID >$cgroup/cgroup.procs && exec "$@")
}
fails "memory" 1 "topic 'm': the machine or the memory cgroup has no 67108864 bytes left (--size" \
	small mqbus topic create m -s 64M
same "no process was killed for it" "oom_kill 0" "$(grep '^oom_kill ' $cgroup/memory.events)"
rmdir $cgroup

mode=$(stat -c %a /dev/mqbus)
chmod 600 /dev/mqbus
fails "a closed device" 1 "this user may not open /dev/mqbus" nobody mqbus info
chmod "$mode" /dev/mqbus
finish

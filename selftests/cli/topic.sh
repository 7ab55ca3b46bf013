#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus topic, mqbus info, and the command line itself.
. "$(dirname "$0")/ktap.bash"
umask 022

prints "version" "mqbus $(cat "$(dirname "$0")/../../VERSION")" mqbus --version
for words in "" topic group "topic create" "topic list" "topic show" "topic delete" \
	"group create" "group set" "group list" "group show" "group delete" "group seek" \
	queue dlq "dlq list" "dlq show" "dlq redrive" "dlq purge" pub sub bench info; do
	run mqbus $words --help
	[ "$status" = 0 ] && [[ $out == "Usage: mqbus"* ]]
	result "help of: mqbus $words" $?
done
fails "no command" 2 "which command?" mqbus
fails "unknown command" 2 "there is no command 'tpoic'" mqbus tpoic
fails "unknown option" 2 "option '--foo' is unknown" mqbus topic list --foo
fails "unknown letter" 2 "option '-z' is unknown" mqbus topic list -z
fails "option without value" 2 "lacks its value" mqbus topic create x --size

succeeds "create with defaults" mqbus topic create plain
same "create says what it made" \
	"topic 'plain': 1 x 1 MiB, block when full, records up to 64 KiB, kept for ever, mode 0644" \
	"$out"
prints "create with all options" \
	"topic 'full': 3 x 128 KiB, evict when full, records up to 4 KiB, kept 90 s, mode 0640" \
	mqbus topic create full --partitions 3 --size 100K --full evict --max-record 4K \
	--retention 1.5m --mode 0640 --owner nobody:12
prints "create quietly" "" mqbus topic create quiet -q -s 4K
prints "create per CPU" \
	"topic 'cpus': 64 KiB for each CPU, block when full, records up to 16 KiB, kept for ever, mode 0644" \
	mqbus topic create cpus --partitions per-cpu --size 64K
(umask 077; mqbus topic create -q masked -s 4K)
run mqbus topic list
same "list: names in order" "TOPIC cpus full masked plain quiet" \
	"$(awk '{ print $1 }' <<<"$out" | xargs)"
same "the umask is honoured" 0600 "$(awk '$1 == "masked" { print $3 }' <<<"$out")"

mqbus topic list -j >"$tmp/list"
same "list as JSON" "['cpus', 'full', 'masked', 'plain', 'quiet']" \
	"$(json "$tmp/list" '[t["name"] for t in j]')"
mqbus topic show full -j >"$tmp/show"
same "show as JSON: configuration" \
	"65534 12 0640 evict False 3 131072 4096 90000000000" \
	"$(json "$tmp/show" '" ".join(str(j[k]) for k in ("uid", "gid", "mode", "full", "per_cpu",
		"partitions", "ring_size", "max_record", "retention_ns"))')"
printf '%s\n' 1 2 3 | mqbus pub full -q -p 1
mqbus group create full readers
mqbus topic show full -j >"$tmp/show"
same "show as JSON: partitions" "[(0, 0, 0), (1, 0, 3), (2, 0, 0)]" \
	"$(json "$tmp/show" '[(p["partition"], p["oldest"], p["end"]) for p in j["partition_list"]]')"
same "show as JSON: groups" "[('readers', 3)]" \
	"$(json "$tmp/show" '[(g["group"], g["lag"]) for g in j["group_list"]]')"
same "show as JSON: counts" "(3, 3, 1)" \
	"$(json "$tmp/show" '(j["records"], j["published"], j["groups"])')"
run mqbus topic show full
for line in "owner       nobody:" "full        evict" "partitions  3" "ring        128 KiB" \
	"retention   90 s" "records     3 kept"; do
	[[ $out == *"$line"* ]]
	result "show tells: $line" $?
done

fails "the name is taken" 1 "mqbus: topic 'plain': exists already" mqbus topic create plain
fails "no such topic: show" 1 "topic 'nope': there is no such topic in this network namespace" \
	mqbus topic show nope
fails "no such topic: delete" 1 "topic 'nope': there is no such topic" mqbus topic delete nope
fails "a name with a space" 1 "a name has only letters" mqbus topic create "a b"
fails "a name with a dot first" 1 "does not begin with '.'" mqbus topic create .a
fails "an empty name" 1 "a name must not be empty" mqbus topic create ""
fails "a long name" 1 "at most 127 bytes" mqbus topic create "$(printf %0128d 0)"
succeeds "the longest name" mqbus topic create -s 4K "$(printf %0127d 0)"
fails "too many partitions" 1 "1025 partitions are over the maximum of 1024 (--partitions)" \
	mqbus topic create x -n 1025 -s 4K
fails "too small a ring" 1 "a ring has 4096 to 1073741824 bytes, not 2048 (--size)" \
	mqbus topic create x -s 2K
fails "too large a record" 1 "half of the ring and 262144 bytes, not 4096 (--max-record)" \
	mqbus topic create x -s 4K -m 4K
fails "bad --size" 2 "--size '1X': expected bytes" mqbus topic create x -s 1X
fails "bad --partitions" 2 "--partitions '0': expected" mqbus topic create x -n 0
fails "bad --full" 2 "--full 'drop': expected block, reject or evict" mqbus topic create x -f drop
fails "bad --mode" 2 "--mode '1777': expected octal" mqbus topic create x --mode 1777
fails "bad --owner" 2 "--owner 'no-such-user'" mqbus topic create x --owner no-such-user
fails "bad --retention" 2 "--retention '1y'" mqbus topic create x -r 1y
fails "create needs one name" 2 "takes one NAME" mqbus topic create a b

succeeds "delete two" mqbus topic delete plain quiet
fails "delete goes on after an error" 1 "topic 'plain'" mqbus topic delete plain full
fails "delete needs names or --all" 2 "or --all" mqbus topic delete
fails "delete takes not both" 2 "or --all" mqbus topic delete --all cpus
succeeds "delete all" mqbus topic delete --all
prints "nothing is left" "[]" mqbus topic list -j

run mqbus info
[[ $status = 0 && $out == *"net.mqbus.max_bytes"* ]]
result "info" $?
mqbus info -j >"$tmp/info"
same "info as JSON: all is given back" 0 "$(json "$tmp/info" 'j["used_bytes"]')"
same "info as JSON: limits are those of sysctl" \
	"$(sysctl -n net.mqbus.max_bytes net.mqbus.max_topics net.mqbus.max_groups | xargs)" \
	"$(json "$tmp/info" 'j["max_bytes"], j["max_topics"], j["max_groups"]' | tr -d '(,)')"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Making and changing queue groups: mqbus queue, mqbus group create and set.
. "$(dirname "$0")/ktap.bash"
umask 022

topics() {
	mqbus topic list | awk 'NR > 1 { print $1 }' | xargs
}

prints "queue makes three things that fit" \
	"topic 'jobs': 1 x 1 MiB, block when full, records up to 64 KiB, kept for ever, mode 0644
topic 'jobs.dlq': 1 x 1 MiB, block when full, records up to 64 KiB, kept for ever, mode 0644
queue group 'workers': up to 1024 in flight, dead letters after 5 failures" mqbus queue jobs
run mqbus queue --help
[[ $out == *"--full block|reject "* && $out == *"--dlq is NAME.dlq by default"* && $out != *"default: none"* ]]
result "the help of queue offers what it does" $?
same "its groups" "jobs/workers/queue jobs.dlq/dlq/queue" \
	"$(mqbus group list | awk 'NR > 1 { print $1 "/" $2 "/" $5 }' | xargs)"
same "the options of its group" "false false 1024 0 5 0 100000000 60000000000 2.0 20 262144 jobs.dlq" \
	"$(figures jobs workers at_most_once key_exclusive max_inflight credit limit lease_ns \
		backoff_min_ns backoff_max_ns backoff_factor backoff_jitter_percent retry_size dlq)"
fails "the name is taken" 1 "topic 'jobs': exists already" mqbus queue jobs
mqbus topic create -q tiny -s 4K
fails "a wrong option undoes all" 1 "a limit is 1 to 1000 failures or none, not 5000 (--limit)" \
	mqbus queue other --limit 5000
fails "a topic that evicts is refused" 2 "queue: a topic that evicts has no queue groups" \
	mqbus queue other -f evict
fails "dead letters that come back undo all" 1 "dead letters would come back to the topic" \
	mqbus queue other --dlq other
fails "and a topic of dead letters that is too small" 1 "would not fit" \
	mqbus queue other --dlq tiny
fails "and a name that is too long with .dlq" 2 "a name has at most 123 bytes" \
	mqbus queue "$(printf %0125d 0)"
same "nothing is left of them" "jobs jobs.dlq tiny" "$(topics)"
succeeds "records of nearly half a ring" mqbus queue large -s 64K -m 32000 -q
same "take a larger ring for dead letters" 131072 \
	"$(mqbus topic show large.dlq -j >"$tmp/show"; json "$tmp/show" 'j["ring_size"]')"
mqbus topic delete large
run mqbus queue large -s 64K
[[ $status = 0 && $out == *"topic 'large.dlq': was there"* ]]
result "dead letters of an earlier one are used on" $?
prints "without dead letters" "topic 'none': 1 x 1 MiB, block when full, records up to 64 KiB, kept for ever, mode 0644
queue group 'g': up to 7 in flight, no dead letters" mqbus queue none -g g --dlq none --max-inflight 7
mqbus topic delete large large.dlq none

mqbus topic create -q t
mqbus topic create -q dead
succeeds "group create -t queue" mqbus group create t full -t queue --max-inflight 99 --credit 7 \
	--lease 1.5s --limit 3 --backoff 1s:1m:1.5:30% --dlq dead --key-exclusive --retry-size 300K
same "its options" "false true 99 7 3 1500000000 1000000000 60000000000 1.5 30 524288 dead" \
	"$(figures t full at_most_once key_exclusive max_inflight credit limit lease_ns \
		backoff_min_ns backoff_max_ns backoff_factor backoff_jitter_percent retry_size dlq)"
succeeds "group set" mqbus group set t full -t queue --max-inflight 50 --credit 0 --lease 0 \
	--limit none --backoff 2m --dlq none
same "its new options" "50 0 null 0 120000000000 120000000000 2.0 0 null" \
	"$(figures t full max_inflight credit limit lease_ns backoff_min_ns backoff_max_ns \
		backoff_factor backoff_jitter_percent dlq)"
fails "not more in flight than it was made with" 1 "as the group was made with, not 200" \
	mqbus group set t full --max-inflight 200
fails "set: no topic of dead letters" 1 "there is no topic 'nope' for dead letters" \
	mqbus group set t full --dlq nope
fails "set: the topic itself" 1 "dead letters would come back" mqbus group set t full --dlq t
fails "set: no such group" 1 "the topic has no such group" mqbus group set t nope --credit 1
fails "set: no such topic" 1 "there is no such topic" mqbus group set nope g --credit 1
fails "set: nothing" 2 "change what?" mqbus group set t full
fails "set: what is fixed" 2 "'--key-exclusive' is unknown" mqbus group set t full --key-exclusive
mqbus group create t stream
fails "set: a stream group" 1 "is a stream group" mqbus group set t stream --credit 1
fails "set: a type without options" 2 "change what?" mqbus group set t full -t stream
fails "set: options of another type" 2 "two types of groups" \
	mqbus group set t full -t stream --credit 1
fails "set: no type" 2 "--type 'nonsense': expected stream or queue" \
	mqbus group set t full -t nonsense --credit 1
fails "create: no topic of dead letters" 1 \
	"there is no topic 'nope' for dead letters (topic create; or 'mqbus queue'" \
	mqbus group create t g -t queue --dlq nope
fails "create: the topic itself" 1 "come back to the topic, directly or through the dead letters of 't'" \
	mqbus group create t g -t queue --dlq t
mqbus group create dead back -t queue --dlq t
fails "create: a circle" 1 "dead letters would come back" mqbus group create t g -t queue --dlq dead
mqbus group delete dead back
mqbus topic create -q ev -f evict
fails "create: a topic that evicts" 1 "a topic that evicts cannot have queue groups (topic create" \
	mqbus group create ev g -t queue
fails "create: dead letters would not fit" 1 "into 'tiny' (topic create --max-record, --size)" \
	mqbus group create t g -t queue --dlq tiny
fails "create: a limit that leads nowhere" 1 "name a topic of dead letters (--dlq), or no limit" \
	mqbus group create t g -t queue --limit 3
fails "max-inflight out of range" 1 "up to 1048576 records may be in flight, not 2000000" \
	mqbus group create t g -t queue --max-inflight 2000000
fails "lease out of range" 1 "a lease lasts up to 30 days" mqbus group create t g -t queue --lease 31d
fails "backoff out of range" 1 "a backoff is up to 30 days" \
	mqbus group create t g -t queue --backoff 31d
fails "factor out of range" 1 "a backoff's factor is 1 to 100, not 0.5" \
	mqbus group create t g -t queue --backoff 1s:2s:0.5
fails "jitter out of range" 1 "a backoff's jitter is 0 to 100%, not 200%" \
	mqbus group create t g -t queue --backoff 1s:2s:2:200%
fails "retry ring out of range" 1 "a retry ring has 4096 to 67108864 bytes, not 1073741824" \
	mqbus group create t g -t queue --retry-size 1G
fails "retry ring too small for a record" 1 "would not fit into the retry ring (--retry-size" \
	mqbus group create t g -t queue --retry-size 4K
fails "bad backoff" 2 "--backoff '2s:1s': expected MIN" mqbus group create t g -t queue --backoff 2s:1s
fails "bad limit" 2 "--limit '0': expected" mqbus group create t g -t queue --limit 0
fails "bad type" 2 "--type 'topic': expected stream or queue" mqbus group create t g -t topic
fails "options of a queue on a stream" 2 "are for -t queue" mqbus group create t g --credit 3
fails "the name is taken" 1 "exists already" mqbus group create t full -t queue
same "list: in flight, retrying, dead, lag" "queue 0 0 0 0|stream - - - 0|" \
	"$(mqbus group list t | awk 'NR > 1 { print $5, $8, $9, $10, $11 }' | tr '\n' '|')"

mqbus topic create -q open --mode 0777
fails "no permission for dead letters" 1 \
	"the mode of 'dead' does not let this user publish dead letters (topic show: w)" \
	setpriv --reuid 65534 --regid 65534 --clear-groups mqbus group create open g -t queue --dlq dead
fails "no permission to change it" 1 "only the owner of the group or of the topic, or root" \
	setpriv --reuid 65534 --regid 65534 --clear-groups mqbus group set t full --credit 1
used=$(mqbus info -j | awk -F '[:,]' '/"used_bytes"/ { print $2 + 0 }')
sysctl -qw net.mqbus.max_bytes=$((used + 100000))
fails "bytes of a namespace" 1 \
	"room for 1024 records in flight and the retry ring is over the limit of this network namespace" \
	mqbus group create t g -t queue
succeeds "what --max-inflight and --retry-size help against" \
	mqbus group create tiny g -t queue --max-inflight 10 --retry-size 8K
finish

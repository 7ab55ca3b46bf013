#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus group.
. "$(dirname "$0")/ktap.bash"
umask 022

mqbus topic create -q t -n 2
mqbus topic create -q u
seq 10 | mqbus pub t -q -p 0
seq 4 | mqbus pub t -q -p 1

prints "create" "" mqbus group create t early
prints "create at the end" "" mqbus group create t late -o latest --mode 0600
prints "create at an offset" "" mqbus group create t five -o 5
prints "create at a time" "" mqbus group create t past -o @1000000000.5
mqbus group create u other
lags() {
	mqbus group list "$@" | awk 'NR > 1 { print $1 "/" $2 "=" $(NF - 1) }' | xargs
}
same "list of a topic" "t/early=14 t/five=5 t/late=0 t/past=14" "$(lags t)"
same "list of all" "t/early=14 t/five=5 t/late=0 t/past=14 u/other=0" "$(lags)"
mqbus group list t -j >"$tmp/list"
same "list as JSON" "[('early', 14, '0644'), ('five', 5, '0644'), ('late', 0, '0600'), ('past', 14, '0644')]" \
	"$(json "$tmp/list" '[(g["group"], g["lag"], g["mode"]) for g in j]')"

mqbus sub t -g early -c 3 >/dev/null
run mqbus group show t early
same "show: committed, end, lag of partition 0" "3 10 7" \
	"$(awk '$1 == "0" { print $2, $4, $5 }' <<<"$out")"
mqbus sub t -g early >"$tmp/read" 2>/dev/null &
member=$!
within 10 eval '[ "$(group_sum t early LAG)" = 0 ]'
mqbus group show t early -j >"$tmp/show"
same "show as JSON, with the member's process" \
	"[(0, 10, 10, 10, 0, 0), (1, 4, 4, 4, 0, 0)] $member mqbus" \
	"$(json "$tmp/show" 'str([(p["partition"], p["committed"], p["fetched"], p["end"], p["lag"],
		p["lost"]) for p in j["partitions"]]) + " %d %s" % (
		j["partitions"][0]["owner"]["pid"], j["partitions"][0]["owner"]["comm"])')"
fails "delete with members" 1 "has members (group show; --force" mqbus group delete t early
fails "seek with members" 1 "has members, or records that wait for another attempt" \
	mqbus group seek t early -o earliest --execute
succeeds "but a dry run" mqbus group seek t early -o earliest
succeeds "delete by force" mqbus group delete t early --force
wait $member
same "ends its member" 1 $?

run mqbus group seek t five -o earliest
same "seek shows old, new, end" "0 5 0 10 1 4 0 4" "$(tail -2 <<<"$out" | xargs)"
[[ $err == "Nothing was moved"* ]]
result "and says that it moved nothing" $?
same "nor did it" 5 "$(group_sum t five LAG)"
prints "seek of one partition, as JSON" "True [(0, 5, 8, 10)]" \
	json <(mqbus group seek t five -o 8 -p 0 --execute -j) \
	'str(j["executed"]) + " " + str([(p["partition"], p["old"], p["new"], p["end"]) for p in j["partitions"]])'
same "moved it" "9 10" "$(mqbus sub t -g five -e | xargs)"
mqbus group seek t five -o earliest --execute >/dev/null
same "seek replays all" 14 "$(mqbus sub t -g five -e | wc -l)"
mqbus group seek t five -o @1000000000 --execute >/dev/null
same "seek to a time" 14 "$(group_sum t five LAG)"
mqbus group seek t five -o 1000 --execute >/dev/null
same "an offset beyond the end is the end" 0 "$(group_sum t five LAG)"

fails "the name is taken" 1 "topic 't' group 'late': exists already" mqbus group create t late
fails "create: no topic" 1 "topic 'nope': there is no such topic" mqbus group create nope g
fails "show: no group" 1 "topic 't' group 'nope': the topic has no such group" \
	mqbus group show t nope
fails "show: no topic" 1 "topic 'nope': there is no such topic" mqbus group show nope g
fails "list: no topic" 1 "there is no such topic" mqbus group list nope
fails "delete: no group" 1 "the topic has no such group" mqbus group delete t nope
fails "seek: no group" 1 "the topic has no such group" mqbus group seek t nope -o latest
fails "seek: no partition" 1 "there is no partition 7: the topic has 2" \
	mqbus group seek t late -p 7 -o latest
fails "seek: where to" 2 "where to?" mqbus group seek t late
fails "bad place" 2 "--offset 'x': expected" mqbus group seek t late -o x
fails "a bad name" 1 "a name has only letters" mqbus group create t "a b"
fails "create needs two names" 2 "takes a TOPIC and a GROUP" mqbus group create t
succeeds "delete" mqbus group delete t late
same "it is gone" "t/five=0 t/past=14" "$(lags t)"
finish

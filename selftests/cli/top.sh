#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mqbus top, on a terminal of 80 by 24.
. "$(dirname "$0")/ktap.bash"

mqbus topic create -q orders
mqbus topic create -q parcels
mqbus group create orders billing
seq 10 | mqbus pub orders -q
mqbus sub parcels -g shipping >/dev/null 2>&1 &
member=$!
within 10 has_member parcels shipping

drive() {
	python3 -I -S "$(dirname "$0")/drive-top.py" "$@" | xargs
}
same "topics, then q: the terminal is as it was" "status 0 restored" \
	"$(drive "=TOPIC" "=parcels" q)"
same "groups with their states" "status 0 restored" "$(drive "=TOPIC" g "=STOPPED" q)"
same "members with their process" "status 0 restored" "$(drive "=TOPIC" m "=$member" q)"
same "a filter" "status 0 restored" "$(drive "=TOPIC" / parc "=1 rows" q "=parcq_" $'\n' "=0 rows" / $'\e' "=2 rows" q)"
same "sort and turn round" "status 0 restored" "$(drive "=TOPIC" '>' "=by BYTES/S" r "=by BYTES/S" '<' "=by IN/S" q)"
same "a storm of changes of the size" "status 0 restored" "$(drive "=TOPIC" storm g "=billing" q)"
same "SIGTERM leaves the terminal as it was" "status 143 restored" "$(drive "=TOPIC" "kill 15")"
drive "=TOPIC" "hang up" | grep -q "^status"
result "it ends with its terminal" $?
fails "not without a terminal" 1 "needs a terminal" mqbus top
kill $member
wait 2>/dev/null
finish

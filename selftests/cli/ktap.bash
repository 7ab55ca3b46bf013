# SPDX-License-Identifier: GPL-2.0
# What the tests of the command line have in common: sourced first by each. A
# test runs in a network namespace of its own, so it begins without topics and
# whatever it leaves behind goes with it.

if [ -z "${MQBUS_TEST_NS-}" ] && [ -z "${KTAP_HOST_NS-}" ]; then
	MQBUS_TEST_NS=1 exec unshare -n "$BASH" "$0" "$@"
fi

ktap_n=0
ktap_failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

echo "TAP version 13"

# result NAME STATUS: one line; a STATUS other than 0 fails
result() {
	ktap_n=$((ktap_n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $ktap_n - $1"
	else
		echo "not ok $ktap_n - $1"
		ktap_failed=1
	fi
}

# note TEXT: each line as a comment
note() {
	printf '%s\n' "$1" | sed 's/^/# /'
}

# run COMMAND...: sets $out, $err and $status
run() {
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	out=$(<"$tmp/out")
	err=$(<"$tmp/err")
}

# succeeds NAME COMMAND...
succeeds() {
	local name=$1
	shift
	run "$@"
	[ "$status" = 0 ] || note "status $status: $err"
	result "$name" "$status"
}

# same NAME WANT GOT
same() {
	[ "$2" = "$3" ]
	local differ=$?
	[ $differ = 0 ] || note "want: $2
got:  $3"
	result "$1" $differ
}

# prints NAME WANT COMMAND...: success, and exactly that on stdout
prints() {
	local name=$1 want=$2
	shift 2
	run "$@"
	same "$name" "0: $want" "$status: $out${err:+ [$err]}"
}

# fails NAME STATUS TEXT COMMAND...: that status, and stderr has TEXT in it
fails() {
	local name=$1 want=$2 text=$3
	shift 3
	run "$@"
	[ "$status" = "$want" ] && [[ $err == *"$text"* ]]
	local wrong=$?
	[ $wrong = 0 ] || note "want: $want: $text
got:  $status: $err"
	result "$name" $wrong
}

# within SECONDS COMMAND...: try until it succeeds; MQ_SLOW=N times as long
within() {
	local end=$((SECONDS + $1 * ${MQ_SLOW:-1}))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# json FILE EXPRESSION: print a Python expression over the parsed value j
json() {
	python3 -I -S -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' \
		"$1" "$2"
}

# group_sum TOPIC GROUP COLUMN: sum over the partitions of a column of group show
group_sum() {
	mqbus group show "$1" "$2" | awk -v column="$3" '
		$1 == "PARTITION" { for (i = 1; i <= NF; i++) if ($i == column) at = i; next }
		at { sum += $at }
		END { print sum + 0 }'
}

# has_member TOPIC GROUP: whether somebody reads it
has_member() {
	mqbus group show "$1" "$2" 2>/dev/null | grep -q '^members  *[1-9]'
}

# figures TOPIC GROUP NAME...: of the queue in group show -j, with spaces between them
figures() {
	local topic=$1 group=$2
	shift 2
	mqbus group show "$topic" "$group" -j | awk -v names="$*" -F '[ ":,]+' '
		{ value[$2] = $3 }
		END {
			n = split(names, name, " ")
			for (i = 1; i <= n; i++)
				printf "%s%s", value[name[i]], i < n ? " " : "\n"
		}'
}

# is_figure TOPIC GROUP NAME VALUE
is_figure() {
	[ "$(figures "$1" "$2" "$3")" = "$4" ]
}

# alone: whether no other process is in the test's namespace; $tmp/left has their numbers
alone() {
	find /proc -mindepth 3 -maxdepth 3 -path '/proc/[0-9]*/ns/net' -printf '%l %p\n' \
		2>/dev/null | grep -F "$(readlink /proc/self/ns/net) " | cut -d/ -f3 >"$tmp/near"
	# what looked has gone
	while read -r pid; do
		[ "$pid" = $$ ] || [ ! -e "/proc/$pid/ns/net" ] || echo "$pid"
	done <"$tmp/near" >"$tmp/left"
	[ ! -s "$tmp/left" ]
}

# finish: ends the test, which fails if it leaves a process: that would hold its namespace
finish() {
	if [ -z "${KTAP_HOST_NS-}" ] && ! within 10 alone; then
		note "left: $(ps -o pid=,args= -p "$(paste -sd, "$tmp/left")")"
		result "nothing is left" 1
	fi
	echo "1..$ktap_n"
	exit $ktap_failed
}

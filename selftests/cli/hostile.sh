#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a stranger can do to the commands of the administrator: processes with names that
# tear tables apart and keys that talk to the terminal; and commands that are started
# without stdin, stdout or stderr.
. "$(dirname "$0")/ktap.bash"
mqbus=$(command -v mqbus)

# terminal COMMAND...: its output, as a terminal gets it
terminal() {
	python3 -I -S -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$@" </dev/null | tr -d '\r'
}
# harmless FILE: nothing but text and line feeds
harmless() {
	[ -s "$1" ] && [ "$(LC_ALL=C tr -d '\n\40-\176\200-\377' <"$1" | wc -c)" = 0 ]
}

mkdir "$tmp/as"
names=($'\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t' $'\e]0;x\a\e[31mred' $'x\nnext line' $'consumer-gr\xc3\xb6a\xc3'
	$'\xc2\x9b31m\xe2\x80\xae')
said=('\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09' '\x1b]0;x\x07\x1b[31mred' 'x\x0anext line'
	$'consumer-gr\u00f6a\\xc3' '\xc2\x9b31m\xe2\x80\xae')
mqbus topic create -q t -n 5
mqbus group create t g
mqbus group create t q -t queue
for name in "${names[@]}"; do
	ln -s "$mqbus" "$tmp/as/$name"
	"$tmp/as/$name" sub t -g g >/dev/null 2>&1 &
	"$tmp/as/$name" sub t -g q -t queue >/dev/null 2>&1 &
done
members() { # TOPIC GROUP N
	[ "$(mqbus group show "$1" "$2" | awk '$1 == "members" { print $2 }')" = "$3" ]
}
within 20 members t g 5 && within 20 members t q 5
result "processes with names that tear tables apart" $?
for g in g q; do
	mqbus group members t $g >"$tmp/table" 2>&1
	harmless "$tmp/table"
	result "group members of '$g' is harmless" $?
	same "and has a line for each" 6 "$(wc -l <"$tmp/table")"
	wrong=
	for name in "${said[@]}"; do
		grep -qF " $name  " "$tmp/table" || wrong+=" $name"
	done
	same "which tells its name" "" "$wrong"
	mqbus group members t $g -j >"$tmp/table"
	harmless "$tmp/table"
	same "so does JSON" "0 3 5" "$? $(json "$tmp/table" \
		'"%d %d" % (sum("\ufffd" not in m["comm"] and "\t" not in m["comm"] for m in j), len(j))')"
done
mqbus group show t g >"$tmp/table" 2>&1
harmless "$tmp/table" && [ "$(grep -cF -e "${said[0]}" -e "${said[1]}" -e "${said[2]}" -e "${said[3]}" \
	-e "${said[4]}" "$tmp/table")" = 5 ]
result "group show" $?
mapfile -t pids < <(jobs -p)
kill "${pids[@]}"
wait
mqbus topic create -q keys
printf '\tv\x1b[31m\n' | mqbus pub keys -q -k $'\e]0;k\a' -H $'h\n=\xff' -r $'\r'
want=$'\e]0;k\a \r h\n=\xff \tv\e[31m'
same "a record into a file is as it is" "$want|" "$(mqbus sub keys -g a -e -f '%k %r %h %s|')"
same "on a terminal it tells it nothing, but the format does" $'\e[1m\\x1b]0;k\\x07 \\x0d h\\x0a=\\xff \tv\\x1b[31m|' \
	"$(terminal mqbus sub keys -g b -q -e -f '\x1b[1m%k %r %h %s|' | sed 's/        v/\tv/')"
terminal mqbus sub keys -g c -q -e --raw >"$tmp/out"
same "--raw" $'\tv\e[31m' "$(sed 's/^        v/\tv/' "$tmp/out")"
terminal mqbus sub keys -g d -e -j >"$tmp/out"
harmless "$tmp/out"
result "as JSON" $?

# What is opened first becomes the descriptor that is not there
mqbus topic create -q closed
for fds in "2>&-" ">&- 2>&-" "<&- >&- 2>&-"; do
	eval "mqbus pub closed -p 7 $tmp/as/none -q $fds"
	echo x >"$tmp/in"
	eval "mqbus pub closed -q -p 7 \"$tmp/in\" $fds"
	eval "mqbus topic create closed $fds"
	eval "mqbus sub closed -g none --no-create $fds"
done
same "what is said without stderr is not published" 0 \
	"$(mqbus topic show closed -j | json /dev/stdin 'j["published"]')"
fails "publishing what is not there to be read" 1 "stdin: Bad file descriptor" eval 'mqbus pub closed -q <&-'
echo x | mqbus pub closed -q
fails "printing where nothing can be printed" 1 "the last records are not committed" \
	eval 'mqbus sub closed -g g -e >&-'
same "loses nothing" x "$(mqbus sub closed -g g -e)"
mqbus exporter -l 127.0.0.1:0 <&- >&- 2>&- &
within 10 eval '[ "$(readlink /proc/$!/fd/[012] | sort | uniq -c | xargs)" = "3 /dev/null" ]'
result "the exporter holds them, too" $?
kill $!
wait $! 2>/dev/null

# A program beside this one that is not of whom this one is
cp "$mqbus" "$tmp/copy"
printf '#!/bin/sh\necho planted\n' >"$tmp/mqbus-top"
chmod 755 "$tmp/mqbus-top"
prints "a program beside a copy of this one" planted "$tmp/copy" top
chown 1234 "$tmp/mqbus-top"
fails "if a stranger has put it there" 1 "mqbus-top: is of another user than this program" "$tmp/copy" top
finish

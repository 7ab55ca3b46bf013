#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# manual.sh MQBUS PAGE: the manual page, with the options of each command, as MQBUS tells
# them itself, where PAGE says .\" OPTIONS
set -euo pipefail
mqbus=$1 page=$2

# Options from a help on stdin: a head of up to two spaces, then what it does, in columns
roff() {
	awk -v title="$1" '
		function text(s) {
			gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s)
			print s ~ /^[.\x27]/ ? "\\&" s : s
		}
		function start() {
			if (!begun++) { printf ".SS \""; text(title "\"") }
			if (line ~ /^[A-Z].*:$/) { print ".PP"; text(line) }
			line = ""
		}
		/^  (-.|    -)/ {
			start()
			indent = match($0, /[^ ]/) - 1
			head = substr($0, indent + 1)
			does = match(head, /  +/) ? substr(head, RSTART + RLENGTH) : ""
			column = does == "" ? 0 : indent + RSTART + RLENGTH - 1
			if (does != "") head = substr(head, 1, RSTART - 1)
			printf ".TP\n.B "; text(head)
			if (does != "") text(does)
			option = 1
			apart = 0
			next
		}
		option && /^        +/ {
			at = match($0, /[^ ]/) - 1
			if (!column) column = at
			if (at > column || apart) print ".br"
			apart = at > column
			text(substr($0, at + 1))
			next
		}
		{ option = 0 }
		NF { line = $0 }'
}

# All commands that there are from a word on; each has its options, or has commands
commands() {
	local help word
	help=$("$mqbus" "$@" --help)
	if [[ $help == *$'\nCommands:\n'* ]]; then
		while IFS= read -r word; do commands "$@" "$word"; done < <(
			sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' <<<"$help")
	else
		roff "mqbus $*" <<<"$help"
	fi
}

while IFS= read -r line; do
	if [ "$line" = '.\" OPTIONS' ]; then commands; else printf '%s\n' "$line"; fi
done <"$page"

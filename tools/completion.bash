# SPDX-License-Identifier: GPL-2.0
# Completion for bash: commands and options are those that mqbus tells of by --help, and what
# an option takes is what that calls it.

_mqbus_commands() { sed -n '/^Commands:/,$ s/^  \([a-z][a-z]*\) .*/\1/p' <<<"$help"; }

# Options without what they take; those of a command that has no list of them are in its usage
_mqbus_options() {
	sed -n '/^  *-/ { s/^ *//; s/   *.*//; p; }; /^Usage:/ p' <<<"$help" |
		grep -oE '(^|[[| ])-(-[a-z-]+|[a-zA-Z]\b)' | tr -d '[| '
	echo --help
}

# What an option takes, as the help calls it
_mqbus_value() {
	awk -v option="$1" '/^  +-/ {
		sub(/^ +/, ""); sub(/  .*/, "")
		n = split($0, word, /,? /)
		for (i = 1; i <= n; i++)
			if (word[i] == option) {
				if (word[i + 1] ~ /^-/) i++
				print word[i + 1]
			}
	}' <<<"$help"
}

_mqbus_topics() { "$mqbus" topic list 2>/dev/null | awk 'NR > 1 { print $1 }'; }
_mqbus_groups() { "$mqbus" group list ${1:+"$1"} 2>/dev/null | awk 'NR > 1 { print $2 }' | sort -u; }

# Words for what a help calls by a name, of the topic $2
_mqbus_named() {
	local name
	while IFS= read -r name; do
		case $name in
		NAME | TOPIC) _mqbus_topics ;;
		GROUP) _mqbus_groups "${2-}" ;;
		*[A-Z0-9:[]*) ;;
		*) echo "$name" ;;
		esac
	done < <(tr '|' '\n' <<<"$1")
}

_mqbus() {
	local mqbus=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local help value i words command=() rest=()
	help=$("$mqbus" --help 2>/dev/null) || return
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ $help == *$'\nCommands:'* ]]; then
			_mqbus_commands | grep -qFx -- "${COMP_WORDS[i]}" || return
			command+=("${COMP_WORDS[i]}")
			help=$("$mqbus" "${command[@]}" --help 2>/dev/null)
		elif [[ ${COMP_WORDS[i]} == -* ]]; then
			[ -z "$(_mqbus_value "${COMP_WORDS[i]}")" ] || ((i++))
		else
			rest+=("${COMP_WORDS[i]}")
		fi
	done
	value=$(_mqbus_value "$before")
	if [[ $help == *$'\nCommands:'* ]]; then
		words=$(_mqbus_commands)
	elif [ -n "$value" ]; then
		words=$(_mqbus_named "$value" "${rest[0]-}")
	elif [[ $word == -* ]]; then
		words=$(_mqbus_options)
	else
		# The usage has them in order, behind the words of the command
		read -ra value < <(head -n 1 <<<"$help")
		value=${value[${#command[@]} + 2 + ${#rest[@]}]-}
		words=$(_mqbus_named "${value//[^A-Za-z|-]/}" "${rest[0]-}")
	fi
	mapfile -t COMPREPLY < <(while IFS= read -r value; do
		[[ -z $value || $value != "$word"* ]] || echo "$value"
	done <<<"$words")
}

complete -o default -F _mqbus mqbus

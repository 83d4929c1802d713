# SPDX-License-Identifier: BSD-3-Clause
# Bash completion of sluicectl. What may stand where is asked of sluicectl itself,
# which has it in its table of commands, and of sluiced, for names.

_sluicectl()
{
	local line=${COMP_LINE:0:COMP_POINT} candidate cut
	local -a words
	# Not COMP_WORDS: bash would cut Id=10.0.1.5,Port=80 and web:80 into pieces.
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	local word=${words[-1]}
	# ... and puts the answer behind the last = or : of what was typed.
	cut=${word%"${word##*[=:]}"}
	[[ $COMP_WORDBREAKS == *=* || $COMP_WORDBREAKS == *:* ]] || cut=

	COMPREPLY=()
	while IFS= read -r candidate; do
		[[ $candidate == "$word"* ]] || continue
		COMPREPLY+=("${candidate#"$cut"}")
	done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
	[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace
	if [[ $word == file://* || ${words[-2]} == --socket ]]; then
		cut=${word#file://}
		# the path alone stands behind the last word break, the colon of file:
		mapfile -t COMPREPLY < <(compgen -f -- "$cut")
		[[ $word == file://* ]] && COMPREPLY=("${COMPREPLY[@]/#///}")
		compopt -o filenames
	fi
	return 0
}
complete -F _sluicectl sluicectl

# Completion of digitd's commands, actions and options for bash, from what the program says of itself. `make install` puts
# it where bash looks for it; to try it: source deploy/completion.bash
_digitd() {
    local current=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]:1:COMP_CWORD-1}") path=() word help
    COMPREPLY=()
    for word in "${words[@]}"; do
        [[ $word == help && ${#path[@]} -eq 0 ]] && continue
        [[ $word == -* || ${#path[@]} -eq 2 ]] && break
        path+=("$word")
    done
    help=$("${COMP_WORDS[0]}" help "${path[@]}" 2>/dev/null) || help=$("${COMP_WORDS[0]}" help "${path[0]}" 2>/dev/null)
    if [[ $current == -* ]]; then
        help=$(awk '$1 ~ /^--/ { print $1 }' <<<"$help")
    else
        help=$(awk '/^(Commands|Actions):$/ { inside = 1; next } inside && !/^  / { exit } inside { print $1 }' <<<"$help")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$help" -- "$current")
}
complete -o default -F _digitd digitd

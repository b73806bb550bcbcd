#!/bin/sh
# completion.sh PROGRAM...: completion of di4c's commands, options, settings and presets for bash, made
# from what PROGRAM says of itself.  PROGRAM may be several words ("qemu-aarch64 build/di4c").
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -eu
[ $# -ge 1 ] || { echo "usage: completion.sh PROGRAM..." >&2; exit 2; }
general=$("$@" --help) || { echo "completion.sh: $* --help fails" >&2; exit 1; }
commands=$(printf '%s\n' "$general" | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' | tr '\n' ' ')
[ -n "$commands" ] || { echo "completion.sh: $* --help lists no command" >&2; exit 1; }
# The first words of the lines of a help's block "TITLE (...", each followed by $2.
block() { awk -v title="$1" -v end="$2" '
    index($0, title " (") == 1 { on = 1; next } !/^  / { on = 0 } on { printf "%s%s ", $1, end }'; }
cat <<'END'
# bash completion of di4c, made by packaging/completion.sh
_di4c()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local options= flags= settings= presets=
    COMPREPLY=()
END
printf '    if [ "$COMP_CWORD" -eq 1 ]; then\n'
printf '        COMPREPLY=($(compgen -W "%s--help --version" -- "$word"))\n        return\n    fi\n' "$commands"
printf '    case ${COMP_WORDS[1]} in\n'
for command in $commands; do
    help=$("$@" "$command" --help)
    printf '    %s)\n' "$command"
    printf '        options="%s"\n' "$(printf '%s\n' "$help" | awk '/^  --/ { printf "%s ", $1 }')"
    # Those without a value: nothing but blanks before the text.
    printf '        flags="%s"\n' "$(printf '%s\n' "$help" | awk '/^  --[a-z-]+   / { printf "%s ", $1 }')"
    settings=$(printf '%s\n' "$help" | block Settings =)
    [ -z "$settings" ] || printf '        settings="%s"\n' "$settings"
    presets=$(printf '%s\n' "$help" | block Presets '')
    [ -z "$presets" ] || printf '        presets="%s"\n' "$presets"
    printf '        ;;\n'
done
cat <<'END'
    esac
    case $before in
    --set)
        compopt -o nospace 2>/dev/null
        COMPREPLY=($(compgen -W "$settings" -- "$word"))
        return ;;
    --preset)
        COMPREPLY=($(compgen -W "$presets" -- "$word"))
        return ;;
    --*)
        case " $flags " in
        *" $before "*) ;;
        *) compopt -o filenames 2>/dev/null
           COMPREPLY=($(compgen -f -- "$word"))
           return ;;
        esac ;;
    esac
    case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) compopt -o filenames 2>/dev/null
       COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}
complete -F _di4c di4c
END

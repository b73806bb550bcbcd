#!/bin/sh
# man.sh VERSION PROGRAM...: the manual page di4c(1), made from what PROGRAM says of itself: its own
# --help and that of every command.  PROGRAM may be several words ("qemu-aarch64 build/di4c").
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -eu
[ $# -ge 2 ] || { echo "usage: man.sh VERSION PROGRAM..." >&2; exit 2; }
version=$1
shift
# Text for roff: backslashes and hyphens as they are, no line that is taken for a request.
roff() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/"; }
general=$("$@" --help) || { echo "man.sh: $* --help fails" >&2; exit 1; }
commands=$(printf '%s\n' "$general" | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p')
[ -n "$commands" ] || { echo "man.sh: $* --help lists no command" >&2; exit 1; }
printf '.TH DI4C 1 "" "di4c %s" "User Commands"\n' "$version"
printf '.SH NAME\ndi4c \\- %s\n' "$(printf '%s\n' "$general" | sed -n '1s/^[^:]*: //p' | roff)"
printf '.SH SYNOPSIS\n.B di4c\n.I COMMAND\n[options]\n.SH COMMANDS\n'
printf '%s\n' "$general" | sed -n 's/^  \([a-z][a-z]*\)  *\(.*\)/\1 \2/p' | roff |
    while read -r name summary; do printf '.TP\n.B %s\n%s\n' "$name" "$summary"; done
for command in $commands; do
    help=$("$@" "$command" --help)
    printf '.SH DI4C %s\n' "$(printf '%s' "$command" | tr 'a-z' 'A-Z')"
    printf '%s\n' "$help" | awk '
        function plain(s) { gsub(/\\/, "\\\\e", s); gsub(/-/, "\\\\-", s); return s }
        NR == 1 { print ".B " plain($0); next }
        NR == 2 { print ".PP"; print plain($0); next }
        /^$/ { if (open) print ".fi"; open = 0; blocks++; next }
        # Before the second empty line: "  --name VALUE" in 28 columns, a blank, what it does.
        blocks == 1 && /^  [^ ]/ && substr($0, 29, 1) == " " {
            name = substr($0, 3, 26); sub(/ +$/, "", name)
            print ".TP"; print ".B " plain(name); print "\\&" plain(substr($0, 30)); next }
        { if (!open) { print ".PP"; print ".nf"; open = 1 } print plain($0) }
        END { if (open) print ".fi" }'
done

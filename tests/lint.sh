#!/bin/sh
# Static analysis of all sources: clang-tidy (bugprone, cert, clang-analyzer), cppcheck and gcc's
# -fanalyzer.  What they find must be mended, or stands with its reason in tests/lint-accepted.txt; an
# accepted finding that no longer occurs is an error, too.
#
#   lint.sh [-a] [-j JOBS] [-t TOOL] [FILE.c ...]
#
# -a: look again at all files; else only at those changed since they were looked at (build/lint has
# what was found; a changed header does not count).  -t: clang-tidy, cppcheck or gcc alone.  FILE.c:
# these alone.  A tool that is not here is passed over.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
out=build/lint
# Off: which parameters may be mistaken for each other, and in which order the fields of a structure take
# the least room, are not faults; the order of both is that in which they are read.
checks='-*,bugprone-*,cert-*,clang-analyzer-*,-bugprone-easily-swappable-parameters'
checks="$checks,-clang-analyzer-optin.performance.Padding"
folders='tensor autograd nn diffusion distill experiments tests'

# Findings of one tool in one file, "FILE:LINE: CHECK: MESSAGE", to its log.  gcc's analyzer takes
# OpenMP's own variables for uninitialised ones, so it looks without OpenMP.
look() {
    tool=$1 file=$2 log=$out/$1/$2.log
    mkdir -p "$(dirname "$log")"
    case $tool in
    clang-tidy)
        clang-tidy --quiet --checks="$checks" "$file" -- \
            -std=c99 -I. -DDI4C_VERSION='"0"' -DTOUR='"tour"' $LINT_OPENMP ;;
    cppcheck)
        cppcheck --quiet --std=c99 --language=c --enable=warning,portability,performance \
            --library=posix --suppress=missingInclude --suppress=missingIncludeSystem -I. \
            '-DDI4C_VERSION="0"' '-DTOUR="tour"' -D__GNUC__=12 -D__x86_64__=1 \
            --template='{file}:{line}: warning: {message} [cppcheck-{id}]' "$file" ;;
    gcc)
        gcc -std=c99 -O1 -fanalyzer -fdiagnostics-plain-output -Wno-unknown-pragmas -I. \
            '-DDI4C_VERSION="0"' '-DTOUR="tour"' -c -o "$log.o" "$file" ;;
    esac > "$log.said" 2>&1
    status=$?
    sed -n -e "s|^$PWD/||" -e 's|^\./||' \
        -e 's/^\([^: ]*\):\([0-9]*\):\([0-9]*:\)\{0,1\} \(fatal \)\{0,1\}\(warning\|error\): \(.*\) \[\([^]]*\)\]$/\1:\2: \7: \6/p' \
        "$log.said" | sort -u > "$log.tmp"
    # A tool that fails without a finding has not looked.
    [ "$status" = 0 ] || [ -s "$log.tmp" ] ||
        echo "$file:1: failed: $tool ended with status $status" > "$log.tmp"
    rm -f "$log.said" "$log.o"
    mv "$log.tmp" "$log"
}
if [ "${1-}" = --look ]; then
    look "$2" "$3"
    exit 0
fi

cd "$(dirname "$0")/.." || exit 2
again= jobs=1 tools='clang-tidy cppcheck gcc'
while getopts aj:t: option; do
    case $option in
    a) again=yes ;;
    j) jobs=$OPTARG ;;
    t) tools=$OPTARG ;;
    *) echo 'usage: lint.sh [-a] [-j JOBS] [-t clang-tidy|cppcheck|gcc] [FILE.c ...]' >&2
       exit 2 ;;
    esac
done
shift $((OPTIND - 1))
case $tools in
'clang-tidy cppcheck gcc' | clang-tidy | cppcheck | gcc) ;;
*) echo "lint: -t $tools: expected clang-tidy, cppcheck or gcc" >&2; exit 2 ;;
esac
mkdir -p "$out"
# Of this run alone: another may look with another tool.
list=$out/files.$$.txt
trap 'rm -f "$list"' EXIT
trap 'exit 2' HUP INT TERM
if [ $# -gt 0 ]; then
    whole=
    printf '%s\n' "$@" > "$list"
else
    whole=yes
    find $folders -name '*.c' | sort > "$list"
fi
# clang looks at parallel regions where it has OpenMP's header.
LINT_OPENMP=
echo '#include <omp.h>' > "$out/omp.c"
clang -fopenmp -fsyntax-only "$out/omp.c" > "$out/omp.log" 2>&1 && LINT_OPENMP=-fopenmp
export LINT_OPENMP

here=
for tool in $tools; do
    if ! command -v "$tool" > "$out/which.log"; then
        echo "lint: $tool is not here, so it found nothing"
        continue
    fi
    here="$here $tool"
    while read -r file; do
        log=$out/$tool/$file.log
        if [ "$again" ] || [ ! -e "$log" ] || [ "$file" -nt "$log" ]; then
            echo "$file"
        fi
    done < "$list" | xargs -P "$jobs" -I '{}' sh "$0" --look "$tool" '{}'
done

for tool in $here; do
    while read -r file; do
        cat "$out/$tool/$file.log"
    done < "$list" | sed "s/^/$tool /"
done | awk -v accepted=tests/lint-accepted.txt -v list="$list" -v whole="$whole" -v here="$here" '
    function trimmed(s) { sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s); return s }
    function source_line(file, n,   i, text) {
        if (!(file in loaded)) {
            loaded[file] = 1
            for (i = 1; (getline text < file) > 0; i++) line[file, i] = trimmed(text)
            close(file)
        }
        return line[file, n]
    }
    # Whether entry k speaks of this finding.
    function fits(k, check, file, text) {
        if (entry_check[k] != check || (entry_file[k] != "*" && entry_file[k] != file)) return 0
        if (entry_text[k] ~ /^\/.*\/$/)
            return text ~ substr(entry_text[k], 2, length(entry_text[k]) - 2)
        return entry_text[k] == "*" || entry_text[k] == text
    }
    BEGIN {
        for (number = 1; (getline row < accepted) > 0; number++) {
            if (row ~ /^ *(#|$)/) continue
            if (split(row, part, / +\| +/) != 4) {
                print accepted ":" number ": expected CHECK | FILE | LINE | REASON"
                bad = 1
                continue
            }
            k = ++entries
            entry_check[k] = part[1]; entry_file[k] = part[2]; entry_text[k] = part[3]
            entry_number[k] = number
        }
        while ((getline row < list) > 0) looked[row] = 1
        tools = split(here, tool_name, " ")
        for (i = 1; i <= tools; i++) ran[tool_name[i]] = 1
    }
    {
        tool = $1
        sub(/^[^ ]* /, "")
        if (seen[tool, $0]++) next
        split($0, part, /: /)
        split(part[1], place, ":")
        found[tool]++
        text = source_line(place[1], place[2] + 0)
        for (k = 1; k <= entries && !fits(k, part[2], place[1], text); k++) ;
        if (k <= entries) { used[k] = 1; taken[tool]++ }
        else { print; print "    " text; bad = 1 }
    }
    function tool_of(check) {
        return check ~ /^-W/ ? "gcc" : check ~ /^cppcheck-/ ? "cppcheck" : "clang-tidy"
    }
    END {
        for (k = 1; k <= entries; k++)
            if (!used[k] && ran[tool_of(entry_check[k])] && (whole || entry_file[k] in looked)) {
                print accepted ":" entry_number[k] ": no longer occurs: " entry_check[k] " in " entry_file[k]
                bad = 1
            }
        printf "%-12s %9s %9s %9s\n", "tool", "findings", "accepted", "left"
        for (i = 1; i <= tools; i++) {
            t = tool_name[i]
            printf "%-12s %9d %9d %9d\n", t, found[t], taken[t], found[t] - taken[t]
        }
        exit bad
    }'

#!/bin/sh
# mutate.sh [options] [FILE.c|FOLDER...]: how many small faults at places drawn at random do the tests
# notice?  Each is planted in a copy of the tree, what changed is built again, and suites run until one
# fails.  Prints a line for each and the shares, by folder and by kind.
#
#   -j JOBS   copies of the tree that work side by side (2)
#   -n COUNT  faults, the same number in each FILE or FOLDER as far as they have places (40)
#   -s SEED   of the draw (1): the same seed draws the same faults of the same tree
#   -o OUT    where, from the top of the tree, the objects of a build lie that may be reused (build/release)
#   -t SECS   start no new fault after so many seconds; those not tried are not counted
#   -a        try all suites on a fault before it is said to survive
#   -c NAMES  try these suites alone
#   -w FILE   write the survivors to FILE
#   -l FILE   plant those of FILE instead of drawing any
#   FILE.c, FOLDER...   (tensor autograd nn diffusion distill)
#
# Kinds: sign (+ and -), factor (* and /), order (< and <=, > and >=; not where the smaller or larger of two
# is taken), equal (== and !=), logic (&& and ||, a ! left out), offset (a "+ 1" or "- 1" left out), constant
# (0.5, 1.0, 2.0 changed), index (i and j, n and m exchanged), statement (an assignment or a call left out).
# A fault whose object file is that of the right program is none and is not counted; one that
# mutants-explained.txt has with the reason why no test can notice is counted apart and not tried.  The order
# of suites: that of the file's own name, those of its room, those of its folder, those of autograd for a file
# of tensor, golden; with -a the others.  VARIANT=asan in the environment and -o build/asan let the sanitizers
# look: for survivors that touch memory alone.  faults.sh plants chosen faults in the formulas instead.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
cd "$(dirname "$0")/.." || exit 2
jobs=2 wanted=40 seed=1 out=build/release limit=1000000 all=no chosen='' list='' survivors=''
while getopts j:n:s:o:t:c:l:w:a option; do
    case $option in
    j) jobs=$OPTARG ;;
    n) wanted=$OPTARG ;;
    s) seed=$OPTARG ;;
    o) out=$OPTARG ;;
    t) limit=$OPTARG ;;
    c) chosen=$OPTARG ;;
    l) list=$OPTARG ;;
    w) survivors=$OPTARG ;;
    a) all=yes ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
for number in "$jobs" "$wanted" "$seed" "$limit"; do
    case $number in
    '' | *[!0-9]* | 0*) echo "mutate: '$number': expected a whole number of at least 1" >&2; exit 2 ;;
    esac
done
case $out in /* | *..*) echo "mutate: -o $out: expected a folder below the top of the tree" >&2; exit 2 ;; esac
[ $# -gt 0 ] || set -- tensor autograd nn diffusion distill
for place; do
    case $place in /* | *..*) echo "mutate: $place: expected a path from the top of the tree" >&2; exit 2 ;; esac
    [ -e "$place" ] || { echo "mutate: $place: is not there" >&2; exit 2; }
done
pids=
work=$(mktemp -d "${TMPDIR:-/tmp}/di4c-mutants.XXXXXX") || exit 2
trap 'for pid in $pids; do kill "$pid" 2>/dev/null; done; rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
# On a busy machine a test out of time is no fault noticed.
export CK_TIMEOUT_MULTIPLIER="${CK_TIMEOUT_MULTIPLIER:-5}"
began=$(date +%s)

# ---- where faults can be: KIND FILE LINE COLUMN OLD NEW, by tabs ----
# Comments, preprocessor lines and lines with a string are left alone.
places() {
    awk '
        function ends(text, end) {
            return end != "" && substr(" " text, length(text) - length(end) + 2) == end &&
                substr(" " text, length(text) - length(end) + 1, 1) ~ /[ (]/
        }
        # A < B ? A : B, or A < B ? B : A: the smaller or larger of two, which A <= B does not change.
        function one_of_two(before, after,    second, yes, no, k) {
            if (!(k = index(after, " ? "))) return 0
            second = substr(after, 1, k - 1)
            after = substr(after, k + 3)
            if (!(k = index(after, " : "))) return 0
            yes = substr(after, 1, k - 1)
            no = substr(after, k + 3)
            if (ends(before, yes)) return index(no, second) == 1 && substr(no, length(second) + 1, 1) ~ /[;,)]/
            for (k = 1; yes == second && k <= length(no); k++)
                if (substr(no, k, 1) ~ /[;,)]/ && ends(before, substr(no, 1, k - 1))) return 1
            return 0
        }
        function offer(kind, old, new,    at, from, rest) {
            from = 1
            while ((at = index(substr(code, from), old)) > 0) {
                at += from - 1
                rest = substr(code, at + length(old))
                if (kind == "order" && one_of_two(substr(code, 1, at - 1), rest)) {
                    from = at + length(old)
                    continue
                }
                printf "%s\t%s\t%d\t%d\t%s\t%s\n", kind, FILENAME, FNR, at, old, new
                from = at + length(old)
            }
        }
        function both(kind, one, other) { offer(kind, one, other); offer(kind, other, one) }
        FNR == 1 { comment = 0 }
        {
            code = $0
            if (comment) { if (index(code, "*/")) comment = 0; next }
            if (code ~ /^#/ || code ~ /\\$/ || code ~ /"/) next
            if ((at = index(code, "/*")) > 0) {
                if (!index(substr(code, at), "*/")) comment = 1
                code = substr(code, 1, at - 1)
            }
            if (code !~ /^ /) next
            both("sign", " + ", " - ")
            both("sign", " += ", " -= ")
            both("factor", " * ", " / ")
            both("factor", " *= ", " /= ")
            both("order", " < ", " <= ")
            both("order", " > ", " >= ")
            both("equal", " == ", " != ")
            both("logic", " && ", " || ")
            offer("logic", "(!", "(")
            offer("offset", " + 1)", ")"); offer("offset", " + 1]", "]"); offer("offset", " + 1;", ";")
            offer("offset", " - 1)", ")"); offer("offset", " - 1]", "]"); offer("offset", " - 1;", ";")
            offer("constant", "0.5", "0.25"); offer("constant", "1.0 ", "2.0 "); offer("constant", "2.0 ", "1.0 ")
            both("index", "[i]", "[j]"); both("index", " i *", " j *"); both("index", "[n]", "[m]")
            if (code ~ /^ +[a-z][A-Za-z0-9_>.\[\]-]* [-+*\/]?= .*;$/ || code ~ /^ +[a-z_0-9]+\([^;]*\);$/) {
                match(code, /^ +/)
                text = substr(code, RLENGTH + 1)
                printf "statement\t%s\t%d\t%d\t%s\t;\n", FILENAME, FNR, RLENGTH + 1, text
            }
        }' "$@"
}

# What a line says with the fault, for each of those places: FILE TEXT.  The second line of a file that says
# the same has " [2]" behind it, and so on.
texts() {
    awk -F '\t' '
        !($2 in there) {
            there[$2] = 1
            n = 0
            while ((getline text < $2) > 0) {
                line[$2, ++n] = text
                sub(/^ +/, "", text)
                nth[$2, n] = ++seen[$2, text]
            }
            close($2)
        }
        {
            text = line[$2, $3]
            text = $1 == "statement" ? "left out: " $5 : substr(text, 1, $4 - 1) $6 substr(text, $4 + length($5))
            sub(/^ +/, "", text)
            print $2 FS text (nth[$2, $3] > 1 ? " [" nth[$2, $3] "]" : "")
        }'
}

# draw PLACE: its share of faults, KIND FILE LINE COLUMN OLD NEW.
draw() {
    find "$1" -name '*.c' | sort > "$work/files"
    # shellcheck disable=SC2046
    places $(cat "$work/files") |
        awk -v n="$share" -v seed="$seed" '
            # The first number of a small seed is small, whatever the seed.
            BEGIN { state = seed % 2147483646 + 1; draw(); draw(); draw() }
            # Park and Miller: exact in doubles, so every awk draws the same
            function draw() { state = (state * 16807) % 2147483647; return state / 2147483647 }
            { line[NR] = $0 }
            END { for (i = 1; i <= n && i <= NR; i++) {
                      k = i + int(draw() * (NR - i + 1))
                      print line[k]; line[k] = line[i] } }'
}

share=$(((wanted + $# - 1) / $#))
if [ -n "$list" ]; then
    cat "$list" > "$work/mutants" || exit 2
else
    for place; do draw "$place"; done > "$work/mutants"
fi
count=$(wc -l < "$work/mutants" | tr -d ' ')
[ "$count" -gt 0 ] || { echo "mutate: no place for a fault in $*" >&2; exit 2; }
[ "$jobs" -le "$count" ] || jobs=$count

# ---- those that mutants-explained.txt has: FILE TEXT REASON, by tabs ----
list=tests/mutants-explained.txt
find tensor autograd nn diffusion distill -name '*.c' > "$work/files"
# shellcheck disable=SC2046
places $(cat "$work/files") | texts | awk -F '\t' '
    NR == FNR { if ($0 !~ /^(#|$)/) known[$1 FS $2] = 1; next }
    { delete known[$1 FS $2] }
    END { for (fault in known) print "mutate: explained, but no longer there: " fault }' "$list" - >&2
texts < "$work/mutants" | awk -F '\t' '
    NR == FNR { known[$1 FS $2] = 1; next }
    { print ($1 FS $2) in known ? "explained" : "" }' "$list" - > "$work/explained"

# ---- a copy of the tree for each job ----
. tests/copies.sh

# suites FILE.c: the nearest first.
suites() {
    if [ -n "$chosen" ]; then echo "$chosen"; return; fi
    room=$(dirname "$1")
    {
        basename "$1" .c
        find "tests/$room" -maxdepth 1 -name 'test_*.c' 2>/dev/null | sort | sed 's|.*/test_||; s|\.c$||'
        find "tests/${1%%/*}" -name 'test_*.c' | sort | sed 's|.*/test_||; s|\.c$||'
        case $1 in tensor/*) find tests/autograd -name 'test_*.c' | sort | sed 's|.*/test_||; s|\.c$||' ;; esac
        echo golden
        if [ "$all" = yes ]; then cat "$work/suites"; fi
    } | awk 'NR == FNR { there[$0] = 1; next } $0 in there && !seen[$0]++' "$work/suites" -
}

# ---- one fault ----
# A fault may ask for all memory, or loop: no test takes 20 seconds of a processor, no suite a minute on a
# machine that is free.  (The address sanitizer takes terabytes of addresses.)
run_suite() (
    ulimit -t "$([ "${VARIANT:-release}" = asan ] && echo 200 || echo 20)" 2> /dev/null
    [ "${VARIANT:-release}" = asan ] || ulimit -v 8000000 2> /dev/null
    if command -v timeout > /dev/null; then
        exec timeout $((60 * CK_TIMEOUT_MULTIPLIER)) "$out/run-tests" "$1"
    else
        exec "$out/run-tests" "$1"
    fi
)

tab=$(printf '\t')
try() { # NUMBER, in the folder of a copy; prints the verdict
    sed -n "$1p" "$work/mutants" > "$work/$1.mutant"
    IFS=$tab read -r _ file line column _ < "$work/$1.mutant"
    object=$out/${file%.c}.o
    cp -p "$file" "$work/$1.file" && cp -p "$object" "$work/$1.object" || return
    # The text as it is in the list: read would take blanks off its ends.
    awk -v line="$line" -v column="$column" '
        NR == FNR { split($0, part, "\t"); old = part[5]; new = part[6]; next }
        FNR == line && substr($0, column, length(old)) == old {
            $0 = substr($0, 1, column - 1) new substr($0, column + length(old))
        }
        { print }' "$work/$1.mutant" "$work/$1.file" > "$file"
    verdict=survived
    if cmp -s "$file" "$work/$1.file"; then
        verdict='is not at its place'
    elif ! build > "$work/$1.said" 2>&1; then
        verdict='does not compile'
    elif cmp -s "$object" "$work/$1.object"; then
        verdict='is the same program'
    elif [ "$(sed -n "$1p" "$work/explained")" = explained ]; then
        verdict=explained
    else
        for suite in $(suites "$file"); do
            if ! run_suite "$suite" > "$work/$1.said" 2>&1; then
                verdict="caught by $suite"
                break
            fi
        done
    fi
    printf '%s\n' "$verdict"
    cp -p "$work/$1.file" "$file"
    cp -p "$work/$1.object" "$object"
    rm -f "$out/libdi4c.a" "$out/run-tests" "$work/$1.file" "$work/$1.object" "$work/$1.said"
}

work_on() { # WORKER: every JOBS-th fault
    cd "$work/$1" || exit 1
    n=$1
    while [ "$n" -le "$count" ] && [ $(($(date +%s) - began)) -lt "$limit" ]; do
        verdict=$(try "$n")
        awk -F "$tab" -v verdict="$verdict" '{ print $1 FS $2 FS verdict }' "$work/$n.mutant" > "$work/$n.verdict"
        awk -F "$tab" -v verdict="$verdict" '{
            printf "%-9s %s:%d: %s\n", $1, $2, $3, verdict
            if (verdict == "survived" && $1 != "statement") printf "    %s for %s\n", $6, $5
            else if (verdict == "survived") print "    left out: " $5 }' "$work/$n.mutant"
        n=$((n + jobs))
    done
}

worker=1
while [ "$worker" -le "$jobs" ]; do
    prepare "$worker" &
    pids="$pids $!"
    worker=$((worker + 1))
done
for pid in $pids; do wait "$pid" || exit 1; done
pids=
"$work/1/$out/run-tests" --list > "$work/suites"

worker=1
while [ "$worker" -le "$jobs" ]; do
    (work_on "$worker") &
    pids="$pids $!"
    worker=$((worker + 1))
done
wait
pids=

if [ -n "$survivors" ]; then
    grep -l "${tab}survived\$" "$work"/*.verdict | sed 's/verdict$/mutant/' | xargs cat > "$survivors"
fi
cat "$work"/*.verdict | awk -F "$tab" '
    function say(name, n, caught, explained) {
        printf "%-12s %4d faults, %5.1f %% caught, %d explained, %d survived\n", name, n,
            n ? 100 * caught / n : 0, explained, n - caught - explained
    }
    $3 !~ /^caught|^explained|^survived/ { none[$3]++; next }
    { split($2, part, "/"); by[part[1]]++; kinds[$1]++; n++ }
    $3 == "explained" { known[part[1]]++; knowns[$1]++; explained++ }
    $3 ~ /^caught/ { hit[part[1]]++; hits[$1]++; caught++ }
    END {
        for (f in by) say(f, by[f], hit[f], known[f])
        for (k in kinds) say("  " k, kinds[k], hits[k], knowns[k])
        for (v in none) printf "(%d of which the verdict is: %s)\n", none[v], v
        say("mutate:", n, caught, explained) }'

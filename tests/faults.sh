#!/bin/sh
# faults.sh [-j JOBS] [-o OUT] [-v] [ID...]: would a test notice?  Plants the faults of
# tests/faults.txt, one at a time, each in a copy of the tree, rebuilds what changed, runs the suite
# that should notice, and prints a table.  Status 1 if a fault is missed or no longer applies.
#
#   -j JOBS  copies of the tree that work side by side (2)
#   -o OUT   where, from the top of the tree, the objects of a build lie that may be reused
#            (build/release); none there: all is built, once for each copy
#   -v       what the test said, below each line
#   ID...    only these
#
# tests/faults.txt: paragraphs of lines "key value", in this order:
#   id     named in distill/AUDIT.md
#   file   a .c file
#   old    text within one line of it, found exactly once
#   new    what is put in its place
#   suite  of build/release/run-tests
#   case   optional: of the suite, only this test case (TCase) is run
#   test   the test that must fail: an assertion or an abort, not a timeout.  Others may fail too
#
# A suite must pass without a fault first: one that fails anyway catches nothing.  CC and the
# variables of make are those of the environment or of the make that calls this.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
cd "$(dirname "$0")/.." || exit 2
jobs=2 out=build/release verbose=no
while getopts j:o:v option; do
    case $option in
    j) jobs=$OPTARG ;;
    o) out=$OPTARG ;;
    v) verbose=yes ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
case $jobs in
'' | *[!0-9]* | 0) echo "faults: -j $jobs: expected a number of at least 1" >&2; exit 2 ;;
esac
case $out in /* | *..*) echo "faults: -o $out: expected a folder below the top of the tree" >&2; exit 2 ;; esac
pids=
work=$(mktemp -d "${TMPDIR:-/tmp}/di4c-faults.XXXXXX") || exit 2
# Children that still run are told to end; those that have ended are not there any more.
trap 'for pid in $pids; do kill "$pid" 2>/dev/null; done; rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
began=$(date +%s)

# ---- the list: one file for each key of a fault, NUMBER.KEY ----
mkdir "$work/list" || exit 2
awk -v to="$work/list" -v wanted=" $* " '
    /^#/ { next }
    /^$/ { open = 0; next }
    !open { open = 1; chosen = 0 }
    $1 == "id" { chosen = wanted ~ /^ *$/ || index(wanted, " " $2 " ") > 0
                 if (chosen) n++ }
    chosen { name = to "/" n "." $1
             value = $0; sub(/^[a-z]+ /, "", value)
             printf "%s", value > name; close(name) }
    END { print n + 0 > (to "/count") }' tests/faults.txt || exit 2
read -r count < "$work/list/count"
for id; do
    grep -qx "id $id" tests/faults.txt || { echo "faults: no '$id' in tests/faults.txt" >&2; exit 2; }
done
[ "$jobs" -le "$count" ] || jobs=$count

# field NUMBER KEY
field() { if [ -f "$work/list/$1.$2" ]; then cat "$work/list/$1.$2"; fi; }

# ---- a copy of the tree for each job, and a program without faults ----
. tests/copies.sh

# run_suite SUITE CASE: in the current folder; a loaded machine gets more time than Check's limit.
run_suite() {
    CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-4}
    export CK_TIMEOUT_MULTIPLIER
    if [ -n "$2" ]; then
        CK_RUN_CASE=$2 "$out/run-tests" "$1"
    else
        "$out/run-tests" "$1"
    fi
}

# ---- one fault ----
# plant OLD NEW FILE: FILE with the text changed, on stdout; fails unless OLD is there once.
plant() {
    old=$1 new=$2 awk '
        BEGIN { old = ENVIRON["old"]; new = ENVIRON["new"] }
        { at = index($0, old)
          if (at) {
              found++
              rest = substr($0, at + length(old))
              if (index(rest, old)) found++
              $0 = substr($0, 1, at - 1) new rest
          }
          print }
        END { exit found == 1 ? 0 : 1 }' "$3"
}

# The named test's failure, or nothing.  What Check prints: FILE:LINE:F:CASE:TEST:LOOP: MESSAGE.
failure_of() { grep -E ":[FE]:[^:]*:$1:[0-9]+: " "$2" | grep -v 'Test timeout expired' | head -n 1; }

try() { # NUMBER, in the folder of a copy; prints the verdict
    file=$(field "$1" file) suite=$(field "$1" suite) test=$(field "$1" test)
    object=$out/${file%.c}.o said=$work/list/$1.said
    cp -p "$file" "$work/list/$1.file" || return
    if ! plant "$(field "$1" old)" "$(field "$1" new)" "$file" > "$work/list/$1.planted"; then
        echo 'no longer applies: expected its text once'
        return
    fi
    cp -p "$object" "$work/list/$1.object"
    cat "$work/list/$1.planted" > "$file"
    if ! build > "$said" 2>&1; then
        echo 'does not compile'
    elif run_suite "$suite" "$(field "$1" case)" > "$said" 2>&1; then
        echo 'MISSED'
    elif [ -n "$(failure_of "$test" "$said")" ]; then
        echo 'caught'
    else
        echo 'MISSED by this test, though another failed'
    fi
    cp -p "$work/list/$1.file" "$file"
    cp -p "$work/list/$1.object" "$object"
    rm -f "$out/libdi4c.a" "$out/run-tests" # they hold the fault
}

work_on() { # WORKER: every JOBS-th fault
    cd "$work/$1" || exit 1
    n=$1
    while [ "$n" -le "$count" ]; do
        verdict=$(try "$n")
        printf '%s\n' "$verdict" > "$work/list/$n.verdict"
        printf '%-26s %-44s %s: %s\n' "$(field "$n" id)" "$verdict" "$(field "$n" suite)" \
            "$(field "$n" test)"
        if [ "$verbose" = yes ] && [ -f "$work/list/$n.said" ]; then
            { failure_of "$(field "$n" test)" "$work/list/$n.said"; grep -E ':[FE]:' "$work/list/$n.said"; } |
                head -n 1 | sed 's/^/    /'
        fi
        n=$((n + jobs))
    done
}

worker=1
while [ "$worker" -le "$jobs" ]; do
    prepare "$worker" || exit 1
    worker=$((worker + 1))
done

# ---- without faults ----
n=1
while [ "$n" -le "$count" ]; do
    printf '%s %s\n' "$(field "$n" suite)" "$(field "$n" case)"
    n=$((n + 1))
done | sort -u > "$work/suites"
worker=1
while [ "$worker" -le "$jobs" ]; do
    (cd "$work/$worker" && awk -v w="$worker" -v jobs="$jobs" 'NR % jobs == w % jobs' "$work/suites" |
        while read -r suite case; do
            run_suite "$suite" "$case" > "$work/$worker.clean" 2>&1 < /dev/null ||
                { echo "faults: $suite fails without a fault:"; grep -E ':[FE]:' "$work/$worker.clean"
                  echo "$suite" >> "$work/broken"; }
        done) &
    pids="$pids $!"
    worker=$((worker + 1))
done
wait
pids=
if [ -s "$work/broken" ]; then exit 1; fi

worker=1
while [ "$worker" -le "$jobs" ]; do
    (work_on "$worker") &
    pids="$pids $!"
    worker=$((worker + 1))
done
wait
pids=

caught=$(cat "$work"/list/*.verdict | grep -cx caught)
echo "faults: $count planted, $caught caught, $(wc -l < "$work/suites" | tr -d ' ') suites or cases of suites," \
    "$(($(date +%s) - began)) seconds"
[ "$caught" -eq "$count" ]

#!/bin/sh
# fuzz.sh [-j JOBS] [SECONDS] [TARGET...]: every reader (tests/fuzz) on files that libFuzzer makes up,
# SECONDS each (60), JOBS of them side by side (1), beginning with tests/corpus/fuzz and with what earlier
# runs found, which is kept in build/fuzz-corpus.  Prints a table; inputs on which a target stopped stay in
# build/fuzz-found, also those of earlier runs, until someone removes them ("found"); the status is 1 where
# a target stopped now.  Without a clang that has libFuzzer, the suite `fuzz` runs the corpus alone.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
jobs=1
while getopts j: option; do
    case $option in
    j) jobs=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
seconds=${1:-60}
[ $# -gt 0 ] && shift
clang=${CLANG:-clang}
cd "$(dirname "$0")/.." || exit 2
case $seconds in
'' | *[!0-9]*) echo "fuzz.sh: SECONDS is '$seconds', expected a whole number" >&2; exit 2 ;;
esac
case $jobs in
'' | *[!0-9]* | 0*) echo "fuzz.sh: JOBS is '$jobs', expected a whole number of at least 1" >&2; exit 2 ;;
esac
for target; do
    [ -d "tests/corpus/fuzz/$target" ] && continue
    echo "fuzz.sh: no target is called '$target'; there are:" $(ls tests/corpus/fuzz) >&2
    exit 2
done

pids=
work=$(mktemp -d "${TMPDIR:-/tmp}/di4c-fuzz.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'for pid in $pids; do kill "$pid" 2>/dev/null; done; wait; exit 2' HUP INT TERM
if [ -d /dev/shm ] && [ -w /dev/shm ]; then # files are written at every input
    rm -rf "$work"
    work=$(mktemp -d /dev/shm/di4c-fuzz.XXXXXX) || exit 2
fi

echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return p == 0 && n > 0; }' > "$work/probe.c"
if ! "$clang" -fsanitize=fuzzer,address,undefined -o "$work/probe" "$work/probe.c" 2> "$work/log"; then
    echo "fuzz: $clang has no -fsanitize=fuzzer (Debian: apt-get install clang libclang-rt-14-dev);"
    echo "fuzz: the corpus alone is run"
    make -s build/release/run-tests && build/release/run-tests fuzz
    exit
fi
make -s VARIANT=fuzz CC="$clang" OPENMP=no build/fuzz/fuzz || exit 2

# A number behind a word, on the last line of a log that has it.
number() { sed -n "s/.*$2 *\([0-9][0-9]*\).*/\1/p" "$1" | tail -n 1; }

fuzz_one() { # TARGET: its row of the table
    kept=build/fuzz-corpus/$1 found=build/fuzz-found/$1 log=$work/$1.log
    mkdir -p "$kept" "$found" "$work/bin" "$work/tmp/$1"
    ln -sf "$PWD/build/fuzz/fuzz" "$work/bin/$1"
    TMPDIR=$work/tmp/$1 "$work/bin/$1" -max_total_time="$seconds" -max_len=20000 -timeout=20 \
        -malloc_limit_mb=256 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=3 \
        -artifact_prefix="$found/" "$kept" "tests/corpus/fuzz/$1" > "$log" 2>&1 &
    fuzzer=$!
    wait "$fuzzer"
    ended=$?
    first=$(sed -n 's/.*INITED cov: \([0-9]*\).*/\1/p' "$log" | head -n 1)
    last=$(number "$log" 'cov:') runs=$(number "$log" 'number_of_executed_units:')
    time=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\).*/\1/p' "$log")
    inputs=$(find "$found" -type f ! -name log.txt | wc -l)
    printf '%-14s %10s %8s %7s %7s %8s\n' "$1" "${runs:--}" "${time:--}" "${last:--}" \
        "$((${last:-0} - ${first:-0}))" "$inputs"
    echo "${runs:-0} ${time:-0} $inputs" >> "$work/total"
    [ "$ended" -eq 0 ] && return
    : > "$work/stopped"
    grep -E 'ERROR: |SUMMARY: |runtime error: |check failed|fuzz/.*:[0-9]+:' "$log" |
        head -n 4 | sed 's/^/    /'
    cp "$log" "$found/log.txt"
}

work_on() { # WORKER: every JOBS-th target
    at=0 fuzzer=
    trap '[ -z "$fuzzer" ] || kill "$fuzzer"; exit 2' TERM
    trap - EXIT
    for folder in tests/corpus/fuzz/*/; do
        target=$(basename "$folder")
        case " ${targets:-$target} " in *" $target "*) ;; *) continue ;; esac
        at=$((at + 1))
        [ $((at % jobs)) -ne $(($1 % jobs)) ] || fuzz_one "$target"
    done
}

targets=$*
: > "$work/total"
printf '%-14s %10s %8s %7s %7s %8s\n' target executions seconds edges new found
worker=1
while [ "$worker" -le "$jobs" ]; do
    work_on "$worker" &
    pids="$pids $!"
    worker=$((worker + 1))
done
wait
awk '{ runs += $1; time += $2; inputs += $3 }
    END { printf "%-14s %10d %8d %7s %7s %8d\n", "all", runs, time, "", "", inputs }' "$work/total"
[ ! -e "$work/stopped" ]

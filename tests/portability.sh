#!/bin/sh
# portability.sh [-s "SUITE..."] [-k] [-t] [ROW...]: builds the program and some tests with every compiler
# of the list below that is here, for this machine and, under qemu-user or wine, for others; warnings are
# errors.  Each program trains 20 steps, draws, measures; then every one reads the files of every other.
# Prints a table of what passed, failed and was skipped, and why.  Installs nothing.
#
#   ROW        names of the list: only these
#   -s SUITES  the suites to run, by default those where machines differ (fewer where programs are slow);
#              all: all of them
#   -k         keep what was built (build/portability), so that the next call compiles only what changed
#   -t         build and run nothing: the table of what calls with -k found, and the reading of all files
#
# All rows but the last two are built with CONTRACT=off, and their weights must be the same bit for bit.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
make=${MAKE:-make} jobs=${JOBS:-1} out=build/portability
# Numbers and memory, products and gradients, files of every kind, noise, heads and losses.
suites='rng text memory byte_order platform pointwise tensor gemm gemm_tile eigen
    autograd gradient_check pointwise_operations safetensors npy json csv crc32 inflate deflate png pickle
    posterior head losses optimizer version'
# Those of them that slow programs are given: emulated, or not optimised.
few='rng text memory byte_order tensor safetensors npy json csv crc32 inflate png posterior version'
keep=no table=no
while getopts s:kt option; do
    case $option in
    s) suites=$OPTARG few=$OPTARG ;;
    k) keep=yes ;;
    t) keep=yes table=yes ;;
    *) sed -n '2,5p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
cd "$(dirname "$0")/.." || exit 2

# Debian's pcc links no atexit: __dso_handle, which glibc's hands on, is missing from its crtbegin.o.
# qemu-i386 (7.2) comes back from no fork, but x86-64 runs i686's programs by their own loader.
# name : compiler : machine : arguments of make : what runs its programs
list="gcc : gcc : x86-64 : :
gcc-serial : gcc : x86-64 : OPENMP=no :
gcc-O0 : gcc : x86-64 : CFLAGS=-O0 :
gcc-strict : gcc -pedantic-errors : x86-64 : OPENMP=no PLAIN=yes MARCH= :
gcc-m32 : gcc -m32 : i686 : :
clang : clang : x86-64 : :
clang-serial : clang : x86-64 : OPENMP=no :
clang-O0 : clang : x86-64 : CFLAGS=-O0 :
tcc : tcc : x86-64 : :
pcc : pcc : x86-64 : PLAIN=yes LDFLAGS=-Wl,--defsym=__dso_handle=__data_start :
musl : musl-gcc : x86-64, static : LDFLAGS=-static :
i686 : i686-linux-gnu-gcc : i686 : MARCH=i686 CFLAGS=-O1 : /usr/i686-linux-gnu/lib/ld-linux.so.2 --library-path /usr/i686-linux-gnu/lib
aarch64 : aarch64-linux-gnu-gcc : aarch64 : CFLAGS=-O1 : qemu-aarch64 -L /usr/aarch64-linux-gnu
armhf : arm-linux-gnueabihf-gcc : armv7 : CFLAGS=-O1 : qemu-arm -L /usr/arm-linux-gnueabihf
s390x : s390x-linux-gnu-gcc : s390x, big-endian : CFLAGS=-O1 : qemu-s390x -L /usr/s390x-linux-gnu
mingw : x86_64-w64-mingw32-gcc : Windows : CFLAGS=-O1 LDFLAGS=-static : wine
gcc-fast : gcc : x86-64 : CONTRACT=fast :
clang-fast : clang : x86-64 : CONTRACT=fast :"

# No second start of a program by itself, which qemu does not follow; time for slow machines; quiet wine.
OMP_WAIT_POLICY=passive CK_TIMEOUT_MULTIPLIER=20 WINEDEBUG=-all
export OMP_WAIT_POLICY CK_TIMEOUT_MULTIPLIER WINEDEBUG

if [ $keep = no ]; then
    rm -rf "$out"
    trap 'rm -rf "$out"' EXIT
    trap 'exit 2' HUP INT TERM
fi
mkdir -p "$out" || exit 1
here=$PWD
WINEPREFIX=$here/$out/wine
export WINEPREFIX

field() { printf '%s\n' "$list" | awk -F ' *: *' -v name="$1" -v at="$2" '$1 == name { print $at }'; }
names=$(printf '%s\n' "$list" | sed 's/ *:.*//')
for name in "$@"; do
    [ -n "$(field "$name" 2)" ] || { echo "portability: no row '$name'; there are:" $names >&2; exit 2; }
done
[ $# -gt 0 ] || set -- $names

# The sources of the suites and of all tools.
if [ "$suites" = all ]; then
    sources= few=
else
    sources="tests/main.c $(echo tests/tools/*.c)"
    for suite in $suites; do
        file=$(find tests -name "test_$suite.c")
        [ -n "$file" ] || { echo "portability: no suite '$suite'" >&2; exit 2; }
        sources="$sources $file"
    done
fi

# What went wrong first, on one line.
reason() {
    for what in ':[FE]:' 'error|undefined|cannot' 'warning|aborted'; do
        grep -iE "$what" "$1" | head -n 1 | tr '|' '/' | cut -c 1-120 | grep . && break
    done
}

# Builds row $1; what make says goes to $dir/*.log.  Sets `verdict`, of the program.
build() {
    cc=$(field "$1" 2) run=$(field "$1" 5)
    command -v "${cc%% *}" > "$dir/which" 2>&1 || { verdict="skipped: no ${cc%% *}"; return; }
    if [ -n "$run" ] && ! command -v "${run%% *}" > "$dir/which" 2>&1; then
        verdict="skipped: no ${run%% *}"; return
    fi
    printf '#include <errno.h>\n#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' > "$dir/first.c"
    if ! $cc -o "$dir/first" "$dir/first.c" > "$dir/log" 2>&1; then
        verdict="skipped: it makes no program here: $(reason "$dir/log")"; return
    fi
    # A kernel may lack the programs of 32 bits.
    exe=; [ ! -f "$dir/first.exe" ] || exe=.exe
    if ! $run "$here/$dir/first$exe" > "$dir/log" 2>&1; then
        verdict="skipped: its programs do not run here: $(head -n 1 "$dir/log" | tr '|' '/' | cut -c 1-120)"; return
    fi
    # Arguments of the row come last, so that CONTRACT and CFLAGS of their own count.
    # pcc warns of conversions by a prototype, which are what C asks for.
    flags=-Werror rest=
    case $cc in pcc*) flags= ;; esac
    for word in $(field "$1" 4); do
        case $word in CFLAGS=*) flags="$flags ${word#CFLAGS=}" ;; *) rest="$rest $word" ;; esac
    done
    made() {
        $make -s -j"$jobs" CC="$cc" RUN="$run" OUT="$dir" CHECK=standin BENCH_SRC= TOUR_SRC= CONTRACT=off \
            CFLAGS="$flags" $rest ${sources:+TEST_SRC="$sources"} "$dir/$1$exe" > "$dir/$1.log" 2>&1
    }
    made di4c || { verdict="failed: $(reason "$dir/di4c.log")"; return; }
    verdict=passed
    printf '%s\n' "$run $here/$dir/di4c$exe" > "$dir/run-di4c"
    made run-tests && printf '%s\n' "$run $here/$dir/run-tests$exe" > "$dir/run-suites"
}

# Little enough for an emulated machine.
small='--set batch=16 --set mlp_width=64 --set embed=16'
# Trains, draws and measures in $dir/files.  Sets `bits`, the beginning of the weights' hash.
use() {
    rm -rf "$dir/files"
    mkdir "$dir/files"
    if (
        cd "$dir/files" || exit 1
        $program train --data glyphs --steps 20 $small --out model.safetensors --quiet &&
            $program sample --model model.safetensors --steps 4 --count 16 --out samples.npy --quiet &&
            $program sample --model model.safetensors --steps 4 --count 16 --out samples.png --quiet &&
            $program eval --model model.safetensors --data glyphs --steps 1,2 --count 100 --json eval.json \
                --quiet
    ) > "$dir/use.log" 2>&1; then
        bits=$(cd "$dir/files" && $program inspect model.safetensors | tr -d '\r' |
            sed -n 's/^weights (raw) \(.\{16\}\).*/\1/p')
        [ -n "$bits" ] || bits='failed: inspect names no weights'
    else
        bits="failed: $(head -n 1 "$dir/use.log")"
    fi
}

# What is found of a row goes to $dir/result: name, build, tests, bits.
for name in "$@"; do
    [ $table = no ] || break
    dir=$out/$name checked= bits=
    mkdir -p "$dir"
    rm -f "$dir/run-di4c" "$dir/run-suites"
    echo "portability: $name" >&2
    build "$name"
    if [ "$verdict" = passed ]; then
        program=$(cat "$dir/run-di4c")
        use
        if [ -f "$dir/run-suites" ]; then
            case "$(field "$name" 2) $(field "$name" 4) $(field "$name" 5)" in
            tcc* | pcc* | *-O0* | *qemu* | *wine*) only=$few ;;
            *) only= ;;
            esac
            $(cat "$dir/run-suites") $only > "$dir/tests.log" 2>&1
        else cp "$dir/run-tests.log" "$dir/tests.log"; false; fi
        status=$?
        line='s/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p'
        counts=$(tr -d '\r' < "$dir/tests.log" | sed -n "$line" | tail -n 1)
        case "$status $counts" in
        "0 "?*" 0 0") checked="passed, ${counts%% *}" ;;
        *) checked="failed: $(reason "$dir/tests.log")" ;;
        esac
    fi
    printf '%s|%s|%s|%s\n' "$name" "$verdict" "$checked" "$bits" > "$dir/result"
done
for name in "$@"; do
    [ -f "$out/$name/result" ] && cat "$out/$name/result" || printf '%s|not run||\n' "$name"
done > "$out/results"

# Every program reads every file: the same hashes of weights, the same numbers of samples.
wrong=
for reader in "$@"; do
    [ -f "$out/$reader/run-di4c" ] || continue
    program=$(cat "$out/$reader/run-di4c")
    for writer in "$@"; do
        [ -f "$out/$writer/files/samples.npy" ] || continue
        for file in model.safetensors samples.npy; do
            (cd "$out/$writer/files" && $program inspect $file 2>&1 | tr -d '\r') > "$out/read"
            [ -f "$out/$writer/files/$file.txt" ] || cp "$out/read" "$out/$writer/files/$file.txt"
            cmp -s "$out/read" "$out/$writer/files/$file.txt" || wrong="$wrong $reader<-$writer/$file"
        done
    done
done

printf '\n| row | compiler | machine | OpenMP | options | build | tests | weights |\n'
printf '|---|---|---|---|---|---|---|---|\n'
while IFS='|' read -r name verdict checked bits; do
    openmp= # what the program was built with
    case $verdict in passed) openmp=no; grep -q ' -fopenmp ' "$out/$name/command" && openmp=yes ;; esac
    printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$name" "$(field "$name" 2)" "$(field "$name" 3)" \
        "$openmp" "$(field "$name" 4)" "$verdict" "$checked" "$bits"
done < "$out/results"

# One class of bits for CONTRACT=off, and the same bytes of samples there.
classes=$(grep -v '^[a-z]*-fast|' "$out/results" | awk -F '|' '$2 == "passed" { print $4 }' | sort -u)
printf '\nweights of CONTRACT=off: %s\n' "$(printf '%s' "$classes" | tr '\n' ' ')"
status=0
grep -q '|failed' "$out/results" && status=1
[ "$(printf '%s\n' "$classes" | wc -l)" -le 1 ] || { echo 'these differ'; status=1; }
if [ -n "$wrong" ]; then
    echo "read differently:$wrong"
    status=1
else
    echo 'each program reads the files of every other as the writer does'
fi
exit $status

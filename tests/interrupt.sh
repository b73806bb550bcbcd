#!/bin/sh
# interrupt.sh [PROGRAM] [KILLS]: what is computed is not lost.  Short runs of train, distill, sample
# and eval are killed (KILL) at KILLS random moments in all (200), and go on: the results must be those
# of a run without a stop, byte for byte.  Then: full disks, limits of files, folders that cannot be
# written, closed outputs, two runs with one output, and settings of threads.  A table of what was
# seen; status 1 if anything is otherwise.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
program=${1:-build/di4c}
kills=${2:-200}
seed=${DI4C_SEED:-1}
[ -x "$program" ] || { echo "interrupt.sh: $program: expected the program" >&2; exit 2; }
case $program in /*) ;; *) program=$PWD/$program ;; esac
case $kills in
'' | *[!0-9]*) echo "interrupt.sh: KILLS is '$kills', expected a whole number" >&2; exit 2 ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/di4c-interrupt.XXXXXX") || exit 2
mounted=
running= # the process that a stop of this script would leave behind
clean() {
    [ -z "$running" ] || kill -9 "$running" 2> kill.txt
    [ -z "$mounted" ] || umount "$mounted"
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 2' HUP INT TERM
cd "$work" || exit 2
failures=0
fail() { failures=$((failures + 1)); printf 'FAILED: %s\n' "$*"; }
same() { cmp -s "$1" "$2" || fail "$3: $1 and $2 differ"; }

# ---- runs, each with its name: what it is called with, and what it makes ----

every=0 # seconds between two saves: at every step, or only at the end
tiny='--quiet --set batch=16 --set mlp_width=64 --set warmup=0'
run() { # NAME FOLDER WORDS...: becomes the command, in the folder: to be called in a subshell
    name=$1 folder=$2
    shift 2
    case $name in
    train) set -- train --data glyphs $tiny --steps 60 --save-every $every --out t.safetensors "$@" ;;
    distill) set -- distill --data glyphs --teacher ../teacher.safetensors $tiny --set lambdas=2 --steps 25 \
        --save-every $every --out t.safetensors "$@" ;;
    sample) set -- sample --quiet --model ../teacher.safetensors --steps 8 --count 1500 --batch 50 \
        --out t.npy "$@" ;;
    eval) set -- eval --quiet --model ../teacher.safetensors --data glyphs --steps 1,2,3,4,5,6,8 \
        --count 500 --metrics valid,bound --json t.json "$@" ;;
    esac
    cd "$folder" && exec "$program" "$@" > out.txt 2> err.txt
}
results() { # what must be the same
    case $1 in
    train | distill) echo t.safetensors t.csv ;;
    sample) echo t.npy ;;
    eval) echo t.json ;;
    esac
}
resume() { case $1 in sample) ;; *) echo --resume ;; esac; }

now() { date +%s.%N | sed 's/\.N$//'; } # seconds, with a fraction where date has one
random() { # a number from 0 to $1, in hundredths; advances the seed
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    echo "$seed $1" | awk '{ printf "%.2f\n", $1 / 2147483648 * $2 }'
}

# After a kill: no model, or one that can be read; a table, or none.
whole() {
    for f in t.safetensors t.npy; do
        [ ! -e "$1/$f" ] || "$program" inspect "$1/$f" > inspect.txt 2>&1 ||
            fail "$2: $f is not whole: $(cat inspect.txt)"
    done
}

kill_and_resume() { # NAME COUNT
    name=$1 want=$2 made=0 before=0 after=0 runs=0
    mkdir "$name-whole"
    start=$(now)
    (run "$name" "$name-whole") || fail "$name: $(cat "$name-whole/err.txt")"
    seconds=$(echo "$start $(now)" | awk '{ print $2 - $1 + 0.02 }')
    while [ "$made" -lt "$want" ]; do
        rm -rf now && mkdir now
        runs=$((runs + 1)) words= stops=0 every=$((runs % 2 * 1000))
        while [ "$made" -lt "$want" ] && [ "$stops" -le $((runs % 3)) ]; do # up to three times
            stops=$((stops + 1))
            (run "$name" now $words) &
            running=$!
            sleep "$(random "$seconds")"
            kill -9 "$running" 2> kill.txt
            wait "$running" 2> kill.txt
            if [ $? -eq 137 ]; then
                made=$((made + 1))
            else
                after=$((after + 1))
            fi
            running=
            case $(ls now) in *t.safetensors* | *t.npy* | *t.json*) ;; *) before=$((before + 1)) ;; esac
            whole now "$name"
            words=$(resume "$name")
        done
        # Where nothing was saved, the command goes as it was given first.
        [ -e now/t.safetensors ] || [ "$((runs % 2))" -eq 0 ] || case $name in train | distill) words= ;; esac
        (run "$name" now $words) || fail "$name: does not go on: $(cat now/err.txt)"
        for f in $(results "$name"); do same "now/$f" "$name-whole/$f" "$name"; done
        rm -f now/*.tmp.* # of what was killed while it wrote
        for f in now/*.lock now/*.part; do [ ! -e "$f" ] || fail "$name: leaves $f"; done
    done
    printf '%-10s %6d kills of %4d runs, %4d before anything was saved, %4d after the end\n' \
        "$name" "$made" "$runs" "$before" "$after"
}

# ---- runs that must fail with a sentence, and leave what was there ----

refused() { # TITLE PATTERN COMMAND...
    title=$1 pattern=$2
    shift 2
    "$@" > out.txt 2> err.txt
    code=$?
    if [ "$code" -ne 1 ] || ! grep -q "$pattern" err.txt; then
        fail "$title: status $code: $(cat err.txt)"
    fi
    printf '%-44s %s\n' "$title" "$(tail -n 1 err.txt | cut -c 1-90)"
}
skipped() { printf '%-44s skipped: %s\n' "$1" "$2"; }

"$program" train --data glyphs $tiny --steps 20 --out teacher.safetensors > out.txt || exit 2
part=$((kills / 4))
for name in train distill sample eval; do
    [ "$part" -eq 0 ] || kill_and_resume "$name" "$part"
done

mkdir old && cp teacher.safetensors old/t.safetensors
old() { same old/t.safetensors teacher.safetensors "$1"; }
measure='eval --quiet --model teacher.safetensors --data glyphs --steps 1 --count 10'
again="train --data glyphs --quiet --steps 3 --overwrite --out"
limited() { (ulimit -f 4; exec "$@"); }
refused 'limit of a file (ulimit -f)' 'File too large' limited "$program" $again old/t.safetensors
old 'limit of a file'
mkdir full
if mount -t tmpfs -o size=32k none full 2> mount.txt; then
    mounted=$work/full
    cp teacher.safetensors full/old 2> out.txt
    refused 'disk full (tmpfs of 32 KiB): train' 'No space left' "$program" $again full/t.safetensors
    refused 'disk full: sample' 'No space left' "$program" sample --quiet --model teacher.safetensors \
        --steps 1 --count 3000 --out full/x.npy
    refused 'disk full: eval' 'writing failed' "$program" $measure --report full/x.html
    left=$(find full -name '*.tmp.*' -o -name '*.lock')
    [ -z "$left" ] || fail "disk full: leaves $left"
    mount -o remount,ro full &&
        refused 'read-only file system' 'Read-only' "$program" $again full/t.safetensors
    umount full && mounted=
else
    skipped 'disk full' "$(head -n 1 mount.txt)"
fi
if [ "$(id -u)" -ne 0 ]; then
    mkdir shut && chmod 555 shut
    refused 'folder that cannot be written' 'Permission denied' "$program" $again shut/t.safetensors
else
    refused 'folder that cannot be written (/proc)' 'cannot be written' "$program" $again /proc/t.safetensors
fi
closed() { "$@" >&-; }
refused 'closed stdout: inspect' 'standard output' closed "$program" inspect teacher.safetensors
refused 'closed stdout: eval' 'standard output' closed "$program" $measure
if [ -w /dev/full ]; then
    full_output() { "$@" > /dev/full; }
    refused 'full stdout: inspect' 'standard output' full_output "$program" inspect teacher.safetensors
fi

# ---- two runs, one output ----

"$program" train --data glyphs $tiny --steps 1000000 --save-every 0 --out both.safetensors \
    > both.txt 2>&1 &
running=$!
tries=0
while [ ! -e both.safetensors ] && [ "$tries" -lt 300 ]; do sleep 0.1; tries=$((tries + 1)); done
refused 'two runs, one output' "process $running is writing it" "$program" $again both.safetensors
refused 'two runs, one output, --resume' 'is writing it' \
    "$program" train --data glyphs $tiny --resume --out both.safetensors
if unshare --pid --fork true 2> unshare.txt; then
    refused 'two runs, another namespace' 'another run is writing it' \
        unshare --pid --fork "$program" $again both.safetensors
else
    skipped 'two runs, another namespace' "$(head -n 1 unshare.txt)"
fi
kill -9 "$running"
wait "$running" 2> kill.txt
running=
"$program" $again both.safetensors > out.txt 2> err.txt || fail "after a killed run: $(cat err.txt)"

# ---- settings of threads: the same bits ----

bits() { # TITLE ENVIRONMENT...
    title=$1
    shift
    mkdir -p threads
    if "$@" "$program" train --data glyphs $tiny --steps 5 --overwrite --out threads/t.safetensors \
        > out.txt 2> err.txt; then
        [ -e threads/first ] || cp threads/t.safetensors threads/first
        same threads/t.safetensors threads/first "$title"
        printf '%-44s %s\n' "$title" 'same bits'
    else
        fail "$title: $(cat err.txt)"
    fi
}
bits 'OMP_NUM_THREADS=1' env OMP_NUM_THREADS=1
bits 'OMP_NUM_THREADS=300' env OMP_NUM_THREADS=300
bits 'OMP_NUM_THREADS=0' env OMP_NUM_THREADS=0
bits 'OMP_NUM_THREADS=2,2' env OMP_NUM_THREADS=2,2
bits 'OMP_NUM_THREADS=2,2, three active levels' \
    env OMP_NUM_THREADS=2,2 OMP_MAX_ACTIVE_LEVELS=3 OMP_NESTED=true
bits 'OMP_THREAD_LIMIT=1' env OMP_THREAD_LIMIT=1 OMP_NUM_THREADS=4
bits 'OMP_DYNAMIC=true' env OMP_DYNAMIC=true OMP_NUM_THREADS=8
if command -v taskset > out.txt; then
    for one in 1 0; do taskset -c $one true 2> err.txt && break; done
    bits 'one processor (taskset)' taskset -c "$one"
else
    skipped 'one processor' 'there is no taskset'
fi

[ "$failures" -eq 0 ] && echo 'interrupt: all as it should be'
[ "$failures" -eq 0 ]

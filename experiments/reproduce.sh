#!/bin/sh
# reproduce.sh PRESET [options]: data, teacher, student, ablations, table, pictures and page, in one folder.
#
#   sh experiments/reproduce.sh glyphs
#   sh experiments/reproduce.sh mnist-binary --seeds 1,2,3
#   sh experiments/reproduce.sh shakespeare --data text:input.txt
#   sh experiments/reproduce.sh cifar10 --teacher teacher.pt --student student.pt \
#       --inception pt_inception-2015-12-05-6726825d.pth      the paper's table: FID and IS at 10 and 20 steps
#
# --seeds LIST       one teacher, student and table each (1)
# --out DIR          the folder (out/reproduce/PRESET): report.html and RESULTS.md in it have all of it
# --data DATA        as `di4c train --data` takes it (glyphs are built in; MNIST and CIFAR-10 are fetched)
# --from DIR         what would be fetched is taken from a folder: see fetch-data.sh
# --set KEY=VALUE    of both trainings; may be given several times
# --steps LIST       network calls of the table's rows (1,2,4,8,16,32)
# --count M          samples of a row (2000; of the paper's table 50000)
# --metrics LIST     as `di4c eval` has it (what fits the data; of the paper's table fid,is)
# --no-ablations     teacher and student alone
# --quick            20 steps of training, 50 samples, 1 and 2 network calls: to see that it works
# --teacher FILE, --student FILE     published weights in place of trainings
# --inception FILE   for fid and is; --reference FILE.npz|DATA: what fid compares with (CIFAR-10)
# --threads N        of every program (all cores)
# --program FILE     di4c (build/di4c)
# --dry-run          says what would be done and how long it would take, and writes nothing to DIR
#
# It measures 20 steps of each training and says how long all of it will take.  After a stop of any kind
# the same command goes on; --seeds may grow, and what would change numbers that are there is refused.
# The same seeds give the same RESULTS.md, to the last digit.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
usage() { sh "$0" --help >&2; exit 2; }
wrong() { echo "reproduce.sh: $*" >&2; exit 2; }
fail() { echo "reproduce.sh: $*" >&2; exit 1; }

# ---- options ----
[ $# -ge 1 ] || usage
preset=$1
shift
here=$(cd "$(dirname "$0")" && pwd) || exit 1
seeds=1 out= data= from= sets= steps= count= metrics= ablations=yes teacher= student= inception= reference=
threads= program=build/di4c dry= paper=
while [ $# -gt 0 ]; do
    case $1 in
    --dry-run) dry=yes; shift; continue ;;
    --no-ablations) ablations=; shift; continue ;;
    --quick) sets="--set steps=20$sets" steps=${steps:-1,2} count=${count:-50}; shift; continue ;;
    esac
    [ $# -ge 2 ] && [ -n "$2" ] || usage
    case $1 in
    --seeds) seeds=$2 ;;
    --out) out=$2 ;;
    --data) data=$2 ;;
    --from) from=$2 ;;
    --set)
        case $2 in *[!A-Za-z0-9_.,=+-]* | =*) wrong "--set $2: expected KEY=VALUE" ;; esac
        sets="$sets --set $2" ;;
    --steps) steps=$2 ;;
    --count) count=$2 ;;
    --metrics) metrics=$2 ;;
    --teacher) teacher=$2 ;;
    --student) student=$2 ;;
    --inception) inception=$2 ;;
    --reference) reference=$2 ;;
    --threads) threads=$2 ;;
    --program) program=$2 ;;
    *) usage ;;
    esac
    shift 2
done
: "${out:=out/reproduce/$preset}"
is_count() { case $1 in '' | *[!0-9]* | 0*) return 1 ;; esac; }
for seed in $(printf '%s' "$seeds" | tr ',' ' '); do
    is_count "$seed" || wrong "--seeds $seeds: expected whole numbers from 1 on, with commas"
done
for number in ${steps:+$(printf '%s' "$steps" | tr ',' ' ')} "${count:-1}" "${threads:-1}"; do
    is_count "$number" || wrong "'$number': expected a whole number from 1 on"
done
[ -z "$teacher$student" ] || paper=yes
if [ -n "$paper" ]; then
    [ -n "$teacher" ] && [ -n "$student" ] || wrong "--teacher and --student: expected both or neither"
    [ -z "$sets" ] || wrong "--set, --quick: expected neither with weights that are trained already"
    : "${metrics:=fid,is}" "${steps:=10,20}" "${count:=50000}"
    case $metrics in fid | is | fid,is | is,fid) ;; *) wrong "--metrics $metrics: expected fid, is or both" ;; esac
    [ -n "$inception" ] || wrong "--inception is missing: expected pytorch-fid's pt_inception-2015-12-05-6726825d.pth"
fi
: "${steps:=1,2,4,8,16,32}" "${count:=2000}"

# The whole name of a file; of DATA, the file is behind the colon.
whole() { case $1 in '' | /*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac; }
whole_data() {
    case $1 in
    *:*) printf '%s:%s' "${1%%:*}" "$(whole "${1#*:}")" ;;
    *.npz) whole "$1" ;;
    *) printf '%s' "$1" ;;
    esac
}
fetch= picture=png classifier=
case $preset in
glyphs | glyphs-*) : "${data:=glyphs}" ;;
mnist | mnist-*) [ -n "$data" ] || { data=mnist:data/mnist fetch=mnist; } ;;
cifar10 | cifar10-*) [ -n "$data" ] || { data=cifar10:data/cifar10 fetch=cifar10; } ;;
esac
[ -n "$data" ] || wrong "--data is missing: expected it, since $preset has no data of its own"
[ -n "$fetch" ] || data=$(whole_data "$data")
case $data in
mnist:* | cifar10:*) classifier=classifier.safetensors ;; # of the FCD
text:* | text8:* | tokens:*) picture=txt ;;
esac
case $metrics in *fcd*) classifier=classifier.safetensors ;; ?*) classifier= ;; esac
if [ -n "$paper" ] && [ -n "$reference" ]; then fetch=; fi
all_pictures= # of which the published FID is
if [ -n "$paper" ] && [ -z "$reference" ]; then
    reference=$data
    case $metrics:$data in fid*:cifar10:* | *,fid:cifar10:*) all_pictures=yes ;; esac
fi
case $reference in "$data") ;; *) reference=$(whole_data "$reference") ;; esac
from=$(whole "$from") inception=$(whole "$inception")
teacher=$(whole "$teacher") student=$(whole "$student") program=$(whole "$program") out=$(whole "$out")
for file in "$program" "$teacher" "$student" "$inception"; do
    [ -z "$file" ] || [ -f "$file" ] || fail "$file: is not there"
done

# ---- one run at a time in a folder, whose program ends with it ----
child= scratch= ours=
finish() {
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ -z "$ours" ] || rm -f running
}
stop() {
    trap '' HUP INT TERM
    if [ "$child" = begun ]; then # within begin
        child=${!:-}
        [ "$child" != "$before" ] || child=
    fi
    [ -z "$child" ] || { kill -TERM "$child" 2> /dev/null; wait "$child"; }
    echo "reproduce.sh: stopped; the same command goes on" >&2
    exit 130
}
trap finish EXIT
trap stop HUP INT TERM
if [ -n "$dry" ]; then
    cd "$out" 2> /dev/null || :
else
    mkdir -p "$out/done" "$out/results" "$out/pictures" && cd "$out" || exit 1
    for number in $(cat running 2> /dev/null); do
        ! kill -0 "$number" 2> /dev/null ||
            fail "$out: process $number still works in it: expected its end (or $out/running removed)"
    done
    ours=yes
fi
# COMMAND: begun in the background.  It puts its own number into `running` before it works, and does not
# work without this script: none that outlives a killed script is unknown to the next.
begin() {
    before=${!:-} child=begun
    if [ -n "$ours" ]; then
        sh -c 'echo "$1 $$" > running; kill -0 "$1" || exit 1; shift; exec "$@"' begin "$$" "$@" &
    else
        "$@" &
    fi
    child=$!
}
run() {
    begin "$@"
    wait "$child"
    status=$?
    child=
    return "$status"
}

# ---- what is made ----
# training HOW COMMAND PRESET FILE SEED [own options]: HOW runs it; own settings come last and win.
training() {
    how=$1 command=$2 like=$3 model=$4 seed=$5
    shift 5
    # shellcheck disable=SC2086 -- words without blanks
    "$how" "$program" "$command" ${threads:+--threads "$threads"} --data "$data" --preset "$like" \
        --seed "$seed" $sets --out "$model" --resume "$@"
}
train() { training run "$@"; }
measure() { # JSON seed student teacher [own options]
    json=$1 seed=$2 one=$3 two=$4
    shift 4
    run "$program" eval ${threads:+--threads "$threads"} --model "$one" --teacher "$two" \
        --data "$data" --steps "$steps" --count "$count" --seed "$seed" \
        ${metrics:+--metrics "$metrics"} ${classifier:+--classifier "$classifier"} \
        ${inception:+--inception "$inception"} ${reference:+--reference "$reference"} "$@" \
        --json "$json" --quiet && note "$json" "$@"
}
# Pictures go to a file as they come, and from there on after a stop; then they are measured.
draw_all() { # model steps seed file
    run "$program" sample ${threads:+--threads "$threads"} --model "$1" --grid authors --steps "$2" \
        --count "$count" --seed "$3" --out "$4"
}
# fid's other side, once: its mean and covariance, while a few samples are measured.
take_reference() { # FILE.npz
    run "$program" sample ${threads:+--threads "$threads"} --model "$teacher" --steps 2 --count 2 \
        --out reference.npy --quiet &&
        run "$program" eval ${threads:+--threads "$threads"} --samples reference.npy --metrics fid \
            --inception "$inception" --reference "$reference" --save-statistics "$1" --quiet
}
measure_samples() { # JSON file seed model steps
    run "$program" eval ${threads:+--threads "$threads"} --samples "$2" --metrics "$metrics" \
        --seed "$3" --inception "$inception" ${statistics:+--reference "$statistics"} \
        --json "$1" --quiet || return 1
    hash=$("$program" inspect "$4" | sed -n 's/^weights (averaged) \(.\{16\}\).*/\1/p')
    note "$1" "sample --grid authors --steps $5 --count $count --seed $3, weights $hash"
}
# What the JSON does not say.
note() {
    file=${1%.json}.txt
    shift
    processor=$(sed -n '/^model name/{s/^[^:]*: *//p;q;}' /proc/cpuinfo 2> /dev/null)
    words="$sets $*"
    printf 'Preset %s%s. Machine: %s cores, %s%s.\n' "$preset" "$(printf '%s' "$words" | tr -s ' ' |
        sed 's/^ *\(.\)/, \1/; s/ *$//')" "$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo '?')" \
        "$(uname -m)" "${processor:+, $processor}" > "$file"
}
draw() { # model steps seed file [own options]
    model=$1 number=$2 seed=$3 file=$4
    shift 4
    run "$program" sample ${threads:+--threads "$threads"} --model "$model" --steps "$number" \
        --count 64 --seed "$seed" --out "$file" --quiet "$@"
}
page() { # the main table first
    set --
    for file in "results/$preset"-seed-*.json "results/$preset"+teacher*.json results/*.json; do
        case " $* " in *" $file "*) continue ;; esac
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
    run "$program" report "$@" --title "$preset" --out RESULTS.md || return 1
    for file in pictures/* seed-*/teacher.csv seed-*/student.csv; do
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
    run "$program" report "$@" --title "$preset" --out report.html
}

# ---- stages ----
# stage NAME SECONDS KEY COMMAND...: by $mode a line of the plan, or the command, unless it was done.
# KEY and COMMAND are all that its numbers depend on.
stage() {
    name=$1 seconds=$2 key=$3 state=
    shift 3
    mark=$out/done/$name
    if [ -e "$mark" ]; then
        [ "$(cat "$mark")" = "$key $*" ] ||
            fail "$name was made with other options: expected the same, or another --out than $out"
        state='is there'
    fi
    if [ "$mode" = plan ]; then
        printf '%-32s %-10s %s\n' "$name" "$(duration "$seconds")" "$state"
        [ -n "$state" ] || total=$((total + (seconds > 0 ? seconds : 0)))
    elif [ -z "$state" ]; then
        echo "== $name: about $(duration "$seconds")"
        made="$key $*"
        "$@" || fail "$name: did not end well; the same command goes on with it"
        printf '%s\n' "$made" > done/.new && mv done/.new "$mark" || exit 1
    fi
}
duration() {
    if [ "$1" -lt 0 ]; then echo '?'
    elif [ "$1" -lt 120 ]; then echo "$1 s"
    elif [ "$1" -lt 7200 ]; then echo "$(($1 / 60)) min"
    else echo "$(($1 / 3600)) h"
    fi
}
trained="$data $sets"
student_of() { # folder name preset seed [own options]
    model=$1/$2.safetensors folder=$1 named=$2 like=$3 seed=$4
    shift 4
    stage "$folder-$named" "$student_seconds" "$trained" train distill "$like" "$model" "$seed" \
        --teacher "$folder/teacher.safetensors" "$@"
}
table_of() { # folder name-of-table name-of-student seed [own options]
    folder=$1 named=$2 model=$3 seed=$4
    shift 4
    stage "$folder-table$named" "$table_seconds" \
        "$trained $steps $count $metrics $inception $reference" measure \
        "results/$preset$named-seed-$seed.json" "$seed" "$folder/$model.safetensors" \
        "$folder/teacher.safetensors" "$@"
}
ablations_of() { # folder seed
    case $preset in
    *-published | mnist-gaussian | cifar10 | owt)
        student_of "$1" no-control-variates "$preset" "$2" --set control_variates=off
        table_of "$1" -no-control-variates no-control-variates "$2"
        student_of "$1" no-data-term "$preset" "$2" --set data_weight=zero
        table_of "$1" -no-data-term no-data-term "$2"
        return ;;
    esac
    table_of "$1" -lambda-step student "$2" --lambda step
    case $preset in
    shakespeare | text8) # whose law is normal, and whose lambda is for few steps
        student_of "$1" lambda-always "$preset" "$2" --set lambda_steps=0
        table_of "$1" -lambda-always lambda-always "$2" ;;
    *)
        student_of "$1" normal-law "$preset" "$2" --set lambda_law=normal
        table_of "$1" -normal-law normal-law "$2" ;;
    esac
    case $preset in glyphs | mnist-binary | shakespeare)
        student_of "$1" published "$preset-published" "$2"
        table_of "$1" -published published "$2" ;;
    esac
}
# Rows of one table, each in a file of its own.
paper_of() { # seed
    for calls in $(printf '%s' "$steps" | tr ',' ' '); do
        for role in teacher student; do
            model=$teacher
            [ "$role" = teacher ] || model=$student
            samples=seed-$1/$role-$calls.npy
            stage "seed-$1-$role-$calls-samples" \
                "$(seconds_for $((count * calls)) "$call_us" "$call_start")" "$count" draw_all "$model" "$calls" "$1" "$samples"
            stage "seed-$1-$role-$calls-measured" \
                "$(seconds_for "$count" "$picture_us" "$picture_start")" \
                "$count $metrics $inception $reference" measure_samples \
                "results/$preset+$role-$calls-seed-$1.json" "$samples" "$1" "$model" "$calls"
        done
    done
}
stages() {
    case $metrics:$reference in
    is:*) statistics= ;;
    *.npz) statistics=$reference ;;
    *)
        statistics=reference.npz
        seconds=-1 # unless it is known how many pictures it has
        [ -z "$all_pictures" ] || seconds=$(seconds_for 50000 "$picture_us" "$picture_start")
        [ -z "$paper" ] || stage reference "$seconds" "$inception $reference" take_reference "$statistics" ;;
    esac
    for each in $(printf '%s' "$seeds" | tr ',' ' '); do
        if [ -n "$paper" ]; then
            paper_of "$each"
            continue
        fi
        stage "seed-$each-teacher" "$teacher_seconds" "$trained" train train "$preset" \
            "seed-$each/teacher.safetensors" "$each"
        student_of "seed-$each" student "$preset" "$each"
        table_of "seed-$each" '' student "$each"
        [ -z "$ablations" ] || ablations_of "seed-$each" "$each"
    done
    first=${seeds%%,*}
    for calls in $(printf '%s' "$steps" | tr ',' ' '); do
        seconds=$(seconds_for $((64 * calls)) "$call_us" "$call_start")
        if [ -n "$paper" ]; then
            stage "pictures-teacher-$calls" "$seconds" "$teacher" draw "$teacher" "$calls" "$first" \
                "pictures/teacher-$calls.png" --grid authors
            stage "pictures-student-$calls" "$seconds" "$student" draw "$student" "$calls" "$first" \
                "pictures/student-$calls.png" --grid authors
        else
            stage "pictures-teacher-$calls" "$seconds" "$trained" draw \
                "seed-$first/teacher.safetensors" "$calls" "$first" "pictures/teacher-$calls.$picture"
            stage "pictures-student-$calls" "$seconds" "$trained" draw \
                "seed-$first/student.safetensors" "$calls" "$first" "pictures/student-$calls.$picture"
        fi
    done
}

# ---- how long: 20 steps of each training, 20 network calls of samples, the network of fid ----
now() { # milliseconds, where date has them
    stamp=$(date +%s%N)
    case $stamp in *[!0-9]* | '') echo "$(date +%s)000" ;; *) echo "${stamp%??????}" ;; esac
}
# From progress, "teacher  12% 120/1000  2.8/s, ..." or "...  3.4 s/step, ...": seconds of all steps.
seconds_of() {
    awk '{ for (i = 1; i < NF; i++)
            if ($i ~ /^[0-9]+\/[0-9]+$/) {
                split($i, part, "/")
                if ($(i + 1) ~ /\/s,?$/) each = 1 / ($(i + 1) + 0)
                else if ($(i + 2) ~ /^s\/step/) each = $(i + 1)
                total = part[2] } }
        END { if (each == 0) exit 1; printf "%d\n", total * each + 1 }' "$1"
}
begin_logged() { begin "$@" 2> "$log" > "$log.out"; }
# Trains until 20 steps are made: COMMAND [own options].
try() {
    command=$1 log=$scratch/$1.log
    shift
    training begin_logged "$command" "$preset" "$scratch/$command.safetensors" 1 "$@"
    while kill -0 "$child" 2> /dev/null; do
        made=$(sed -n 's/^.* \([0-9][0-9]*\)\/[0-9].*/\1/p' "$log" | tail -n 1)
        [ "${made:-0}" -lt 20 ] || kill -TERM "$child" 2> /dev/null
        sleep 1
    done
    wait "$child"
    child=
    seconds_of "$log" > "$scratch/seconds" || { cat "$log" >&2; fail "the trial of $command failed"; }
}
# Milliseconds of `di4c` with these options, to $took.
timed() {
    began=$(now)
    run "$program" "$@" ${threads:+--threads "$threads"} --quiet > "$scratch/out" ||
        fail "the trial of $1 failed"
    took=$(($(now) - began))
}
try_samples() { # steps count
    timed sample --model "$one" --steps "$1" --count "$2" --out "$scratch/$2.npy"
}
try_pictures() { # count metric [own options]
    pictures=$scratch/$1.npy metric=$2
    shift 2
    timed eval --samples "$pictures" --metrics "$metric" --inception "$inception" "$@"
}
# each LONG N SHORT M: microseconds of one of N, where N took LONG milliseconds and M took SHORT.  The
# difference takes off what a start takes, but on a busy machine it may be anything, so a start counts for
# no more than half of the longer run.
each() {
    difference=$((($1 - $3) * 1000 / ($2 - $4))) least=$(($1 * 500 / $2))
    echo $(((difference > least ? difference : least) + 1))
}
# COUNT EACH START: seconds of that many and of the start, for which a whole short run stands; -1: not known.
seconds_for() {
    if [ "$2" -lt 0 ]; then echo -1; else echo $((($1 * $2 + $3 * 1000) / 1000000 + 1)); fi
}
try_all() {
    one=$scratch/train.safetensors several=64
    if [ -n "$paper" ]; then
        one=$teacher several=26
    else
        try train
        teacher_seconds=$(cat "$scratch/seconds")
        try distill --teacher "$one"
        student_seconds=$(cat "$scratch/seconds")
    fi
    try_samples 20 "$several"
    long=$took
    try_samples 2 10
    call_start=$took
    call_us=$(each "$long" $((20 * several)) "$took" 20)
    [ -n "$paper" ] || return 0
    try_pictures "$several" is
    long=$took
    try_pictures 10 is
    picture_start=$took
    picture_us=$(each "$long" "$several" "$took" 10)
    case $metrics in *fid*) # whose matrix root takes the same for 10 pictures as for 50,000
        try_pictures 10 fid --reference "npy:$scratch/10.npy"
        picture_start=$took ;;
    esac
}
teacher_seconds=-1 student_seconds=-1 table_seconds=-1 call_us=-1 picture_us=-1
call_start=0 picture_start=0
if [ -n "$fetch" ] && [ -z "$dry" ]; then
    run sh "$here/fetch-data.sh" "$fetch" --to "data/$fetch" ${from:+--from "$from"} || exit 1
fi
place=${data#cifar10:}
if [ -n "$all_pictures" ] && [ -e "$place" ]; then
    for number in 1 2 3 4 5; do
        [ -e "$place/data_batch_$number.bin" ] ||
            [ -e "$place/cifar-10-batches-bin/data_batch_$number.bin" ] ||
            fail "$place: data_batch_$number.bin is missing: expected all 50,000 training pictures, which the
published FID compares with; or say --reference, if it is to be others"
    done
fi
if [ -n "$fetch" ] && [ ! -e "data/$fetch" ]; then
    echo "How long it takes is not known before $data is there: see fetch-data.sh."
elif [ -s measured ] && [ "$(sed -n 2p measured)" = "$trained $teacher ${threads:-all} $metrics" ]; then
    read -r teacher_seconds student_seconds call_us picture_us call_start picture_start < measured
else
    echo 'Measuring 20 steps of each ...'
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/reproduce.XXXXXX") || exit 1
    try_all
    [ -n "$dry" ] || printf '%s\n' \
        "$teacher_seconds $student_seconds $call_us $picture_us $call_start $picture_start" \
        "$trained $teacher ${threads:-all} $metrics" > measured
fi
table_seconds=$(seconds_for $((count * 2 * ($(printf '%s' "$steps" | tr ',' '+')))) "$call_us" \
    "$call_start") # of teacher and student

mode=plan total=0
printf '%-32s %-10s %s\n' stage about ''
stages
echo "What is missing takes about $(duration "$total") here, beside classifiers and what is not measured."
[ -z "$dry" ] || exit 0
mode=run
stages
echo '== page'
page || exit 1
echo "$out has RESULTS.md, and report.html with pictures and curves."

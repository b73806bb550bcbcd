#!/bin/sh
# shards.sh PARTS JOBS OUT COMMAND...: a run of `sample` or `eval` cut into PARTS, JOBS processes at a
# time, and joined to OUT, which has the bytes of one run.
#
#   sh experiments/shards.sh 64 16 out/all.npy  build/di4c sample --model M --steps 10 --count 50000
#   sh experiments/shards.sh 64 16 out/all.json build/di4c eval --model M --data DATA --count 50000
#
# Each process has one thread, unless COMMAND says --threads.  The parts lie in OUT.parts, and go when
# OUT is there.  After a stop of any kind the same command goes on with the parts that are missing;
# another one is refused while they are there.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
[ $# -ge 5 ] || { sh "$0" --help >&2; exit 2; }
parts=$1 jobs=$2 out=$3 program=$4 command=$5
shift 5
for number in "$parts" "$jobs"; do
    case $number in '' | *[!0-9]* | 0*)
        echo "shards.sh: '$number': expected a number of parts and one of jobs, from 1 on" >&2
        exit 2 ;;
    esac
done
case $command:$out in
sample:*.npy) suffix=.npy note=.json option=--out ;;
sample:*.txt) suffix=.txt note=.json option=--out ;;
eval:*.json) suffix=.stats note= option=--statistics ;;
*) echo "shards.sh: $command to $out: expected sample to .npy or .txt, or eval to .json" >&2; exit 2 ;;
esac
folder=$out.parts
mkdir -p "$folder" || exit 1
line=$(for word in "$parts" "$command" "$@"; do printf '%s\n' "$word"; done)
[ -e "$folder/command" ] || # whole or not at all
    { printf '%s\n' "$line" > "$folder/command.new" && mv "$folder/command.new" "$folder/command"; } || exit 1
[ "$(cat "$folder/command")" = "$line" ] || {
    echo "shards.sh: $folder has parts of another command: remove it, or give that command" >&2
    exit 2
}

# A part's last file appears whole or not at all: then nothing is left to do.  (A stop while parts are
# removed may leave a note without its part.)
i=0
while [ "$i" -lt "$parts" ]; do echo "$i"; i=$((i + 1)); done |
    xargs -P "$jobs" -I '{}' sh -c '
        i=$1 parts=$2 part=$3/part-$1$4 note=$5 option=$6 program=$7 command=$8
        shift 8
        [ -e "$part" ] && [ -e "$part$note" ] ||
            "$program" "$command" --threads 1 "$@" --shard "$i/$parts" "$option" "$part" --quiet' \
        sh '{}' "$parts" "$folder" "$suffix" "$note" "$option" "$program" "$command" "$@" || exit 1

if [ "$command" = eval ]; then
    "$program" merge "$folder"/part-*.stats --json "$out" || exit 1
else
    "$program" merge "$folder"/part-*"$suffix" --out "$out" || exit 1
fi
rm -f "$folder"/part-* "$folder"/command*
rmdir "$folder"

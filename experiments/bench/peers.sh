#!/bin/sh
# peers.sh [options]: the time of this program beside PyTorch's and onnxruntime's, as a table of ratios.
#
#   make bench && sh experiments/bench/peers.sh                ten minutes, on a quiet machine
#   make bench && sh experiments/bench/peers.sh --small        tiny sizes, to see that it works
#
# --only LIST        of product-square,product-flat,unet-forward,unet-step,di4c-step,sample,transformer-step,
#                    inception-forward
# --threads N        of each (2)
# --rounds R         each round runs this program and its peers in turn, in processes of their own (3)
# --reps N           calls that are timed in a process, after one or two that are not (3)
# --bench FILE       the measuring program (build/bench)
# --python FILE      a Python that has torch, and perhaps onnxruntime (python3, then /usr/bin/python3)
#
# A cell is the median over the rounds of the medians of their calls; a ratio is a peer's time by this
# program's, above 1 where this one is faster.  A peer that is missing is left out, with a line on how to
# install it.  Networks and losses of the peers are in peers/: same sizes, random weights.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
usage() { sh "$0" --help >&2; exit 2; }
fail() { echo "peers.sh: $*" >&2; exit 1; }
all=product-square,product-flat,unet-forward,unet-step,di4c-step,sample,transformer-step,inception-forward
only=$all threads=2 rounds=3 reps=3 bench=build/bench python= small=
while [ $# -gt 0 ]; do
    case $1 in --small) small=--small; shift; continue ;; esac
    [ $# -ge 2 ] || usage
    case $1 in
    --only) only=$2 ;;
    --threads) threads=$2 ;;
    --rounds) rounds=$2 ;;
    --reps) reps=$2 ;;
    --bench) bench=$2 ;;
    --python) python=$2 ;;
    *) usage ;;
    esac
    shift 2
done
for number in "$threads" "$rounds" "$reps"; do
    case $number in '' | *[!0-9]* | 0*)
        echo "peers.sh: '$number': expected a whole number from 1 on" >&2
        exit 2 ;;
    esac
done
for work in $(printf '%s' "$only" | tr ',' ' '); do
    case ",$all," in *",$work,"*) ;; *)
        echo "peers.sh: --only $work: expected some of $all" >&2
        exit 2 ;;
    esac
done
[ -x "$bench" ] || fail "$bench: is not there: make bench"

# ---- who is there ----
peers=$(dirname "$0")/peers
export PYTHONDONTWRITEBYTECODE=1
torch= ort=
for candidate in ${python:-python3 /usr/bin/python3}; do
    torch=$("$candidate" "$peers/measure.py" version 2> /dev/null) && { python=$candidate; break; }
done
if [ -z "$torch" ]; then
    echo 'PyTorch is missing: apt-get install python3-torch, or pip install torch, and say --python FILE.' >&2
fi
case $torch in
*'reference BLAS')
    echo "$python: this PyTorch multiplies by the reference BLAS, some thirty times slower than it need be:" >&2
    echo 'apt-get install libopenblas0 mends that.' >&2
    [ -n "$small" ] || exit 1 ;;
esac
ort_by=
if [ -n "$torch" ]; then
    if ort=$("$python" "$peers/ort.py" version 2> /dev/null); then
        ort_by=python
    elif ort=$(node "$peers/ort.js" version 2> /dev/null); then
        ort_by=node
    else
        echo 'onnxruntime is missing: pip install onnxruntime; or npm install onnxruntime-node --ignore-scripts,' >&2
        echo 'and say NODE_PATH=$PWD/node_modules.  It is given the network by PyTorch.' >&2
    fi
fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/peers.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

# OpenBLAS takes slow kernels on processors that it does not know, so it is told the best ones.
flags=$(sed -n '/^flags/{p;q;}' /proc/cpuinfo 2> /dev/null)
case " $flags " in
*' avx512bw '*) isa=AVX-512; export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-SkylakeX}" ;;
*' avx2 '*) isa=AVX2; export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-Haswell}" ;;
*) isa=$(uname -m) ;;
esac

# ---- one process each; all print JSON with seconds_median ----
ours() {
    like='--preset cifar10'
    [ -z "$small" ] || like='--preset small'
    case $1:$small in
    product-square:) set -- gemm 1024 1024 1024 ;;
    product-flat:) set -- gemm 2048 256 2304 ;;
    product-*) set -- gemm 256 256 256 ;;
    unet-forward:) set -- unet $like --batch 8 ;;
    unet-forward:*) set -- unet $like --batch 2 ;;
    unet-step:) set -- unet $like --batch 8 --train ;;
    unet-step:*) set -- unet $like --batch 2 --train ;;
    di4c-step:) set -- distill-step $like --images 2 --lambdas 8 ;;
    di4c-step:*) set -- distill-step $like --images 2 --lambdas 2 ;;
    sample:) set -- sample $like --steps 10 --count 8 ;;
    sample:*) set -- sample $like --steps 3 --count 2 ;;
    inception-forward:) set -- inception --batch 16 ;;
    inception-forward:*) set -- inception --batch 1 ;;
    transformer-step:) set -- transformer --batch 32 --length 128 --width 192 --blocks 4 --heads 4 --states 65 ;;
    *) set -- transformer --batch 4 --length 32 --width 64 --blocks 1 --heads 4 --states 65 ;;
    esac
    "$bench" "$@" --threads "$threads" --reps "$reps" | sed -n 1p
}
by_torch() {
    OMP_NUM_THREADS=$threads "$python" "$peers/measure.py" "$1" --threads "$threads" --reps "$reps" $small
}
by_ort() {
    [ -s "$folder/unet.onnx" ] ||
        "$python" "$peers/measure.py" export "$folder/unet.onnx" $small > "$folder/export" 2>&1 ||
        { cat "$folder/export" >&2; return 1; }
    if [ "$ort_by" = python ]; then
        "$python" "$peers/ort.py" "$folder/unet.onnx" "$reps" "$threads"
    else
        node "$peers/ort.js" "$folder/unet.onnx" "$reps" "$threads" $small
    fi
}
# measured WHO WORK: appends the seconds of one process to a file.
measured() {
    seconds=$("$1" "$2" | sed -n 's/.*"seconds_median": *\([0-9.e+-]*\).*/\1/p')
    [ -n "$seconds" ] || fail "$1 $2: no time came out"
    echo "$seconds" >> "$folder/$2.$1"
}
median() {
    sort -g "$1" | awk '{ s[NR] = $1 } END { print NR % 2 ? s[(NR + 1) / 2] : (s[NR / 2] + s[NR / 2 + 1]) / 2 }'
}

# ---- in turn ----
for work in $(printf '%s' "$only" | tr ',' ' '); do
    round=0
    while [ "$round" -lt "$rounds" ]; do
        measured ours "$work"
        [ -z "$torch" ] || measured by_torch "$work"
        if [ -n "$ort" ] && [ "$work" = unet-forward ]; then measured by_ort "$work"; fi
        round=$((round + 1))
    done
done

cell() { # WHO WORK: seconds and ratio
    [ -s "$folder/$2.$1" ] || { printf ' | |'; return; }
    awk -v own="$(median "$folder/$2.ours")" -v peer="$(median "$folder/$2.$1")" \
        'BEGIN { printf " %.4g s | %.2f |", peer, peer / own }'
}
processor=$(sed -n '/^model name/{s/^[^:]*: *//p;q;}' /proc/cpuinfo 2> /dev/null)
echo "$(date -u +%Y-%m-%d), ${processor:-$(uname -m)}, $isa, $threads threads, $rounds rounds${small:+, tiny sizes}"
echo
echo "| work | di4c | PyTorch ${torch:-(missing)} | ratio | onnxruntime ${ort:-(missing)} | ratio |"
echo '|---|---:|---:|---:|---:|---:|'
for work in $(printf '%s' "$only" | tr ',' ' '); do
    printf '| %s | %.4g s |%s%s\n' "$work" "$(median "$folder/$work.ours")" "$(cell by_torch "$work")" \
        "$(cell by_ort "$work")"
done

#!/bin/sh
# fetch-data.sh NAME [--to DIR] [--from DIR] [--sums FILE]: a data set, fetched, checked and unpacked.
#
#   sh experiments/fetch-data.sh mnist           data/mnist           --data mnist:data/mnist
#   sh experiments/fetch-data.sh fashion-mnist   data/fashion-mnist   --data mnist:data/fashion-mnist
#   sh experiments/fetch-data.sh kmnist          data/kmnist          --data mnist:data/kmnist
#   sh experiments/fetch-data.sh cifar10         data/cifar10         --data cifar10:data/cifar10
#
# --to DIR     where to put it (data/NAME)
# --from DIR   takes the archives from a folder instead of the net
# --sums FILE  other SHA-256 sums, lines of SUM FILE-NAME: for archives that were packed again
#
# Needs curl or wget (not with --from), one of sha256sum, shasum and openssl, and gzip; tar for cifar10.
# What is there already stays, archives too, and is not fetched again; every file appears whole or not at all.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
usage() { sh "$0" --help >&2; exit 2; }
fail() { echo "fetch-data.sh: $*" >&2; exit 1; }
have() { command -v "$1" > /dev/null 2>&1; }

[ $# -ge 1 ] || usage
name=$1 to= from= sums=
shift
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --to) to=$2 ;;
    --from) from=$2 ;;
    --sums) sums=$2 ;;
    *) usage ;;
    esac
    shift 2
done
: "${to:=data/$name}"

# Sums of the files as their authors and mirrors have them.
idx='train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz
    t10k-labels-idx1-ubyte.gz'
case $name in
mnist)
    url=https://storage.googleapis.com/cvdf-datasets/mnist files=$idx
    known='440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 train-images-idx3-ubyte.gz
3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c train-labels-idx1-ubyte.gz
8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6 t10k-images-idx3-ubyte.gz
f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6 t10k-labels-idx1-ubyte.gz' ;;
fashion-mnist)
    url=http://fashion-mnist.s3-website.eu-central-1.amazonaws.com files=$idx
    known='3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84 train-images-idx3-ubyte.gz
a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845 train-labels-idx1-ubyte.gz
346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073 t10k-images-idx3-ubyte.gz
67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5 t10k-labels-idx1-ubyte.gz' ;;
kmnist)
    url=http://codh.rois.ac.jp/kmnist/dataset/kmnist files=$idx
    known='51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4 train-images-idx3-ubyte.gz
e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17 train-labels-idx1-ubyte.gz
edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5 t10k-images-idx3-ubyte.gz
20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c t10k-labels-idx1-ubyte.gz' ;;
cifar10)
    url=https://www.cs.toronto.edu/~kriz files=cifar-10-binary.tar.gz
    known='c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd cifar-10-binary.tar.gz' ;;
*) echo "fetch-data.sh: '$name': expected mnist, fashion-mnist, kmnist or cifar10" >&2; exit 2 ;;
esac
[ -z "$sums" ] || known=$(cat "$sums") || fail "$sums: cannot be read: expected lines of SUM FILE-NAME"

sum_of() {
    if have sha256sum; then sha256sum < "$1"
    elif have shasum; then shasum -a 256 < "$1"
    elif have openssl; then openssl dgst -sha256 -r < "$1"
    else fail 'no sha256sum, shasum or openssl: expected one of them, to check what was fetched'
    fi | sed 's/[^0-9a-f].*//'
}

# The file $1 of the archives to $2.
get() {
    if [ -n "$from" ]; then
        [ -f "$from/$1" ] || fail "$from/$1: is not there: expected it as $url/$1"
        cp "$from/$1" "$2" || fail "$2: cannot be written"
    elif have curl; then
        curl -fsSL --retry 3 -o "$2" "$url/$1" || fail "$url/$1: cannot be fetched"
    elif have wget; then
        wget -q -O "$2" "$url/$1" || fail "$url/$1: cannot be fetched"
    else
        fail "no curl or wget: fetch $url/$1 by hand, and say --from DIR"
    fi
}

# The file $2 as the file $1 of the archives; $3: its name in a sentence.
check() {
    wanted=$(printf '%s\n' "$known" | awk -v name="$1" '$2 == name { print $1; exit }')
    found=$(sum_of "$2")
    [ -n "$found" ] || exit 1
    [ -n "$wanted" ] || fail "$1: $sums has no sum of it; it is $found"
    [ "$wanted" = "$found" ] ||
        fail "$3: SHA-256 $found, expected $wanted: damaged on its way, or another file"
}

mkdir -p "$to" || fail "$to: cannot be made"
new=$to/.fetch.$$
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$new" || fail "$new: cannot be made"
for file in $files; do
    case $file in
    *.tar.gz) made=cifar-10-batches-bin ;;
    *) made=${file%.gz} ;;
    esac
    [ ! -e "$to/$made" ] || continue
    packed=$to/$file
    if [ -e "$packed" ]; then
        check "$file" "$packed" "$packed"
    else
        packed=$new/$file
        get "$file" "$packed"
        check "$file" "$packed" "$file"
    fi
    if ! have gzip; then
        [ -e "$to/$file" ] || mv "$packed" "$to/$file" || fail "$to/$file: cannot be written"
        case $file in
        *.tar.gz) line="cd '$to' && gzip -dc $file | tar -xf -" ;;
        *) line="gzip -d '$to/$file'" ;;
        esac
        echo "fetch-data.sh: no gzip: $to/$file stays packed; where gzip is, unpack it: $line" >&2
        continue
    fi
    case $file in
    *.tar.gz) gzip -dc "$packed" | (cd "$new" && tar -xf -) || fail "$file: cannot be unpacked" ;;
    *) gzip -dc "$packed" > "$new/$made" || fail "$file: cannot be unpacked" ;;
    esac
    [ -e "$new/$made" ] || fail "$file: has no $made"
    mv "$new/$made" "$to/$made" || fail "$to/$made: cannot be written"
    rm -f "$new/$file"
    echo "$to/$made"
done

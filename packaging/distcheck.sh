#!/bin/sh
# distcheck.sh TARBALL FOLDER: TARBALL, which holds FOLDER, builds and passes its tests in a place of its
# own, where git finds no repository.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -eu
[ $# -eq 2 ] || { echo "usage: distcheck.sh TARBALL FOLDER" >&2; exit 2; }
place=$(mktemp -d "${TMPDIR:-/tmp}/di4c-dist.XXXXXX")
trap 'rm -rf "$place"' EXIT
trap 'exit 2' HUP INT TERM
tarball=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
gzip -dc "$tarball" | (cd "$place" && tar -xf -)
cd "$place/$2"
GIT_DIR=$place/none
export GIT_DIR
${MAKE:-make} all
${MAKE:-make} check
# A tarball of the tarball has the same files.
${MAKE:-make} dist
gzip -dc "build/$2.tar.gz" | tar -tf - | grep -v '/$' | sort > again.tmp.list
gzip -dc "$tarball" | tar -tf - | grep -v '/$' | sort > first.tmp.list
if ! diff first.tmp.list again.tmp.list; then
    echo "distcheck: a tarball made without git has other files" >&2
    exit 1
fi
echo "distcheck: $2 builds and passes its tests without git"

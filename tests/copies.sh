#!/bin/sh
# copies.sh: what faults.sh and mutate.sh read with ".": copies of the tree in which faults are planted.
# They set work (a folder of their own) and out (where the objects of a build lie).
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac

# The programs of the tour are no part of what is run here, so they are not linked again each time.
build() { make -s OUT="$out" TOUR= "$out/run-tests"; }

prepare() { # WORKER: a copy of the tree in $work/WORKER, and a program without faults
    copy=$work/$1
    mkdir -p "$copy/$out" &&
        cp -Rp Makefile tensor autograd nn diffusion distill experiments tests "$copy/" || return 1
    if [ -d "$out" ]; then cp -Rp "$out/." "$copy/$out/" || return 1; fi
    rm -rf "$copy/$out/tour"
    (cd "$copy" && build) > "$work/$1.log" 2>&1 ||
        { echo "$(basename "$0"): the tree does not build:" >&2; tail -n 5 "$work/$1.log" >&2; return 1; }
}

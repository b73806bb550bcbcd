#!/bin/sh
# install.sh [MAKE-ARGUMENT...]: installs into a folder of its own, looks at what is there, builds the
# program packaging/outside against it with pkg-config, with the shared and with the static library, runs
# both, uninstalls, and sees that nothing is left; and that nothing is made twice.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -eu
cd "$(dirname "$0")/.."
make=${MAKE:-make} cc=${CC:-cc} own=$cc
for argument; do # the compiler of the library: its static one may need what only that compiler links
    case $argument in CC=*) own=${argument#CC=} ;; esac
done
place=$(mktemp -d "${TMPDIR:-/tmp}/di4c-install.XXXXXX")
trap 'rm -rf "$place"' EXIT
trap 'exit 2' HUP INT TERM
wrong() { echo "install: $*" >&2; exit 1; }

# A prefix with a blank in the folder before it: DESTDIR is quoted everywhere.
stage="$place/the stage" prefix=/opt/di4c
root=$stage$prefix
"$make" -s "$@" install DESTDIR="$stage" PREFIX=$prefix
for file in bin/di4c lib/libdi4c.a lib/pkgconfig/di4c.pc include/di4c/autograd/operations.h \
    share/man/man1/di4c.1 share/bash-completion/completions/di4c; do
    [ -s "$root/$file" ] || wrong "$file is not there"
done

# What is made once stays: for a second call, and for a make inside that finds CFLAGS in the environment.
"$make" -n "$@" install DESTDIR="$stage" PREFIX=$prefix > "$place/again"
! grep -e ' -c -o ' "$place/again" || wrong "a second call compiles again"
CFLAGS=-g "$make" -n CC="$cc" OUT="$place/once" check > "$place/again"
grep -q -e '-std=c99 .* -g ' "$place/again" || wrong "CFLAGS of the environment are lost"
! grep -e '-std=c99 .*-std=c99' "$place/again" || wrong "a make inside has other flags"

headers=$(find tensor autograd nn diffusion distill -name '*.h' | wc -l)
[ "$(find "$root/include" -name '*.h' | wc -l)" -eq "$headers" ] || wrong "headers are missing"

# What the program says of itself is in the page and in the completion.
"$root/bin/di4c" --version | grep -q "^di4c [0-9]" || wrong "the installed program does not run"
for command in $("$root/bin/di4c" --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p'); do
    grep -q "^\.SH DI4C $(printf '%s' "$command" | tr 'a-z' 'A-Z')\$" "$root/share/man/man1/di4c.1" ||
        wrong "the manual page has no $command"
    for option in $("$root/bin/di4c" "$command" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'); do
        grep -q "^\.B $(printf '%s' "$option" | sed 's/-/\\\\-/g')\( \|\$\)" \
            "$root/share/man/man1/di4c.1" || wrong "the manual page has no $option"
    done
done
if command -v man > "$place/which" && command -v groff > "$place/which"; then
    LC_ALL=C groff -man -ww -Tascii "$root/share/man/man1/di4c.1" > "$place/page" 2> "$place/warnings"
    [ ! -s "$place/warnings" ] || { cat "$place/warnings" >&2; wrong "groff warns of the page"; }
fi
if command -v bash > "$place/which"; then
    bash -c '. "$1"; shift
        complete_to() { wanted=$1; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _di4c
            [ "${COMPREPLY[*]}" = "$wanted" ] ||
                { echo "completion of \"$*\": \"${COMPREPLY[*]}\", expected \"$wanted\"" >&2; exit 1; }; }
        complete_to "distill" di4c dis
        complete_to "--resume" di4c train --quiet --re
        complete_to "sigma_min= sigma_max=" di4c train --set sigma_
        complete_to "glyphs glyphs-published" di4c train --preset gl
        complete_to "Makefile" di4c sample --model Makef
        complete_to "" di4c sample --resu' complete "$root/share/bash-completion/completions/di4c" ||
        wrong "the completion is wrong"
fi

# The program outside.  The sysroot is what makes staged paths of those in di4c.pc.
if command -v pkg-config > "$place/which"; then
    plain=$place/plain # pkg-config writes no quotes around a blank
    ln -s "$stage" "$plain"
    PKG_CONFIG_SYSROOT_DIR=$plain PKG_CONFIG_PATH=$plain$prefix/lib/pkgconfig
    export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
    mkdir "$place/outside" # sources alone: a program that someone made there would be taken for ours
    cp packaging/outside/Makefile packaging/outside/*.c "$place/outside"
    strict='-O1 -pedantic -Wall -Wextra -Wno-unknown-pragmas -Werror'
    (cd "$place/outside" && "$make" -s CC="$cc" CFLAGS="$strict")
    LD_LIBRARY_PATH=$root/lib "$place/outside/classifier" > "$place/shared.txt" ||
        { cat "$place/shared.txt" >&2; wrong "the program on the installed library fails"; }
    tail -n 1 "$place/shared.txt"
    # The same with the static library, with the flags that its private part asks for.
    $own -std=c99 $strict $(pkg-config --cflags di4c) -o "$place/static" packaging/outside/classifier.c \
        "$root/lib/libdi4c.a" $(pkg-config --static --libs-only-other di4c) -lm
    "$place/static" > "$place/static.txt" || wrong "the program on the static library fails"
    cmp "$place/shared.txt" "$place/static.txt" || wrong "the two libraries differ"
else
    echo "install: pkg-config is not here, so no program outside was built"
fi

"$make" -s "$@" uninstall DESTDIR="$stage" PREFIX=$prefix
left=$(find "$stage" ! -type d)
[ -z "$left" ] || wrong "left behind: $left"
[ ! -e "$root/include/di4c" ] || wrong "the folder of headers is left"
echo "install: installed, used, and gone again"

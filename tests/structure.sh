#!/bin/sh
# Properties of the source tree: every header compiles alone; includes only point from a room to itself
# or to a room before it in the list; no two files need each other, not even by way of others; no
# number depends on the locale; every parallel region says how many threads it takes, since a bare one
# takes what the environment asks for.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/.." || exit 2
cc=${CC:-cc}
folders="tensor autograd nn diffusion distill experiments"
# The rooms, each after those that it may know.  The tour comes before the rest of experiments: it
# stands for a program outside the tree, which has the library's headers and no others.
rooms="tensor/base tensor/system tensor tensor/eigen tensor/product tensor/conv autograd
    nn/formats nn/formats/packed nn/formats/torch nn nn/mlp nn/unet nn/transformer nn/inception
    diffusion/process diffusion/head diffusion diffusion/sampler diffusion/sampler/methods distill
    experiments/tour experiments/tour/solutions
    experiments/cli experiments/report experiments/data/law experiments/data/text
    experiments/data experiments/data/readers experiments/model experiments/training
    experiments/metrics/features experiments/metrics/text experiments/metrics
    experiments/metrics/kinds
    experiments/theory/exact experiments/theory/trained experiments/theory
    experiments/verify experiments/sampling experiments/commands experiments
    experiments/bench"
status=0
export cc
find $folders -name '*.h' | sort | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I '{}' sh -c '
    printf "#include \"%s\"\nextern int alone;\n" "$1" |
        "$cc" -std=c99 -pedantic -Wall -Wextra -Wno-unknown-pragmas -Werror -I. -fsyntax-only -x c - ||
        { echo "structure: $1 does not compile alone"; exit 1; }' sh '{}' || status=1
# A file X.c and its header X.h are one thing; "A B" says that A includes a header of B.
needs=$(find $folders -name '*.[ch]' | sort | xargs awk '
    /^ *# *include "/ { split($0, part, "\""); a = FILENAME; b = part[2]
        sub(/\.[ch]$/, "", a); sub(/\.[ch]$/, "", b)
        if (a != b) print a, b }')
printf '%s\n' "$needs" | awk -v rooms="$rooms" '
    BEGIN { n = split(rooms, name, /[ \n]+/); for (i = 1; i <= n; i++) rank[name[i]] = i }
    function room(file) { sub(/\/[^\/]*$/, "", file); return file }
    { a = room($1); b = room($2)
      if (!(a in rank)) { print "structure: " $1 ": a room that is not in the list"; bad = 1 }
      else if (!(b in rank)) { print "structure: " $1 " includes " $2 ", which is in no room"; bad = 1 }
      else if (rank[b] > rank[a]) { print "structure: " $1 " includes " $2 ", of a later room"; bad = 1 } }
    END { exit bad }' || status=1
circles=$(printf '%s\n' "$needs" | tsort 2>&1 >/dev/null)
[ -z "$circles" ] || { echo "structure: files in a circle:"; echo "$circles"; status=1; }
# Numbers do not depend on the locale: outside of tensor/base/text.c no strtod or the like, no printf
# with a list of arguments, and no double in a call of printf, fprintf or snprintf.
find $folders -name '*.[ch]' ! -path tensor/base/text.c | sort | xargs awk '
    FNR == 1 { call = 0 }
    /(^|[^a-z_])(strto(d|f|ld)|atof|v[fs]?n?printf|localeconv|setlocale) ?\(/ || /<ctype\.h>/ {
        print "structure: " FILENAME ":" FNR ": depends on the locale: use tensor/base/text.h"; bad = 1 }
    !call && /(^|[^a-z_])(f|sn?)?printf\(/ { call = FNR; text = "" }
    call { text = text $0 }
    call && /;/ {
        gsub(/%%/, "", text)
        if (text ~ /%[-+ #0]*[0-9*]*(\.[0-9*]+)?L?[aefgAEFG]/) {
            print "structure: " FILENAME ":" call ": a double: use tensor/base/text.h"; bad = 1 }
        call = 0 }
    END { exit bad }' || status=1
# The lines of a pragma that ends in a backslash are joined first.
bare=$(find $folders -name '*.[ch]' | xargs awk '
    { line = FNR == 1 ? $0 : line $0 }
    sub(/\\$/, "", line) { next }
    line ~ /^ *# *pragma omp parallel/ && line !~ /num_threads\(/ { print FILENAME ": " line }
    { line = "" }')
[ -z "$bare" ] || { echo "structure: parallel region without num_threads:"; echo "$bare"; status=1; }
[ $status = 0 ] && echo "structure: headers, rooms, circles, numbers and parallel regions are in order"
exit $status

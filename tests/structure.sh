#!/bin/sh
# Four properties of the source tree: every header compiles alone; includes only point from a folder to
# itself or to a folder before it in the list; no number depends on the locale; every parallel region
# says how many threads it takes, since a bare one takes what the environment asks for.
cc=${CC:-cc}
folders="tensor autograd nn diffusion distill experiments"
status=0
for header in $(for f in $folders; do find $f -name '*.h' | sort; done); do
    printf '#include "%s"\n' "$header" |
        "$cc" -std=c99 -pedantic -Wall -Wextra -Wno-unknown-pragmas -Werror -I. -fsyntax-only -x c - ||
        { echo "structure: $header does not compile alone"; status=1; }
done
allowed=
for folder in $folders; do
    allowed="$allowed $folder"
    pattern=$(echo $allowed | tr ' ' '|')
    wrong=$(grep -rnE '^ *# *include "' --include='*.[ch]' $folder | grep -vE "include \"($pattern)/")
    [ -z "$wrong" ] || { echo "structure: include of a later folder or without folder:"; echo "$wrong"; status=1; }
done
# Numbers do not depend on the locale: outside of tensor/base/text.c no strtod or the like, no printf
# with a list of arguments, and no double in a call of printf, fprintf or snprintf.
for file in $(find $folders -name '*.[ch]' ! -path tensor/base/text.c | sort); do
    awk -v file="$file" '
        /(^|[^a-z_])(strto(d|f|ld)|atof|v[fs]?n?printf|localeconv|setlocale) ?\(/ || /<ctype\.h>/ {
            print "structure: " file ":" NR ": depends on the locale: use tensor/base/text.h"; bad = 1 }
        !call && /(^|[^a-z_])(f|sn?)?printf\(/ { call = NR; text = "" }
        call { text = text $0 }
        call && /;/ {
            gsub(/%%/, "", text)
            if (text ~ /%[-+ #0]*[0-9*]*(\.[0-9*]+)?L?[aefgAEFG]/) {
                print "structure: " file ":" call ": a double: use tensor/base/text.h"; bad = 1 }
            call = 0 }
        END { exit bad }' "$file" || status=1
done
# The lines of a pragma that ends in a backslash are joined first.
bare=$(for f in $(find $folders -name '*.[ch]'); do
    sed -e :a -e '/\\$/{N;s/\\\n//;ta' -e '}' "$f" |
        grep '^ *# *pragma omp parallel' | grep -v 'num_threads(' | sed "s|^|$f: |"
done)
[ -z "$bare" ] || { echo "structure: parallel region without num_threads:"; echo "$bare"; status=1; }
[ $status = 0 ] && echo "structure: headers, includes, numbers and parallel regions are in order"
exit $status

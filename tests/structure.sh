#!/bin/sh
# Two properties of the source tree: every header compiles alone, and includes only point from a
# folder to itself or to a folder before it in the list.
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
[ $status = 0 ] && echo "structure: headers and includes are in order"
exit $status

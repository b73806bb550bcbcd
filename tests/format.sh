#!/bin/sh
# The whole tree as clang-format 14 lays it out by .clang-format; other versions differ in details.
# format.sh --mend rewrites what differs.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/.." || exit 2
if ! clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    echo "format: clang-format 14 is not here, so nothing was looked at"
    exit 0
fi
files=$(find tensor autograd nn diffusion distill experiments packaging tests -name '*.[ch]' | sort)
if [ "${1-}" = --mend ]; then
    exec clang-format -i $files
fi
clang-format --dry-run -Werror $files && echo "format: as .clang-format says"

#!/bin/sh
# Installs Check, the only thing the tests need beyond a C compiler and make.
# usage: deps.sh CC; or deps.sh --probe CC, which only tells by its status whether Check is there
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
probe=no
[ "${1-}" = --probe ] && { probe=yes; shift; }
cc=${1:-cc}
found() { # compiles into a folder of its own: some compilers unlink their output before writing it
    folder=$(mktemp -d) || exit 1
    printf '#include <check.h>\nint main(void) { return 0; }\n' > "$folder/probe.c"
    $cc "$folder/probe.c" -o "$folder/probe" -lcheck 2>/dev/null
    status=$?
    rm -rf "$folder"
    return $status
}
if [ "$probe" = yes ]; then found; exit; fi
if found; then echo "Check is there; nothing to install."; exit 0; fi

for manager in apt-get dnf zypper apk pacman brew pkg; do
    command -v "$manager" >/dev/null 2>&1 && break
    manager=
done
case $manager in
apt-get) set -- apt-get install -y check pkg-config ;;
dnf) set -- dnf install -y check-devel ;;
zypper) set -- zypper --non-interactive install check-devel ;;
apk) set -- apk add check-dev ;;
pacman) set -- pacman -S --noconfirm check ;;
brew) set -- brew install check ;;
pkg) set -- pkg install -y libcheck ;;
*) echo "Check (libcheck) is missing and no known package manager was found;" \
     "see https://libcheck.github.io/check." >&2
   exit 1 ;;
esac
if [ "$manager" != brew ] && [ "$(id -u)" != 0 ]; then
    echo "Check is missing. Installing it needs root; run:  sudo $*" >&2
    exit 1
fi
echo "Check is missing; running: $*"
if [ "$manager" = apt-get ]; then
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    "$@" >/dev/null 2>&1 || { apt-get update && "$@"; } || exit 1
else
    "$@" || exit 1
fi
found || { echo "Check was installed, but $cc does not find it." >&2; exit 1; }

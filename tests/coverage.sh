#!/bin/sh
# Line coverage per folder from a gcov build: coverage.sh BUILD FOLDER...
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/.." || exit 2
build=$1
shift
for folder in "$@"; do
    for room in $(find "$folder" -type d); do
        gcov -n -o "$build/$room" "$room"/*.c 2>/dev/null
    done |
        awk -v folder="$folder" '
            /^File / { file = $2; gsub(/\047/, "", file) }
            /^Lines executed:/ {
                split($0, part, /[:% ]+/)
                if (index(file, folder "/") == 1 && file ~ /\.[ch]$/ && !(file in seen)) {
                    seen[file] = 1
                    lines += part[5]; hit += part[3] * part[5] / 100
                    if (part[3] < 90) low = low sprintf("  %s %.1f %%\n", file, part[3])
                }
            }
            END { if (lines) printf "%-10s %6.2f %% of %d lines\n%s", folder, 100 * hit / lines, lines, low }'
done

#!/bin/sh
# Coverage of lines and branches by the tests, for each folder and for each file below 90 % of its lines
# or 80 % of its branches: coverage.sh [-a] BUILD FOLDER...  -a: all files.  A branch is one way that a
# condition of the compiled code may go, as gcov counts it; nothing is left out.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/.." || exit 2
all=0
if [ "${1-}" = -a ]; then
    all=1
    shift
fi
build=$1
shift
for folder in "$@"; do
    # One call for the whole folder, so that a header's functions count wherever they were run.
    find "$build/$folder" -name '*.gcno' | sort | xargs gcov -n -b 2>/dev/null |
        awk -v folder="$folder" -v all="$all" '
            /^File / { file = $2; gsub(/\047/, "", file); ours = index(file, folder "/") == 1 }
            /^(Lines executed|Taken at least once):/ && ours {
                split($0, part, /[:% ]+/)
                of = $NF; percent = part[$1 == "Lines" ? 3 : 5]
                if ($1 == "Lines") {
                    name[++n] = file
                    of_lines[n] = of; lines[n] = percent; total += of; hit += percent * of / 100
                } else {
                    of_branches[n] = of; branches[n] = percent; ways += of; went += percent * of / 100
                }
            }
            # After the last file gcov adds up all lines.
            /^(Calls executed|No calls|$)/ { ours = 0 }
            END {
                printf "%-10s lines %6.2f %% of %5d, branches %6.2f %% of %5d\n", folder,
                    100 * hit / total, total, 100 * went / ways, ways
                for (i = 1; i <= n; i++)
                    if (all || lines[i] < 90 || (of_branches[i] && branches[i] < 80))
                        printf "  %-42s lines %6.2f %% of %4d, branches %6.2f %% of %4d\n", name[i],
                            lines[i], of_lines[i], branches[i], of_branches[i]
            }'
done

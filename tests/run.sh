#!/bin/sh
# run.sh RUN-TESTS [JOBS]: every suite in a process of its own, JOBS at a time; what a suite prints
# is shown when it ends; then those that took longest, and a line that counts all checks as Check does.
# RUN, of the environment, is what runs the program, as for make ("qemu-aarch64 -L ...").
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
bin=$1 jobs=${2:-1}
# The limits of the tests are for what hangs; a busy machine may take its time.
export CK_TIMEOUT_MULTIPLIER="${CK_TIMEOUT_MULTIPLIER:-5}"
out=$(mktemp -d "${TMPDIR:-/tmp}/di4c-tests.XXXXXX") || exit 2
trap 'rm -rf "$out"' EXIT
trap 'exit 2' HUP INT TERM

# The long ones first, so that none of them is alone at the end.
slow='fid conv claims setting_effects option_effects cli inception masked_samplers tour unet'
slow="$slow no_memory reproduce gemm threads training theory eigen"
RUN=${RUN-}
export RUN
suites=$($RUN "$bin" --list | tr -d '\r')
[ -n "$suites" ] || { echo "run.sh: $RUN $bin --list names no suite" >&2; exit 2; }
{
    for s in $slow; do printf '%s\n' "$suites" | grep -x "$s"; done
    for s in $suites; do case " $slow " in *" $s "*) ;; *) printf '%s\n' "$s" ;; esac; done
} | xargs -P "$jobs" -I '{}' sh -c '
    began=$(date +%s)
    $RUN "$1" "$3" > "$2/$3.txt" 2>&1 && echo 0 > "$2/$3.status" || echo 1 > "$2/$3.status"
    echo "$(($(date +%s) - began)) s $3" > "$2/$3.seconds"
    cat "$2/$3.txt"' sh "$bin" "$out" '{}'

failed=$(cat "$out"/*.status | grep -cv '^0$')
made=$(ls "$out"/*.status | wc -l)
wanted=$(printf '%s\n' "$suites" | wc -l)
if [ "$failed" -gt 0 ]; then
    echo 'Suites that failed:'
    for s in $suites; do
        [ "$(cat "$out/$s.status" 2>/dev/null)" = 0 ] || { echo "  $s"; awk '/:[FE]:/ { left = 12 } /:P:|^Running/ { left = 0 } left-- > 0' "$out/$s.txt"; }
    done
fi
echo "Slowest: $(cat "$out"/*.seconds | sort -rn | head -n 6 | paste -sd , - | sed 's/,/, /g')"
cat "$out"/*.txt | awk '/^[0-9]+%: Checks: / { checks += $3; failures += $5; errors += $7 }
    END { printf "%d%%: Checks: %d, Failures: %d, Errors: %d\n",
          checks ? 100 * (checks - failures - errors) / checks : 0, checks, failures, errors }'
[ "$failed" -eq 0 ] && [ "$made" -eq "$wanted" ]

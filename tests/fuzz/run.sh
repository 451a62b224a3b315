#!/bin/sh
# Fuzzes each target for a time; first all that is kept and all seeds are run.
#
#   tests/fuzz/run.sh BUILD SECONDS [TARGET…]
set -eu

build=$1
seconds=$2
shift 2
here=$(dirname "$0")
# shellcheck disable=SC2046 # a list of words
[ $# -gt 0 ] || set -- $(cd "$here" && printf '%s\n' fuzz_*.c | sed 's/fuzz_\(.*\)\.c/\1/')

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

/usr/bin/python3 "$here/corpus.py" unpack "$build/corpus"
mkdir -p "$build/found"
failed=0
for target; do
    program=$build/tests/fuzz/fuzz_$target
    log=$build/found/$target.log
    status=0
    # The corpus grows in build/: a second call goes on where the first ended.
    "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$build/found/$target-" "$build/corpus/$target" >"$log" 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        awk -v target="$target" '
            / cov: / { covered = $0 }
            /stat::number_of_executed_units/ { runs = $2 }
            END {
                match(covered, /cov: [0-9]+/)
                printf "ok      %-8s %9d inputs run, %s\n", target, runs, substr(covered, RSTART, RLENGTH)
            }' "$log"
    else
        failed=1
        echo "FAILED  $target"
        grep -v '^#[0-9]' "$log" | tail -n 60
        echo "to repeat: $program $(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)"
        echo "to keep it as a test: tests/fuzz/corpus.py keep FILE 'what was wrong'"
    fi
done
exit $failed

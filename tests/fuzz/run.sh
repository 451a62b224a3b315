#!/bin/sh
# Fuzzes each target; first all that is kept and all seeds are run.
#
#   tests/fuzz/run.sh BUILD SECONDS [TARGET…]   new inputs, others each time
#   tests/fuzz/run.sh BUILD same [TARGET…]      a number of inputs, the same each time and everywhere
set -eu

build=$1
how=$2
shift 2
here=$(dirname "$0")
# shellcheck disable=SC2046 # a list of words
[ $# -gt 0 ] || set -- $(cd "$here" && printf '%s\n' fuzz_*.c | sed 's/fuzz_\(.*\)\.c/\1/')

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm

# The corpus of a search grows in build/: a second one goes on where the first ended.
corpus=$build/corpus
still=
if [ "$how" = same ]; then
    corpus=$build/corpus-same
    rm -rf "$corpus"
    # Addresses are among what a mutation is drawn from. (Where they may not be fixed, a container say, that part varies.)
    ! setarch -R true 2>/dev/null || still="setarch -R"
fi
/usr/bin/python3 "$here/corpus.py" unpack "$corpus"
mkdir -p "$build/found"

set_options() {
    if [ "$how" != same ]; then
        options="-max_total_time=$how $corpus/$target"
        return
    fi
    case $target in # a few seconds
    pool) runs=3000 ;;
    csv | scram) runs=30000 ;;
    *) runs=100000 ;;
    esac
    # A folder is read in any order, a list in its own.
    find "$corpus/$target" -type f | LC_ALL=C sort | paste -sd, - | tr -d '\n' >"$corpus/$target.list"
    options="-seed=1 -runs=$runs -seed_inputs=@$corpus/$target.list"
}

failed=0
for target; do
    program=$build/tests/fuzz/fuzz_$target
    log=$build/found/$target.log
    status=0
    set_options
    # shellcheck disable=SC2086 # words
    $still "$program" $options -timeout=300 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$build/found/$target-" >"$log" 2>&1 || status=$?
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

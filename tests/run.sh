#!/bin/sh
# Runs tests and says how they went; each failure comes with the command that repeats it.
#
#   tests/run.sh programs FILE…       unit test programs, two at a time
#   tests/run.sh integration PROGRAM [ARGUMENT…]   pytest with the program under test
#   tests/run.sh boards               pytest with the firmware images, which are built
#   tests/run.sh groups TARGET…       the Makefile's test targets one after the other, all of them
set -eu

# A sanitizer's verdict is told apart from a program's own exit status.
export ASAN_OPTIONS="${ASAN_OPTIONS:-exitcode=99:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-exitcode=99:print_stacktrace=1}"

one() { # a test program: one line when it passes, all it said when it does not
    log=$1.log
    status=0
    # shellcheck disable=SC2086 # words: what runs it, where that is not this machine
    timeout 900 ${RUNNER:-} "$1" >"$log" 2>&1 </dev/null || status=$?
    passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' "$log" | tail -n 1)
    failed=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' "$log" | tail -n 1)
    # A program that died before it counted is one failure.
    [ "$status" = 0 ] || [ "${failed:-0}" != 0 ] || failed=1
    echo "${passed:-0} ${failed:-0}" >"$1.count"
    if [ "$status" = 0 ]; then
        echo "ok      $1 (${passed:-0})"
    else
        { echo "FAILED  $1"; grep -v '^\[\( RUN  \|       OK\|  PASSED\)' "$log" | tail -n 60
          echo "to repeat: $1"; } >"$log.told"
        cat "$log.told" # at once, so that two failures do not mix
    fi
}

programs() {
    [ $# -gt 0 ] || { echo "no unit tests"; return; }
    for program; do rm -f "$program.count"; done
    # xargs answers non-zero when a run did; the count decides.
    printf '%s\n' "$@" | xargs -n 1 -P 2 "$0" one || true
    for program; do cat "$program.count"; done |
        awk '{ passed += $1; failed += $2 } END { printf "unit: %d passed, %d failed\n", passed, failed; exit failed > 0 }'
}

integration() {
    program=$(realpath "$1")
    shift
    # Python of Debian: its pytest is not another's. Servers are bound to their tests, not to order.
    ls tests/integration/test_*.py >/dev/null 2>&1 || { echo "no integration tests"; return; }
    HOLDFAST=$program /usr/bin/python3 -m pytest -q -n 4 --dist loadgroup tests/integration "$@" || {
        echo "to repeat one: ${HOLDFAST_PORT:+HOLDFAST_PORT=$HOLDFAST_PORT }HOLDFAST=$program /usr/bin/python3 -m pytest -q tests/integration -k NAME"
        return 1
    }
}

boards() {
    /usr/bin/python3 -m pytest -q -n 2 tests/boards || {
        echo "to repeat one: /usr/bin/python3 -m pytest -q tests/boards -k NAME"
        return 1
    }
}

groups() {
    summary=
    failed=0
    for group; do
        echo "== $group"
        if "${MAKE:-make}" "$group"; then
            summary="$summary$group ok
"
        else
            failed=1
            summary="$summary$group FAILED, repeat with: make $group
"
        fi
    done
    echo "== all"
    printf '%s' "$summary" | while read -r group result; do printf '%-26s %s\n' "$group" "$result"; done
    return $failed
}

"$@"

#!/bin/bash
# Does this build behave as the last one did, seed by seed? digest.txt has a number for each thousand seeds of each
# build. "make sim-digest" runs them; this compares, records, and finds the seed and the event that differ.
#
#     tests/sim/digest.sh check SIMULATOR BUILD COUNT     BUILD: whole or small, its part of digest.txt
#     tests/sim/digest.sh write SIMULATOR BUILD COUNT
#     tests/sim/digest.sh against COMMIT MAKE SIMULATOR FROM COUNT    … with the simulator of that commit
set -euo pipefail
recorded=tests/sim/digest.txt
block=1000

# Runs the seeds from 1 on; leaves "BUILD FIRST COUNT DIGEST" in $now, a line for each whole block.
run() {
    now=$1.digests
    "$1" --from 1 --count "$3" --digests $block >"$1.told" && status=0 || status=$?
    grep -vE '^[0-9]+ [0-9]+ [0-9a-f]{16}$' "$1.told" || true
    [ "$status" = 0 ] || exit "$status"
    sed -nE "s/^[0-9]+ $block [0-9a-f]{16}$/$2 &/p" "$1.told" >"$now"
}

check() {
    run "$@"
    local build=$2 differ
    differ=$(awk 'NR == FNR { if ($1 !~ /^#/) was[$1, $2, $3] = $4; next }
                  !(($1, $2, $3) in was) { print $2, $2 + $3 - 1, "is not recorded"; next }
                  was[$1, $2, $3] != $4 { print $2, $2 + $3 - 1, "was", was[$1, $2, $3] ", is", $4 }' $recorded "$now")
    if [ -z "$differ" ]; then
        echo "sim-digest: the $build build does what is recorded, $(wc -l <"$now") times $block seeds"
        return
    fi
    local small='' first last how
    [ "$build" = small ] && small='SMALL=1 '
    read -r first last how <<<"$differ"
    cat <<.
sim-digest: the $build build does not do what $recorded records,
  in $(wc -l <<<"$differ") of $(wc -l <"$now") blocks of $block seeds
  the first: seeds $first to $last: $how
  where it differs from a commit that does (HEAD, say): make ${small}sim-digest AGAINST=HEAD FROM=$first
  if it is meant to behave differently: make sim-digest WRITE=1, and say in the commit what changes
.
    exit 1
}

write() {
    run "$@"
    { grep -v "^$2 " $recorded || true; cat "$now"; } >$recorded.new
    mv $recorded.new $recorded
    echo "sim-digest: recorded for the $2 build, $(wc -l <"$now") times $block seeds; say in the commit what changes"
}

against() {
    local commit make=$2 simulator=$3 from=$4 count=$5 other seed
    commit=$(git rev-parse --verify --short "$1^{commit}")
    other=${simulator%/tests/sim/sim}/digest/$commit # `make clean` removes it
    mkdir -p "$other"
    git archive "$commit" | tar -x -C "$other"
    "$make" -C "$other" "$simulator"
    # Whoever reads stops at the first that differs; the simulators end by the pipe.
    seed=$(paste -d ' ' <("$simulator" --from "$from" --count "$count" --digests 1 --keep) \
        <("$other/$simulator" --from "$from" --count "$count" --digests 1 --keep) |
        awk '$1 == $4 && $2 == 1 && $3 != $6 { print $1; exit }') || true
    if [ -z "$seed" ]; then
        echo "sim-digest: the same as $commit, $count seeds from $from"
        return
    fi
    echo "sim-digest: seed $seed is the first that differs; - is $commit, + this tree, with what comes before:"
    "$other/$simulator" --seed "$seed" --trace >"$other/trace" || true
    "$simulator" --seed "$seed" --trace >"$simulator.trace" || true
    diff -u "$other/trace" "$simulator.trace" | sed -n '3,40p' || true
    echo "sim-digest: whole: $other/trace and $simulator.trace"
    exit 1
}

"$@"

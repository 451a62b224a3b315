#!/bin/bash
# Does the simulator find what it is there to find? Each patch in mutants/ makes one fault in the core; its first
# line says which. One by one they are applied to a copy, and the simulator must fail within 1,000 seeds.
#
#     tests/sim/mutants.sh BUILD COMPILE… [-- NAME…]    BUILD has the objects, COMPILE is how they were made
set -euo pipefail
build=$1
shift
compile=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    compile+=("$1")
    shift
done
[ $# -eq 0 ] || shift
chosen=("$@")
[ ${#chosen[@]} -gt 0 ] || mapfile -t chosen < <(basename -s .patch -a tests/sim/mutants/*.patch)
seeds=1000
failed=()

# Prints one line about a mutant; false if it lives.
try() {
    local name=$1 dir=build/mutants/$1 patch=tests/sim/mutants/$1.patch objects source object output
    rm -rf "$dir"
    mkdir -p "$dir"
    cp -r core "$dir/core"
    if ! patch --silent --strip=1 --fuzz=3 --directory="$dir" <"$patch" >"$dir/patch.log"; then
        echo "STALE    $name: the patch does not apply any more"
        return 1
    fi
    mapfile -t objects < <(ls "$build"/core/*.o "$build"/core/pg/*.o "$build"/tests/sim/*.o)
    while read -r source; do
        object=$dir/${source%.c}.o
        if ! "${compile[@]}" -w -Icore -c "$dir/$source" -o "$object" 2>"$dir/compile.log"; then
            echo "STALE    $name: it does not compile"
            return 1
        fi
        objects=("${objects[@]/"$build/${source%.c}.o"/"$object"}")
    done < <(sed -n 's|^+++ b/||p' "$patch")
    "${compile[@]}" -o "$dir/sim" "${objects[@]}"
    if output=$("$dir/sim" --from 1 --count $seeds 2>&1) || [ $? -ne 1 ]; then
        echo "SURVIVES $name: $(head -1 "$patch")"
        return 1
    fi
    output=$(grep -m 1 'breaks the invariant' <<<"$output" || echo "no invariant was named")
    printf 'caught   %-20s %s\n' "$name" "${output%%: [^s]*}"
    rm -rf "$dir"
}

for name in "${chosen[@]}"; do
    try "$name" || failed+=("$name")
done
echo "${#chosen[@]} mutants, ${#failed[@]} not caught"
if [ ${#failed[@]} -gt 0 ]; then
    echo "to repeat: make sim-mutants MUTANTS='${failed[*]}'"
    exit 1
fi

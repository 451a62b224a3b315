#!/bin/bash
# Does the simulator find what it is there to find? Each patch in mutants/ makes one fault in the core; its first
# line says which. They are applied to a copy, one to each, and the simulator must fail within 3,000 seeds.
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
seeds=20000 # as many as "make sim-digest" runs; most are found in the first few

# Prints one line about a mutant.
try() {
    local first=1 name=$1 dir=build/mutants/$1 patch=tests/sim/mutants/$1.patch sources objects source from output
    rm -rf "$dir"
    mkdir -p "$dir"
    cp -r core "$dir/core"
    if ! patch --silent --strip=1 --fuzz=3 --directory="$dir" <"$patch" >"$dir/patch.log"; then
        echo "STALE    $name: the patch does not apply any more"
        return
    fi
    mapfile -t sources < <(sed -n 's|^+++ b/||p' "$patch")
    if [[ ${sources[*]} == *.h* ]]; then # whoever may include it
        mapfile -t sources < <(ls core/*/*.c tests/sim/*.c)
    fi
    mapfile -t objects < <(printf "%s\n" core/*/*.c tests/sim/*.c | sed "s|^\(.*\)c$|$build/\1o|")
    for source in "${sources[@]}"; do
        from=$dir/$source
        [ -e "$from" ] || from=$source
        mkdir -p "$dir/${source%/*}"
        if ! "${compile[@]}" -w -D_GNU_SOURCE "-I$dir/core/include" "-I$dir/core" -Itests/sim -c "$from" \
            -o "$dir/${source%.c}.o" 2>"$dir/compile.log"; then
            echo "STALE    $name: it does not compile"
            return
        fi
        objects=("${objects[@]/"$build/${source%.c}.o"/"$dir/${source%.c}.o"}")
    done
    if ! "${compile[@]}" -o "$dir/sim" "${objects[@]}" 2>"$dir/link.log"; then
        echo "STALE    $name: it does not link"
        return
    fi
    [[ $name == ledger-* ]] && first=1000001 # its seeds are others (ledger.h)
    if output=$("$dir/sim" --from $first --count $seeds 2>&1) || [ $? -ne 1 ]; then
        echo "SURVIVES $name: $(head -1 "$patch")"
        return
    fi
    output=$(grep -m 1 'breaks the invariant' <<<"$output" || echo "no invariant was named")
    printf 'caught   %-20s %s\n' "$name" "${output%%: [^s]*}"
    rm -rf "$dir"
}

if [ -n "${MUTANT:-}" ]; then
    try "$MUTANT"
    exit
fi
told=build/mutants.told
mkdir -p build
printf '%s\n' "${chosen[@]}" | xargs -P "$(nproc)" -I NAME env MUTANT=NAME "$0" "$build" "${compile[@]}" | tee "$told"
mapfile -t failed < <(sed -n 's/^\(STALE\|SURVIVES\) *\([^:]*\):.*/\2/p' "$told")
echo "${#chosen[@]} mutants, ${#failed[@]} not caught"
if [ "$(wc -l <"$told")" -ne ${#chosen[@]} ] || [ ${#failed[@]} -gt 0 ]; then
    echo "to repeat: make sim-mutants MUTANTS='${failed[*]}'"
    exit 1
fi

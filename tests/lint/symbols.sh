#!/bin/sh
# Reads the linker's names, where no macro and no indirection can hide a call.
#
#   tests/lint/symbols.sh core OBJECT…      the core calls nothing but itself and <string.h>
#   tests/lint/symbols.sh library ARCHIVE…  what an application links has only hf_ names
set -eu
what=$1
shift
[ $# -gt 0 ] || exit 0

defined() {
    nm --defined-only -g "$@" | awk 'NF == 3 { print $3 }' | sort -u
}

case $what in
core)
    mine=$(mktemp)
    trap 'rm -f "$mine"' EXIT
    defined "$@" >"$mine"
    # Beside these: a fortified memcpy is a memcpy; the stack protector's trap; what position independent code counts
    # from; the port's assert.
    names=$(nm -u "$@" | awk 'NF == 2 { print $2 }' | sort -u | comm -23 - "$mine" | grep -vxE \
        -e '(__)?(mem(cpy|set|move|cmp|chr)|str(len|n?cmp|r?chr|c?spn|str))(_chk)?' \
        -e '__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|hf_assert_failed' || true)
    ;;
library) names=$(defined "$@" | grep -v '^hf_' || true) ;;
esac

for name in $names; do
    echo "$what: $name does not belong there: $(nm -A -g "$@" | grep -w "$name" | cut -d' ' -f1 | sort -u | tr '\n' ' ')"
done
[ -z "$names" ]

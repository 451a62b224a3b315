#!/bin/sh
# The core calls nothing but itself and <string.h>: reads what its objects leave undefined.
#
#   tests/lint/symbols.sh OBJECT…
set -eu
[ $# -gt 0 ] || exit 0
defined=$(mktemp)
trap 'rm -f "$defined"' EXIT
nm --defined-only -g "$@" | awk 'NF == 3 { print $3 }' | sort -u >"$defined"
# The compiler's own calls: a fortified memcpy is still a memcpy, and the stack protector's trap.
strangers=$(nm -u "$@" | awk 'NF == 2 { print $2 }' | sort -u | comm -23 - "$defined" |
    grep -vxE '(__)?(mem(cpy|set|move|cmp|chr)|str(len|cmp|ncmp|chr|rchr|nlen))(_chk)?|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_' || true)
[ -z "$strangers" ] && exit 0
for name in $strangers; do
    echo "core calls $name: $(nm -A -u "$@" | grep -w "$name" | cut -d: -f1 | tr '\n' ' ')"
done
exit 1

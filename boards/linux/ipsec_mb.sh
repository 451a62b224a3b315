#!/bin/sh
# Says how to compile for and link intel-ipsec-mb's archive, if a compiler finds it and it has the functions that
# port/mbedtls/gcm.c calls: "-l:libIPSec_MB.a -DHF_WITH_IPSEC_MB=0x10300", else nothing. The library is for amd64 alone, and
# releases 1.3 and 2.0 have these functions. The release is in the flag because its structures may differ from another's:
# changed flags compile anew, and a system header is nothing that make looks at.
#
#   boards/linux/ipsec_mb.sh COMPILE…
set -eu

case $("$1" -dumpmachine 2>/dev/null) in
x86_64-*) ;;
*) exit 0 ;;
esac
library=-l:libIPSec_MB.a
made=$(mktemp)
trap 'rm -f "$made"' EXIT
"$@" -x c -o "$made" - "$library" 2>/dev/null <<'END' || exit 0
#include <intel-ipsec-mb.h>
int main(void) {
    static struct gcm_key_data key;
    const aes_gcm_enc_dec_t used[] = { aes_gcm_enc_128_sse, aes_gcm_dec_128_sse, aes_gcm_enc_256_sse, aes_gcm_dec_256_sse };
    aes_keyexp_128_enc_sse("", key.expanded_keys);
    aes_keyexp_256_enc_sse("", key.expanded_keys);
    aes_gcm_precomp_128_sse(&key);
    aes_gcm_precomp_256_sse(&key);
    return used[key.expanded_keys[0] % 4] == 0;
}
END
release=$(printf '#include <intel-ipsec-mb.h>\nIMB_VERSION_NUM\n' | "$@" -E -P -x c - | tail -n 1)
echo "$library -DHF_WITH_IPSEC_MB=${release:-1}"

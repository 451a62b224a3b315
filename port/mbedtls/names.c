/* Name constraints (RFC 5280, 4.2.1.10): the names that a CA may sign for. mbedTLS does not know the extension; a
 * patch in this folder keeps it from refusing a critical one, because the extension is judged here.
 *
 *     NameConstraints ::= SEQUENCE { [0] permitted, [1] excluded }, each a SEQUENCE OF GeneralSubtree
 *     GeneralSubtree  ::= SEQUENCE { base GeneralName, [0] minimum DEFAULT 0, [1] maximum OPTIONAL }
 *
 * DNS names, addresses and directory names are compared as OpenSSL does. Constraints of another kind matter only when
 * a certificate below has a name of that kind, which is refused then because nobody compared it.
 */
#include "internal.h"

#include <string.h>

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>

#define HF_SEQUENCE (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define HF_SET      (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SET)
#define HF_PART(n)  (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | (n))

enum { EMAIL = 1, DNS = 2, DIRECTORY = 4, ADDRESS = 7 }; /* the tags of GeneralName */

typedef struct hf_bytes {
    const uint8_t *p;
    size_t n;
} hf_bytes;

typedef struct hf_name {
    unsigned kind;
    hf_bytes value;
} hf_name;

/* Takes an element of that tag off the front; out must not be from. False: another tag, or an element that does not
 * fit. */
static bool take(hf_bytes *from, int tag, hf_bytes *out) {
    unsigned char *at = (unsigned char *)(uintptr_t)from->p;
    const unsigned char *end = from->p + from->n;
    size_t bytes;
    if (mbedtls_asn1_get_tag(&at, end, &bytes, tag) != 0) {
        return false;
    }
    *out = (hf_bytes){ at, bytes };
    *from = (hf_bytes){ at + bytes, (size_t)(end - at) - bytes };
    return true;
}

/* Finds the extension's value; false: there is none. Two in one certificate count as an extension that cannot be
 * read. */
static bool find(const mbedtls_x509_crt *certificate, hf_bytes *value) {
    hf_bytes raw = { certificate->v3_ext.p, certificate->v3_ext.len }, all, one, oid, unused;
    bool found = false;
    if (raw.n == 0 || !take(&raw, HF_SEQUENCE, &all)) {
        return false;
    }
    while (all.n > 0 && take(&all, HF_SEQUENCE, &one)) {
        if (!take(&one, MBEDTLS_ASN1_OID, &oid) ||
            oid.n != sizeof MBEDTLS_OID_NAME_CONSTRAINTS - 1 ||
            memcmp(oid.p, MBEDTLS_OID_NAME_CONSTRAINTS, oid.n) != 0) {
            continue;
        }
        /* Critical or not, the constraints are obeyed. */
        (void)take(&one, MBEDTLS_ASN1_BOOLEAN, &unused);
        if (found || !take(&one, MBEDTLS_ASN1_OCTET_STRING, value)) {
            *value = (hf_bytes){ NULL, 0 };
        }
        found = true;
    }
    return found;
}

bool hf_mbedtls_constrains(const mbedtls_x509_crt *certificate) {
    hf_bytes unused;
    return find(certificate, &unused);
}

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool same_text(const uint8_t *one, const uint8_t *other, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (lower(one[i]) != lower(other[i])) {
            return false;
        }
    }
    return true;
}

/* A domain holds itself and all below; a base that begins with a dot holds only what is below. */
static bool in_domain(hf_bytes name, hf_bytes base) {
    if (base.n == 0) {
        return true;
    }
    if (name.n < base.n) {
        return false;
    }
    size_t above = name.n - base.n;
    if (above > 0 && base.p[0] != '.' && name.p[above - 1] != '.') {
        return false;
    }
    return same_text(name.p + above, base.p, base.n);
}

/* The base of a network is an address and its mask, of the same family. */
static bool in_network(hf_bytes address, hf_bytes base) {
    if (base.n != 2 * address.n) {
        return false;
    }
    for (size_t i = 0; i < address.n; i++) {
        if ((address.p[i] ^ base.p[i]) & base.p[address.n + i]) {
            return false;
        }
    }
    return true;
}

/* The next character of a name as names are compared: in lower case, white space as one blank and none at the ends. 0:
 * the end. */
static uint8_t next_character(hf_bytes *text, bool *begun) {
    bool blank = false;
    while (text->n > 0 && (*text->p == ' ' || (*text->p >= '\t' && *text->p <= '\r'))) {
        *text = (hf_bytes){ text->p + 1, text->n - 1 };
        blank = true;
    }
    if (text->n == 0) {
        return 0;
    }
    if (blank && *begun) {
        *begun = false; /* the blank now, the character after it next */
        return ' ';
    }
    *begun = true;
    uint8_t c = lower(*text->p);
    *text = (hf_bytes){ text->p + 1, text->n - 1 };
    return c;
}

/* Compares two SETs of attributes; of a single attribute the text decides, whatever its string type. */
static bool same_rdn(hf_bytes one, hf_bytes other) {
    if (one.n == other.n && memcmp(one.p, other.p, one.n) == 0) {
        return true;
    }
    hf_bytes a, b, a_oid, b_oid, a_text, b_text;
    if (!take(&one, HF_SEQUENCE, &a) || !take(&other, HF_SEQUENCE, &b) || one.n + other.n > 0 ||
        !take(&a, MBEDTLS_ASN1_OID, &a_oid) || !take(&b, MBEDTLS_ASN1_OID, &b_oid) ||
        a_oid.n != b_oid.n || memcmp(a_oid.p, b_oid.p, a_oid.n) != 0 || a.n == 0 || b.n == 0 ||
        !take(&a, a.p[0], &a_text) || !take(&b, b.p[0], &b_text)) {
        return false;
    }
    bool a_begun = false, b_begun = false;
    uint8_t c;
    do {
        c = next_character(&a_text, &a_begun);
        if (c != next_character(&b_text, &b_begun)) {
            return false;
        }
    } while (c != 0);
    return true;
}

/* Does the name begin with the base? Both are a Name: a SEQUENCE OF SET. */
static bool in_directory(hf_bytes name, hf_bytes base) {
    hf_bytes has, wants, one, other;
    if (!take(&name, HF_SEQUENCE, &has) || !take(&base, HF_SEQUENCE, &wants)) {
        return false;
    }
    while (wants.n > 0) {
        if (!take(&has, HF_SET, &one) || !take(&wants, HF_SET, &other) || !same_rdn(one, other)) {
            return false;
        }
    }
    return true;
}

static bool within(const hf_name *name, hf_bytes base) {
    switch (name->kind) {
    case DNS: return in_domain(name->value, base);
    case ADDRESS: return in_network(name->value, base);
    default: return in_directory(name->value, base);
    }
}

/* What a list of subtrees says of a name. */
enum { SILENT, OUTSIDE, INSIDE, UNREADABLE };

static int look_up(const hf_name *name, hf_bytes list) {
    int answer = SILENT;
    hf_bytes subtree;
    while (list.n > 0) {
        if (!take(&list, HF_SEQUENCE, &subtree) || subtree.n == 0) {
            return UNREADABLE;
        }
        int tag = subtree.p[0];
        hf_bytes base;
        if ((tag & MBEDTLS_ASN1_TAG_CLASS_MASK) != MBEDTLS_ASN1_CONTEXT_SPECIFIC ||
            !take(&subtree, tag, &base)) {
            return UNREADABLE;
        }
        if ((tag & MBEDTLS_ASN1_TAG_VALUE_MASK) != (int)name->kind) {
            continue;
        }
        bool known = name->kind == DNS || name->kind == ADDRESS || name->kind == DIRECTORY;
        if (!known || subtree.n > 0) { /* a minimum or maximum, which OpenSSL refuses too */
            return UNREADABLE;
        }
        if (within(name, base)) {
            answer = INSIDE;
        } else if (answer == SILENT) {
            answer = OUTSIDE;
        }
    }
    return answer;
}

static uint32_t check(const hf_name *name, hf_bytes permitted, hf_bytes excluded) {
    int yes = look_up(name, permitted), no = look_up(name, excluded);
    if (yes == UNREADABLE || no == UNREADABLE) {
        return HF_MBEDTLS_NAMES_UNKNOWN;
    }
    return yes == OUTSIDE || no == INSIDE ? HF_MBEDTLS_NAMES_VIOLATED : 0;
}

/* Would a common name be taken for a host name? Letters, digits and hyphens in labels, and one dot at least. */
static bool is_host(hf_bytes text) {
    bool dot = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = lower(text.p[i]);
        bool inside = i > 0 && i + 1 < text.n;
        bool sign = c == '-' || c == '.' || c == '_';
        if (!sign && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return false;
        }
        if (c == '.' &&
            (!inside || text.p[i + 1] == '.' || text.p[i + 1] == '-' || text.p[i - 1] == '-')) {
            return false;
        }
        dot = dot || c == '.';
    }
    return dot;
}

uint32_t hf_mbedtls_names(const mbedtls_x509_crt *by, const mbedtls_x509_crt *of, bool server) {
    hf_bytes value, body, permitted = { NULL, 0 }, excluded = { NULL, 0 };
    if (!find(by, &value)) {
        return 0;
    }
    bool read = take(&value, HF_SEQUENCE, &body) && value.n == 0;
    if (read) {
        (void)take(&body, HF_PART(0), &permitted);
        (void)take(&body, HF_PART(1), &excluded);
    }
    if (!read || body.n > 0) {
        return HF_MBEDTLS_NAMES_UNKNOWN;
    }
    uint32_t found = 0;
    hf_name name = { DIRECTORY, { of->subject_raw.p, of->subject_raw.len } };
    if (of->subject.oid.p != NULL) { /* a subject without attributes names nothing */
        found |= check(&name, permitted, excluded);
    }
    bool has_dns = false;
    for (const mbedtls_x509_sequence *san = &of->subject_alt_names;
         san != NULL && san->buf.p != NULL; san = san->next) {
        name.kind = (unsigned)san->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        name.value = (hf_bytes){ san->buf.p, san->buf.len };
        has_dns = has_dns || name.kind == DNS;
        found |= check(&name, permitted, excluded);
    }
    for (const mbedtls_x509_name *part = &of->subject; part != NULL && part->oid.p != NULL;
         part = part->next) {
        name.value = (hf_bytes){ part->val.p, part->val.len };
        bool common = MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0;
        bool email = MBEDTLS_OID_CMP(MBEDTLS_OID_PKCS9_EMAIL, &part->oid) == 0;
        name.kind = email ? EMAIL : DNS;
        if (email || (common && server && !has_dns && is_host(name.value))) {
            found |= check(&name, permitted, excluded);
        }
    }
    return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* OpenSSL's primitives fail only when the library is broken or out of memory: there is no going on
 * without a signature check or randomness. */
static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "postrider: OpenSSL failed: %s\n", what);
    abort();
}

struct hmac {
    EVP_MAC_CTX *ctx;
};

struct hmac *hmac_new(struct str key)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(mac != NULL, "EVP_MAC_fetch");
    struct hmac *h = xalloc(sizeof(*h));
    h->ctx = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    must(h->ctx != NULL, "EVP_MAC_CTX_new");

    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    const char *bytes = key.ptr ? key.ptr : "";
    must(EVP_MAC_init(h->ctx, (const unsigned char *)bytes, key.len, params) == 1, "EVP_MAC_init");
    return h;
}

void hmac_free(struct hmac *h)
{
    if (!h)
        return;
    EVP_MAC_CTX_free(h->ctx); // cleanses the key
    free(h);
}

void hmac_sha256(struct hmac *h, struct str data, uint8_t out[SHA256_BYTES])
{
    size_t n = 0;
    // Without a key: start again with the one it has.
    must(EVP_MAC_init(h->ctx, NULL, 0, NULL) == 1, "EVP_MAC_init");
    if (data.len > 0)
        must(EVP_MAC_update(h->ctx, (const unsigned char *)data.ptr, data.len) == 1,
             "EVP_MAC_update");
    must(EVP_MAC_final(h->ctx, out, &n, SHA256_BYTES) == 1 && n == SHA256_BYTES, "EVP_MAC_final");
}

void sha256(struct str data, uint8_t out[SHA256_BYTES])
{
    const char *bytes = data.ptr ? data.ptr : "";
    must(EVP_Digest(bytes, data.len, out, NULL, EVP_sha256(), NULL) == 1, "EVP_Digest");
}

struct sha256_sum {
    EVP_MD_CTX *ctx;
};

struct sha256_sum *sha256_new(void)
{
    struct sha256_sum *s = xalloc(sizeof *s);
    s->ctx = EVP_MD_CTX_new();
    must(s->ctx && EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1, "EVP_DigestInit_ex");
    return s;
}

void sha256_free(struct sha256_sum *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->ctx);
    free(s);
}

void sha256_add(struct sha256_sum *s, struct str data)
{
    if (data.len > 0)
        must(EVP_DigestUpdate(s->ctx, data.ptr, data.len) == 1, "EVP_DigestUpdate");
}

void sha256_end(struct sha256_sum *s, uint8_t out[SHA256_BYTES])
{
    must(EVP_DigestFinal_ex(s->ctx, out, NULL) == 1, "EVP_DigestFinal_ex");
    must(EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1, "EVP_DigestInit_ex");
}

bool crypto_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void crypto_random(void *out, size_t n)
{
    assert(n <= INT32_MAX);
    must(RAND_bytes(out, (int)n) == 1, "RAND_bytes");
}

void crypto_wipe(void *p, size_t n)
{
    if (p)
        OPENSSL_cleanse(p, n);
}

struct str hex_encode(struct arena *a, struct str bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *p = arena_alloc(a, bytes.len * 2);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        p[2 * i] = digits[c >> 4];
        p[2 * i + 1] = digits[c & 15];
    }
    return (struct str){p, bytes.len * 2};
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(struct str hex, uint8_t *out, size_t n)
{
    if (hex.len % 2 != 0 || hex.len / 2 != n)
        return false;
    for (size_t i = 0; i < hex.len; i++) {
        if (hex_value(hex.ptr[i]) < 0)
            return false;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)((unsigned)hex_value(hex.ptr[2 * i]) << 4 |
                           (unsigned)hex_value(hex.ptr[2 * i + 1]));
    return true;
}

#define BASE62 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static struct str base64_with(struct arena *a, struct str bytes, const char *digits, bool pad)
{
    char *out = arena_alloc(a, bytes.len / 3 * 4 + 4);
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < have ? (unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++) {
            if (k <= have)
                out[n++] = digits[v >> (18 - 6 * k) & 63];
            else if (pad)
                out[n++] = '=';
        }
    }
    return (struct str){out, n};
}

struct str base64_encode(struct arena *a, struct str bytes)
{
    return base64_with(a, bytes, BASE62 "+/", true);
}

struct str base64url_encode(struct arena *a, struct str bytes)
{
    return base64_with(a, bytes, BASE62 "-_", false);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool base64_decode(struct arena *a, struct str text, struct str *out)
{
    size_t padded = text.len;
    while (text.len > 0 && padded - text.len < 2 && text.ptr[text.len - 1] == '=')
        text.len--;
    // Padding is left out or complete, and one digit alone holds no byte.
    if ((padded != text.len && padded % 4 != 0) || text.len % 4 == 1)
        return false;

    uint8_t *bytes = arena_alloc(a, text.len / 4 * 3 + 3);
    size_t n = 0;
    uint32_t v = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_value(text.ptr[i]);
        if (digit < 0)
            return false;
        v = (v << 6 | (uint32_t)digit) & 0xFFFFF;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[n++] = (uint8_t)(v >> bits);
        }
    }
    // One text for each value: the bits that encode nothing are zero.
    if (v & ((1u << bits) - 1))
        return false;
    *out = (struct str){(const char *)bytes, n};
    return true;
}

struct str webhook_secret(struct arena *a, struct hmac *master, struct str provider,
                          struct str tenant, struct str version)
{
    struct str what =
        str_fmt(a, "%.*s:%.*s:%.*s", STR_ARG(provider), STR_ARG(tenant), STR_ARG(version));
    uint8_t mac[SHA256_BYTES];
    hmac_sha256(master, what, mac);
    return base64url_encode(a, (struct str){(const char *)mac, sizeof(mac)});
}

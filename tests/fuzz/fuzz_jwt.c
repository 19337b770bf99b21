/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, and the file of an issuer's keys. Input with a "." is a token: it is good only if the
 * HMAC of its text, computed anew, is its signature. Anything else is a file of keys. */
#include <stdint.h>
#include <string.h>

#include "crypto.h"
#include "fuzz/memory_file.h"
#include "jwt_keys.h"
#include "jwt_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET    STR("a-key-of-thirty-two-bytes-or-more")
#define NOW_AT_MS INT64_C(1767225600000)

static void check_token(struct str jwt)
{
    static struct hmac *key;
    static struct token_keys *keys; // both reachable to the end: not leaks
    auto_arena a = arena_new((size_t)4 << 20);
    struct err err = {0};
    struct token first = {0}, second = {0};
    if (!key) {
        key = hmac_new(SECRET);
        keys = token_keys_new(SECRET, NULL, NULL, &err);
        assert(keys);
    }
    bool is_good = token_verify(a, jwt, SECRET, NOW_AT_MS, &first, &err);
    assert(is_good || err.kind == ERR_DENIED || err.kind == ERR_UNPROVEN);
    struct err other = {0};
    assert(token_check(a, jwt, keys, NOW_AT_MS, &second, &other) == is_good);
    if (!is_good)
        return;
    uint8_t mac[SHA256_BYTES];
    const char *dot = memrchr(jwt.ptr, '.', jwt.len);
    struct str text = {jwt.ptr, (size_t)(dot - jwt.ptr)}, proof;
    hmac_sha256(key, text, mac);
    assert(base64_decode(a, str_skip(jwt, text.len + 1), &proof));
    assert(str_eq(proof, (struct str){(const char *)mac, sizeof mac}));
    assert(str_eq(first.subject, second.subject) && str_eq(first.tenant_id, second.tenant_id));
    assert(first.tenant_id.len == 36 && first.subject.len && first.expires_at_ms > NOW_AT_MS);
}

static void check_keys(struct str text)
{
    struct memory_file file;
    struct err err = {0};
    memory_file_open(&file, text);
    struct token_keys *k = token_keys_new(SECRET, file.path, "issuer", &err);
    if (k)
        assert(token_keys_count(k) > 0);
    else
        assert(err.kind == ERR_INVALID);
    static const char *const algorithms[] = {"RS256", "ES256", "EdDSA", "HS256", "none"};
    for (size_t i = 0; k && i < ARRAY_LEN(algorithms); i++)
        assert(!token_keys_verify(k, str_of(algorithms[i]), STR_NONE, text, text));
    token_keys_free(k);
    memory_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    if (size > 1 << 16)
        return 0;
    if (size && memchr(data, '.', size))
        check_token(in);
    else
        check_keys(in);
    return 0;
}

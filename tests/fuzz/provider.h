/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One fuzz input for an adapter. The first byte chooses:
 *
 *   0  verify: a byte that is the header's length, the header, the body
 *   1  handshake: two bytes that are lengths of hub.mode and hub.verify_token, these,
 * hub.challenge; of X: crc_token 2  split and parse of what follows
 *
 * Anything else is a body from its first byte on, so that golden files are inputs as they are. */
#include "golden/properties.h"
#include "golden/request.h"

struct fuzz_secrets {
    struct hmac *keys[2];
    struct str plain[2];
};

static inline struct str fuzz_take(struct str *rest, size_t n)
{
    struct str head = {rest->ptr, n < rest->len ? n : rest->len};
    *rest = str_skip(*rest, head.len);
    return head;
}

static inline size_t fuzz_byte(struct str *rest)
{
    struct str one = fuzz_take(rest, 1);
    return one.len ? (unsigned char)one.ptr[0] : 0;
}

static inline struct secrets fuzz_secrets(struct fuzz_secrets *s)
{
    static const struct str plain[] = {{"synthetic-secret", 16}, {"older", 5}};
    if (!s->keys[0]) {
        s->keys[0] = hmac_new(STR("synthetic-app-secret"));
        s->keys[1] = hmac_new(STR("older"));
    }
    return (struct secrets){s->keys, plain, 2, 2};
}

enum fuzz_proof { PROOF_PLAIN, PROOF_HEX, PROOF_BASE64 };

static inline const char *fuzz_header(const struct provider *p, enum fuzz_proof *proof)
{
    static const struct {
        const char *name, *header;
        enum fuzz_proof proof;
    } rows[] = {
        {"unipile", "Unipile-Auth", PROOF_PLAIN},
        {"telegram", "X-Telegram-Bot-Api-Secret-Token", PROOF_PLAIN},
        {"x", "x-twitter-webhooks-signature", PROOF_BASE64},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(p->name, rows[i].name) == 0) {
            *proof = rows[i].proof;
            return rows[i].header;
        }
    }
    *proof = PROOF_HEX;
    return "X-Hub-Signature-256";
}

/* What verify says must be what the definition says: computed anew, the slow way. */
static inline void fuzz_verify(const struct provider *p, struct str rest, struct fuzz_secrets *fs)
{
    struct str header = fuzz_take(&rest, fuzz_byte(&rest));
    enum fuzz_proof proof = PROOF_HEX;
    const char *name = fuzz_header(p, &proof);
    struct request r = {.headers = {{name, header}}};
    struct webhook in = request_webhook(&r, rest);
    in.path_rest = PATH_REST;
    struct secrets s = fuzz_secrets(fs);
    struct err err = {0};
    bool taken = p->verify(&in, &s, &err);
    bool right = false;
    auto_arena a = arena_new(4096);
    for (size_t i = 0; i < 2; i++) {
        uint8_t mac[SHA256_BYTES];
        hmac_sha256(s.keys[i], rest, mac);
        struct str bytes = {(const char *)mac, sizeof mac};
        struct str text = proof == PROOF_BASE64 ? base64_encode(a, bytes) : hex_encode(a, bytes);
        struct str want = str_fmt(a, "sha256=%.*s", STR_ARG(text));
        right |= proof == PROOF_PLAIN ? str_eq(header, s.plain[i])
                 : proof == PROOF_HEX ? str_ieq(header, want)
                                      : str_eq(header, want);
    }
    assert(!taken || right);
    assert(taken || err.kind == (header.len ? ERR_DENIED : ERR_UNPROVEN));
}

static inline void fuzz_challenge(const struct provider *p, struct str token,
                                  struct fuzz_secrets *fs)
{
    struct request r = {.query = {{"crc_token", token}}};
    struct webhook in = request_webhook(&r, STR_NONE);
    struct secrets s = fuzz_secrets(fs);
    struct err err = {0};
    auto_arena a = arena_new(8192);
    struct str answer = STR_NONE;
    const char *type = NULL;
    if (!p->handshake(a, &in, &s, &answer, &type, &err))
        return;
    const struct json *root = json_parse(a, answer, &err);
    struct str signature = json_text(a, json_get(root, "response_token"));
    assert(signature.len && type);
    // What anyone may have signed proves nothing.
    r = (struct request){.headers = {{"x-twitter-webhooks-signature", signature}}};
    in = request_webhook(&r, token);
    assert(!p->verify(&in, &s, &err) && err.kind == ERR_DENIED);
}

static inline void fuzz_handshake(const struct provider *p, struct str rest,
                                  struct fuzz_secrets *fs)
{
    enum fuzz_proof proof = PROOF_HEX;
    (void)fuzz_header(p, &proof);
    if (!p->handshake)
        return;
    if (proof == PROOF_BASE64) {
        fuzz_challenge(p, rest, fs);
        return;
    }
    size_t mode = fuzz_byte(&rest), token = fuzz_byte(&rest);
    struct request r = {.query = {{"hub.mode", fuzz_take(&rest, mode)},
                                  {"hub.verify_token", fuzz_take(&rest, token)},
                                  {"hub.challenge", rest}}};
    struct webhook in = request_webhook(&r, STR_NONE);
    struct secrets s = fuzz_secrets(fs);
    struct err err = {0};
    auto_arena a = arena_new(4096);
    struct str answer = STR_NONE;
    const char *type = NULL;
    if (!p->handshake(a, &in, &s, &answer, &type, &err))
        return;
    assert(str_eq(answer, rest) && type);
    assert(str_eq(r.query[1].value, s.plain[0]) || str_eq(r.query[1].value, s.plain[1]));
}

static inline int fuzz_provider(const char *name, const uint8_t *data, size_t size)
{
    static struct fuzz_secrets fs; // reachable to the end: not a leak
    const struct provider *p = provider_find(str_of(name));
    struct str rest = {(const char *)data, size};
    if (size && data[0] == 0)
        fuzz_verify(p, str_skip(rest, 1), &fs);
    else if (size && data[0] == 1)
        fuzz_handshake(p, str_skip(rest, 1), &fs);
    else
        (void)check_body(p, str_skip(rest, size && data[0] == 2));
    return 0;
}

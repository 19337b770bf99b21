/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One fuzz input for an adapter. The first byte chooses:
 *
 *   0  verify: a byte that is the header's length, the header, the body
 *   1  handshake: two bytes that are lengths of hub.mode and hub.verify_token, these,
 *      hub.challenge; of X: crc_token
 *   2  split and parse of what follows
 *   3  judge: a byte of flags, a byte of the status, one of a header's length, the header, the body
 *   4  a case as the golden files of send/ have it, as JSON: build, judge, accounts and webhooks
 *
 * Anything else is a body from its first byte on, so that golden files are inputs as they are. */
#include "access.h"
#include "golden/properties.h"
#include "golden/request.h"
#include "golden/send.h"

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

/* The header stands for each that an adapter may ask for. */
static inline struct str fuzz_any_header(const void *http, const char *name)
{
    (void)name;
    return *(const struct str *)http;
}

/* Where the answer came from: what it says about accounts. */
static inline void fuzz_discover(const struct provider *p, enum discover_what what,
                                 const struct send_account *account, const struct send_reply *reply)
{
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(reply->body.len));
    struct found_accounts found = {0};
    struct judgement why = {0};
    if (!p->discover->read(a, what, account, reply, &found, &why)) {
        check_judgement(&why);
        assert(why.outcome != OUTCOME_SENT && why.outcome != OUTCOME_NEXT);
        return;
    }
    assert(found.n == 0 || found.items);
    for (size_t i = 0; i < found.n; i++)
        assert(found.items[i].external_id.len && found.items[i].status.len);
    assert(what == DISCOVER_LIST || found.n == 1);
}

/* And what a conversation has. */
static inline void fuzz_list(const struct provider *p, const struct send_account *account,
                             const struct send_reply *reply)
{
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(reply->body.len));
    struct sent_ask ask = {.to = STR("2")};
    struct sent_list sent = {0};
    struct judgement why = {0};
    if (!p->list->read(a, &ask, account, reply, &sent, &why)) {
        check_judgement(&why);
        assert(why.outcome != OUTCOME_SENT && why.outcome != OUTCOME_NEXT);
        return;
    }
    assert(reply->fault == REPLY_WHOLE && sent.n <= SENT_LIST_MAX);
    assert(!sent.is_all || !sent.cursor.len);
    for (size_t i = 0; i < sent.n; i++)
        assert(sent.items[i].external_id.len && sent.items[i].at_ms >= 0);
}

/* Every answer has a judgement, the same each time; what was sent has an id, and nothing that may
 * have been sent is tried again. */
static inline void fuzz_judge(const struct provider *p, struct str rest)
{
    if (!p->judge)
        return;
    size_t flags = fuzz_byte(&rest), status = fuzz_byte(&rest);
    struct str header = fuzz_take(&rest, fuzz_byte(&rest));
    struct send_account account = {.external_id = STR("1"), .token = SEND_TOKEN};
    struct send_message m = {.kind = (enum send_kind)(flags % SEND_KINDS), .to = STR("2")};
    struct send_progress progress = {0};
    struct send_call call = {&account, &m, &progress, !(flags & 8)};
    struct send_reply reply = {.fault = (flags >> 4) % 3 == 2 ? REPLY_UNKNOWN : REPLY_WHOLE,
                               .status = (int)(status < 100 ? 200 + status % 4 : 2 * status + 100),
                               .body = rest,
                               .header = fuzz_any_header,
                               .http = &header,
                               .at_ms = 1767225601000,
                               .attempt = 1 + (unsigned)(flags >> 6)};
    auto_arena a = arena_new(2 * PROVIDER_ARENA_MAX(rest.len));
    struct judgement first = {0}, second = {0};
    p->judge(a, &call, &reply, &first);
    p->judge(a, &call, &reply, &second);
    check_judgement(&first);
    struct buf one, two;
    buf_init(&one, DUMP_MAX);
    buf_init(&two, DUMP_MAX);
    dump_judgement(&one, &first);
    dump_judgement(&two, &second);
    assert(str_eq(buf_str(&one), buf_str(&two)));
    buf_done(&one);
    buf_done(&two);
    bool is_message = call.is_final && send_makes_message(m.kind);
    assert(first.outcome != OUTCOME_SENT || !is_message || first.external_id.len);
    assert(first.outcome != OUTCOME_NEXT || !call.is_final);
    assert(reply.fault == REPLY_WHOLE || !is_message || first.outcome == OUTCOME_AMBIGUOUS);
    if (p->discover)
        fuzz_discover(p, (enum discover_what)(flags & 1), &account, &reply);
    if (p->list)
        fuzz_list(p, &account, &reply);
}

/* A token that cannot stand in the input that it is made of. */
static inline struct str fuzz_token(struct arena *a, struct str input)
{
    uint8_t sum[SHA256_BYTES];
    sha256(input, sum);
    struct str hex = hex_encode(a, (struct str){(const char *)sum, sizeof sum});
    return str_fmt(a, "token-%.*s", STR_ARG(hex));
}

/* What is sealed for an account is what the sender reads. */
static inline void fuzz_access(struct arena *a, const struct send_account *account)
{
    struct err err = {0};
    struct send_account again = {0};
    struct str text = access_write(a, account);
    assert(access_read(a, text, &again, &err));
    assert(str_eq(again.token, account->token) && str_eq(again.login, account->login));
    assert(str_eq(again.parent_id, account->parent_id));
    assert(str_eq(again.api_version, account->api_version));
}

/* What a request must be, whatever it was made of: no header of it can be two. */
static inline void fuzz_request(struct send_request *r, struct str token)
{
    assert(r->n_headers <= SEND_HEADERS_MAX && r->n_parts <= SEND_PARTS_MAX);
    for (size_t i = 0; i < r->n_headers; i++)
        for (size_t k = 0; k < r->headers[i].value.len; k++)
            assert((unsigned char)r->headers[i].value.ptr[k] >= ' ');
    for (size_t i = 0; i < r->url.len; i++)
        assert((unsigned char)r->url.ptr[i] > ' ');
    if (r->body_kind == BODY_JSON) {
        auto_arena a = arena_new(DUMP_MAX);
        struct err err = {0};
        assert(json_is(json_parse(a, r->body, &err), JSON_OBJECT));
    }
    check_secrets(r, token);
}

static inline void fuzz_build(const struct provider *p, struct arena *a, const struct send_case *c)
{
    struct send_request r = {0};
    struct err err = {0};
    bool ok = case_build(p, a, c, &r, &err);
    assert(ok || err.kind != ERR_NONE);
    if (ok)
        fuzz_request(&r, c->account.token);
}

static inline void fuzz_case(const struct provider *p, struct str text)
{
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(4 * text.len));
    struct err err = {0};
    struct send_case c;
    const struct json *root = json_parse(a, text, &err), *refs = json_get(root, "progress");
    if (!json_is(root, JSON_OBJECT) || (refs && refs->size > SEND_STEPS_MAX))
        return;
    send_case_read(a, root, &c);
    c.account.token = fuzz_token(a, text);
    fuzz_access(a, &c.account);
    if (c.is_webhook && (!p->webhook || c.ask.part >= p->webhook->n_parts))
        return;
    if (c.is_list && !p->list)
        return;
    if (!c.has_reply) {
        fuzz_build(p, a, &c);
        return;
    }
    // A clock, and a status, are within reason: who calls sees to it.
    c.reply.at_ms = (int64_t)((uint64_t)c.reply.at_ms % (UINT64_C(1) << 42));
    c.reply.status = (int)((unsigned)c.reply.status % 1000);
    c.account.token = SEND_TOKEN;
    struct buf out;
    buf_init(&out, DUMP_MAX);
    dump_send_case(&out, p, a, &c);
    buf_done(&out);
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
    else if (size && data[0] == 3)
        fuzz_judge(p, str_skip(rest, 1));
    else if (size && data[0] == 4)
        fuzz_case(p, str_skip(rest, 1));
    else
        (void)check_body(p, str_skip(rest, size && data[0] == 2));
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Direct messages of X (Twitter): one endpoint for all users of an app. Deliveries are signed with
 * the app's consumer secret, and a challenge is answered with the same. */
#include "x.h"

#include "adapters.h"
#include "x_send.h"

#define PREFIX        STR("sha256=")
#define SIGNATURE_LEN (7 + 44) /* base64 of 32 bytes */
#define TOKEN_MAX     256
#define SCRATCH       4096

/* --- proof ------------------------------------------------------------------------------------ */

/* "sha256=" and the HMAC in base64. */
static struct str sign(struct arena *a, struct hmac *key, struct str data)
{
    uint8_t digest[SHA256_BYTES];
    hmac_sha256(key, data, digest);
    struct str base64 = base64_encode(a, (struct str){(const char *)digest, sizeof digest});
    return str_fmt(a, "sha256=%.*s", STR_ARG(base64));
}

/* The challenge asks for a signature of whatever the asker sends, which is what proves a delivery.
 * So what is signed for anyone and what is taken as a body share no text: a token is a word of
 * these characters, and such a word is no delivery. */
static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/' || c == '=' || c == '-' || c == '_' || c == '.' || c == '~';
        if (!ok)
            return false;
    }
    return s.len && s.len <= TOKEN_MAX;
}

static bool x_verify(const struct webhook *in, const struct secrets *s, struct err *err)
{
    struct str given = in->header(in->http, "x-twitter-webhooks-signature");
    if (!given.len)
        return err_set(err, ERR_UNPROVEN, "no x-twitter-webhooks-signature header");
    if (given.len != SIGNATURE_LEN || !str_starts(given, PREFIX))
        return err_set(err, ERR_DENIED,
                       "x-twitter-webhooks-signature is not sha256= and 44 characters of base64");
    if (is_token(in->body))
        return err_set(err, ERR_DENIED, "the body is what the challenge signs for anyone");

    // Every active secret is tried, so that the time does not tell which one signed.
    auto_arena a = arena_new(SCRATCH * (s->n_keys + 1));
    bool ours = false;
    for (size_t i = 0; i < s->n_keys; i++)
        ours |= crypto_eq(given, sign(a, s->keys[i], in->body));
    return ours || err_set(err, ERR_DENIED,
                           "the body is not signed by any of the %zu consumer secrets in force: "
                           "compare x_consumer_secret with the app's keys",
                           s->n_keys);
}

/* X asks when the webhook is made, and from time to time. It knows one secret: the newest, which
 * is to stand first. */
static bool x_handshake(struct arena *a, const struct webhook *in, const struct secrets *s,
                        struct str *answer, const char **content_type, struct err *err)
{
    struct str token = in->query(in->http, "crc_token");
    if (!token.len)
        return err_set(err, ERR_INVALID, "no challenge: crc_token is missing");
    if (!is_token(token))
        return err_set(err, ERR_INVALID,
                       "crc_token is no word of at most %d letters, digits and +/=-_.~", TOKEN_MAX);
    if (!s->n_keys)
        return err_set(err, ERR_DENIED, "no x_consumer_secret is set to answer crc_token with");
    struct str signature = sign(a, s->keys[0], token);
    *answer = str_fmt(a, "{\"response_token\":\"%.*s\"}", STR_ARG(signature));
    *content_type = "application/json";
    return true;
}

/* --- split and parse -------------------------------------------------------------------------- */

static bool x_split(struct arena *a, const struct webhook *in, struct units *out, struct err *err)
{
    const struct json *root = json_parse(a, in->body, err);
    struct x_body b;
    return root && x_body_read(a, root, &b, err) && x_body_split(a, &b, in->body, out, err);
}

static bool x_parse(struct arena *a, const struct unit *unit, struct events *out, struct err *err)
{
    const struct json *root = json_parse(a, unit->body, err);
    struct x_body b;
    if (!root || !x_body_read(a, root, &b, err))
        return false;
    *out = (struct events){0};
    if (!b.n)
        return true;
    struct event *events = unit_array(a, b.n, UNIT_ITEMS_MAX, sizeof *events, "items", err);
    if (!events)
        return false;
    for (size_t i = 0; i < b.n; i++) {
        events[i] = (struct event){.account = b.account,
                                   .account_type = STR("user"),
                                   .conversation = b.items[i].conversation};
        if (!x_event_read(a, &b, &b.items[i], &events[i], err))
            return false;
    }
    *out = (struct events){events, b.n};
    return true;
}

static const char *x_platform(struct str account_type)
{
    (void)account_type;
    return "x";
}

static struct str x_normal_type(struct str account_type)
{
    return str_ieq(account_type, STR("user")) ? STR("user") : account_type;
}

/* 15 in 15 minutes, all at once if one likes; the answers tell how many are left until when. */
static const struct send_limits limits = {.account = {60 * INT64_C(1000000), 15}};

static const struct send_limits *x_limits(struct str account_type)
{
    (void)account_type;
    return &limits;
}

const struct provider x_provider = {
    .name = "x",
    .scope = SCOPE_APP,
    .default_account_type = "user",
    .app = "x",
    .verify = x_verify,
    .handshake = x_handshake,
    .split = x_split,
    .parse = x_parse,
    .platform = x_platform,
    .normal_type = x_normal_type,
    .build = x_build,
    .judge = x_judge,
    .discover = &x_discover,
    .webhook = &x_webhook,
    .list = &x_list,
    .limits = x_limits,
};

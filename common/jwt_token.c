/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_token.h"

#include <jwt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "id.h"
#include "json.h"
#include "jwt_keys.h"

#define IAT_LEEWAY_S 60
/* The year 9999: past it a time in milliseconds is a mistake, and soon an overflow. */
#define TIME_MAX_S 253402300799LL

static void jwt_free_auto_(jwt_t **p)
{
    jwt_free(*p);
}
#define auto_jwt __attribute__((cleanup(jwt_free_auto_))) jwt_t *

/* --- sign --------------------------------------------------------------------------------- */

static bool add_text(struct arena *a, jwt_t *jwt, const char *name, struct str value)
{
    return value.len == 0 || jwt_add_grant(jwt, name, str_c(a, value)) == 0;
}

static bool add_time(jwt_t *jwt, const char *name, int64_t at_ms)
{
    return at_ms == 0 || jwt_add_grant_int(jwt, name, (long)(at_ms / 1000)) == 0;
}

bool token_sign(struct arena *a, const struct token *t, struct str secret, struct str *out,
                struct err *err)
{
    if (t->subject.len == 0 || t->tenant_id.len == 0 || t->expires_at_ms <= 0)
        return err_set(err, ERR_INVALID, "a token needs a subject, a tenant and an expiry");
    if (secret.len == 0 || secret.len > INT_MAX)
        return err_set(err, ERR_INVALID, "no key to sign with: set jwt_secret");

    auto_jwt jwt = NULL;
    if (jwt_new(&jwt) != 0 ||
        jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)secret.ptr, (int)secret.len) != 0)
        return err_set(err, ERR_FAULT, "libjwt does not make a token");
    bool added = (t->key_id.len == 0 || jwt_add_header(jwt, "kid", str_c(a, t->key_id)) == 0) &&
                 add_text(a, jwt, "iss", t->issuer) && add_text(a, jwt, "sub", t->subject) &&
                 add_text(a, jwt, "tenant_id", t->tenant_id) && add_text(a, jwt, "role", t->role) &&
                 add_text(a, jwt, "jti", t->id) && add_time(jwt, "iat", t->issued_at_ms) &&
                 add_time(jwt, "exp", t->expires_at_ms);
    if (!added)
        return err_set(err, ERR_INVALID, "a member of the token is not valid UTF-8");

    char *text = jwt_encode_str(jwt);
    if (!text)
        return err_set(err, ERR_FAULT, "libjwt does not sign");
    *out = str_dup(a, str_of(text));
    crypto_wipe(text, out->len);
    free(text);
    if (out->len > TOKEN_MAX)
        return err_set(err, ERR_LIMITED, "the token is longer than %d bytes", TOKEN_MAX);
    return true;
}

/* --- verify ------------------------------------------------------------------------------- */

/* The JSON object in one part of the token. NULL: it is none. */
static const struct json *parse_part(struct arena *a, struct str part)
{
    struct str text = STR_NONE;
    struct err ignored = {0};
    if (!base64_decode(a, part, &text))
        return NULL;
    const struct json *root = json_parse(a, text, &ignored);
    return json_is(root, JSON_OBJECT) ? root : NULL;
}

struct parts {
    struct str head, body, signature, algorithm;
};

/* Before any key is looked at: a header that asks for another algorithm must not choose how a key
 * is read, and RFC 7515 §4.1.11 demands to refuse critical extensions that are not understood. */
static bool check_header(struct arena *a, const struct json *header, struct parts *p,
                         struct token *out, struct err *err)
{
    const struct json *alg = json_get(header, "alg");
    if (json_is(alg, JSON_STRING))
        p->algorithm = alg->raw;
    if (json_get(header, "crit"))
        return err_set(err, ERR_DENIED, "the token has critical extensions");
    out->key_id = json_text(a, json_get(header, "kid"));
    return true;
}

/* libjwt reads a number that is a text as 0, which is a time too: so times are read here. False:
 * not a whole number of seconds; absent leaves *seconds as it is. */
static bool claim_time(const struct json *claims, const char *name, int64_t *seconds)
{
    const struct json *v = json_get(claims, name);
    int64_t value = 0;
    if (!v)
        return true;
    if (!json_is(v, JSON_NUMBER) || !json_i64(v, &value) || value < 0 || value > TIME_MAX_S)
        return false;
    *seconds = value;
    return true;
}

static bool check_times(const struct json *claims, int64_t now_at_ms, struct token *out,
                        struct err *err)
{
    int64_t now = now_at_ms / 1000;
    int64_t exp = -1;
    int64_t nbf = 0;
    int64_t iat = 0;
    if (!claim_time(claims, "exp", &exp) || !claim_time(claims, "nbf", &nbf) ||
        !claim_time(claims, "iat", &iat))
        return err_set(err, ERR_DENIED, "a time in the token is not a whole number of seconds");
    if (exp < 0)
        return err_set(err, ERR_DENIED, "the token never expires: 'exp' is required");
    if (now >= exp)
        return err_set(err, ERR_DENIED, "the token has expired");
    if (now < nbf)
        return err_set(err, ERR_DENIED, "the token is not valid yet");
    if (iat > now + IAT_LEEWAY_S)
        return err_set(err, ERR_DENIED, "the token was issued in the future: compare the clocks");
    if (exp <= iat)
        return err_set(err, ERR_DENIED, "the token expires before it was issued");
    out->issued_at_ms = iat * 1000;
    out->expires_at_ms = exp * 1000;
    return true;
}

static struct str claim_text(struct arena *a, const struct json *claims, const char *name)
{
    const struct json *v = json_get(claims, name);
    return json_is(v, JSON_STRING) ? json_text(a, v) : STR_NONE;
}

static bool check_who(struct arena *a, const struct json *claims, struct token *out,
                      struct err *err)
{
    out->issuer = claim_text(a, claims, "iss");
    out->subject = claim_text(a, claims, "sub");
    out->role = claim_text(a, claims, "role");
    out->id = claim_text(a, claims, "jti");
    if (out->subject.len == 0)
        return err_set(err, ERR_DENIED, "the token names no user: 'sub' is required");
    struct uuid tenant;
    if (!uuid_parse(claim_text(a, claims, "tenant_id"), &tenant))
        return err_set(err, ERR_DENIED, "the token's 'tenant_id' is not a UUID");
    char text[UUID_TEXT + 1];
    uuid_format(tenant, text);
    out->tenant_id = str_dup(a, str_of(text));
    return true;
}

static bool cut(struct arena *a, struct str jwt, struct parts *p, struct token *t, struct err *err)
{
    struct str rest = STR_NONE;
    if (jwt.len == 0)
        return err_set(err, ERR_UNPROVEN, "no token was given");
    if (jwt.len > TOKEN_MAX || memchr(jwt.ptr, '\0', jwt.len))
        return err_set(err, ERR_DENIED, "the token is not a JWT");
    (void)str_cut(jwt, '.', &p->head, &rest);
    (void)str_cut(rest, '.', &p->body, &p->signature);
    const struct json *header = parse_part(a, p->head);
    if (!header)
        return err_set(err, ERR_DENIED, "the token is not a JWT");
    return check_header(a, header, p, t, err);
}

static bool check_hs256(struct arena *a, struct str jwt, const struct parts *p, struct str secret,
                        struct err *err)
{
    if (!str_eq_c(p->algorithm, "HS256"))
        return err_set(err, ERR_DENIED, "the token's algorithm is not HS256");
    if (secret.len == 0)
        return err_set(err, ERR_FAULT, "no key to verify with: set jwt_secret");
    // Not by libjwt, which leaves the token behind in memory that it gives back.
    uint8_t want[SHA256_BYTES];
    struct str signature;
    struct hmac *h = hmac_new(secret);
    hmac_sha256(h, (struct str){jwt.ptr, p->head.len + 1 + p->body.len}, want);
    hmac_free(h);
    bool ok = base64_decode(a, p->signature, &signature) &&
              crypto_eq(signature, (struct str){(const char *)want, sizeof want});
    crypto_wipe(want, sizeof want);
    return ok || err_set(err, ERR_DENIED, "the token's signature is wrong");
}

/* Under a key of the operator's issuer. */
static bool check_signature(struct arena *a, struct str jwt, const struct parts *p,
                            const struct token_keys *keys, struct str key_id, struct err *err)
{
    struct str signature;
    struct str text = {jwt.ptr, p->head.len + 1 + p->body.len};
    if (!str_eq_c(p->algorithm, "RS256") && !str_eq_c(p->algorithm, "ES256") &&
        !str_eq_c(p->algorithm, "EdDSA"))
        return err_set(err, ERR_DENIED,
                       "the token's algorithm is none of HS256, RS256, ES256, EdDSA");
    if (!base64_decode(a, p->signature, &signature) ||
        !token_keys_verify(keys, p->algorithm, key_id, text, signature))
        return err_set(err, ERR_DENIED, "the token's signature is wrong, or its key is not known");
    return true;
}

static bool read_claims(struct arena *a, const struct parts *p, int64_t now_at_ms, struct token *t,
                        struct err *err)
{
    const struct json *claims = parse_part(a, p->body);
    if (!claims)
        return err_set(err, ERR_DENIED, "the token's claims are not an object");
    return check_times(claims, now_at_ms, t, err) && check_who(a, claims, t, err);
}

bool token_verify(struct arena *a, struct str jwt, struct str secret, int64_t now_at_ms,
                  struct token *out, struct err *err)
{
    struct token t = {0};
    struct parts p = {0};
    if (!cut(a, jwt, &p, &t, err) || !check_hs256(a, jwt, &p, secret, err) ||
        !read_claims(a, &p, now_at_ms, &t, err))
        return false;
    *out = t;
    return true;
}

bool token_check(struct arena *a, struct str jwt, const struct token_keys *keys, int64_t now_at_ms,
                 struct token *out, struct err *err)
{
    struct token t = {0};
    struct parts p = {0};
    if (!cut(a, jwt, &p, &t, err))
        return false;
    if (str_eq_c(p.algorithm, "HS256") || token_keys_count(keys) == 0)
        return token_verify(a, jwt, token_keys_secret(keys), now_at_ms, out, err);
    if (!check_signature(a, jwt, &p, keys, t.key_id, err) ||
        !read_claims(a, &p, now_at_ms, &t, err))
        return false;
    struct str issuer = token_keys_issuer(keys);
    if (issuer.ptr && !str_eq(issuer, t.issuer))
        return err_set(err, ERR_DENIED, "the token is another issuer's");
    *out = t;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "crypto.h"
#include "id.h"
#include "jwt_token.h"
#include "rows.h"

#define SECRET_BYTES 32
#define TICKET_BYTES (16 + 16 + SECRET_BYTES)

/* --- tickets ---------------------------------------------------------------------------------- */

static struct str uuid_text(struct arena *a, const uint8_t bytes[16])
{
    struct uuid u;
    char text[UUID_TEXT + 1];
    memcpy(u.b, bytes, sizeof u.b);
    uuid_format(u, text);
    return str_dup(a, str_of(text));
}

static struct str hash_of(struct arena *a, const uint8_t raw[TICKET_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    sha256((struct str){(const char *)raw, TICKET_BYTES}, digest);
    return hex_encode(a, (struct str){(const char *)digest, sizeof digest});
}

void api_ticket_new(struct arena *a, const char *prefix, struct str tenant_id, int64_t now_at_ms,
                    struct api_ticket *out)
{
    uint8_t raw[TICKET_BYTES];
    struct uuid tenant = {0}, id = uuid_v7(now_at_ms);
    (void)uuid_parse(tenant_id, &tenant);
    memcpy(raw, tenant.b, 16);
    memcpy(raw + 16, id.b, 16);
    crypto_random(raw + 32, SECRET_BYTES);
    struct str text = base64url_encode(a, (struct str){(const char *)raw, sizeof raw});
    *out = (struct api_ticket){.tenant_id = uuid_text(a, raw),
                               .id = uuid_text(a, raw + 16),
                               .hash = hash_of(a, raw),
                               .text = str_fmt(a, "%s%.*s", prefix, STR_ARG(text))};
    crypto_wipe(raw, sizeof raw);
}

bool api_ticket_parse(struct arena *a, const char *prefix, struct str text, struct api_ticket *out)
{
    struct str raw;
    if (!str_starts(text, str_of(prefix)) ||
        !base64_decode(a, str_skip(text, strlen(prefix)), &raw) || raw.len != TICKET_BYTES)
        return false;
    const uint8_t *bytes = (const uint8_t *)raw.ptr;
    *out = (struct api_ticket){.tenant_id = uuid_text(a, bytes),
                               .id = uuid_text(a, bytes + 16),
                               .hash = hash_of(a, bytes),
                               .text = text};
    return true;
}

/* --- sessions --------------------------------------------------------------------------------- */

static const struct pg_stmt add_refresh = {
    "api_add_refresh",
    "INSERT INTO user_credentials (tenant_id, id, user_id, kind, secret, family, expires_at) "
    "VALUES ($1, $2, $3, 'refresh_token', $4, $5, now() + $6 * interval '1 millisecond')"};
static const struct pg_stmt note_login = {
    "api_note_login", "UPDATE users SET last_login_at = now() WHERE tenant_id = $1 AND id = $2"};
static const struct pg_stmt read_tenant = {"api_session_tenant", "SELECT " API_TENANT_COLUMNS
                                                                 " FROM tenants t WHERE t.id = $1"};
static const struct pg_stmt read_user = {"api_session_user",
                                         "SELECT " API_USER_COLUMNS " FROM " API_USER_TABLES
                                         " WHERE u.tenant_id = $1 AND u.id = $2"};

struct api_session *api_session_send(struct call *c, struct str family)
{
    struct arena *a = call_arena(c);
    const struct who *who = call_who(c);
    struct api_session *s = ARENA_NEW(a, struct api_session);
    api_ticket_new(a, API_REFRESH_PREFIX, who->tenant_id, call_now_at_ms(c), &s->refresh);
    struct str ttl = str_fmt(a, "%lld", (long long)call_api(c)->conf->refresh_token_ttl);
    const struct str refresh[] = {who->tenant_id,
                                  s->refresh.id,
                                  who->user_id,
                                  s->refresh.hash,
                                  family.ptr ? family : s->refresh.id,
                                  ttl};
    const struct str ids[] = {who->tenant_id, who->user_id};
    call_send(c, &add_refresh, refresh, ARRAY_LEN(refresh));
    if (!family.ptr)
        call_send(c, &note_login, ids, 2);
    call_send(c, &read_tenant, ids, 1);
    call_send(c, &read_user, ids, 2);
    return s;
}

#define USER_ROLE 3 /* among API_USER_COLUMNS */

bool api_session_token(struct call *c, struct str role, int64_t ttl_ms, struct str *out,
                       struct err *err)
{
    const struct api_conf *conf = call_api(c)->conf;
    const struct who *who = call_who(c);
    int64_t now_at_ms = clock_at_ms();
    char id[UUID_TEXT + 1];
    uuid_format(uuid_v7(now_at_ms), id);
    const struct token t = {.issuer = str_of(conf->jwt_issuer),
                            .subject = who->subject,
                            .tenant_id = who->tenant_id,
                            .role = role,
                            .id = str_of(id),
                            .key_id = STR("default"),
                            .issued_at_ms = now_at_ms,
                            .expires_at_ms = now_at_ms + ttl_ms};
    return token_sign(call_arena(c), &t, str_of(conf->jwt_secret), out, err);
}

void api_session_answer(struct call *c, const struct api_session *s,
                        struct pg_result *const *results, int n, int status)
{
    const struct pg_result *tenant = results[n - 2], *user = results[n - 1];
    struct str token;
    struct err err = {0};
    if (pg_rows(tenant) == 0 || pg_rows(user) == 0) {
        call_problem(c, 401, "invalid_credentials", STR_NONE, "the account is gone");
        return;
    }
    if (!api_session_token(c, pg_text(user, 0, USER_ROLE), call_api(c)->conf->access_token_ttl,
                           &token, &err)) {
        call_problem_err(c, &err);
        return;
    }
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "user");
    api_put_user(o, user, 0);
    json_key_out(o, "tenant");
    api_put_tenant(o, tenant, 0);
    json_put_str(o, "access_token", token);
    json_put_str(o, "refresh_token", s->refresh.text);
    json_put_int(o, "expires_in", call_api(c)->conf->access_token_ttl / 1000);
    json_close(o, '}');
    call_answer(c, status);
}

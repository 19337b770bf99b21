/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include <string.h>

#include "crypto.h"
#include "id.h"
#include "jwt_token.h"
#include "spec.h"

static struct str bearer(struct str header)
{
    static const struct str scheme = {"bearer ", 7};
    if (header.len <= scheme.len || !str_ieq((struct str){header.ptr, scheme.len}, scheme))
        return STR_NONE;
    return str_trim(str_skip(header, scheme.len));
}

/* Rows name users by UUID; another issuer's subject may be any text, so it gets one of its own,
 * always the same (RFC 9562 §5.8: version 8 is the application's). */
static struct str user_of(struct arena *a, const struct token *t)
{
    struct uuid u;
    uint8_t digest[SHA256_BYTES];
    char text[UUID_TEXT + 1];
    if (!uuid_parse(t->subject, &u)) {
        sha256(str_fmt(a, "%.*s\n%.*s", STR_ARG(t->issuer), STR_ARG(t->subject)), digest);
        memcpy(u.b, digest, sizeof u.b);
        u.b[6] = (uint8_t)(0x80 | (u.b[6] & 0x0F));
        u.b[8] = (uint8_t)(0x80 | (u.b[8] & 0x3F));
    }
    uuid_format(u, text);
    return str_dup(a, str_of(text));
}

bool api_auth(const struct api *api, struct arena *a, struct str header, int64_t now_at_ms,
              struct who *out, unsigned *role, struct err *err)
{
    struct token t = {0};
    enum api_role found;
    struct str jwt = bearer(header);
    if (header.len && !jwt.len)
        return err_set(err, ERR_DENIED, "want 'Authorization: Bearer <token>'");
    if (!token_check(a, jwt, api->keys, now_at_ms, &t, err))
        return false;
    if (!api_role_find(t.role, &found))
        return err_set(err, ERR_DENIED, "the token's role is none of owner, agent, operator");
    *role = found;
    *out = (struct who){
        .tenant_id = t.tenant_id, .user_id = user_of(a, &t), .subject = t.subject, .role = t.role};
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "access.h"

#include "buf.h"
#include "crypto.h"
#include "json.h"

#define ACCESS_MAX ((size_t)64 << 10)
#define ROOM       256 /* names, braces and quotes */

static void put(struct json_out *o, struct arena *a, const char *name, struct str v)
{
    if (v.len)
        json_put_str(o, name, str_utf8(a, v));
}

struct str access_write(struct arena *a, const struct send_account *account)
{
    struct buf buf;
    buf_init(&buf, ACCESS_MAX);
    // At once, so that no copy stays behind in memory that was outgrown: an escape takes six bytes.
    (void)buf_reserve(&buf, ROOM + 6 * (account->token.len + account->login.len +
                                        account->parent_id.len + account->api_version.len));
    struct json_out o = {.buf = &buf};
    json_open(&o, '{');
    put(&o, a, "token", account->token);
    put(&o, a, "login", account->login);
    put(&o, a, "parent_id", account->parent_id);
    put(&o, a, "api_version", account->api_version);
    json_close(&o, '}');
    struct str text = str_dup(a, buf_str(&buf));
    crypto_wipe((void *)buf_str(&buf).ptr, buf_str(&buf).len);
    buf_done(&buf);
    return text;
}

bool access_read(struct arena *a, struct str text, struct send_account *account, struct err *err)
{
    const struct json *root = json_parse(a, text, err);
    if (!root)
        return err_set(err, ERR_INVALID, "the account's credentials are no JSON");
    struct str token = json_text(a, json_get(root, "token"));
    if (!token.len)
        return err_set(err, ERR_INVALID, "the account's credentials have no token");
    account->token = token;
    account->login = json_text(a, json_get(root, "login"));
    account->parent_id = json_text(a, json_get(root, "parent_id"));
    account->api_version = json_text(a, json_get(root, "api_version"));
    return true;
}

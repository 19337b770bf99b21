/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls. */
#include "handlers.h"
#include "rows.h"

static const struct pg_stmt read_tenant = {"api_read_tenant", "SELECT " API_TENANT_COLUMNS
                                                              " FROM tenants t WHERE t.id = $1"};
static const struct pg_stmt read_user = {"api_read_user",
                                         "SELECT " API_USER_COLUMNS " FROM " API_USER_TABLES
                                         " WHERE u.tenant_id = $1 AND u.id = $2"};

static void on_me(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "user");
    if (pg_rows(results[1]))
        api_put_user(o, results[1], 0);
    else
        json_null(o);
    json_key_out(o, "tenant");
    if (pg_rows(results[0]))
        api_put_tenant(o, results[0], 0);
    else
        json_null(o);
    json_put_str(o, "role", call_who(c)->role);
    json_close(o, '}');
    call_answer(c, 200);
}

static void get_me(struct call *c)
{
    const struct str params[] = {call_who(c)->tenant_id, call_who(c)->user_id};
    call_send(c, &read_tenant, params, 1);
    call_send(c, &read_user, params, 2);
    call_commit(c, on_me);
}

const struct api_handler api_identity_handlers[] = {
    {"getMe", get_me},
    {0},
};

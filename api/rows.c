/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include "mem.h"

static void put_texts(struct json_out *o, const struct pg_result *r, int row,
                      const char *const *names, int n)
{
    json_open(o, '{');
    for (int i = 0; i < n; i++)
        json_put_str(o, names[i], pg_text(r, row, i));
    json_close(o, '}');
}

void api_put_tenant(struct json_out *o, const struct pg_result *r, int row)
{
    static const char *const names[] = {"id", "name", "status", "created_at"};
    put_texts(o, r, row, names, ARRAY_LEN(names));
}

void api_put_user(struct json_out *o, const struct pg_result *r, int row)
{
    static const char *const names[] = {"id",     "email",      "name",         "role",
                                        "status", "created_at", "last_login_at"};
    put_texts(o, r, row, names, ARRAY_LEN(names));
}

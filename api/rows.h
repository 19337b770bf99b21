/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rows as the api shows them: which columns to ask for, and the object that they become. */
#include "json.h"
#include "pg.h"

/* A time as text with milliseconds, as the schemas' date-time. */
#define API_TIME(column) \
    "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

#define API_TENANT_COLUMNS "t.id, t.name, t.status, " API_TIME("t.created_at")
void api_put_tenant(struct json_out *o, const struct pg_result *r, int row);

#define API_USER_COLUMNS                                                        \
    "u.id, u.email, coalesce(p.display_name, ''), u.role, u.status, " API_TIME( \
        "u.created_at") ", " API_TIME("u.last_login_at")
#define API_USER_TABLES \
    "users u LEFT JOIN user_profiles p ON p.tenant_id = u.tenant_id AND p.user_id = u.id"
void api_put_user(struct json_out *o, const struct pg_result *r, int row);

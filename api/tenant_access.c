/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_access.h"

#include "outside.h"
#include "way.h"

static const struct pg_stmt select_sql = {
    "tenant_access",
    "SELECT base_url, encode(credentials, 'hex'), credentials_key_id FROM tenant_credentials "
    "WHERE provider = $1"};

void api_send_tenant_access(struct call *c)
{
    struct str name = str_of(api_way_shared()->name);
    call_send(c, &select_sql, &name, 1);
}

bool api_has_tenant_access(const struct pg_result *r)
{
    return pg_rows(r) == 1;
}

bool api_open_tenant_access(struct call *c, const struct pg_result *r, struct send_account *account)
{
    if (!api_has_tenant_access(r)) {
        call_problem(c, 409, "no_credentials", STR_NONE,
                     "The tenant has given no %s credentials: POST them to /api/user/credentials.",
                     api_way_shared()->name);
        return false;
    }
    account->base_url = str_dup(call_arena(c), pg_text(r, 0, 0));
    return api_unseal(c, API_PLACE_TENANT, pg_text(r, 0, 1), pg_text(r, 0, 2), account);
}

bool api_is_e164(struct str s)
{
    enum { DIGITS_MIN = 8, DIGITS_MAX = 15 };
    if (s.len < 1 + DIGITS_MIN || s.len > 1 + DIGITS_MAX || s.ptr[0] != '+' || s.ptr[1] == '0')
        return false;
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return true;
}

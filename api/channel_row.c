/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_row.h"

#include "object.h"
#include "outside.h"

enum {
    ID,
    TENANT,
    PROVIDER,
    PLATFORM,
    ACCOUNT,
    TYPE,
    NAME,
    USERNAME,
    STATUS,
    PROVIDER_STATUS,
    STATUS_AT,
    REV,
    HEALTH,
    DETAIL,
    CHECKED_AT,
    EXPIRES_AT,
    HAS_ACCESS,
    CREATED_AT,
    UPDATED_AT,
    BASE_URL, /* API_CHANNEL_ACCESS */
    SEALED,
    KEY_ID,
};

static const struct pg_stmt one_sql = {"channel_one",
                                       "SELECT " API_CHANNEL_COLUMNS API_CHANNEL_ACCESS
                                       " FROM channels_account WHERE id = $1::uuid"};

void api_send_channel(struct call *c, struct str id)
{
    call_send(c, &one_sql, &id, 1);
}

void api_put_channel(struct json_out *o, const struct pg_result *r, int row)
{
    json_open(o, '{');
    object_channel_members(o, &(struct object_channel){
                                  .id = pg_text(r, row, ID),
                                  .tenant_id = pg_text(r, row, TENANT),
                                  .provider = pg_text(r, row, PROVIDER),
                                  .platform = pg_text(r, row, PLATFORM),
                                  .external_account_id = pg_text(r, row, ACCOUNT),
                                  .account_type = pg_text(r, row, TYPE),
                                  .name = pg_text(r, row, NAME),
                                  .username = pg_text(r, row, USERNAME),
                                  .status = pg_text(r, row, STATUS),
                                  .provider_status = pg_text(r, row, PROVIDER_STATUS),
                                  .status_at_ms = pg_i64(r, row, STATUS_AT),
                                  .rev = pg_i64(r, row, REV),
                              });
    json_key_out(o, "credentials");
    json_open(o, '{');
    json_put_bool(o, "present", str_eq_c(pg_text(r, row, HAS_ACCESS), "t"));
    json_put_str(o, "health", pg_text(r, row, HEALTH));
    json_put_str(o, "detail", pg_text(r, row, DETAIL));
    json_put_time(o, "checked_at", pg_i64(r, row, CHECKED_AT));
    json_put_time(o, "expires_at", pg_i64(r, row, EXPIRES_AT));
    json_close(o, '}');
    json_put_time(o, "created_at", pg_i64(r, row, CREATED_AT));
    json_put_time(o, "updated_at", pg_i64(r, row, UPDATED_AT));
    json_close(o, '}');
}

static struct str kept(struct call *c, const struct pg_result *r, int column)
{
    struct str text = pg_text(r, 0, column);
    return text.ptr ? str_dup(call_arena(c), text) : text;
}

const struct provider *api_channel_account(struct call *c, const struct pg_result *r,
                                           struct send_account *account)
{
    *account = (struct send_account){
        .external_id = kept(c, r, ACCOUNT),
        .type = kept(c, r, TYPE),
        .base_url = kept(c, r, BASE_URL),
    };
    return provider_find(pg_text(r, 0, PROVIDER));
}

bool api_channel_has_access(const struct pg_result *r)
{
    return !pg_null(r, 0, SEALED);
}

bool api_channel_open(struct call *c, const struct pg_result *r, struct send_account *account)
{
    return api_unseal(c, API_PLACE_CHANNEL, pg_text(r, 0, SEALED), pg_text(r, 0, KEY_ID), account);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A channel as it is stored and as clients see it. */
#include "call.h"
#include "outgoing.h"
#include "provider.h"

/* The columns of a row, to be followed by FROM channels_account. */
#define API_CHANNEL_COLUMNS                                                                  \
    "id, tenant_id, provider, platform, external_account_id, account_type, name, username, " \
    "status, provider_status, (extract(epoch FROM status_at) * 1000)::bigint, rev, "         \
    "credential_health(credential_status, credential_expires_at), credential_detail, "       \
    "(extract(epoch FROM credential_checked_at) * 1000)::bigint, "                           \
    "(extract(epoch FROM credential_expires_at) * 1000)::bigint, credentials IS NOT NULL, "  \
    "(extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * "    \
    "1000)::bigint"
#define API_CHANNEL_REV 11 /* which of them */
/* What opens it, behind those, only where it is needed. */
#define API_CHANNEL_ACCESS ", base_url, encode(credentials, 'hex'), credentials_key_id"

void api_put_channel(struct json_out *o, const struct pg_result *r, int row);
/* The channel's provider and its account but for the token; NULL: no provider of this program. */
const struct provider *api_channel_account(struct call *c, const struct pg_result *r,
                                           struct send_account *account);
/* Are there credentials of its own? Then api_channel_open opens them. */
bool api_channel_has_access(const struct pg_result *r);
bool api_channel_open(struct call *c, const struct pg_result *r, struct send_account *account);
/* One channel by id, with what opens it. */
void api_send_channel(struct call *c, struct str id);

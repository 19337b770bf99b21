/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"

static void refuse(struct item *it, const char *reason, struct str detail)
{
    it->reason = reason;
    it->detail = detail;
}

static bool is_other_type(const struct item *it)
{
    struct str told = it->event.account_type;
    return told.len && !str_eq(it->adapter->normal_type(told),
                               it->adapter->normal_type(it->channel->account_type));
}

void router_decide_quarantine(struct arena *a, struct item *it)
{
    struct str tenant = it->event.tenant_id, account = it->event.account;
    if (tenant.ptr && !it->tenant_exists)
        refuse(it, "unknown_tenant", str_fmt(a, "no tenant %.*s", STR_ARG(tenant)));
    // The same words whether nobody has the account or another tenant: that one's existence is not
    // this one's business.
    else if (!it->channel || (tenant.ptr && !str_ieq(tenant, it->channel->tenant_id)))
        refuse(it, "unknown_account",
               str_fmt(a, "%s account %.*s is not connected", it->adapter->name, STR_ARG(account)));
    else if (is_other_type(it))
        refuse(it, "account_type_mismatch",
               str_fmt(a, "the webhook says %.*s, the channel is %.*s",
                       STR_ARG(it->event.account_type), STR_ARG(it->channel->account_type)));
    else if (str_eq_c(it->channel->status, "disconnected"))
        refuse(it, "channel_disconnected",
               str_fmt(a, "%s account %.*s was disconnected", it->adapter->name, STR_ARG(account)));
}

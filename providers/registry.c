/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters.h"

static const struct provider *const providers[] = {
    &unipile_provider,  &instagram_provider, &messenger_provider,
    &whatsapp_provider, &telegram_provider,  &x_provider,
};

const struct provider *provider_at(size_t i)
{
    return i < ARRAY_LEN(providers) ? providers[i] : NULL;
}

const struct provider *provider_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        if (str_eq_c(name, providers[i]->name))
            return providers[i];
    }
    return NULL;
}

struct str provider_webhook_url(struct arena *a, const struct provider *p, struct str base,
                                struct str tenant_id, struct str account)
{
    if (p->scope == SCOPE_APP)
        return str_fmt(a, "%.*s/webhooks/%s", STR_ARG(base), p->name);
    if (!p->path_names_account)
        return str_fmt(a, "%.*s/webhooks/%s/%.*s", STR_ARG(base), p->name, STR_ARG(tenant_id));
    return str_fmt(a, "%.*s/webhooks/%s/%.*s/%.*s", STR_ARG(base), p->name, STR_ARG(tenant_id),
                   STR_ARG(account));
}

struct str provider_url(const struct provider *p, struct str urls)
{
    struct str row, name, url;
    while (urls.len) {
        (void)str_cut(urls, ',', &row, &urls);
        if (str_cut(str_trim(row), '=', &name, &url) && str_eq_c(name, p->name))
            return url;
    }
    return STR_NONE;
}

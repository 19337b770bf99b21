/* SPDX-License-Identifier: Apache-2.0 */
#include "way.h"

bool api_way_is_shared(const struct provider *p)
{
    // An account there says itself of which platform it is.
    return p->default_account_type == NULL;
}

const struct provider *api_way_shared(void)
{
    const struct provider *p = NULL;
    for (size_t i = 0; (p = provider_at(i)); i++) {
        if (api_way_is_shared(p))
            return p;
    }
    return NULL;
}

const struct provider *api_way_direct(struct str platform)
{
    const struct provider *p = NULL;
    for (size_t i = 0; (p = provider_at(i)); i++) {
        if (!api_way_is_shared(p) &&
            str_eq_c(platform, p->platform(str_of(p->default_account_type))))
            return p;
    }
    return NULL;
}

const struct provider *api_way(struct str platform, struct str via, bool has_shared)
{
    const struct provider *direct = api_way_direct(platform);
    if (str_eq_c(via, "direct"))
        return direct;
    return via.len || has_shared || !direct ? api_way_shared() : direct;
}

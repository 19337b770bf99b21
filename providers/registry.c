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

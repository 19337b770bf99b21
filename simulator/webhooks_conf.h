/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings of `postrider simulate webhooks`, and what follows from them. */
#include "conf.h"
#include "plan.h"
#include "provider_style.h"

struct sim_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "simulator_conf.def"
#undef CONF
};

#define SIM_PROVIDERS_MAX 8
#define SIM_ACCOUNTS_MAX  10000

/* Providers, accounts and secrets of one run; texts live in the arena that made it, or in the
 * settings. */
struct sim_cast {
    const struct sim_provider *providers[SIM_PROVIDERS_MAX];
    struct sim_secrets secrets[SIM_PROVIDERS_MAX];
    size_t n_providers;
    struct sim_account *accounts;
    uint32_t n_accounts;
    struct hmac *apps[SIM_PROVIDERS_MAX]; /* owned; NULL: the provider has no app secret */
};

/* ERR_INVALID names the setting that is missing or wrong. */
bool sim_cast_init(struct sim_cast *cast, struct arena *a, const struct sim_conf *conf,
                   struct err *err) NODISCARD;
void sim_cast_done(struct sim_cast *cast);
/* Position of a provider in the cast. */
size_t sim_cast_find(const struct sim_cast *cast, const struct sim_provider *p);

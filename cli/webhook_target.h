/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Accounts whose webhooks are to be registered, with what opens them. */
#include "arena.h"
#include "outgoing.h"
#include "pg.h"
#include "provider.h"
#include "verb.h"

struct webhook_target {
    const struct provider *provider;
    struct str tenant_id, url, secret, app_id;
    struct send_account account; /* opened: wipe it */
    struct send_account app;     /* the app's own, where the provider has such a part */
};
struct webhook_targets {
    struct webhook_target *items;
    size_t n;
};

/* The channel; or, with `channel` NULL, what conf->provider names: the tenant's access to it, or
 * all of its channels. Lives in a. */
bool webhook_targets_read(struct arena *a, struct pg *pg, const struct cli_conf *conf,
                          const char *tenant, const char *channel, struct webhook_targets *out,
                          struct err *err) NODISCARD;
void webhook_targets_wipe(struct webhook_targets *t);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whose webhook a path is. Pure.
 *
 *   /webhooks/<provider>                          providers with one endpoint for all tenants
 *   /webhooks/<provider>/{tenant_id}[/{rest}]     providers whose webhook belongs to a tenant */
#include "id.h"
#include "provider.h"

struct ingest_route {
    const struct provider *provider;
    size_t index;                    /* as in provider_at() */
    char tenant_text[UUID_TEXT + 1]; /* in lower case; "": none */
    struct str rest;                 /* one path segment; absent: none */
};

/* False: nobody's path, or the tenant id is not a UUID. `out` is filled only on success, `rest`
 * points into the path. */
bool ingest_route_find(struct str path, struct ingest_route *out);
struct str ingest_route_tenant(const struct ingest_route *route); /* absent: none */

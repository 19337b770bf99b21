/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The ways to a platform that people name (whatsapp, linkedin): by the platform's own API, or by a
 * provider that serves many platforms with one access of the tenant's. Pure. */
#include "provider.h"

/* The adapter of the platform's own API; NULL: there is none. */
const struct provider *api_way_direct(struct str platform);
/* The provider whose access is the tenant's, not an account's. */
const struct provider *api_way_shared(void);
bool api_way_is_shared(const struct provider *p);
/* `via` as in the query: a provider's name, "direct", or absent: the shared one where the tenant
 * has access to it, or where there is no other. NULL: the platform has no such way. */
const struct provider *api_way(struct str platform, struct str via, bool has_shared);

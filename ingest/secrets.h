/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What proves that a webhook comes from its provider.
 *
 * Apps (providers with one endpoint for all tenants) have secrets and verify tokens in the
 * settings, several at once while one is rotated. Tenant-level secrets are derived from the master
 * key, so that no database is needed; the latest are remembered, in a table of fixed size. One
 * thread. */
#include "provider.h"
#include "route.h"

#define INGEST_SECRETS_MAX  8 /* of one app, and verify tokens of one app */
#define INGEST_VERSIONS_MAX 4

struct ingest_conf;
struct ingest_secrets;

/* NULL: err, more secrets or versions than the limits above. Returns owned. */
struct ingest_secrets *ingest_secrets_new(const struct ingest_conf *conf, struct err *err);
void ingest_secrets_free(struct ingest_secrets *s); /* wiped */
/* The secrets that are active for this route; n_keys and n_plain are 0 where none is configured,
 * and nothing is then accepted. Borrowed until the next call. */
void ingest_secrets_for(struct ingest_secrets *s, const struct ingest_route *route,
                        struct secrets *out);

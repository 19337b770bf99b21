/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* All of the router's SQL: one transaction per batch in three round trips, each statement set-based
 * (arrays, unnest), whatever the batch's size. No cache: accounts are looked up per batch, so there
 * is nothing to invalidate.
 *
 *   router_store_resolve   BEGIN; accounts and tenants of the batch
 *   router_store_load      conversations made and locked in key order, then the events, messages
 * and facts that the batch is about. The conversation's row lock serialises all that concerns it;
 * messages are locked too, against the sender's claims. router_store_save      everything written,
 * COMMIT
 *
 * Errors: ERR_CONFLICT: read the batch again; ERR_INVALID: a record's data is refused, or what it
 * is about takes too much memory (bisect); anything else: the database is away, or not as it must
 * be (wait). After any error call router_store_rollback. Blocks up to the timeout. */
#include "batch.h"

struct store;

/* Does not connect yet. Returns owned. */
struct store *router_store_new(const char *url, const char *application_name, int64_t timeout_ms);
void router_store_free(struct store *s);
bool router_store_connect(struct store *s, struct err *err) NODISCARD;
/* Is it there, and is it ours? Connects. */
bool router_store_ping(struct store *s, struct err *err) NODISCARD;
bool router_store_resolve(struct store *s, struct batch *b, struct err *err) NODISCARD;
bool router_store_load(struct store *s, struct batch *b, struct err *err) NODISCARD;
bool router_store_save(struct store *s, struct batch *b, struct err *err) NODISCARD;
void router_store_rollback(struct store *s);

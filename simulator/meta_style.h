/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What Meta's three products share in their webhooks: a signature over the body, and for Instagram
 * and Messenger an envelope of entries (one for each account) with messaging items. Text is escaped
 * to ASCII. */
#include "provider_style.h"

/* X-Hub-Signature-256, and a content type. As sim_provider.proof. */
void sim_meta_proof(struct buf *out, const struct sim_secrets *s, struct str body);

/* The member of an item that says what happened. */
typedef void sim_meta_what(struct buf *out, const struct sim_plan *p, const struct sim_event *e);
/* Instagram's: read and reactions by "mid". Messenger's differs in what it says of receipts. */
sim_meta_what sim_meta_put_what;

/* {"object":...,"entry":[...]} of n events. */
void sim_meta_body(struct buf *out, const struct sim_plan *p, const struct sim_event *e, size_t n,
                   const char *object, sim_meta_what *what);

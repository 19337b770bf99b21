/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Records that cannot be handled, on their way to the quarantine. Pure. */
#include "batch.h"

/* The record whole, with the reason why: what the quarantine keeps. */
struct quarantined router_parked_of(const struct batch *b, const struct item *it);
/* Most parked records travel through the quarantine topic. Those that cannot are marked
 * `kept_here`, to go into the table with this batch: a record of that topic itself (not readable,
 * or refused by the database), and one that its wrapping makes too large for Kafka. */
void router_parked_route(struct batch *b);
/* An account or provider as far as an index takes it; absent past that: no channel has such. */
struct str router_parked_id(struct str id);

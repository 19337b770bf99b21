/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a stored batch has to tell: one update per changed object, message first, its conversation
 * after it; and a quarantine record per record that could not go in. */
#include "batch.h"

/* Encode them into b->values and list them from b->first. After the database commit. Returns how
 * many could not be encoded, which it logs. */
int router_updates_build(struct batch *b, struct codec *codec, const struct topics *topics);

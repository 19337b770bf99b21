/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* May this record go in, or is it quarantined, and why? Pure. */
#include "batch.h"

/* Sets item.reason and item.detail:
 * unknown_tenant        the tenant in the URL does not exist
 * unknown_account       nobody has connected this account, or another tenant than the URL's has
 * account_type_mismatch the webhook's own account type is not the connected channel's
 * channel_disconnected  the tenant has disconnected it */
void router_decide_quarantine(struct arena *a, struct item *it);

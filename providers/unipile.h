/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside of the UniPile adapter: the envelope of a body (unipile.c) and the messaging events in it
 * (unipile_event.c). */
#include "fields.h"

enum unipile_form { UNIPILE_EVENT, UNIPILE_ACCOUNT_STATUS, UNIPILE_HOSTED_AUTH };

struct unipile_envelope {
    const struct json *root;
    enum unipile_form form;
    struct str account, account_type; /* type normalised */
    struct str event, chat;           /* UNIPILE_EVENT; chat absent: account-level */
    struct str status;                /* the two others: UniPile's word */
};

/* One body of the source "messaging". `ev` comes with account and type filled in. An event that we
 * do not know, or that lacks what it cannot do without, becomes EVENT_UNKNOWN. */
bool unipile_parse_event(struct arena *a, const struct unipile_envelope *e, struct str body,
                         struct event *ev, struct err *err) NODISCARD;

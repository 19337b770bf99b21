/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Whether a message can be sent, before it is stored: its adapter builds the request, with a token
 * that is none, and nothing is sent. What it cannot build will never be sent, and it says why. */
#include "outgoing_body.h"

struct api_try {
    struct str provider, account, account_type;
    struct str conversation, contact_id; /* absent: it begins */
    struct str to;                       /* a person; absent: the conversation */
    struct str id;                       /* of the message */
    bool is_group;
    const struct api_outgoing *message;
};

/* ERR_INVALID: a sentence for the person who wrote it. */
bool api_try_build(struct call *c, const struct api_try *t, struct err *err) NODISCARD;

/* The same of a read mark, up to the message that the provider calls `target`; t->message is not
 * looked at. False: there is none to be told there. */
bool api_try_read(struct call *c, const struct api_try *t, struct str target);

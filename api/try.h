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

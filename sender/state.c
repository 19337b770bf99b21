/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <stdio.h>

#include "mem.h"

static const char *const names[SENDER_STATES] = {
    [STATE_QUEUED] = "queued",       [STATE_RETRY] = "retry",   [STATE_SENDING] = "sending",
    [STATE_UNCERTAIN] = "uncertain", [STATE_SENT] = "sent",     [STATE_DELIVERED] = "delivered",
    [STATE_READ] = "read",           [STATE_FAILED] = "failed", [STATE_CANCELLED] = "cancelled",
};

#define TO(s) (1u << (s))
#define PROOF (TO(STATE_SENT) | TO(STATE_DELIVERED) | TO(STATE_READ))

static const unsigned moves[SENDER_STATES] = {
    [STATE_QUEUED] = TO(STATE_SENDING) | TO(STATE_CANCELLED),
    [STATE_RETRY] = TO(STATE_SENDING) | TO(STATE_CANCELLED),
    [STATE_SENDING] = TO(STATE_RETRY) | TO(STATE_UNCERTAIN) | TO(STATE_SENT) | TO(STATE_FAILED),
    [STATE_UNCERTAIN] = PROOF | TO(STATE_FAILED) | TO(STATE_QUEUED),
};

const char *sender_state_name(enum sender_state s)
{
    return (unsigned)s < SENDER_STATES ? names[s] : "?";
}

bool sender_state_parse(struct str name, enum sender_state *out)
{
    for (unsigned i = 0; i < SENDER_STATES; i++) {
        if (!str_eq_c(name, names[i]))
            continue;
        *out = (enum sender_state)i;
        return true;
    }
    return false;
}

bool sender_state_may_move(enum sender_state from, enum sender_state to)
{
    return (unsigned)from < SENDER_STATES && (unsigned)to < SENDER_STATES && (moves[from] & TO(to));
}

void sender_state_sources(enum sender_state to, char out[SENDER_STATE_ARRAY_MAX])
{
    size_t n = 0;
    out[n++] = '{';
    for (unsigned from = 0; from < SENDER_STATES; from++)
        if (sender_state_may_move((enum sender_state)from, to))
            n += (size_t)snprintf(out + n, SENDER_STATE_ARRAY_MAX - n, "%s%s", n > 1 ? "," : "",
                                  names[from]);
    (void)snprintf(out + n, SENDER_STATE_ARRAY_MAX - n, "}");
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The store's statements that write, and what each is called. For store_save.c and
 * store_quarantine.c only. */
#include "pg.h"

enum {
    ACCOUNT_LOCKS,
    ADD_QUARANTINED,
    QUARANTINED,
    DROP_MESSAGES,
    MOVE_MESSAGES,
    MOVE_LINES,
    MOVE_NOTES,
    DROP_CONVERSATIONS,
    ADD_MESSAGES,
    SET_STATUS,
    SET_MESSAGES,
    RESOLVE_REPLIES,
    RENAME_REPLIES,
    DROP_ATTACHMENTS,
    ADD_ATTACHMENTS,
    PUT_RECEIPTS,
    PUT_REACTIONS,
    PUT_EARLY,
    DROP_EARLY,
    SET_CHANNELS,
    SET_PARENTS,
    SET_CONVERSATIONS,
    ADD_EVENTS,
    COMMIT,
};

extern const struct pg_stmt router_save_sql[];

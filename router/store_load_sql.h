/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The store's statements that read, and what each is called. For store_resolve.c and store_load.c
 * only. */
#include "pg.h"

enum {
    BEGIN,
    CHANNELS,
    TENANTS,
    RESULT_MESSAGES,
    CHANGED_CONVERSATIONS,
    CHANGED_CHANNELS,
    LOCK_CHANNELS,
    ADD_CONVERSATIONS,
    CONVERSATIONS,
    EVENTS,
    MESSAGES,
    MESSAGES_BY_REF,
    MESSAGES_BY_ID,
    OPEN_MESSAGES,
    MOVING_MESSAGES,
    EARLY,
    REACTIONS,
};

extern const struct pg_stmt router_load_sql[];

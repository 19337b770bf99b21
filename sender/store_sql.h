/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The statements of store.c and look.c. */
#include "pg.h"

extern const struct pg_stmt sender_sql_by_keys, sender_sql_channels, sender_sql_pace_rows,
    sender_sql_reserve, sender_sql_claim, sender_sql_release, sender_sql_answers, sender_sql_pause,
    sender_sql_refused, sender_sql_renew, sender_sql_tidy, sender_sql_look, sender_sql_looked;

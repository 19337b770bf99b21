/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the reading and the writing half of the store share: the connection, and the columns that a
 * statement takes as arrays. */
#include "pg.h"
#include "store.h"

#define COLUMNS_MAX    34
#define COLUMN_BYTES   (64u << 20)
#define STATEMENTS_MAX 28

struct store {
    struct pg *pg;
    struct pg_array columns[COLUMNS_MAX];
    int n_columns;
    int n_sent;
    int sent[STATEMENTS_MAX]; /* which statement the i-th result belongs to */
};

/* Times travel as milliseconds, 0 for none. */
#define AT(x) "to_timestamp(nullif(" x ", 0) / 1000::float8)"
#define MS(x) "(date_part('epoch', " x ") * 1000)::bigint"

#define CHANNEL_COLUMNS                                                                        \
    "ch.id, ch.tenant_id, ch.provider, ch.external_account_id, ch.account_type, ch.platform, " \
    "ch.name, ch.username, ch.status, ch.provider_status, ch.status_key, " MS(                 \
        "ch.status_at") ", ch.rev, ch.parent_external_id"
#define N_CHANNEL_COLUMNS 14

/* Begin the columns of a statement. */
void router_store_columns(struct store *s, int n);
/* Queue `id` with the columns as its parameters. */
bool router_store_send(struct store *s, int id, const struct pg_stmt *stmt,
                       struct err *err) NODISCARD;
/* Queue a statement without parameters. */
bool router_store_send_plain(struct store *s, int id, const struct pg_stmt *stmt,
                             struct err *err) NODISCARD;

/* One round trip: run what was queued and hand each result to `take`. */
typedef void store_take(struct store *s, struct batch *b, int id, const struct pg_result *r);
bool router_store_run(struct store *s, struct batch *b, store_take *take,
                      struct err *err) NODISCARD;

/* Queue what stores the batch's records of the quarantine topic. */
bool router_store_quarantine(struct store *s, struct batch *b, struct err *err) NODISCARD;
bool router_store_is_uuid(struct str text);
/* The object that a record of the results topic is about, if the statement `id` is the one to find
 * it. */
struct str router_store_result_object(const struct result *r, int id);
/* Text of a column, copied into the batch. */
struct str router_store_text(struct batch *b, const struct pg_result *r, int row, int col);
struct channel *router_store_read_channel(struct batch *b, const struct pg_result *r, int row,
                                          int first_col);
const char *router_store_change_name(enum change c); /* NULL: none */
enum change router_store_change_of(struct str name);

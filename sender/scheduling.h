/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For scheduler*.c only: what the scheduler's duties share, and the duties. */
#include "metric.h"
#include "pg.h"
#include "scheduler.h"
#include "scheduler_records.h"
#include "sender_conf.h"
#include "stats.h"

/* A duty is done in turns. One turn is bounded: at most so many rows, in one transaction. */
#define SCHEDULING_ROWS_MAX  500
#define SCHEDULING_ARENA_MAX ((size_t)128 << 20)

struct scheduling {
    const struct sender_scheduler_opts *opts;
    const struct sender_conf *conf;
    struct pg *pg;
    struct sender_records *records;
    struct arena *arena; /* of one turn */
    struct pg_array columns[10];
    int64_t replayed_ms; /* monotonic point up to which the replay rate was used */
    int n_columns;
};

/* `done`: rows seen to; as many as a turn takes at most: there may be more. Blocks up to the
 * database's and Kafka's timeouts. A failed turn has changed nothing, or is repeated without harm.
 */
typedef bool scheduling_duty(struct scheduling *s, int *done, struct err *err);
scheduling_duty sender_outbox_drain, sender_outbox_replay, sender_due_command, sender_leases_expire,
    sender_uncertain_settle, sender_bulk_hand_out, sender_clean_up, sender_statistics_renew;

/* What there is to do now, so that an idle scheduler costs one question. */
struct scheduling_work {
    bool outbox, replay, due, sending, uncertain, bulk;
    int64_t outbox_age_s;
};
bool sender_scheduling_peek(struct scheduling *s, struct scheduling_work *out,
                            struct err *err) NODISCARD;

/* Arrays as the parameters of a statement, column by column; `more` behind them. */
void sender_columns(struct scheduling *s, int n);
bool sender_columns_send(struct scheduling *s, const struct pg_stmt *stmt,
                         const struct pg_param *more, int n_more, struct err *err) NODISCARD;
/* BEGIN and one statement with these parameters; NULL: err, and the transaction is over. The result
 * is the caller's. */
struct pg_result *sender_begin(struct scheduling *s, const struct pg_stmt *stmt,
                               const struct pg_param *params, int n_params, struct err *err);
/* What was queued since, and COMMIT. On failure the transaction is over. */
bool sender_commit(struct scheduling *s, int n_queued, struct err *err) NODISCARD;
bool sender_rollback(struct scheduling *s);

DEFINE_AUTO(pg_result, pg_result_free)
#define auto_result AUTO(pg_result_free) struct pg_result *

/* A setting in milliseconds, or a number, as a parameter; lives in the turn's arena. */
struct pg_param sender_param_i64(struct scheduling *s, int64_t v);

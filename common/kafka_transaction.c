/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: what a router publishes and the positions it has read become visible together. */
#include <assert.h>
#include <time.h>

#include "clock.h"
#include "kafka_consumer.h"
#include "kafka_producer.h"

#define INIT_TIMEOUT_MS  10000
#define ABORT_TIMEOUT_MS TRANSACTION_TIMEOUT_MS
#define RETRY_PAUSE_NS   20000000

static void pause_before_retry(void)
{
    const struct timespec t = {.tv_nsec = RETRY_PAUSE_NS};
    nanosleep(&t, NULL);
}

bool producer_init_transactions(struct producer *p, struct err *err)
{
    if (p->is_initialised)
        return true;
    rd_kafka_error_t *error = rd_kafka_init_transactions(p->rk, INIT_TIMEOUT_MS);
    if (!error) {
        p->is_initialised = true;
        return true;
    }
    bool is_retriable = rd_kafka_error_is_retriable(error);
    kafka_fail_error(err, p->rk, error, "start transactions");
    if (is_retriable)
        err->kind = ERR_BUSY;
    else
        p->is_broken = true;
    return false;
}

bool producer_begin(struct producer *p, struct err *err)
{
    assert(p->opts.transactional_id);
    if ((!p->rk || p->is_broken) && !producer_open(p, err))
        return false;
    if (!producer_init_transactions(p, err))
        return false;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);
    if (error) {
        p->is_broken = true;
        return kafka_fail_error(err, p->rk, error, "begin transaction");
    }
    p->in_transaction = true;
    return true;
}

static bool abort_transaction(struct producer *p)
{
    p->in_transaction = false;
    int64_t until_ms = clock_ms() + ABORT_TIMEOUT_MS;
    for (;;) {
        int64_t left_ms = until_ms - clock_ms();
        rd_kafka_error_t *error = rd_kafka_abort_transaction(p->rk, kafka_timeout(left_ms));
        if (!error)
            return true;
        bool again = rd_kafka_error_is_retriable(error) && left_ms > 0;
        rd_kafka_error_destroy(error);
        if (!again)
            break;
        pause_before_retry();
    }
    p->is_broken = true;
    return false;
}

void producer_abort(struct producer *p)
{
    if (p->in_transaction)
        (void)abort_transaction(p);
}

/* End a transaction whose step failed with `error`, which it takes. The kind says what the caller
 * may do: only when the abort is certain may the same records be sent again. */
static bool give_up(struct producer *p, rd_kafka_error_t *error, const char *what, struct err *err)
{
    bool is_fatal = rd_kafka_error_is_fatal(error);
    kafka_fail_error(err, p->rk, error, what);
    if (is_fatal) {
        p->in_transaction = false;
        p->is_broken = true;
        err->kind = ERR_CONFLICT;
        return false;
    }
    if (!abort_transaction(p)) {
        err->kind = ERR_CONFLICT;
        return err_wrap(err, "transaction of unknown outcome");
    }
    if (err->kind == ERR_FAULT)
        err->kind = ERR_BUSY;
    return false;
}

static bool send_offsets(struct producer *p, struct consumer *c, const struct partition *offsets,
                         size_t n, int64_t until_ms, struct err *err)
{
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata(consumer_handle(c));
    if (!group) {
        (void)abort_transaction(p);
        return err_set(err, ERR_CONFLICT, "commit transaction: the consumer has no group any more");
    }
    rd_kafka_topic_partition_list_t *list = kafka_list(offsets, n);
    rd_kafka_error_t *error = NULL;
    for (;;) {
        int64_t left_ms = until_ms - clock_ms();
        error = rd_kafka_send_offsets_to_transaction(p->rk, list, group, kafka_timeout(left_ms));
        if (!error || !rd_kafka_error_is_retriable(error) ||
            rd_kafka_error_txn_requires_abort(error) || left_ms <= 0)
            break;
        rd_kafka_error_destroy(error);
        pause_before_retry();
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_group_metadata_destroy(group);
    return !error || give_up(p, error, "send offsets to transaction", err);
}

bool producer_commit(struct producer *p, struct consumer *c, const struct partition *offsets,
                     size_t n, int64_t timeout_ms, struct err *err)
{
    assert(p->in_transaction);
    int64_t until_ms = clock_ms() + timeout_ms;
    if (n > 0 && !send_offsets(p, c, offsets, n, until_ms, err))
        return false;
    for (;;) {
        int64_t left_ms = until_ms - clock_ms();
        rd_kafka_error_t *error = rd_kafka_commit_transaction(p->rk, kafka_timeout(left_ms));
        if (!error) {
            p->in_transaction = false;
            return true;
        }
        if (!rd_kafka_error_is_retriable(error) || rd_kafka_error_txn_requires_abort(error))
            return give_up(p, error, "commit transaction", err);
        if (left_ms <= 0) {
            // It may still be carried out: only a new producer, which waits for its end, and the
            // group's committed positions tell.
            kafka_fail_error(err, p->rk, error, "commit transaction of unknown outcome");
            err->kind = ERR_CONFLICT;
            p->in_transaction = false;
            p->is_broken = true;
            return false;
        }
        rd_kafka_error_destroy(error);
        pause_before_retry();
    }
}

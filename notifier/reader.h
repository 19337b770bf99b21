/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One Kafka consumer of the topic `updates`: records in, packets into the rings and out to the
 * clients.
 *
 * It reads on only when what it read before has been handed to the sockets, so that one turn's work
 * is bounded and a crowd of clients slows the reading instead of filling their queues. */
#include <uv.h>

#include "history.h"
#include "notifier_conf.h"
#include "records.h"
#include "stats.h"

struct reader;

struct reader_opts {
    uv_loop_t *loop;
    const struct notifier_conf *conf;
    const char *client_id;
    const char *topic;
    struct history *history;
    struct codec *codec;
    struct stats *stats;
    /* A new update, already in its ring: returns to how many clients it went. */
    size_t (*on_update)(void *ctx, struct packet *p);
    /* All that on_update was given has been handed on: false holds the reader back. */
    bool (*may_go_on)(void *ctx);
    /* A turn's reading is done. err NULL: well; ERR_BUSY: a record waits for its schema; else the
     * consumer is of no more use, and may be freed here. */
    void (*on_turn)(void *ctx, const struct err *err);
    void *ctx;
};

/* Reads nothing yet. Texts are borrowed until the end. NULL: err. Returns owned. */
struct reader *notifier_reader_new(const struct reader_opts *opts, struct err *err);
/* Memory goes when the loop has closed the handle. */
void notifier_reader_free(struct reader *r);
/* Read every partition from where its ring ends; also when that has changed. */
bool notifier_reader_assign(struct reader *r, struct err *err) NODISCARD;
bool notifier_reader_is_connected(const struct reader *r);
/* Now and then: try again a record that waits, and let the rings follow the ends of the log. */
void notifier_reader_nudge(struct reader *r);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What producer, consumer and administration share: configuration, the translation of librdkafka's
 * errors, the connection watch and the wake-up descriptor. Only kafka_*.c include this. */
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "kafka.h"

// A record of the largest accepted body and its frame fits; topics are created with this limit.
#define KAFKA_MESSAGE_MAX_BYTES (2 * 1024 * 1024)

/* How many broker connections are up. librdkafka's threads write it, any thread reads it. It must
 * outlive the rd_kafka_t, whose configuration points at it. */
struct kafka_link {
    atomic_int n_up;
    bool is_attached; /* a handle took it over */
};
bool kafka_link_is_up(const struct kafka_link *link);

/* A configuration with brokers, client id, log and connection watch. The caller adds its defaults,
 * then the operator's properties, then what its guarantees rest on, so that no property undoes it.
 * `ctx` is the opaque of all callbacks. Returns owned; NULL: err. */
rd_kafka_conf_t *kafka_conf_new(const struct kafka_opts *opts, struct kafka_link *link, void *ctx,
                                struct err *err);
bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                    struct err *err) NODISCARD;
struct kafka_setting {
    const char *name;
    int64_t value;
};
bool kafka_conf_set_all(rd_kafka_conf_t *conf, const struct kafka_setting *rows, size_t n,
                        struct err *err) NODISCARD;
/* opts->properties: "name=value,name=value", "\\," for a comma in a value. */
bool kafka_conf_properties(rd_kafka_conf_t *conf, const struct kafka_opts *opts,
                           struct err *err) NODISCARD;
/* Opens a handle; takes conf also on failure. */
rd_kafka_t *kafka_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct kafka_link *link,
                       struct err *err);

enum err_kind kafka_err_kind(rd_kafka_resp_err_t code);
/* False, with "<what>: <librdkafka's text>". A fatal error is told by its origin, if rk is not
 * NULL. */
bool kafka_fail(struct err *err, rd_kafka_t *rk, rd_kafka_resp_err_t code, const char *what);
/* The same for an error object, which it takes. */
bool kafka_fail_error(struct err *err, rd_kafka_t *rk, rd_kafka_error_t *error, const char *what);

/* The partitions as librdkafka's list. Returns owned. */
rd_kafka_topic_partition_list_t *kafka_list(const struct partition *parts, size_t n);
/* The first error in a list's elements. */
rd_kafka_resp_err_t kafka_list_error(const rd_kafka_topic_partition_list_t *list);

/* A descriptor that becomes readable when the queue gets its first event. -1: err. */
int kafka_wake_open(struct err *err);
void kafka_wake_watch(rd_kafka_queue_t *queue, int fd);
void kafka_wake_drain(int fd);
void kafka_wake_again(int fd); /* readable once more: work was left */

static inline int kafka_timeout(int64_t ms)
{
    return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

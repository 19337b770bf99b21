/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Records that the scheduler publishes: handed over one by one, then waited for together, because a
 * row may be marked only when Kafka has its record. One thread. */
#include "kafka.h"
#include "records.h"

struct sender_records;

struct sender_records_opts {
    struct kafka_opts kafka;
    const char *schema_registry_url, *topic_prefix;
};

struct sender_records *sender_records_new(const struct sender_records_opts *opts, struct err *err);
void sender_records_free(struct sender_records *r);
bool sender_records_is_connected(const struct sender_records *r);

/* Each copies what it is given. */
bool sender_records_command(struct sender_records *r, const struct send_command *c,
                            struct err *err) NODISCARD;
/* The key is "channel:conversation", or the object's id where there is no conversation. */
bool sender_records_result(struct sender_records *r, struct str key, const struct result *v,
                           struct err *err) NODISCARD;
bool sender_records_webhook(struct sender_records *r, struct str key, struct str traceparent,
                            const struct webhook_event *e, struct err *err) NODISCARD;
/* Bytes as they are, to a topic with its prefix. */
bool sender_records_raw(struct sender_records *r, const struct record_out *rec,
                        struct err *err) NODISCARD;
/* Until all that was handed over since the last wait is durable: then true. Blocks up to the
 * delivery timeout; what comes later is not waited for again. */
bool sender_records_wait(struct sender_records *r, struct err *err) NODISCARD;
const char *sender_records_topic(const struct sender_records *r, enum topic t);

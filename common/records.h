/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The values of the five topics as C structs, and their Avro encoding (avro-c).
 *
 * Framing: Avro single-object encoding (C3 01, CRC-64-AVRO of the writer's schema, little endian),
 * or with a registry Confluent's (00, schema id big endian). A record is decoded with its writer's
 * schema and read by field name, because avro-c does not apply reader defaults; lengths are checked
 * before avro-c allocates for them. A codec belongs to one thread. */
#include "arena.h"
#include "buf.h"
#include "err.h"

enum record_type {
    RECORD_WEBHOOK_EVENT,
    RECORD_SEND_COMMAND,
    RECORD_RESULT,
    RECORD_UPDATE,
    RECORD_QUARANTINED,
    RECORD_TYPES
};
enum topic {
    TOPIC_INBOUND,
    TOPIC_OUTBOUND,
    TOPIC_RESULTS,
    TOPIC_UPDATES,
    TOPIC_QUARANTINE,
    TOPICS
};

/* Name without prefix ("inbound"), and the record type that travels there. */
const char *topic_name(enum topic t);
enum record_type topic_record(enum topic t);
const char *record_name(enum record_type t); /* "WebhookEvent" */

/* inbound: one unit of one webhook, of one conversation. */
struct webhook_event {
    struct str provider;     /* "unipile" */
    struct str tenant_id;    /* from the URL; absent for app-level webhooks */
    struct str account;      /* the provider's id of our side */
    struct str account_type; /* as the webhook itself says; absent when it does not */
    struct str conversation; /* absent for account-level events */
    int64_t received_at_ms;
    struct str body; /* JSON bytes of the unit; of a single-unit webhook the raw body */
};

/* outbound: send one message. */
struct send_command {
    struct str tenant_id, message_id, channel_id, conversation_id, provider;
    int64_t attempt;
    int64_t created_at_ms;
    int64_t priority; /* 0: a reply, it goes first; 1: of a bulk, it waits behind replies */
};

/* results: what a send came to, or that an object changed and its update is to be published. */
enum result_kind { RESULT_SEND, RESULT_OBJECT_CHANGED };
struct result {
    enum result_kind kind;
    struct str tenant_id;
    int64_t at_ms;
    /* RESULT_SEND */
    struct str message_id, outcome, external_message_id, error_code, error_message;
    int64_t attempt;
    int64_t retry_at_ms;     /* 0: none */
    struct str conversation; /* the provider's id of where it went; absent: not told */
    /* RESULT_OBJECT_CHANGED */
    struct str object_kind, object_id;
};

/* updates: one object as its clients are to see it. */
struct update {
    struct str id; /* UUIDv7 */
    struct str tenant_id, kind, channel_id, conversation_id, object_id;
    struct str provider;
    int64_t rev;
    int64_t at_ms;
    struct str data; /* JSON object in the api's form */
};

/* quarantine: what could not be handled, whole. */
struct quarantined {
    struct str provider, tenant_id, account, reason, detail;
    struct str topic; /* where it came from; "http" for a body that ingest could not understand */
    int32_t partition;
    int64_t offset;
    int64_t received_at_ms;
    struct str key;
    struct str body;    /* original bytes */
    struct str headers; /* original headers as a JSON object of strings */
};

struct codec;
/* `registry_url` "" for none; with one, schemas are registered here, which blocks up to 10 s.
 * `topic_prefix` names the subjects (<topic>-value). Returns owned. */
struct codec *codec_new(const char *registry_url, const char *topic_prefix, struct err *err);
void codec_free(struct codec *c);
/* Framed bytes appended to out. */
bool encode_webhook_event(struct codec *c, const struct webhook_event *v, struct buf *out,
                          struct err *err) NODISCARD;
bool encode_send_command(struct codec *c, const struct send_command *v, struct buf *out,
                         struct err *err) NODISCARD;
bool encode_result(struct codec *c, const struct result *v, struct buf *out,
                   struct err *err) NODISCARD;
bool encode_update(struct codec *c, const struct update *v, struct buf *out,
                   struct err *err) NODISCARD;
bool encode_quarantined(struct codec *c, const struct quarantined *v, struct buf *out,
                        struct err *err) NODISCARD;
/* Strings live in a (copied). ERR_INVALID: not such a record; ERR_BUSY: its schema is not known yet
 * and the registry does not answer. */
bool decode_webhook_event(struct codec *c, struct arena *a, struct str value,
                          struct webhook_event *out, struct err *err) NODISCARD;
bool decode_send_command(struct codec *c, struct arena *a, struct str value,
                         struct send_command *out, struct err *err) NODISCARD;
bool decode_result(struct codec *c, struct arena *a, struct str value, struct result *out,
                   struct err *err) NODISCARD;
bool decode_update(struct codec *c, struct arena *a, struct str value, struct update *out,
                   struct err *err) NODISCARD;
bool decode_quarantined(struct codec *c, struct arena *a, struct str value, struct quarantined *out,
                        struct err *err) NODISCARD;
/* Any record as a JSON object, for `postrider tail`. A `body` that is JSON is nested as such. */
bool decode_to_json(struct codec *c, struct arena *a, struct str value, struct buf *out,
                    struct err *err) NODISCARD;
/* The value of the header `postrider-schema`: "WebhookEvent". */
/* The schema's JSON text as compiled in; for tests and the registry. */
const char *record_schema(enum record_type t);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One batch of records on its way through the router: decoded, resolved, applied in one database
 * transaction, and turned into the records of one Kafka transaction. All of it lives in one arena
 * that travels with the batch from the worker to the publisher and back. */
#include "apply.h"
#include "kafka.h"
#include "records.h"

enum source { SOURCE_INBOUND, SOURCE_RESULTS, SOURCE_QUARANTINE };

enum event_outcome {
    OUTCOME_NEW,
    OUTCOME_REDELIVERED,
    OUTCOME_DUPLICATE,
    OUTCOME_IGNORED,
    OUTCOME_QUARANTINED,
    OUTCOMES
};
const char *router_outcome_name(enum event_outcome o);

/* A record to be sent in the batch's Kafka transaction. */
struct publication {
    const char *topic;
    struct str key, trace, provider;
    const char *schema;
    size_t value_at, value_len; /* in batch.values */
    struct publication *next;
};

/* One record that was read. */
struct item {
    const struct record *rec;
    enum source source;
    struct str trace;
    const struct provider *adapter;
    struct webhook_event event;
    struct result result;
    struct quarantined quarantined;
    struct events events; /* of an inbound record */
    struct channel *channel;
    bool is_of_parent; /* the account is what channels belong to: `channel` and its siblings */
    struct str conversation; /* external id of the conversation that a result's object belongs to */
    bool tenant_exists;      /* of the tenant in the URL */
    /* quarantine: NULL: it is not */
    const char *reason;
    struct str detail;
    bool kept_here;           /* its row is made with this batch: see router/parked.h */
    struct str quarantine_id; /* of a record of the quarantine topic, or kept here: its row */
    int64_t quarantine_rev;
};

/* What `events` has of an event that is there. */
struct stored_event {
    bool found, same_position;
    enum change change, conversation_change;
    struct str message_id, also; /* also: comma separated ids */
};

/* One event of a record. */
struct job {
    struct item *item;
    const struct event *event; /* NULL: a send result */
    int idx;                   /* which of its record */
    struct str key;
    struct fact fact;
    enum event_outcome outcome;
    struct stored_event stored;
};

struct batch {
    struct arena *arena;
    struct item *items;
    size_t n_items;
    struct job *jobs;
    size_t n_jobs;
    struct model model;
    struct table channels; /* by (provider, account), as "provider:account" */
    struct table parents;  /* by (provider, parent): the first of the channels that belong to it */
    struct table channels_by_id, conversations_by_id;
    struct table named; /* objects that the results topic names, by id */
    int64_t now_at_ms;
    size_t load_from;  /* of the arena: what was used before anything was loaded */
    struct buf values; /* the encoded values of `outgoing` */
    struct publication *first, *last;
    size_t n_outgoing;
    struct partition *offsets; /* next to read, per partition */
    size_t n_offsets;
    struct batch *next; /* in a queue */
};

#define BATCH_ARENA_MAX  (1u << 30) /* PROVIDER_ARENA_MAX of the records that a batch may hold */
#define BATCH_VALUES_MAX (512u << 20)
/* Most that the database's rows may take of the arena. A small record may name many large objects:
 * past it the batch is halved, and a record that needs more by itself is parked. In JSON, where a
 * byte may take six, they fit into the values. */
#define BATCH_LOADED_MAX (64u << 20)

struct batch *router_batch_new(void); /* returns owned */
void router_batch_free(struct batch *b);
/* Empty, for its next use. */
void router_batch_reset(struct batch *b, int64_t now_at_ms);

struct topics {
    const char *inbound, *results, *quarantine, *updates; /* with prefix */
};

/* Decode and parse `n` records (they outlive the batch's work; those that were freed are left out).
 * What cannot be read gets a reason for the quarantine. False: ERR_BUSY, the registry does not
 * answer. */
bool router_batch_decode(struct batch *b, struct codec *codec, const struct topics *topics,
                         const struct record *recs, size_t n, struct err *err) NODISCARD;
/* After the accounts are known (item.channel, item.tenant_exists): who is quarantined, and the jobs
 * of the rest, with the conversations that they need in the model. Pure. */
void router_batch_admit(struct batch *b);
/* After the database's rows are in the model: decide new, ours again or duplicate, and apply. Pure.
 */
void router_batch_apply(struct batch *b);

/* For the store. */
struct channel *router_batch_channel(const struct batch *b, struct str provider,
                                     struct str account);
struct channel *router_batch_add_channel(struct batch *b, struct str provider, struct str account);
/* The channel is one of those that belong to this parent. */
void router_batch_add_child(struct batch *b, struct str parent, struct channel *ch);
/* Whose record it is: the account's channel, or where it is about nothing but accounts, the
 * channels that belong to that account. */
void router_batch_resolve(const struct batch *b, struct item *it);

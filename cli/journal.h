/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Puts together what belongs to one event: how it came in (inbound record), what was stored
 * (update), what was pushed (frame of the stream), which arrive in any order, by trace id. Pure:
 * time comes from the caller. Bounded: past JOURNAL_MAX the oldest event is shown as it is. */
#include <stdint.h>

#include "str.h"

#define JOURNAL_MAX  1024
#define JOURNAL_TEXT 224

struct journal_text {
    char s[JOURNAL_TEXT]; /* NUL-terminated, cut between characters */
};

struct journal_entry {
    char trace[33];
    int64_t first_seen_ms; /* monotonic; for the deadline */
    /* what came in */
    bool has_inbound;
    bool is_own; /* nothing did: a message of ours changed, and kind is its status */
    int64_t received_at_ms, published_at_ms; /* wall: by ingest; in Kafka */
    struct journal_text provider, kind, conversation, text;
    struct journal_text external_id; /* of the message itself, or that it is about */
    /* where it was stored */
    bool has_update;
    int64_t stored_at_ms;
    struct journal_text update_id, update_kind, object_id;
    /* what was pushed */
    bool has_frame;
    int64_t pushed_at_ms;
};

struct journal {
    struct journal_entry *entries;
    uint32_t n;
    char (*traces)[33]; /* what came in lately: a ring */
    uint32_t n_traces;
    bool wants_frames; /* without a stream an event is whole when it is stored */
    int64_t settle_ms;
    /* The event is whole, or was waited for long enough. */
    void (*show)(void *ctx, const struct journal_entry *e);
    void *ctx;
};

void journal_init(struct journal *j, int64_t settle_ms, bool wants_frames,
                  void (*show)(void *ctx, const struct journal_entry *e), void *ctx);
void journal_done(struct journal *j); /* shows what is left */

struct journal_inbound {
    struct str trace, provider, kind, conversation, text, external_id;
    int64_t received_at_ms, published_at_ms;
};
/* One event of a unit: a unit with several events comes several times under one trace. */
void journal_inbound(struct journal *j, const struct journal_inbound *in, int64_t now_ms);

struct journal_update {
    struct str trace, id, kind, object_id, external_id;
    int64_t stored_at_ms;
    /* Of a message that we send, whose changes nothing announces; absent for all else. */
    struct str status, provider, conversation, text;
};
void journal_update(struct journal *j, const struct journal_update *u, int64_t now_ms);
/* The same update as it came over the stream. */
void journal_frame(struct journal *j, const struct journal_update *u, int64_t pushed_at_ms,
                   int64_t now_ms);
/* Show what is past its time. */
void journal_expire(struct journal *j, int64_t now_ms);

void journal_set(struct journal_text *t, struct str s);

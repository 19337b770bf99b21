/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The words of the stream: what a client may say, and the frames it is sent. Pure.
 * docs/stream.md is the contract with those who write clients; keep it in step. */
#include "cursor.h"
#include "filter.h"
#include "records.h"

enum message_type { MESSAGE_SUBSCRIBE, MESSAGE_AUTH, MESSAGE_PING };

struct message {
    enum message_type type;
    struct filter *filter; /* SUBSCRIBE: owned by the receiver; NULL: everything */
    struct str token;      /* AUTH; lives in the arena */
};

/* ERR_INVALID: not a message, and why. */
bool notifier_protocol_parse(struct arena *a, struct str text, struct message *out,
                             struct err *err) NODISCARD;

/* Close codes of our own (RFC 6455 leaves 4000-4999 to applications). */
enum stream_code {
    STREAM_UNAUTHENTICATED = 4001, /* no token in time, a bad one, or it has expired */
    STREAM_SLOW = 4008,            /* reads too slowly: come back with the cursor */
    STREAM_SILENT = 4010,          /* does not answer pings */
    STREAM_LIMITED = 4029,         /* too many messages, or too many connections of the tenant */
};

/* All return a packet with one reference. `heartbeat_ms`: how often we ping. */
struct packet *notifier_protocol_hello(struct cursor at, int64_t heartbeat_ms);
struct packet *notifier_protocol_resync(struct cursor now);
struct packet *notifier_protocol_cursor(struct cursor at);
struct packet *notifier_protocol_feed_resumed(struct cursor at);
struct packet *notifier_protocol_authenticated(int64_t expires_at_ms);
struct packet *notifier_protocol_pong(void);
struct packet *notifier_protocol_error(const char *code, struct str message);

/* The frame of one update, with its subject filled in. `at.offset` is the record's own offset; the
 * frame's cursor is the place behind it. `a` is for scratch. ERR_INVALID: no tenant; ERR_LIMITED:
 * larger than UPDATE_FRAME_MAX. */
#define UPDATE_FRAME_MAX (4 * 1024 * 1024)
struct packet *notifier_protocol_update(struct arena *a, const struct update *u, struct cursor at,
                                        int64_t record_at_ms, struct str trace_id,
                                        struct err *err) NODISCARD;
/* Stands in the log for an update that could not be read: its tenant's clients are to fetch anew.
 */
struct packet *notifier_protocol_lost(const struct uuid *tenant, struct cursor at,
                                      int64_t record_at_ms);

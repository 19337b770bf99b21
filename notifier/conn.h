/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One websocket: a socket, a queue of packets to write, and the closing handshake. It knows nothing
 * of tenants and tokens; its owner embeds a struct conn and hears of it through struct conn_events.
 *
 *   OPEN --close()--> CLOSING --peer's close frame, or CLOSE_LINGER_MS--> GONE
 *     `------------------- socket ends or fails ---------------------------^
 *
 * Packets are queued by reference and written once a loop turn, many by one call. A turn writes to
 * a bounded number of connections and a bounded number of bytes to each; a socket that is full
 * waits for the kernel alone and delays nobody. In GONE the handles are closed, and on_gone frees
 * the owner. */
#include <stdbool.h>
#include <uv.h>

#include "frame.h"
#include "metric.h"
#include "packet.h"

struct conn;
struct conns;

struct conn_events {
    void (*on_text)(struct conn *c, struct str text);
    /* Bytes have come from the peer, or it took bytes that had been waiting: it is there. */
    void (*on_alive)(struct conn *c);
    /* A control frame that costs us an answer: false closes the connection. */
    bool (*may_answer)(struct conn *c);
    /* The queue has run low: queue more, if there is more. */
    void (*on_room)(struct conn *c);
    void (*on_timer)(struct conn *c);
    /* No more deliveries: forget it. Once, before on_gone. */
    void (*on_closing)(struct conn *c, uint16_t code);
    /* The handles are closed: free it. */
    void (*on_gone)(struct conn *c);
};

struct conns_opts {
    uv_loop_t *loop;
    const struct conn_events *events;
    size_t queue_max_bytes;
    size_t message_max_bytes;
    /* Counted here, where the bytes go out. */
    struct metric_cell *deliveries, *bytes, *latency;
};

/* What all connections of a loop share. Returns owned. */
struct conns *notifier_conns_new(const struct conns_opts *opts);
/* All connections must be gone. The memory goes when the loop has closed the handles. */
void notifier_conns_free(struct conns *s);
/* Nothing waits to be written this turn. */
bool notifier_conns_are_flushed(const struct conns *s);
size_t notifier_conns_count(const struct conns *s);

enum conn_state { CONN_OPEN, CONN_CLOSING, CONN_GONE };

#define CONN_SLOTS 4

struct conn {
    uv_poll_t poll;
    uv_timer_t timer;
    struct conns *set;
    struct conn *next_dirty, **prev_dirty; /* what waits to be written; prev NULL: it does not */
    struct frame_reader *reader;           /* only while a frame or message is incomplete */
    /* Queue: a ring of `cap` references, `inline_slots` while few. */
    struct packet **slots;
    struct packet *inline_slots[CONN_SLOTS];
    uint32_t head, n, cap;
    uint32_t written; /* bytes of the first packet that are gone */
    size_t queued_bytes;
    int fd;
    uint16_t close_code; /* with which we close; 0: not closing */
    uint8_t state;
    uint8_t open_handles;
    bool is_blocked;   /* the socket is full: the kernel tells when it is not */
    bool is_replaying; /* set by the owner: what is queued is old, its age is no latency of ours */
};

/* Takes fd. */
void notifier_conn_open(struct conn *c, struct conns *set, int fd);
/* Bytes that the HTTP server has read behind the request. */
void notifier_conn_receive(struct conn *c, struct str bytes);
/* Queue, with a reference of its own. False: it would pass queue_max_bytes and was not queued, or
 * the connection is not open. One packet is always taken by an empty queue, however large. */
bool notifier_conn_send(struct conn *c, struct packet *p);
/* Begin to close: drops what is queued, except a packet that is half written. */
void notifier_conn_close(struct conn *c, uint16_t code, struct str reason);
/* At once, without a word. */
void notifier_conn_drop(struct conn *c);
/* Run on_timer after `ms`. */
void notifier_conn_arm(struct conn *c, int64_t ms);

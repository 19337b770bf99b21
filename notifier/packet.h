/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One websocket frame as it goes over the wire, encoded once and shared by reference: by the ring
 * and by the queues of all connections that are to get it. Constant after it is made. */
#include <stdbool.h>
#include <stdint.h>

#include "id.h"
#include "str.h"

/* What an update is about: decides who gets it. Nil ids and an empty provider: the update has none.
 */
#define SUBJECT_PROVIDER_MAX 24
struct subject {
    struct uuid tenant, channel, conversation;
    char provider[SUBJECT_PROVIDER_MAX]; /* NUL-terminated */
};

struct packet {
    uint32_t refs;
    uint32_t len;
    /* Of an update: where it stands in the log, and when the record was written. */
    int32_t partition; /* -1: not an update */
    int64_t offset;
    int64_t at_ms; /* wall time; 0: not an update */
    struct subject subject;
    bool for_all; /* its tenant's clients all get it, whatever they have subscribed to */
    uint8_t bytes[];
};

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0x0,
    WEBSOCKET_TEXT = 0x1,
    WEBSOCKET_BINARY = 0x2,
    WEBSOCKET_CLOSE = 0x8,
    WEBSOCKET_PING = 0x9,
    WEBSOCKET_PONG = 0xa,
};

/* A whole, unmasked frame with one reference. Returns owned. */
struct packet *notifier_packet_new(enum websocket_opcode opcode, struct str payload);
struct packet *notifier_packet_close(uint16_t code, struct str reason);
struct packet *notifier_packet_ref(struct packet *p);
void notifier_packet_unref(struct packet *p); /* NULL is fine */
/* What one packet costs in memory. */
size_t notifier_packet_bytes(const struct packet *p);

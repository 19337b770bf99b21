/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a client sends, from bytes to whole messages (RFC 6455, by wslay's frame layer). Pure.
 *
 * A reader costs 4 KiB, so a connection owns one only while a frame or a fragmented message is
 * incomplete (frame_reader_is_idle says when it may be lent to another). Data frames are put
 * together to messages; control frames may stand between the fragments of one. */
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct frame_reader;

enum frame_kind {
    FRAME_NONE, /* more bytes are needed */
    FRAME_TEXT, /* a whole message, valid UTF-8 */
    FRAME_PING, /* payload is to be sent back */
    FRAME_PONG,
    FRAME_CLOSE, /* code (1005: none was given) and reason; nothing comes after it */
    FRAME_FAIL,  /* the client broke the protocol: close with code; nothing comes after it */
};

struct frame {
    enum frame_kind kind;
    struct str payload; /* borrowed until the next call */
    uint16_t code;
    const char *why; /* FRAME_FAIL: for the close reason */
};

enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_NO_STATUS = 1005,
    WEBSOCKET_BAD_TEXT = 1007,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_INTERNAL = 1011,
};

/* `message_max` bounds a message, in one frame or in fragments. Returns owned. */
struct frame_reader *notifier_frame_reader_new(size_t message_max);
void notifier_frame_reader_free(struct frame_reader *r);
/* Hand over received bytes; borrowed until notifier_frame_next has said FRAME_NONE, CLOSE or FAIL.
 */
void notifier_frame_feed(struct frame_reader *r, struct str bytes);
struct frame notifier_frame_next(struct frame_reader *r);
/* Between two messages, with nothing buffered: any connection may use it next. */
bool notifier_frame_reader_is_idle(const struct frame_reader *r);

bool notifier_frame_is_utf8(struct str s);

/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "buf.h"
#include "mem.h"
#include "packet.h"

#define CONTROL_MAX 125

struct frame_reader {
    struct wslay_frame_context *wslay;
    struct str input;     /* fed and not yet taken by wslay */
    uint64_t given, used; /* bytes that wslay took, and those that came out as frames */
    size_t message_max;
    struct buf message; /* data frames so far */
    uint8_t control[CONTROL_MAX];
    size_t control_len;
    uint64_t frame_left; /* payload of the current frame that is missing */
    bool in_frame;
    bool in_message; /* a fragmented message is not finished */
    bool is_over;    /* CLOSE or FAIL was reported */
};

static ssize_t on_wslay_recv(uint8_t *out, size_t len, int flags, void *ctx)
{
    (void)flags;
    struct frame_reader *r = ctx;
    size_t n = len < r->input.len ? len : r->input.len;
    if (n == 0)
        return -1; // wslay takes it as "nothing yet"
    memcpy(out, r->input.ptr, n);
    r->input = str_skip(r->input, n);
    r->given += n;
    return (ssize_t)n;
}

struct frame_reader *notifier_frame_reader_new(size_t message_max)
{
    struct frame_reader *r = xalloc(sizeof *r);
    const struct wslay_frame_callbacks callbacks = {.recv_callback = on_wslay_recv};
    if (wslay_frame_context_init(&r->wslay, &callbacks, r) != 0)
        abort(); // out of memory, as everywhere
    r->message_max = message_max;
    buf_init(&r->message, message_max);
    return r;
}

void notifier_frame_reader_free(struct frame_reader *r)
{
    if (!r)
        return;
    wslay_frame_context_free(r->wslay);
    buf_done(&r->message);
    free(r);
}

void notifier_frame_feed(struct frame_reader *r, struct str bytes)
{
    assert(r->input.len == 0);
    if (!r->is_over)
        r->input = bytes;
}

bool notifier_frame_reader_is_idle(const struct frame_reader *r)
{
    return r->given == r->used && r->input.len == 0 && !r->in_frame && !r->in_message &&
           !r->is_over;
}

static struct frame fail(struct frame_reader *r, uint16_t code, const char *why)
{
    r->is_over = true;
    r->input = STR_NONE;
    return (struct frame){.kind = FRAME_FAIL, .code = code, .why = why};
}

/* RFC 6455 §7.4: what may stand in a close frame. */
static bool is_close_code(uint16_t code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static struct frame end_close(struct frame_reader *r)
{
    struct frame f = {.kind = FRAME_CLOSE, .code = WEBSOCKET_NO_STATUS};
    if (r->control_len == 1)
        return fail(r, WEBSOCKET_PROTOCOL, "close frame of one byte");
    if (r->control_len >= 2) {
        f.code = (uint16_t)(r->control[0] << 8 | r->control[1]);
        f.payload = (struct str){(const char *)r->control + 2, r->control_len - 2};
        if (!is_close_code(f.code))
            return fail(r, WEBSOCKET_PROTOCOL, "close code that may not be sent");
        if (!notifier_frame_is_utf8(f.payload))
            return fail(r, WEBSOCKET_BAD_TEXT, "close reason is not UTF-8");
    }
    r->is_over = true;
    r->input = STR_NONE;
    return f;
}

static struct frame end_control(struct frame_reader *r, uint8_t opcode)
{
    if (opcode == WEBSOCKET_CLOSE)
        return end_close(r);
    return (struct frame){.kind = opcode == WEBSOCKET_PING ? FRAME_PING : FRAME_PONG,
                          .payload = {(const char *)r->control, r->control_len}};
}

/* What the first bytes of a frame already tell. NULL: go on. */
static const char *refuse_frame(const struct frame_reader *r, const struct wslay_frame_iocb *f,
                                uint16_t *code)
{
    *code = WEBSOCKET_PROTOCOL;
    if (f->rsv != 0)
        return "reserved bits are set";
    if (!f->mask)
        return "frame is not masked";
    switch (f->opcode) {
    case WEBSOCKET_CLOSE:
    case WEBSOCKET_PING:
    case WEBSOCKET_PONG:
        return NULL; // wslay has checked that it is short and not fragmented
    case WEBSOCKET_CONTINUATION:
        if (!r->in_message)
            return "continuation without a start";
        break;
    case WEBSOCKET_TEXT:
        if (r->in_message)
            return "new message within a fragmented one";
        break;
    case WEBSOCKET_BINARY:
        *code = WEBSOCKET_UNSUPPORTED;
        return "binary messages are not understood here";
    default:
        return "unknown opcode";
    }
    *code = WEBSOCKET_TOO_BIG;
    return f->payload_length > r->message_max - r->message.len ? "message is too big" : NULL;
}

static uint64_t header_bytes(const struct wslay_frame_iocb *f)
{
    // wslay refuses a length that is not in its shortest form, so the length tells its own size.
    uint64_t extended = f->payload_length < 126 ? 0 : f->payload_length <= 0xffff ? 2 : 8;
    return 2 + extended + (f->mask ? 4 : 0);
}

static void take_chunk(struct frame_reader *r, const struct wslay_frame_iocb *f)
{
    if (f->data_length == 0)
        return;
    if (wslay_is_ctrl_frame(f->opcode)) {
        assert(r->control_len + f->data_length <= CONTROL_MAX);
        memcpy(r->control + r->control_len, f->data, f->data_length);
        r->control_len += f->data_length;
    } else {
        buf_put(&r->message, f->data, f->data_length);
    }
}

/* A frame is complete. NONE: it was a fragment. */
static struct frame end_frame(struct frame_reader *r, const struct wslay_frame_iocb *f)
{
    r->in_frame = false;
    if (wslay_is_ctrl_frame(f->opcode))
        return end_control(r, f->opcode);
    r->in_message = !f->fin;
    if (r->in_message)
        return (struct frame){.kind = FRAME_NONE};
    struct str text = buf_str(&r->message);
    if (!notifier_frame_is_utf8(text))
        return fail(r, WEBSOCKET_BAD_TEXT, "message is not UTF-8");
    return (struct frame){.kind = FRAME_TEXT, .payload = text};
}

/* The first bytes of a frame. False: *out says why the connection is over. */
static bool begin_frame(struct frame_reader *r, const struct wslay_frame_iocb *f, struct frame *out)
{
    if (f->opcode == WEBSOCKET_TEXT && !r->in_message)
        buf_clear(&r->message); // the message before this one has been read by now
    uint16_t code = 0;
    const char *why = refuse_frame(r, f, &code);
    if (why) {
        *out = fail(r, code, why);
        return false;
    }
    r->in_frame = true;
    r->frame_left = f->payload_length;
    r->used += header_bytes(f);
    if (wslay_is_ctrl_frame(f->opcode))
        r->control_len = 0;
    return true;
}

struct frame notifier_frame_next(struct frame_reader *r)
{
    while (!r->is_over) {
        struct wslay_frame_iocb f = {0};
        struct frame out = {.kind = FRAME_NONE};
        ssize_t n = wslay_frame_recv(r->wslay, &f);
        if (n == WSLAY_ERR_WANT_READ)
            break;
        if (n < 0)
            return fail(r, WEBSOCKET_PROTOCOL, "malformed frame");
        if (!r->in_frame && !begin_frame(r, &f, &out))
            return out;
        r->used += f.data_length;
        r->frame_left -= f.data_length;
        take_chunk(r, &f);
        if (r->frame_left > 0)
            continue;
        out = end_frame(r, &f);
        if (out.kind != FRAME_NONE)
            return out;
    }
    return (struct frame){.kind = FRAME_NONE};
}

bool notifier_frame_is_utf8(struct str s)
{
    while (s.len > 0) {
        uint32_t codepoint = 0;
        bool valid = false;
        s = str_skip(s, utf8_next(s, &codepoint, &valid));
        if (!valid)
            return false;
    }
    return true;
}

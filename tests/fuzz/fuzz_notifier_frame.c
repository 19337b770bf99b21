/* SPDX-License-Identifier: Apache-2.0 */
/* What a websocket client sends: frames, and the messages in them. The first byte chooses how the
 * rest is cut into pieces; however it is cut, the same must come out. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cursor.h"
#include "frame.h"
#include "protocol.h"

#define MESSAGE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out, folded into one number, so that two runs can be compared. */
struct outcome {
    uint64_t hash;
    size_t n;
    bool is_over, is_idle;
};

static void fold(struct outcome *o, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        o->hash = (o->hash ^ p[i]) * 0x100000001b3ULL;
}

static void check_message(struct str text)
{
    auto_arena a = arena_new(1 << 20);
    struct message m = {0};
    struct err err = {0};
    if (notifier_protocol_parse(a, text, &m, &err)) {
        struct subject s = {0};
        (void)notifier_filter_passes(m.filter, &s);
    } else {
        assert(err.kind != ERR_NONE && !m.filter);
    }
    notifier_filter_free(m.filter);
    struct cursor c;
    if (notifier_cursor_parse(text, &c)) {
        char again[CURSOR_TEXT];
        size_t n = notifier_cursor_format(c, again);
        assert(str_eq(text, (struct str){again, n}));
    }
}

static void check_frame(const struct frame *f, struct outcome *o)
{
    assert(!o->is_over);
    switch (f->kind) {
    case FRAME_TEXT:
        assert(f->payload.len <= MESSAGE_MAX && notifier_frame_is_utf8(f->payload));
        check_message(f->payload);
        break;
    case FRAME_PING:
    case FRAME_PONG:
        assert(f->payload.len <= 125);
        break;
    case FRAME_CLOSE:
        assert(f->payload.len <= 123 && f->code >= 1000 && f->code < 5000);
        o->is_over = true;
        break;
    case FRAME_FAIL:
        assert(f->why && f->payload.len == 0);
        o->is_over = true;
        break;
    case FRAME_NONE:
        break;
    }
    o->n++;
    fold(o, &f->kind, sizeof f->kind);
    fold(o, &f->code, sizeof f->code);
    fold(o, f->payload.ptr, f->payload.len);
}

/* Bytes are copied to where the sanitizer guards their ends: nothing may be read after it is over.
 */
static struct outcome run(const uint8_t *data, size_t size, size_t step)
{
    struct outcome o = {0};
    struct frame_reader *r = notifier_frame_reader_new(MESSAGE_MAX);
    for (size_t i = 0; i < size; i += step) {
        size_t n = size - i < step ? size - i : step;
        char *piece = malloc(n);
        assert(piece);
        memcpy(piece, data + i, n);
        notifier_frame_feed(r, (struct str){piece, n});
        for (;;) {
            struct frame f = notifier_frame_next(r);
            if (f.kind == FRAME_NONE)
                break;
            check_frame(&f, &o);
        }
        free(piece);
    }
    o.is_idle = notifier_frame_reader_is_idle(r);
    notifier_frame_reader_free(r);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct outcome whole = run(data + 1, size - 1, size);
    struct outcome cut = run(data + 1, size - 1, 1 + data[0] % 32U);
    assert(whole.hash == cut.hash && whole.n == cut.n && whole.is_over == cut.is_over &&
           whole.is_idle == cut.is_idle);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pipe.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define BUFFER_BYTES ((size_t)64 << 10)
/* libcurl hands over at most so much at once (CURL_MAX_WRITE_SIZE): with less room it is paused. */
#define CHUNK_BYTES ((size_t)16 << 10)

struct pipe {
    struct pipe_opts opts;
    struct transfer *transfer; /* NULL: over */
    enum pipe_state state;
    struct err err;
    int64_t skip;       /* bytes still to be left out, of an answer that does not begin at `from` */
    int64_t left;       /* bytes still wanted; -1: all that come */
    int64_t size_bytes; /* -1: not said */
    bool is_paused, is_whole, is_closed;
    bool is_asked; /* the reader waits */
    size_t at, n;  /* what is in the buffer: n bytes from `at` on */
    char buffer[BUFFER_BYTES];
};

static void tell(struct pipe *p)
{
    if (!p->is_closed)
        p->opts.on_change(p->opts.ctx);
}

static void break_off(struct pipe *p, enum err_kind kind, const char *why)
{
    if (p->state == PIPE_BROKEN)
        return;
    p->state = PIPE_BROKEN;
    err_set(&p->err, kind, "%s", why);
}

/* --- what comes in ---------------------------------------------------------------------------- */

static void refuse(struct pipe *p, int status)
{
    char why[160];
    bool is_later = status == 408 || status == 425 || status == 429 || status >= 500;
    (void)snprintf(why, sizeof why, "The file at the address given could not be fetched (%d%s).",
                   status, status >= 300 && status < 400 ? ": it leads elsewhere" : "");
    break_off(p, is_later ? ERR_BUSY : ERR_INVALID, why);
}

/* The first bytes are here: what is known of the rest? */
static bool begin(struct pipe *p, int status)
{
    bool is_piece = p->opts.from > 0 || p->opts.length > 0;
    int64_t n = -1;
    if (status != 200 && !(status == 206 && is_piece)) {
        refuse(p, status);
        return false;
    }
    if (!str_i64(transfer_header(p->transfer, "Content-Length"), &n) || n < 0)
        n = -1;
    // 200 to a request for a piece: the whole of it comes.
    p->skip = status == 200 ? p->opts.from : 0;
    if (n >= 0)
        n = n > p->skip ? n - p->skip : 0;
    p->left = p->opts.length ? p->opts.length : -1;
    if (p->left >= 0 && (n < 0 || n > p->left))
        n = p->left;
    if (n > p->opts.max_bytes) {
        break_off(p, ERR_INVALID, "The file at the address given is too large.");
        return false;
    }
    p->size_bytes = n;
    p->state = PIPE_OPEN;
    return true;
}

static void put(struct pipe *p, struct str data)
{
    if (p->at + p->n + data.len > BUFFER_BYTES) {
        memmove(p->buffer, p->buffer + p->at, p->n);
        p->at = 0;
    }
    assert(p->at + p->n + data.len <= BUFFER_BYTES); // it was paused before
    memcpy(p->buffer + p->at + p->n, data.ptr, data.len);
    p->n += data.len;
}

static bool on_data(void *ctx, int status, struct str data)
{
    struct pipe *p = ctx;
    if (p->is_closed)
        return false;
    bool is_first = p->state == PIPE_OPENING;
    if (is_first && !begin(p, status))
        return false; // told when it has ended
    if (p->skip > 0) {
        size_t out = p->skip < (int64_t)data.len ? (size_t)p->skip : data.len;
        p->skip -= (int64_t)out;
        data = str_skip(data, out);
    }
    if (p->left >= 0 && (int64_t)data.len > p->left)
        data.len = (size_t)p->left;
    if (p->left >= 0)
        p->left -= (int64_t)data.len;
    if (data.len)
        put(p, data);
    p->is_whole = p->left == 0;
    if (p->n + CHUNK_BYTES > BUFFER_BYTES && !p->is_whole) {
        p->is_paused = true;
        fetch_pause(p->transfer);
    }
    if (is_first || (p->is_asked && p->n))
        tell(p);
    return !p->is_whole;
}

static void on_done(void *ctx, struct transfer *t)
{
    struct pipe *p = ctx;
    enum fetch_end end = transfer_end(t);
    if (!p->is_closed && end == FETCH_WHOLE) {
        // An empty file, or an empty refusal, has shown nothing yet.
        if (p->state != PIPE_OPENING || begin(p, transfer_status(t)))
            p->is_whole = true;
    } else if (!p->is_whole && end == FETCH_REFUSED) {
        break_off(p, ERR_INVALID, "The address of the file is not a public one.");
    } else if (!p->is_whole && transfer_err(t)->kind == ERR_LIMITED) {
        break_off(p, ERR_INVALID, "The file at the address given is too large.");
    } else if (!p->is_whole) {
        break_off(p, ERR_BUSY, "The file at the address given could not be fetched.");
    }
    tell(p); // may close it
    p->transfer = NULL;
    if (p->is_closed)
        free(p);
}

/* --- what goes out ---------------------------------------------------------------------------- */

static int64_t on_read(void *ctx, char *out, size_t n)
{
    struct pipe *p = ctx;
    p->is_asked = false;
    if (p->state == PIPE_BROKEN)
        return -1;
    if (p->n == 0 && p->is_whole)
        return 0;
    if (p->n == 0) {
        p->is_asked = true;
        return FETCH_LATER;
    }
    n = n < p->n ? n : p->n;
    memcpy(out, p->buffer + p->at, n);
    p->n -= n;
    p->at = p->n ? p->at + n : 0;
    if (p->is_paused && p->transfer && p->n <= BUFFER_BYTES / 2) {
        p->is_paused = false;
        fetch_resume(p->transfer);
    }
    return (int64_t)n;
}

/* --- life ------------------------------------------------------------------------------------- */

struct pipe *pipe_open(const struct pipe_opts *o, struct err *err)
{
    struct pipe *p = xalloc(sizeof *p);
    char range[64];
    p->opts = *o;
    p->size_bytes = -1;
    (void)snprintf(range, sizeof range, "bytes=%" PRId64 "-", o->from);
    if (o->length)
        (void)snprintf(range, sizeof range, "bytes=%" PRId64 "-%" PRId64, o->from,
                       o->from + o->length - 1);
    const struct fetch_header header = {"Range", str_of(range)};
    const struct fetch_request r = {.method = FETCH_GET,
                                    .url = o->url,
                                    .headers = &header,
                                    .n_headers = o->from > 0 || o->length > 0,
                                    .timeout_ms = o->timeout_ms,
                                    .answer_max_bytes = (size_t)o->from + (size_t)o->max_bytes,
                                    .is_guarded = true,
                                    .on_data = on_data,
                                    .on_done = on_done,
                                    .ctx = p};
    if (fetch_start(o->fetch, &r, &p->transfer, err))
        return p;
    free(p);
    return NULL;
}

enum pipe_state pipe_state(const struct pipe *p)
{
    return p->state;
}

const struct err *pipe_err(const struct pipe *p)
{
    return &p->err;
}

struct fetch_source pipe_source(struct pipe *p)
{
    return (struct fetch_source){on_read, p, p->size_bytes};
}

void pipe_close(struct pipe *p)
{
    if (!p || p->is_closed)
        return;
    p->is_closed = true;
    if (p->transfer)
        fetch_cancel(p->transfer); // freed when it has ended
    else
        free(p);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A file at an address that a tenant named, fetched while it is sent on: a bounded buffer between
 * two transfers, the first of which pauses when the second is slower. Loop thread. */
#include "fetch.h"

struct pipe;

struct pipe_opts {
    struct fetch *fetch;
    struct str url;
    int64_t from, length; /* the piece wanted; length 0: all of it */
    int64_t max_bytes;
    int64_t timeout_ms;
    /* Its state has changed, or a source that said FETCH_LATER has more. */
    void (*on_change)(void *ctx);
    void *ctx;
};

enum pipe_state {
    PIPE_OPENING, /* nothing known yet */
    PIPE_OPEN,    /* bytes come, the size is known where the answer names it */
    PIPE_BROKEN,  /* pipe_err: ERR_INVALID for good, else ERR_BUSY */
};

/* NULL: err (the address is refused). Returns owned. */
struct pipe *pipe_open(const struct pipe_opts *o, struct err *err);
enum pipe_state pipe_state(const struct pipe *p);
const struct err *pipe_err(const struct pipe *p);
/* Of an open pipe: its bytes, as for a multipart form. */
struct fetch_source pipe_source(struct pipe *p);
void pipe_close(struct pipe *p); /* NULL is fine; on_change comes no more */

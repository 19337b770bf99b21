/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A growable run of bytes with a maximum. Past the maximum it stops growing and `overflow` is set,
 * so that a caller checks once at the end instead of at each write. */
#include "str.h"

struct buf {
    char *ptr; /* not NUL-terminated */
    size_t len, cap, max;
    bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);
void buf_clear(struct buf *b);              /* empty, keeps its memory */
char *buf_reserve(struct buf *b, size_t n); /* room for n more bytes at the end; NULL: overflow */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_str(struct buf *b, struct str s);
void buf_put_c(struct buf *b, const char *cstr);
void buf_putc(struct buf *b, char c);
void buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct str buf_str(const struct buf *b); /* borrowed until the next write */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Pages of lists that are ordered by (time, id): the cursor names the last row of a page. */
#include "call.h"

struct api_page {
    int64_t limit;
    struct str way; /* which way the page goes; "": the only one */
    struct str at;  /* microseconds since 1970; absent: the first page */
    struct str id;
};

/* False: the cursor is none of ours, and that was answered. */
bool api_page_read(struct call *c, struct api_page *out);
/* One more than the page shows: whether there is a next one. Lives in the call's arena. */
struct str api_page_limit(struct call *c, const struct api_page *p);
/* The row's columns: microseconds, id. */
struct str api_page_cursor(struct call *c, struct str way, const struct pg_result *r, int row,
                           int at_col, int id_col);

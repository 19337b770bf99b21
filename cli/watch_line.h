/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One event as a line: for a terminal, or as JSON. Pure. */
#include "buf.h"
#include "journal.h"

struct watch_style {
    bool json, colours, has_stream;
};

void watch_head(const struct watch_style *style, struct buf *out);
void watch_line(const struct watch_style *style, const struct journal_entry *e, struct buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reads topics from a chosen position without a group, committed records only: for `tail`, `watch`.
 */
#include "kafka.h"
#include "verb.h"

enum reader_from { READ_BEGINNING, READ_END, READ_OFFSET };

struct topic_reader {
    struct consumer *consumer;
    struct partition *parts; /* offset: the end at the start */
    size_t n_parts;
};

/* `names` with prefix, borrowed as long as the reader. ERR_ABSENT: a topic is missing. */
bool topic_reader_open(struct topic_reader *r, const struct cli_conf *conf,
                       const char *const *names, size_t n_names, enum reader_from from,
                       int64_t offset, struct err *err) NODISCARD;
void topic_reader_close(struct topic_reader *r);
/* "beginning", "end" or an offset. */
bool reader_from_parse(const char *text, enum reader_from *from, int64_t *offset,
                       struct err *err) NODISCARD;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which migrations are to be applied, decided from what is there. Pure. */
#include "crypto.h"
#include "embedded.h"
#include "err.h"

struct applied {
    struct str name;     /* "0002_core.sql" */
    struct str checksum; /* SHA-256 of its text, hex */
};

/* Index of the first of `files` (ended by a NULL name) that is not applied yet; `applied` is in
 * name order. ERR_CONFLICT: a file changed after it was applied, one before the last applied is
 * missing, or the database is newer than this program. */
bool migration_plan(const struct embedded *files, const struct applied *applied, size_t n,
                    size_t *first, struct err *err) NODISCARD;
/* Lives in a. */
struct str migration_checksum(struct arena *a, const struct embedded *file);

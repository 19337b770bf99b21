/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The columns of the database that hold sealed secrets: counted by key, and sealed anew. */
#include "database.h"
#include "vault.h"

/* A secret is in `table.column`, sealed for the tenant of its row at the place of that name; the id
 * of its key stands in `key_column`. */
struct sealed_column {
    const char *table, *column, *key_column;
    const char *row, *row_type, *row_first; /* what else than the tenant names a row; below all */
};

extern const struct sealed_column sealed_columns[]; /* a NULL table ends them */

struct sealed_count {
    char key_id[VAULT_ID_MAX + 1]; /* "": none is named */
    int64_t rows;
};
#define SEALED_COUNTS_MAX 128
/* How many values there are of each key, in all columns. */
bool sealed_count(struct pg *pg, struct sealed_count out[SEALED_COUNTS_MAX], size_t *n,
                  struct err *err) NODISCARD;

struct sealed_progress {
    int64_t resealed;   /* now under the active key */
    int64_t overtaken;  /* changed by another meanwhile: looked at again */
    int64_t not_opened; /* left as they are */
    char first_not_opened[200];
};
/* Seal all values that are not under the active key anew, in small batches, each value only if it
 * has not changed since it was read; until a pass finds nothing to do. Begun anew it goes on where
 * it stopped. */
bool sealed_rotate(struct pg *pg, struct vault *v, struct sealed_progress *out,
                   struct err *err) NODISCARD;

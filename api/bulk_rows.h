/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The recipients of a bulk, one after another from the body of its request: a JSON object with the
 * list `recipients`, or CSV whose first line names the columns. There is never a tree of all of
 * them. Pure. */
#include "err.h"
#include "json.h"

#define API_BULK_ROWS_MAX    100000
#define API_BULK_COLUMNS_MAX 64
#define API_BULK_ROW_MAX     16384 /* bytes of one */
#define API_BULK_TO_MAX      255

struct api_bulk_row {
    struct str to;
    struct str variables; /* an object of texts and numbers, as jsonb takes it; absent: none */
};

struct api_bulk_reader {
    bool is_csv;
    struct str rest;
    int64_t n;    /* rows so far, bad ones included */
    int64_t line; /* CSV: on which the latest row began, from 1 */
    int64_t lines;
    struct str columns[API_BULK_COLUMNS_MAX]; /* CSV: names of the variables, after `to` */
    int n_columns;
};

enum api_bulk_step { API_BULK_ROW, API_BULK_BAD, API_BULK_END };

/* The first line. False: ERR_INVALID. Names live in a, or in body. */
bool api_bulk_open_csv(struct api_bulk_reader *r, struct arena *a, struct str body,
                       struct err *err) NODISCARD;
/* *head: the request without its recipients but the first, for its schema; lives in a. */
bool api_bulk_open_json(struct api_bulk_reader *r, struct arena *a, struct str body,
                        struct str *head, struct err *err) NODISCARD;
/* The next row, which lives in a. Bad: err says why; those behind it may be read, if its end was
 * found. */
enum api_bulk_step api_bulk_next(struct api_bulk_reader *r, struct arena *a,
                                 struct api_bulk_row *out, struct err *err);

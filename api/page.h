/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Pages of lists. A list is in the order of its rows' ids, or of a key and the id; a page's cursor
 * names the last row shown. One row more than shown is read: it says whether there is a next page.
 */
#include "call.h"

enum api_page_key {
    API_KEY_NONE, /* the id alone */
    API_KEY_TIME, /* microseconds since 1970: API_MICROS() to show, API_AT_MICROS() to compare */
    API_KEY_NAME, /* any text */
};

struct api_page {
    enum api_page_key by;
    int64_t limit;
    struct str way; /* which way the page goes; "": the only one */
    struct str key; /* the row that the page comes after: absent with its id on the first page */
    struct str id;
};

/* The page that the call asks for, which is the call's state from now on. NULL: its cursor is none
 * of ours, and that was answered. */
const struct api_page *api_page_read(struct call *c, enum api_page_key by);
/* The LIMIT of its statement, in the call's arena. */
struct str api_page_limit(struct call *c);

/* Begins {"items": [. Returns how many of the rows to put. */
int api_page_begin(struct call *c, const struct pg_result *r);
/* The cursor of what comes after a row; the columns hold its key (unused by API_KEY_NONE) and id.
 */
struct str api_page_cursor(struct call *c, struct str way, const struct pg_result *r, int row,
                           int key_col, int id_col);
/* Ends the items, and puts "next_cursor"; the object stays open. */
void api_page_end(struct call *c, const struct pg_result *r, int key_col, int id_col);

typedef void api_row_put(struct json_out *o, const struct pg_result *r, int row);
/* The whole answer, of a page that has nothing else to say. */
void api_page_answer(struct call *c, const struct pg_result *r, api_row_put *put, int key_col,
                     int id_col);

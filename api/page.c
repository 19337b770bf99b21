/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include "id.h"

#define DEFAULT_LIMIT 50
/* PostgreSQL's times end in the year 294276; ours long before. */
#define MICROS_MAX INT64_C(100000000000000000)

static bool is_key(enum api_page_key by, struct str key)
{
    int64_t at;
    switch (by) {
    case API_KEY_NONE:
        return key.len == 0;
    case API_KEY_TIME:
        return str_i64(key, &at) && at > -MICROS_MAX && at < MICROS_MAX;
    case API_KEY_NAME:
        return true;
    }
    return false;
}

/* Whoever changed the text of a cursor must get a 400, not an error of the database. */
static bool is_ours(const struct api_page *p)
{
    struct uuid id;
    return is_key(p->by, p->key) && uuid_parse(p->id, &id) && p->way.len <= 1;
}

const struct api_page *api_page_read(struct call *c, enum api_page_key by)
{
    struct str parts[3];
    struct api_page *p = ARENA_NEW(call_arena(c), struct api_page);
    *p = (struct api_page){.by = by, .limit = DEFAULT_LIMIT};
    *call_state(c) = p;
    (void)call_query_i64(c, "limit", &p->limit);
    if (!call_cursor_read(c, parts, 3))
        return NULL;
    if (!parts[0].ptr)
        return p;
    p->way = parts[0];
    p->key = parts[1];
    p->id = parts[2];
    if (is_ours(p))
        return p;
    call_cursor_refuse(c);
    return NULL;
}

struct str api_page_limit(struct call *c)
{
    const struct api_page *p = *call_state(c);
    return str_fmt(call_arena(c), "%lld", (long long)p->limit + 1);
}

static int count_shown(struct call *c, const struct pg_result *r)
{
    const struct api_page *p = *call_state(c);
    return pg_rows(r) > p->limit ? (int)p->limit : pg_rows(r);
}

int api_page_begin(struct call *c, const struct pg_result *r)
{
    json_open(call_out(c), '{');
    json_key_out(call_out(c), "items");
    json_open(call_out(c), '[');
    return count_shown(c, r);
}

struct str api_page_cursor(struct call *c, struct str way, const struct pg_result *r, int row,
                           int key_col, int id_col)
{
    const struct api_page *p = *call_state(c);
    const struct str parts[] = {way, p->by == API_KEY_NONE ? STR("") : pg_text(r, row, key_col),
                                pg_text(r, row, id_col)};
    return call_cursor_make(c, parts, 3);
}

void api_page_end(struct call *c, const struct pg_result *r, int key_col, int id_col)
{
    int shown = count_shown(c, r);
    struct str next = STR_NONE;
    if (shown && shown < pg_rows(r))
        next = api_page_cursor(c, STR(""), r, shown - 1, key_col, id_col);
    json_close(call_out(c), ']');
    json_put_str(call_out(c), "next_cursor", next);
}

void api_page_answer(struct call *c, const struct pg_result *r, api_row_put *put, int key_col,
                     int id_col)
{
    int shown = api_page_begin(c, r);
    for (int i = 0; i < shown; i++)
        put(call_out(c), r, i);
    api_page_end(c, r, key_col, id_col);
    json_close(call_out(c), '}');
    call_answer(c, 200);
}

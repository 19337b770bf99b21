/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include "id.h"

#define DEFAULT_LIMIT 50
/* PostgreSQL's times end in the year 294276; ours long before. */
#define MICROS_MAX INT64_C(100000000000000000)

/* Whoever changed the text of a cursor must get a 400, not an error of the database. */
static bool is_ours(const struct api_page *p)
{
    int64_t at;
    struct uuid id;
    return str_i64(p->at, &at) && at > -MICROS_MAX && at < MICROS_MAX && uuid_parse(p->id, &id) &&
           p->way.len <= 1;
}

bool api_page_read(struct call *c, struct api_page *out)
{
    struct str parts[3];
    *out = (struct api_page){.limit = DEFAULT_LIMIT};
    (void)call_query_i64(c, "limit", &out->limit);
    if (!call_cursor_read(c, parts, 3))
        return false;
    if (!parts[0].ptr)
        return true;
    out->way = parts[0];
    out->at = parts[1];
    out->id = parts[2];
    if (is_ours(out))
        return true;
    call_problem(c, 400, "invalid_cursor", STR_NONE, "cursor: not one that this list has given");
    return false;
}

struct str api_page_limit(struct call *c, const struct api_page *p)
{
    return str_fmt(call_arena(c), "%lld", (long long)p->limit + 1);
}

struct str api_page_cursor(struct call *c, struct str way, const struct pg_result *r, int row,
                           int at_col, int id_col)
{
    const struct str parts[] = {way, pg_text(r, row, at_col), pg_text(r, row, id_col)};
    return call_cursor_make(c, parts, 3);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "content.h"
#include "id.h"
#include "parked.h"
#include "store_row.h"
#include "store_save_sql.h"

#define TIME_MS_MAX 253402300799999LL // end of the year 9999

/* --- quarantine ------------------------------------------------------------------------------- */

static bool is_quarantined(const struct item *it)
{
    return it->kept_here || (it->source == SOURCE_QUARANTINE && !it->reason);
}

static bool is_from_http(const struct quarantined *q)
{
    return str_eq_c(q->topic, "http");
}

/* The position that a quarantined record is known by. Bodies that ingest could not understand have
 * none of their own: they are known by where they stand in the quarantine topic. */
static void put_position(struct row *w, const struct item *it)
{
    const struct quarantined *q = &it->quarantined;
    put(w, q->topic);
    put_int(w, is_from_http(q) ? it->rec->partition : q->partition);
    put_int(w, is_from_http(q) ? it->rec->offset : q->offset);
}

static struct str bytea(struct arena *a, struct str bytes)
{
    if (!bytes.ptr)
        return STR("");
    struct str hex = hex_encode(a, bytes);
    return str_fmt(a, "\\x%.*s", STR_ARG(hex));
}

static struct str valid_json(struct arena *a, struct str json)
{
    struct err ignored = {0}; // what is no JSON is left out: the row must go in
    const struct json *v = json.ptr ? json_parse(a, json, &ignored) : NULL;
    return v && json_is(v, JSON_OBJECT) ? json_storable(a, json) : STR("{}");
}

static struct str provider_of(const struct batch *b, const struct quarantined *q)
{
    struct str provider = router_parked_id(q->provider);
    return str_utf8(b->arena, provider.ptr ? provider : STR(""));
}

/* 0, so now, for a time that no calendar has: it may come from a record of somebody else's. */
static int64_t possible_time(int64_t at_ms)
{
    return at_ms > 0 && at_ms <= TIME_MS_MAX ? at_ms : 0;
}

static struct str valid_uuid(struct str text)
{
    struct uuid u;
    return text.ptr && uuid_parse(text, &u) ? text : STR_NONE;
}

static void put_quarantined(struct store *s, struct batch *b, struct item *it)
{
    struct row w = row_of(s);
    const struct quarantined *q = &it->quarantined;
    put(&w, router_model_new_id(&b->model));
    put(&w, valid_uuid(q->tenant_id));
    put(&w, provider_of(b, q));
    put(&w, str_utf8(b->arena, router_parked_id(q->account)));
    put(&w, q->reason);
    put(&w, str_utf8(b->arena, q->detail.ptr ? q->detail : STR("")));
    put_position(&w, it);
    put(&w, bytea(b->arena, q->key));
    put(&w, bytea(b->arena, q->body));
    put(&w, valid_json(b->arena, q->headers));
    put_int(&w, possible_time(q->received_at_ms));
}

bool router_store_quarantine(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 2);
    for (size_t i = 0; i < b->n_items; i++) {
        const struct item *it = &b->items[i];
        if (!is_quarantined(it))
            continue;
        struct row w = row_of(s);
        struct str account = router_parked_id(it->quarantined.account);
        put(&w, provider_of(b, &it->quarantined));
        put(&w, str_utf8(b->arena, account.ptr ? account : STR("")));
        n++;
    }
    if (!n)
        return true;
    if (!router_store_send(s, ACCOUNT_LOCKS, &router_save_sql[ACCOUNT_LOCKS], err))
        return false;
    router_store_columns(s, 13);
    for (size_t i = 0; i < b->n_items; i++)
        if (is_quarantined(&b->items[i]))
            put_quarantined(s, b, &b->items[i]);
    if (!router_store_send(s, ADD_QUARANTINED, &router_save_sql[ADD_QUARANTINED], err))
        return false;
    router_store_columns(s, 4);
    for (size_t i = 0; i < b->n_items; i++) {
        if (!is_quarantined(&b->items[i]))
            continue;
        struct row w = row_of(s);
        put_position(&w, &b->items[i]);
        put_int(&w, (int64_t)i);
    }
    return router_store_send(s, QUARANTINED, &router_save_sql[QUARANTINED], err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "id.h"
#include "store_load_sql.h"
#include "store_sql.h"

bool router_store_is_uuid(struct str text)
{
    struct uuid u;
    return uuid_parse(text, &u);
}

struct str router_store_result_object(const struct result *r, int id)
{
    if (r->kind == RESULT_SEND)
        return id == RESULT_MESSAGES ? r->message_id : STR_NONE;
    static const struct {
        int id;
        const char *kind;
    } kinds[] = {{RESULT_MESSAGES, "message"},
                 {CHANGED_CONVERSATIONS, "conversation"},
                 {CHANGED_CHANNELS, "channel"}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].id == id && str_eq_c(r->object_kind, kinds[i].kind))
            return r->object_id;
    return STR_NONE;
}

/* --- resolve ---------------------------------------------------------------------------------- */

static bool send_accounts(struct store *s, struct batch *b, struct err *err)
{
    struct table seen;
    router_table_init(&seen, b->arena);
    router_store_columns(s, 2);
    for (size_t i = 0; i < b->n_items; i++) {
        const struct item *it = &b->items[i];
        if (it->source != SOURCE_INBOUND || it->reason)
            continue;
        if (router_table_find(&seen, it->adapter, it->event.account))
            continue;
        router_table_put(&seen, it->adapter, it->event.account, &b->items[i]);
        pg_array_str(&s->columns[0], it->event.provider);
        pg_array_str(&s->columns[1], it->event.account);
    }
    return !seen.n || router_store_send(s, CHANNELS, &router_load_sql[CHANNELS], err);
}

static bool send_tenants(struct store *s, struct batch *b, struct err *err)
{
    struct table seen;
    router_table_init(&seen, b->arena);
    router_store_columns(s, 1);
    for (size_t i = 0; i < b->n_items; i++) {
        struct str tenant = b->items[i].event.tenant_id;
        if (!tenant.ptr || !router_store_is_uuid(tenant) || router_table_find(&seen, NULL, tenant))
            continue;
        router_table_put(&seen, NULL, tenant, &b->items[i]);
        pg_array_str(&s->columns[0], tenant);
    }
    return !seen.n || router_store_send(s, TENANTS, &router_load_sql[TENANTS], err);
}

static bool send_results(struct store *s, struct batch *b, int id, struct err *err)
{
    int n = 0;
    router_store_columns(s, 2);
    for (size_t i = 0; i < b->n_items; i++) {
        const struct item *it = &b->items[i];
        if (it->source != SOURCE_RESULTS || it->reason)
            continue;
        struct str object = router_store_result_object(&it->result, id);
        if (!router_store_is_uuid(object) || !router_store_is_uuid(it->result.tenant_id))
            continue;
        pg_array_str(&s->columns[0], it->result.tenant_id);
        pg_array_str(&s->columns[1], object);
        n++;
    }
    return !n || router_store_send(s, id, &router_load_sql[id], err);
}

/* The objects of the results topic, by id, with the conversation that is to be locked for them. */
struct named {
    struct channel *channel;
    struct str conversation, external_id;
};

static void take_named(struct batch *b, const struct pg_result *r, int id)
{
    for (int i = 0; i < pg_rows(r); i++) {
        struct named *n = ARENA_NEW(b->arena, struct named);
        int col = N_CHANNEL_COLUMNS;
        n->channel = router_store_read_channel(b, r, i, 0);
        struct str object =
            id == CHANGED_CHANNELS ? n->channel->id : router_store_text(b, r, i, col++);
        if (id != CHANGED_CHANNELS)
            n->conversation = router_store_text(b, r, i, col++);
        if (id == RESULT_MESSAGES)
            n->external_id = router_store_text(b, r, i, col);
        router_table_put(&b->named, NULL, object, n);
    }
}

static void take_tenants(struct batch *b, const struct pg_result *r)
{
    for (int i = 0; i < pg_rows(r); i++) {
        struct str tenant = pg_text(r, i, 0);
        for (size_t k = 0; k < b->n_items; k++)
            b->items[k].tenant_exists |= str_ieq(b->items[k].event.tenant_id, tenant);
    }
}

static void take_channels(struct batch *b, const struct pg_result *r)
{
    for (int i = 0; i < pg_rows(r); i++) {
        struct channel *ch = router_store_read_channel(b, r, i, 0);
        struct str parent = router_store_text(b, r, i, N_CHANNEL_COLUMNS);
        if (parent.ptr)
            router_batch_add_child(b, parent, ch);
    }
}

static void take_resolved(struct store *s, struct batch *b, int id, const struct pg_result *r)
{
    (void)s;
    if (id == CHANNELS)
        take_channels(b, r);
    else if (id == TENANTS)
        take_tenants(b, r);
    else if (id != BEGIN)
        take_named(b, r, id);
}

/* What a record of the results topic is about is there: give its job what it needs. */
static void name_results(struct batch *b)
{
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        if (it->source != SOURCE_RESULTS || it->reason)
            continue;
        struct str object =
            it->result.kind == RESULT_SEND ? it->result.message_id : it->result.object_id;
        const struct named *n = router_table_find(&b->named, NULL, object);
        if (!n)
            continue;
        it->channel = n->channel;
        it->conversation = n->conversation;
    }
}

bool router_store_resolve(struct store *s, struct batch *b, struct err *err)
{
    if (!router_store_send_plain(s, BEGIN, &router_load_sql[BEGIN], err) ||
        !send_accounts(s, b, err) || !send_tenants(s, b, err) ||
        !send_results(s, b, RESULT_MESSAGES, err) ||
        !send_results(s, b, CHANGED_CONVERSATIONS, err) ||
        !send_results(s, b, CHANGED_CHANNELS, err) || !router_store_run(s, b, take_resolved, err))
        return err_wrap(err, "resolving accounts");
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        if (it->source == SOURCE_INBOUND && !it->reason)
            router_batch_resolve(b, it);
    }
    name_results(b);
    return true;
}

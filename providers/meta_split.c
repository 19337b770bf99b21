/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "meta.h"

/* Items of one (account, conversation), chained in the order of the body. */
struct group {
    struct str account, conversation;
    uint32_t first, last; /* indices of items */
};

struct grouping {
    const struct meta_item *items;
    size_t n;
    uint32_t *next; /* of each item in its group; NONE: the last */
    struct group *groups;
    size_t n_groups;
    uint32_t *table; /* open addressing: group index, or NONE */
    size_t mask;
};

#define NONE UINT32_MAX

static bool grouping_init(struct grouping *g, struct arena *a, const struct meta_items *items,
                          struct err *err)
{
    size_t slots = 4;
    while (slots < 2 * items->n)
        slots *= 2;
    *g = (struct grouping){.items = items->items, .n = items->n, .mask = slots - 1};
    g->next = unit_array(a, g->n, UNIT_ITEMS_MAX, sizeof *g->next, "items", err);
    g->groups =
        g->next ? unit_array(a, g->n, UNIT_ITEMS_MAX, sizeof *g->groups, "items", err) : NULL;
    g->table =
        g->groups ? unit_array(a, slots, 4 * UNIT_ITEMS_MAX, sizeof *g->table, "items", err) : NULL;
    if (!g->table)
        return false;
    memset(g->table, 0xFF, slots * sizeof *g->table);
    return true;
}

static bool is_same(const struct group *group, struct str account, struct str conversation)
{
    return str_eq(group->account, account) && !group->conversation.ptr == !conversation.ptr &&
           str_eq(group->conversation, conversation);
}

static void group_add(struct grouping *g, uint32_t i, struct str conversation)
{
    struct str account = g->items[i].account;
    g->next[i] = NONE;
    size_t slot = (str_hash(account) * 31 + str_hash(conversation)) & g->mask;
    for (; g->table[slot] != NONE; slot = (slot + 1) & g->mask) {
        struct group *group = &g->groups[g->table[slot]];
        if (!is_same(group, account, conversation))
            continue;
        g->next[group->last] = i;
        group->last = i;
        return;
    }
    g->table[slot] = (uint32_t)g->n_groups;
    g->groups[g->n_groups++] = (struct group){account, conversation, i, i};
}

/* --- a unit's body ---------------------------------------------------------------------------- */

/* Bytes written, or only counted while `to` is NULL. */
struct writer {
    char *to;
    size_t len;
};

static void put(struct writer *w, struct str s)
{
    if (w->to)
        memcpy(w->to + w->len, s.ptr, s.len);
    w->len += s.len;
}

static void put_member(struct writer *w, struct str key, const struct json *v)
{
    if (!v)
        return;
    put(w, STR("\""));
    put(w, key);
    put(w, STR("\":"));
    put(w, v->span);
    put(w, STR(","));
}

static bool continues(const struct meta_item *a, const struct meta_item *b)
{
    return a->entry == b->entry && a->list == b->list && a->list != META_OTHER &&
           a->change == b->change && a->nest == b->nest && a->contact == b->contact;
}

static const struct str list_heads[] = {
    [META_MESSAGING] = {"\"messaging\":", 12},
    [META_STANDBY] = {"\"standby\":", 10},
    [META_CHANGES] = {"\"changes\":", 10},
};

/* What stands around a run of items: the list that they stood in, and around it whatever tells
 * what they are. */
static void put_head(struct writer *w, const struct meta_dialect *d, const struct meta_item *head)
{
    if (head->list == META_OTHER) {
        put(w, json_key(head->value)->span);
        put(w, STR(":"));
        return;
    }
    if (head->list != META_NESTED) {
        put(w, list_heads[head->list]);
        put(w, STR("["));
        return;
    }
    const struct json *value = json_get(head->change, "value");
    put(w, STR("\"changes\":[{"));
    put_member(w, STR("field"), json_get(head->change, "field"));
    put(w, STR("\"value\":{"));
    for (const char *const *name = d->shared; *name; name++)
        put_member(w, str_of(*name), json_get(value, *name));
    if (head->contact) {
        put(w, STR("\"contacts\":["));
        put(w, head->contact->span);
        put(w, STR("],"));
    }
    put(w, STR("\""));
    put(w, str_of(d->nests[head->nest]));
    put(w, STR("\":["));
}

static void put_tail(struct writer *w, const struct meta_item *head)
{
    switch (head->list) {
    case META_OTHER:
        put(w, STR("}"));
        break;
    case META_NESTED:
        put(w, STR("]}}]}"));
        break;
    default:
        put(w, STR("]}"));
        break;
    }
}

/* {"object":"instagram","entry":[{"id":...,"time":...,"messaging":[...]},...]}: an entry for each
 * run of items that stood in one list of one entry. */
static void put_body(struct writer *w, const struct grouping *g, const struct group *group,
                     const struct meta_dialect *d)
{
    put(w, STR("{\"object\":\""));
    put(w, str_of(d->object));
    put(w, STR("\",\"entry\":["));
    for (uint32_t i = group->first; i != NONE;) {
        const struct meta_item *head = &g->items[i];
        put(w, i == group->first ? STR("{") : STR(",{"));
        put_member(w, STR("id"), json_get(head->entry, "id"));
        put_member(w, STR("time"), json_get(head->entry, "time"));
        put_head(w, d, head);
        put(w, head->value->span);
        for (i = g->next[i]; i != NONE && continues(head, &g->items[i]); i = g->next[i]) {
            put(w, STR(","));
            put(w, g->items[i].value->span);
        }
        put_tail(w, head);
    }
    put(w, STR("]}"));
}

static bool unit_write(struct arena *a, const struct grouping *g, const struct group *group,
                       const struct meta_dialect *d, struct str *out, struct err *err)
{
    struct writer w = {0};
    put_body(&w, g, group, d);
    w.to = arena_try(a, w.len);
    if (!w.to)
        return err_set(err, ERR_LIMITED, "no room for the units of this body");
    w.len = 0;
    put_body(&w, g, group, d);
    *out = (struct str){w.to, w.len};
    return true;
}

bool meta_split(struct arena *a, struct str body, const struct meta_dialect *d, struct units *out,
                struct err *err)
{
    const struct json *root = json_parse(a, body, err);
    struct meta_items items;
    if (!root || !meta_items(a, root, d, &items, err))
        return false;
    if (items.n <= 1) {
        *out = (struct units){0};
        if (!items.n)
            return true;
        struct unit unit = {items.items->account, str_of(d->object),
                            d->conversation(a, items.items), body};
        return units_single(a, &unit, out);
    }

    struct grouping g;
    if (!grouping_init(&g, a, &items, err))
        return false;
    for (uint32_t i = 0; i < items.n; i++)
        group_add(&g, i, d->conversation(a, &items.items[i]));
    struct unit *units = unit_array(a, g.n_groups, UNIT_ITEMS_MAX, sizeof *units, "units", err);
    if (!units)
        return false;
    for (size_t i = 0; i < g.n_groups; i++) {
        struct group *group = &g.groups[i];
        units[i] = (struct unit){group->account, str_of(d->object), group->conversation, body};
        if (g.n_groups > 1 && !unit_write(a, &g, group, d, &units[i].body, err))
            return false;
    }
    *out = (struct units){units, g.n_groups};
    return true;
}

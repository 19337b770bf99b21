/* SPDX-License-Identifier: Apache-2.0 */
#include "accounts.h"

#include <stdlib.h>

#include "id.h"
#include "json.h"
#include "mem.h"
#include "table.h"

#define ACCOUNTS_MAX 100000
#define ARENA_MAX    ((size_t)256 << 20)
#define JSON_MAX     ((size_t)64 << 20)
#define ID_MAX       512

struct sim_accounts {
    struct sim_table *table;
    struct arena *arena; /* their texts */
};

struct sim_accounts *sim_accounts_new(void)
{
    struct sim_accounts *s = xalloc(sizeof *s);
    s->table = sim_table_new(sizeof(struct sim_known), ACCOUNTS_MAX);
    s->arena = arena_new(ARENA_MAX);
    return s;
}

void sim_accounts_free(struct sim_accounts *s)
{
    if (!s)
        return;
    sim_table_free(s->table);
    arena_free(s->arena);
    free(s);
}

void sim_accounts_clear(struct sim_accounts *s)
{
    sim_table_clear(s->table);
    arena_reset(s->arena);
}

struct sim_known *sim_accounts_find(struct sim_accounts *s, struct str provider, struct str id,
                                    bool meet)
{
    char room[ID_MAX + 32];
    struct buf name = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    buf_put_str(&name, provider);
    buf_putc(&name, '\n');
    buf_put_str(&name, id);
    if (name.overflow || !id.len)
        return NULL;
    struct sim_known *k = sim_table_get(s->table, buf_str(&name), meet);
    if (k && !k->id.ptr) {
        k->provider = str_dup(s->arena, provider);
        k->id = str_dup(s->arena, id);
    }
    return k;
}

size_t sim_accounts_n(const struct sim_accounts *s)
{
    return sim_table_n(s->table);
}

const struct sim_known *sim_accounts_at(const struct sim_accounts *s, size_t i)
{
    return sim_table_at(s->table, i, NULL);
}

static bool set_one(struct sim_accounts *s, struct arena *a, const struct json *v, struct err *err)
{
    struct uuid tenant;
    struct str provider = json_text(a, json_get(v, "provider"));
    struct str id = json_text(a, json_get(v, "account"));
    struct str owner = json_text(a, json_get(v, "tenant"));
    if (owner.len && !uuid_parse(owner, &tenant))
        return err_set(err, ERR_INVALID, "tenant '%.*s' is no UUID", STR_ARG(owner));
    struct sim_known *k = provider.len && id.len ? sim_accounts_find(s, provider, id, true) : NULL;
    if (!k)
        return err_set(err, ERR_INVALID,
                       "an account has a provider and an id; there are at most %d", ACCOUNTS_MAX);
    struct {
        const char *name;
        struct str *to;
    } texts[] = {{"type", &k->type},         {"tenant", &k->tenant}, {"name", &k->name},
                 {"username", &k->username}, {"token", &k->token},   {"parent", &k->parent},
                 {"status", &k->status}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str text = json_text(a, json_get(v, texts[i].name));
        if (text.len && !str_eq(text, *texts[i].to))
            *texts[i].to = str_dup(s->arena, text);
    }
    k->is_told = true;
    return true;
}

bool sim_accounts_set(struct sim_accounts *s, struct str text, struct err *err)
{
    auto_arena a = arena_new(JSON_MAX);
    const struct json *root = json_parse(a, text, err);
    if (!root)
        return false;
    const struct json *list = json_get(root, "accounts");
    if (!json_is(list, JSON_ARRAY))
        return err_set(err, ERR_INVALID, "want {\"accounts\": [...]}");
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        if (!set_one(s, a, v, err))
            return false;
    return true;
}

void sim_accounts_json(const struct sim_accounts *s, struct buf *out)
{
    struct json_out o = {.buf = out};
    json_open(&o, '[');
    for (size_t i = 0; i < sim_accounts_n(s); i++) {
        const struct sim_known *k = sim_accounts_at(s, i);
        json_open(&o, '{');
        json_put_str(&o, "provider", k->provider);
        json_put_str(&o, "account", k->id);
        json_put_str(&o, "type", k->type);
        json_put_str(&o, "tenant", k->tenant);
        json_put_bool(&o, "told", k->is_told);
        json_close(&o, '}');
    }
    json_close(&o, ']');
}

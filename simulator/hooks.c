/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks.h"

#include <stdlib.h>

#include "buf.h"
#include "mem.h"
#include "table.h"

#define HOOKS_MAX      10000
#define ARENA_MAX      ((size_t)64 << 20)
#define NAME_MAX_BYTES 256

struct sim_hooks {
    struct sim_table *table;
    struct arena *arena;
};

struct sim_hooks *sim_hooks_new(void)
{
    struct sim_hooks *h = xalloc(sizeof *h);
    h->table = sim_table_new(sizeof(struct sim_hook), HOOKS_MAX);
    h->arena = arena_new(ARENA_MAX);
    return h;
}

void sim_hooks_free(struct sim_hooks *h)
{
    if (!h)
        return;
    sim_table_free(h->table);
    arena_free(h->arena);
    free(h);
}

void sim_hooks_clear(struct sim_hooks *h)
{
    sim_table_clear(h->table);
    arena_reset(h->arena);
}

static struct sim_hook *slot(struct sim_hooks *h, struct str provider, struct str id, bool make)
{
    char room[NAME_MAX_BYTES];
    struct buf name = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    buf_put_str(&name, provider);
    buf_putc(&name, '\n');
    buf_put_str(&name, id);
    return name.overflow ? NULL : sim_table_get(h->table, buf_str(&name), make);
}

struct sim_hook *sim_hooks_put(struct sim_hooks *h, const struct sim_hook *hook)
{
    struct sim_hook *to = slot(h, hook->provider, hook->id, true);
    if (!to)
        return NULL;
    *to = *hook;
    struct str *texts[] = {&to->provider, &to->id,      &to->account, &to->source,
                           &to->url,      &to->headers, &to->detail};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i]->ptr)
            *texts[i] = str_dup(h->arena, *texts[i]);
    return to;
}

struct sim_hook *sim_hooks_get(struct sim_hooks *h, struct str provider, struct str id)
{
    struct sim_hook *found = slot(h, provider, id, false);
    return found && !found->is_gone ? found : NULL;
}

size_t sim_hooks_n(const struct sim_hooks *h)
{
    return sim_table_n(h->table);
}

struct sim_hook *sim_hooks_at(const struct sim_hooks *h, size_t i)
{
    return sim_table_at(h->table, i, NULL);
}

const struct sim_hook *sim_hooks_of(const struct sim_hooks *h, struct str provider,
                                    struct str account)
{
    for (size_t i = 0; i < sim_hooks_n(h); i++) {
        const struct sim_hook *k = sim_hooks_at(h, i);
        if (!k->is_gone && str_eq(k->provider, provider) &&
            (!k->source.len || str_eq_c(k->source, "messaging")) &&
            (!k->account.len || str_eq(k->account, account)))
            return k;
    }
    return NULL;
}

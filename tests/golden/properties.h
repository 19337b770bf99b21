/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What must hold for every body, known to a golden file or invented by a fuzzer. Each is an assert.
 */
#include <assert.h>
#include <string.h>

#include "golden/dump.h"

#define DUMP_MAX ((size_t)256 << 20)

static inline bool same_place(struct str a, struct str b)
{
    return !a.ptr == !b.ptr && str_eq(a, b);
}

/* The events of one conversation of the whole body, against those of its unit. */
static inline void check_unit(const struct events *whole, const struct unit *u,
                              const struct events *part)
{
    struct buf want, got;
    buf_init(&want, DUMP_MAX);
    buf_init(&got, DUMP_MAX);
    for (size_t i = 0; i < whole->n; i++) {
        const struct event *e = &whole->items[i];
        if (same_place(e->account, u->account) && same_place(e->conversation, u->conversation))
            dump_event(&want, 0, e);
    }
    for (size_t i = 0; i < part->n; i++)
        dump_event(&got, 0, &part->items[i]);
    assert(str_eq(buf_str(&want), buf_str(&got)));
    buf_done(&want);
    buf_done(&got);
}

static inline bool has_text(struct arena *a, const struct json *root, struct str want)
{
    for (uint32_t i = 0; i < root->size; i++) {
        if (str_eq(json_text(a, &root[i]), want))
            return true;
    }
    return false;
}

/* Some ids are made of several, as Telegram's "chat:message". */
static inline bool has_id(struct arena *a, const struct json *root, struct str want)
{
    bool found = has_text(a, root, want);
    for (size_t i = 0; i < want.len && !found; i++)
        found = want.ptr[i] == ':' && has_text(a, root, (struct str){want.ptr, i}) &&
                has_id(a, root, str_skip(want, i + 1));
    return found;
}

/* Ids come from the body, letter by letter, and every event has what the router stores it by. */
static inline void check_event(struct arena *a, const struct json *root, const struct event *e)
{
    assert(e->key.len > 0 && e->key.len <= 96);
    assert(e->account.ptr);
    assert(!e->external_id.ptr || has_id(a, root, e->external_id));
    assert(!e->target_id.ptr || has_id(a, root, e->target_id));
    assert(!e->sender.ptr || has_text(a, root, e->sender));
    assert(e->at_ms >= 0 && e->watermark_at_ms >= 0);
    assert(e->kind != EVENT_MESSAGE || (e->external_id.ptr && e->direction != DIR_NONE));
    assert(e->kind != EVENT_UNKNOWN || e->reason.len);
    struct err err = {0};
    assert(!e->extra.ptr || json_is(json_parse(a, e->extra, &err), JSON_OBJECT));
}

/* A unit is a webhook body of its own: cut again, it is itself. */
static inline void check_unit_again(const struct provider *p, const struct unit *u)
{
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(u->body.len));
    struct units again = {0};
    struct webhook in = {.body = u->body, .path_rest = u->account};
    struct err err = {0};
    assert(p->split(a, &in, &again, &err) && again.n == 1);
    assert(same_place(again.items->account, u->account));
    assert(same_place(again.items->conversation, u->conversation));
    assert(again.items->body.ptr == u->body.ptr && again.items->body.len == u->body.len);
}

/* Pure: parsed once more, the same. And the text is such that PostgreSQL and browsers take it. */
static inline void check_pure(const struct provider *p, const struct unit *u,
                              const struct events *first)
{
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(u->body.len));
    auto_arena scratch = arena_new(DUMP_MAX);
    struct err err = {0};
    struct events second = {0};
    struct buf one, two;
    buf_init(&one, DUMP_MAX);
    buf_init(&two, DUMP_MAX);
    assert(p->parse(a, u, &second, &err));
    for (size_t i = 0; i < first->n; i++)
        dump_event(&one, 0, &first->items[i]);
    for (size_t i = 0; i < second.n; i++)
        dump_event(&two, 0, &second.items[i]);
    assert(str_eq(buf_str(&one), buf_str(&two)));
    assert(str_utf8(scratch, buf_str(&one)).ptr == buf_str(&one).ptr);
    buf_done(&one);
    buf_done(&two);
}

/* split, parse, and what they promise together. False: the body, or a unit of it, is refused. */
static inline bool check_body(const struct provider *p, struct str body)
{
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(body.len));
    auto_arena b = arena_new(PROVIDER_ARENA_MAX(body.len));
    struct err err = {0};
    struct webhook in = {.body = body, .path_rest = PATH_REST};
    struct units units = {0};
    struct unit all = {.body = body, .account = PATH_REST};
    struct events whole = {0};
    if (!p->split(a, &in, &units, &err) || !p->parse(b, &all, &whole, &err)) {
        assert(err.kind == ERR_INVALID || err.kind == ERR_LIMITED);
        return false;
    }

    size_t n = 0;
    for (size_t i = 0; i < units.n; i++) {
        auto_arena c = arena_new(PROVIDER_ARENA_MAX(units.items[i].body.len));
        struct events part = {0};
        assert(p->parse(c, &units.items[i], &part, &err));
        check_unit(&whole, &units.items[i], &part);
        check_unit_again(p, &units.items[i]);
        n += part.n;
    }
    assert(n == whole.n);
    check_pure(p, &all, &whole);

    // Looking ids up costs the square of the body; large bodies repeat what small ones showed.
    auto_arena scratch = arena_new(DUMP_MAX);
    const struct json *root = json_parse(scratch, body, &err);
    for (size_t i = 0; i < whole.n && body.len < 65536; i++)
        check_event(scratch, root, &whole.items[i]);
    return true;
}

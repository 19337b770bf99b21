/* SPDX-License-Identifier: Apache-2.0 */
#include "sends.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define LINE_MAX_BYTES ((size_t)256 << 10)

struct sim_sends {
    struct sim_sent *ring;
    char **texts; /* owned, one block for each row */
    size_t keep;
    uint64_t last, forgotten; /* numbers up to it are gone */
    FILE *file;
    struct buf line;
};

struct sim_sends *sim_sends_new(size_t keep, FILE *file)
{
    struct sim_sends *s = xalloc(sizeof *s);
    s->ring = xalloc(keep * sizeof *s->ring);
    s->texts = xalloc(keep * sizeof *s->texts);
    s->keep = keep;
    s->file = file;
    buf_init(&s->line, LINE_MAX_BYTES);
    return s;
}

void sim_sends_clear(struct sim_sends *s)
{
    for (size_t i = 0; i < s->keep; i++) {
        free(s->texts[i]);
        s->texts[i] = NULL;
    }
    s->forgotten = s->last;
}

void sim_sends_free(struct sim_sends *s)
{
    if (!s)
        return;
    sim_sends_clear(s);
    buf_done(&s->line);
    free(s->ring);
    free(s->texts);
    free(s);
}

/* --- in --------------------------------------------------------------------------------------- */

char *sim_send_keep(struct str *account, struct sim_send *m)
{
    struct str *texts[] = {account,        &m->kind,        &m->to,     &m->conversation, &m->text,
                           &m->client_ref, &m->external_id, &m->target, &m->detail};
    size_t size = 1;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        size += texts[i]->len;
    char *block = xalloc(size), *to = block;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!texts[i]->ptr)
            continue;
        if (texts[i]->len)
            memcpy(to, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = to;
        to += texts[i]->len;
    }
    return block;
}

static void put_line(struct buf *out, const struct sim_sent *row)
{
    struct arena *a = arena_new(2 * LINE_MAX_BYTES);
    const struct sim_send *m = &row->send;
    const struct {
        const char *name;
        struct str text;
    } texts[] = {{"kind", m->kind},
                 {"to", m->to},
                 {"conversation", m->conversation},
                 {"text", m->text},
                 {"client_ref", m->client_ref},
                 {"external_id", m->external_id},
                 {"target", m->target}};
    struct json_out o = {.buf = out};
    json_open(&o, '{');
    json_put_int(&o, "number", (int64_t)row->number);
    json_put_int(&o, "at_ms", row->at_ms);
    json_put_str(&o, "provider", str_of(row->api->name));
    json_put_str(&o, "account", str_utf8(a, row->account));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].text.ptr)
            json_put_str(&o, texts[i].name, str_utf8(a, texts[i].text));
    if (m->detail.ptr)
        json_put_raw(&o, "detail", m->detail);
    json_put_bool(&o, "answered", !row->is_lost);
    json_close(&o, '}');
    buf_putc(out, '\n');
    arena_free(a);
}

const struct sim_sent *sim_sends_add(struct sim_sends *s, const struct sim_api *api,
                                     struct str account, int64_t at_ms, const struct sim_send *send,
                                     bool is_lost)
{
    size_t at = ++s->last % s->keep;
    struct sim_sent *row = &s->ring[at];
    free(s->texts[at]);
    *row = (struct sim_sent){s->last, at_ms, api, account, *send, is_lost};
    s->texts[at] = sim_send_keep(&row->account, &row->send);
    if (s->last > s->keep && s->forgotten < s->last - s->keep)
        s->forgotten = s->last - s->keep;
    if (!s->file)
        return row;
    buf_clear(&s->line);
    put_line(&s->line, row);
    (void)fwrite(s->line.ptr, 1, s->line.len, s->file);
    (void)fflush(s->file);
    return row;
}

/* --- out -------------------------------------------------------------------------------------- */

uint64_t sim_sends_last(const struct sim_sends *s)
{
    return s->last;
}

const struct sim_sent *sim_sends_get(const struct sim_sends *s, uint64_t number)
{
    return number > s->forgotten && number <= s->last ? &s->ring[number % s->keep] : NULL;
}

const struct sim_sent *sim_sends_find(const struct sim_sends *s, const struct sim_api *api,
                                      struct str external_id)
{
    for (uint64_t n = s->last; n > s->forgotten; n--) {
        const struct sim_sent *row = sim_sends_get(s, n);
        if (row->api == api && str_eq(row->send.external_id, external_id))
            return row;
    }
    return NULL;
}

void sim_sends_json(const struct sim_sends *s, uint64_t since, struct str provider,
                    struct str account, struct buf *out)
{
    for (uint64_t n = since > s->forgotten ? since + 1 : s->forgotten + 1; n <= s->last; n++) {
        const struct sim_sent *row = sim_sends_get(s, n);
        if ((!provider.len || str_eq_c(provider, row->api->name)) &&
            (!account.len || str_eq(account, row->account)))
            put_line(out, row);
    }
}

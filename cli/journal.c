/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

void journal_set(struct journal_text *t, struct str s)
{
    size_t n = s.len < JOURNAL_TEXT - 1 ? s.len : JOURNAL_TEXT - 1;
    // Not within a character.
    while (n < s.len && n > 0 && ((uint8_t)s.ptr[n] & 0xC0) == 0x80)
        n--;
    // Nothing that drives a terminal: C0, DEL, and C1, whose UTF-8 is C2 80 to C2 9F.
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        bool is_c1 = i > 0 && (uint8_t)s.ptr[i - 1] == 0xC2 && c < 0xA0;
        t->s[i] = c < ' ' || c == 0x7F ? ' ' : s.ptr[i];
        if (is_c1)
            t->s[i - 1] = t->s[i] = ' ';
    }
    t->s[n] = '\0';
}

void journal_init(struct journal *j, int64_t settle_ms, bool wants_frames,
                  void (*show)(void *ctx, const struct journal_entry *e), void *ctx)
{
    *j = (struct journal){
        .settle_ms = settle_ms, .wants_frames = wants_frames, .show = show, .ctx = ctx};
    j->entries = xalloc(sizeof *j->entries * JOURNAL_MAX);
    j->traces = xalloc(sizeof *j->traces * JOURNAL_MAX);
}

static void release(struct journal *j, uint32_t i)
{
    struct journal_entry e = j->entries[i];
    j->n--;
    memmove(&j->entries[i], &j->entries[i + 1], sizeof e * (j->n - i));
    // An update without its beginning was under way before we looked.
    if (e.has_inbound || e.is_own)
        j->show(j->ctx, &e);
}

void journal_done(struct journal *j)
{
    while (j->n)
        release(j, 0);
    free(j->entries);
    free(j->traces);
    j->entries = NULL;
    j->traces = NULL;
}

static void set_trace(char out[33], struct str trace)
{
    size_t n = trace.len < 32 ? trace.len : 32;
    memcpy(out, trace.ptr, n);
    out[n] = '\0';
}

static void remember(struct journal *j, struct str trace)
{
    set_trace(j->traces[j->n_traces++ % JOURNAL_MAX], trace);
}

/* Did a webhook cause it? One may change many messages, and is shown once. */
static bool came_in(const struct journal *j, struct str trace)
{
    for (uint32_t i = 0; i < j->n_traces && i < JOURNAL_MAX; i++)
        if (str_eq_c(trace, j->traces[i]))
            return true;
    return false;
}

static struct journal_entry *add(struct journal *j, struct str trace, int64_t now_ms)
{
    if (j->n == JOURNAL_MAX)
        release(j, 0);
    struct journal_entry *e = &j->entries[j->n++];
    *e = (struct journal_entry){.first_seen_ms = now_ms};
    set_trace(e->trace, trace);
    return e;
}

static void settle(struct journal *j, struct journal_entry *e)
{
    if ((e->has_inbound || e->is_own) && e->has_update && (e->has_frame || !j->wants_frames))
        release(j, (uint32_t)(e - j->entries));
}

static bool is_same_message(const struct journal_text *id, struct str other)
{
    // What is cut is compared as far as it goes.
    struct journal_text cut;
    journal_set(&cut, other);
    return id->s[0] && strcmp(id->s, cut.s) == 0;
}

/* A conversation changes with each of its messages: the message is what people look for. */
static bool is_aside(struct str kind)
{
    return str_starts(kind, STR("conversation."));
}

/* The entry of this trace that lacks its `has_*` part: best the one about the same message. */
static struct journal_entry *find(struct journal *j, struct str trace, struct str external_id,
                                  bool lacks_inbound)
{
    struct journal_entry *any = NULL;
    for (uint32_t i = 0; i < j->n; i++) {
        struct journal_entry *e = &j->entries[i];
        bool lacks = lacks_inbound ? !e->has_inbound : !e->has_update;
        if (!lacks || !str_eq_c(trace, e->trace))
            continue;
        if (is_same_message(&e->external_id, external_id))
            return e;
        any = any ? any : e;
    }
    return any;
}

void journal_inbound(struct journal *j, const struct journal_inbound *in, int64_t now_ms)
{
    remember(j, in->trace);
    struct journal_entry *e = find(j, in->trace, in->external_id, true);
    if (!e)
        e = add(j, in->trace, now_ms);
    e->has_inbound = true;
    e->is_own = false;
    e->received_at_ms = in->received_at_ms;
    e->published_at_ms = in->published_at_ms;
    journal_set(&e->provider, in->provider);
    journal_set(&e->kind, in->kind);
    journal_set(&e->conversation, in->conversation);
    journal_set(&e->text, in->text);
    journal_set(&e->external_id, in->external_id);
    settle(j, e);
}

/* What we send begins with us: its update is the whole event. Only from where it is seen last: what
 * was shown once must not come again by the other way. */
static void begin_own(const struct journal *j, struct journal_entry *e,
                      const struct journal_update *u)
{
    if (!u->status.len || e->has_inbound || came_in(j, u->trace))
        return;
    e->is_own = true;
    e->received_at_ms = e->published_at_ms = u->stored_at_ms;
    journal_set(&e->provider, u->provider);
    journal_set(&e->kind, u->status);
    journal_set(&e->conversation, u->conversation);
    journal_set(&e->text, u->text);
}

static struct journal_entry *take_update(struct journal *j, const struct journal_update *u,
                                         int64_t now_ms)
{
    for (uint32_t i = 0; i < j->n; i++)
        if (u->id.len && str_eq_c(u->id, j->entries[i].update_id.s))
            return &j->entries[i];
    if (is_aside(u->kind))
        return NULL;
    struct journal_entry *e = find(j, u->trace, u->external_id, false);
    if (!e) {
        e = add(j, u->trace, now_ms);
        journal_set(&e->external_id, u->external_id);
    }
    e->has_update = true;
    e->stored_at_ms = u->stored_at_ms;
    journal_set(&e->update_id, u->id);
    journal_set(&e->update_kind, u->kind);
    journal_set(&e->object_id, u->object_id);
    return e;
}

void journal_update(struct journal *j, const struct journal_update *u, int64_t now_ms)
{
    struct journal_entry *e = take_update(j, u, now_ms);
    if (!e)
        return;
    if (!j->wants_frames)
        begin_own(j, e, u);
    settle(j, e);
}

void journal_frame(struct journal *j, const struct journal_update *u, int64_t pushed_at_ms,
                   int64_t now_ms)
{
    struct journal_entry *e = take_update(j, u, now_ms);
    if (!e)
        return;
    e->has_frame = true;
    e->pushed_at_ms = pushed_at_ms;
    begin_own(j, e, u);
    settle(j, e);
}

void journal_expire(struct journal *j, int64_t now_ms)
{
    while (j->n && now_ms - j->entries[0].first_seen_ms > j->settle_ms)
        release(j, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "decide.h"
#include "id.h"
#include "parked.h"

// A provider's id; in an index, whose entries have at most 2700 bytes.
#define PARENT_MAX 128

const char *router_outcome_name(enum event_outcome o)
{
    static const char *const names[OUTCOMES] = {"new", "redelivered", "duplicate", "ignored",
                                                "quarantined"};
    return names[o];
}

struct batch *router_batch_new(void)
{
    struct batch *b = xalloc(sizeof *b);
    b->arena = arena_new(BATCH_ARENA_MAX);
    buf_init(&b->values, BATCH_VALUES_MAX);
    return b;
}

void router_batch_free(struct batch *b)
{
    if (!b)
        return;
    arena_free(b->arena);
    buf_done(&b->values);
    free(b);
}

void router_batch_reset(struct batch *b, int64_t now_at_ms)
{
    struct arena *a = b->arena;
    struct buf values = b->values;
    arena_reset(a);
    buf_clear(&values);
    *b = (struct batch){.arena = a, .values = values, .now_at_ms = now_at_ms};
    router_model_init(&b->model, a, now_at_ms);
    router_table_init(&b->channels, a);
    router_table_init(&b->parents, a);
    router_table_init(&b->channels_by_id, a);
    router_table_init(&b->conversations_by_id, a);
    router_table_init(&b->named, a);
}

static struct str channel_key(const struct batch *b, struct str provider, struct str account)
{
    return str_fmt(b->arena, "%.*s:%.*s", STR_ARG(provider), STR_ARG(account));
}

struct channel *router_batch_channel(const struct batch *b, struct str provider, struct str account)
{
    return router_table_find(&b->channels, NULL, channel_key(b, provider, account));
}

struct channel *router_batch_add_channel(struct batch *b, struct str provider, struct str account)
{
    struct channel *ch = ARENA_NEW(b->arena, struct channel);
    ch->provider = provider;
    ch->account = account;
    router_table_put(&b->channels, NULL, channel_key(b, provider, account), ch);
    return ch;
}

void router_batch_add_child(struct batch *b, struct str parent, struct channel *ch)
{
    struct str key = channel_key(b, ch->provider, parent);
    struct channel *first = router_table_find(&b->parents, NULL, key);
    ch->sibling = NULL;
    if (!first) {
        router_table_put(&b->parents, NULL, key, ch);
        return;
    }
    while (first->sibling)
        first = first->sibling;
    first->sibling = ch;
}

static bool is_disconnected(const struct channel *ch)
{
    return str_eq_c(ch->status, "disconnected");
}

static bool is_about_accounts(const struct events *events)
{
    for (size_t i = 0; i < events->n; i++)
        if (events->items[i].kind != EVENT_ACCOUNT_STATUS && events->items[i].kind != EVENT_UNKNOWN)
            return false;
    return true;
}

void router_batch_resolve(const struct batch *b, struct item *it)
{
    struct str provider = it->event.provider, account = it->event.account;
    it->channel = router_batch_channel(b, provider, account);
    if (it->channel || !is_about_accounts(&it->events))
        return;
    struct channel *ch = router_table_find(&b->parents, NULL, channel_key(b, provider, account));
    it->channel = ch;
    it->is_of_parent = ch != NULL;
    // One that is connected speaks for the others, where there is one.
    while (ch && is_disconnected(ch))
        ch = ch->sibling;
    if (ch)
        it->channel = ch;
}

/* --- decode ----------------------------------------------------------------------------------- */

static void park(struct item *it, struct arena *a, const char *reason, const char *detail)
{
    it->reason = reason;
    it->detail = str_dup(a, str_of(detail));
}

static bool parse_inbound(struct batch *b, struct item *it)
{
    it->adapter = provider_find(it->event.provider);
    if (!it->adapter) {
        park(it, b->arena, "poison", "no such provider");
        return true;
    }
    struct unit unit = {.account = it->event.account,
                        .account_type = it->event.account_type,
                        .conversation = it->event.conversation,
                        .body = it->event.body};
    struct err err = {0};
    if (!it->adapter->parse(b->arena, &unit, &it->events, &err)) {
        it->events = (struct events){0};
        park(it, b->arena, "poison", err.msg);
    }
    return true;
}

static bool decode_item(struct batch *b, struct codec *codec, struct item *it, struct err *err)
{
    struct err why = {0};
    bool ok = false;
    switch (it->source) {
    case SOURCE_INBOUND:
        ok = decode_webhook_event(codec, b->arena, it->rec->value, &it->event, &why);
        break;
    case SOURCE_RESULTS:
        ok = decode_result(codec, b->arena, it->rec->value, &it->result, &why);
        break;
    case SOURCE_QUARANTINE:
        ok = decode_quarantined(codec, b->arena, it->rec->value, &it->quarantined, &why);
        break;
    }
    if (ok)
        return it->source != SOURCE_INBOUND || parse_inbound(b, it);
    if (why.kind == ERR_BUSY) {
        *err = why;
        return err_wrap(err, "decoding %s", it->rec->topic);
    }
    park(it, b->arena, "poison", why.msg);
    return true;
}

static enum source source_of(const struct topics *t, struct str topic)
{
    if (str_eq_c(topic, t->results))
        return SOURCE_RESULTS;
    return str_eq_c(topic, t->quarantine) ? SOURCE_QUARANTINE : SOURCE_INBOUND;
}

static void note_offset(struct batch *b, const struct record *rec)
{
    size_t i = 0;
    while (i < b->n_offsets && (b->offsets[i].partition != rec->partition ||
                                strcmp(b->offsets[i].topic, rec->topic) != 0))
        i++;
    if (i == b->n_offsets) {
        const char *topic = str_c(b->arena, str_of(rec->topic));
        b->offsets[b->n_offsets++] =
            (struct partition){.topic = topic, .partition = rec->partition, .offset = rec->offset};
    }
    b->offsets[i].offset = rec->offset + 1;
}

bool router_batch_decode(struct batch *b, struct codec *codec, const struct topics *topics,
                         const struct record *recs, size_t n, struct err *err)
{
    b->items = ARENA_ARRAY(b->arena, struct item, n);
    b->offsets = ARENA_ARRAY(b->arena, struct partition, n);
    for (size_t i = 0; i < n; i++) {
        if (!recs[i].handle) // its partition was taken away meanwhile
            continue;
        struct item *it = &b->items[b->n_items++];
        it->rec = &recs[i];
        it->source = source_of(topics, str_of(recs[i].topic));
        it->trace = str_dup(b->arena, record_header(&recs[i], "traceparent"));
        note_offset(b, &recs[i]);
        if (!decode_item(b, codec, it, err))
            return false;
    }
    return true;
}

/* --- admit ------------------------------------------------------------------------------------ */

static struct conversation *conversation_of(struct batch *b, struct channel *ch,
                                            struct str external_id)
{
    if (!external_id.ptr)
        return NULL;
    struct conversation *c = router_model_conversation(&b->model, ch, external_id);
    if (!c)
        c = router_model_add_conversation(&b->model, ch, external_id);
    c->only_if_there = false;
    return c;
}

/* The same of a result: nothing is made for it, because what it is about was there before. */
static struct conversation *conversation_if_there(struct batch *b, struct channel *ch,
                                                  struct str external_id)
{
    if (!external_id.len)
        return NULL;
    struct conversation *c = router_model_conversation(&b->model, ch, external_id);
    if (c)
        return c;
    c = router_model_add_conversation(&b->model, ch, external_id);
    c->only_if_there = true;
    return c;
}

/* The same fact may come again and mean something new (an account's status: error, ok, error). Such
 * an event is told from others by where it stands; applied twice it changes nothing. */
static struct str key_of(struct batch *b, const struct item *it, const struct event *ev)
{
    if (!ev->key_is_weak)
        return ev->key;
    return str_fmt(b->arena, "%.*s@%d:%lld", STR_ARG(ev->key), (int)it->rec->partition,
                   (long long)it->rec->offset);
}

/* Which account another belongs to is believed of a webhook of that other account. */
static void learn_parent(struct channel *ch, const struct event *ev)
{
    if (!ev->parent.len || ev->parent.len > PARENT_MAX || str_eq(ev->parent, ch->parent))
        return;
    ch->parent = ev->parent;
    ch->parent_changed = true;
}

static void admit_event(struct batch *b, struct item *it, struct channel *ch, int idx)
{
    const struct event *ev = &it->events.items[idx];
    struct job *job = &b->jobs[b->n_jobs++];
    *job = (struct job){.item = it, .event = ev, .idx = idx, .key = key_of(b, it, ev)};
    if (ev->kind == EVENT_UNKNOWN || (router_content_is_message(ev) && !ev->conversation.ptr)) {
        job->outcome = OUTCOME_QUARANTINED;
        if (!it->reason) // the record is kept whole, once; its other events are served
            park(it, b->arena, "unknown_event", str_c(b->arena, ev->reason));
        return;
    }
    if (!router_apply_wants(ev)) {
        job->outcome = OUTCOME_IGNORED;
        return;
    }
    job->fact = (struct fact){.event = ev,
                              .channel = ch,
                              .at_ms = ev->at_ms ? ev->at_ms : it->event.received_at_ms,
                              .trace = it->trace};
    struct conversation *c = conversation_of(b, ch, ev->conversation);
    if (!c)
        return;
    bool is_read = ev->kind == EVENT_READ || ev->kind == EVENT_PLAYED;
    c->load_open |=
        !ev->is_group && (is_read || (ev->kind == EVENT_DELIVERED && ev->watermark_at_ms));
    job->fact.conversation = c;
}

static void admit_result(struct batch *b, struct item *it)
{
    const struct result *r = &it->result;
    if (!it->channel) // of an object that is no more
        return;
    struct conversation *c = conversation_if_there(b, it->channel, it->conversation);
    if (r->kind != RESULT_SEND)
        return;
    struct job *job = &b->jobs[b->n_jobs++];
    *job = (struct job){.item = it};
    job->key = str_fmt(b->arena, "send:%.*s:%lld:%.*s", STR_ARG(r->message_id),
                       (long long)r->attempt, STR_ARG(r->outcome));
    job->fact = (struct fact){
        .channel = it->channel, .conversation = c, .at_ms = r->at_ms, .trace = it->trace};
    if (!c || !router_is_begun_by_us(c->external_id))
        return;
    job->fact.place = conversation_if_there(b, it->channel, r->conversation);
    c->load_all = job->fact.place != NULL;
}

/* All of a record's events share its fate. */
static void admit_parked(struct batch *b, struct item *it)
{
    for (size_t i = 0; i < it->events.n; i++)
        b->jobs[b->n_jobs++] = (struct job){.item = it,
                                            .event = &it->events.items[i],
                                            .idx = (int)i,
                                            .key = it->events.items[i].key,
                                            .outcome = OUTCOME_QUARANTINED};
}

/* An event of what channels belong to is one of each of them that is connected. */
static void admit_siblings(struct batch *b, struct item *it, int idx)
{
    if (!it->is_of_parent || it->events.items[idx].kind == EVENT_UNKNOWN)
        return;
    for (struct channel *ch = it->channel->sibling; ch; ch = ch->sibling)
        if (!is_disconnected(ch))
            admit_event(b, it, ch, idx);
}

static size_t count_jobs(const struct item *it)
{
    size_t n_channels = 1;
    for (const struct channel *ch = it->channel; it->is_of_parent && ch; ch = ch->sibling)
        n_channels++;
    return it->events.n * n_channels + 1;
}

void router_batch_admit(struct batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_items; i++)
        n += count_jobs(&b->items[i]);
    b->jobs = ARENA_ARRAY(b->arena, struct job, n);
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        if (it->source == SOURCE_INBOUND && !it->reason)
            router_decide_quarantine(b->arena, it);
        if (it->reason) {
            admit_parked(b, it);
            continue;
        }
        if (it->source == SOURCE_RESULTS)
            admit_result(b, it);
        for (size_t k = 0; k < it->events.n; k++) {
            if (!it->is_of_parent)
                learn_parent(it->channel, &it->events.items[k]);
            admit_event(b, it, it->channel, (int)k);
            admit_siblings(b, it, (int)k);
        }
    }
    router_parked_route(b);
}

/* --- apply ------------------------------------------------------------------------------------ */

static bool is_active(const struct job *job)
{
    return job->outcome == OUTCOME_NEW && job->fact.channel;
}

/* The first of two events of one key counts: the table holds those that have been seen. */
static bool is_first(struct table *seen, struct job *job)
{
    if (router_table_find(seen, job->fact.channel, job->key))
        return false;
    router_table_put(seen, job->fact.channel, job->key, job);
    return true;
}

/* What our redelivered event changed is published again, as it is now. */
static void publish_again(struct batch *b, struct job *job)
{
    const struct stored_event *s = &job->stored;
    struct message *msg =
        s->message_id.ptr ? router_model_message_by_id(&b->model, s->message_id) : NULL;
    if (msg && s->change > msg->publish)
        msg->publish = s->change;
    if (msg && !msg->trace.ptr)
        msg->trace = job->fact.trace;
    for (struct str rest = s->also, id; rest.len;) {
        (void)str_cut(rest, ',', &id, &rest);
        struct message *other = router_model_message_by_id(&b->model, id);
        if (other && other->publish < CHANGE_STATUS)
            other->publish = CHANGE_STATUS;
        if (other && !other->trace.ptr)
            other->trace = job->fact.trace;
    }
    struct conversation *c = job->fact.conversation;
    if (c && !c->is_there)
        return;
    if (c && s->conversation_change > c->publish)
        c->publish = s->conversation_change;
    if (c && !c->trace.ptr)
        c->trace = job->fact.trace;
    if (!job->event)
        return;
    if (job->event->kind == EVENT_REACTION) {
        struct str who = job->event->sender.ptr ? job->event->sender : STR("");
        struct reaction *r =
            router_model_reaction(&b->model, job->fact.channel, job->event->target_id, who);
        if (r)
            r->publish = true;
    }
    if (job->event->kind == EVENT_ACCOUNT_STATUS)
        job->fact.channel->publish = true;
}

static void apply_result(struct batch *b, struct job *job)
{
    const struct result *r = &job->item->result;
    struct message *msg = router_model_message_by_id(&b->model, r->message_id);
    if (!msg)
        return;
    if (job->fact.conversation && !job->fact.conversation->is_there)
        job->fact.conversation = NULL; // it was renamed since its name was looked up
    struct send_result sent = {.outcome = r->outcome,
                               .external_id = r->external_message_id,
                               .error_code = r->error_code,
                               .error_message = r->error_message,
                               .attempt = r->attempt,
                               .retry_at_ms = r->retry_at_ms,
                               .at_ms = r->at_ms};
    router_apply_send_result(&b->model, &job->fact, msg, &sent);
}

/* Somebody else changed it; its row is in the model. */
static void publish_changed(struct batch *b, struct item *it)
{
    const struct result *r = &it->result;
    if (str_eq_c(r->object_kind, "channel")) {
        it->channel->publish = true;
        it->channel->trace = it->trace;
        return;
    }
    if (str_eq_c(r->object_kind, "conversation")) {
        struct conversation *c =
            router_model_conversation(&b->model, it->channel, it->conversation);
        if (c && c->is_there && !c->publish)
            c->publish = c->rev == 1 ? CHANGE_CREATED : CHANGE_UPDATED;
        return;
    }
    struct message *msg = router_model_message_by_id(&b->model, r->object_id);
    if (msg && !msg->publish)
        msg->publish = msg->rev == 1 ? CHANGE_CREATED : CHANGE_UPDATED;
    if (msg && !msg->trace.ptr)
        msg->trace = it->trace;
}

void router_batch_apply(struct batch *b)
{
    struct table seen;
    router_table_init(&seen, b->arena);
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        if (it->source == SOURCE_RESULTS && it->channel && it->result.kind == RESULT_OBJECT_CHANGED)
            publish_changed(b, it);
    }
    for (size_t i = 0; i < b->n_jobs; i++) {
        struct job *job = &b->jobs[i];
        if (!is_active(job))
            continue;
        if (job->stored.found && job->stored.same_position) {
            job->outcome = OUTCOME_REDELIVERED;
            publish_again(b, job);
        } else if (job->stored.found || !is_first(&seen, job)) {
            job->outcome = OUTCOME_DUPLICATE;
        } else if (job->event) {
            router_apply_event(&b->model, &job->fact);
        } else {
            apply_result(b, job);
        }
    }
}

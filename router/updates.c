/* SPDX-License-Identifier: Apache-2.0 */
#include "updates.h"

#include "id.h"
#include "log.h"
#include "objects.h"
#include "parked.h"

#define OBJECT_MAX (16u << 20)
// The rest of an update's record: its key, its headers and the other fields of its value.
#define FRAME_MAX ((size_t)4096)

struct building {
    struct batch *b;
    struct codec *codec;
    const struct topics *topics;
    struct buf object;
    int n_lost;
};

static struct publication *add_outgoing(struct building *x, const char *topic, const char *schema,
                                        size_t from)
{
    struct batch *b = x->b;
    struct publication *o = ARENA_NEW(b->arena, struct publication);
    o->topic = topic;
    o->schema = schema;
    o->value_at = from;
    o->value_len = b->values.len - from;
    if (b->last)
        b->last->next = o;
    else
        b->first = o;
    b->last = o;
    b->n_outgoing++;
    return o;
}

static struct str next_trace(struct batch *b, struct str parent)
{
    char *text = arena_alloc(b->arena, TRACEPARENT_TEXT + 1);
    traceparent_next(parent, text);
    return (struct str){text, TRACEPARENT_TEXT};
}

/* Stored, but it cannot be told: our bug, or an object beyond all limits. A client finds it by
 * REST; waiting would stop everybody else's. */
static void lose(struct building *x, struct str object_id, const struct err *err)
{
    log_error("an update cannot be encoded and is left out", kv_str("object", object_id),
              kv_c("why", err->msg));
    x->n_lost++;
}

/* False: it stays out, and what was written of it is taken back. */
static bool encode(struct building *x, struct update *u, size_t from, struct err *err)
{
    struct buf *values = &x->b->values;
    u->data = buf_str(&x->object);
    bool ok = !x->object.overflow && u->data.len <= KAFKA_RECORD_MAX - FRAME_MAX &&
              encode_update(x->codec, u, values, err) && !values->overflow;
    if (!ok && !err->kind)
        err_set(err, ERR_LIMITED, "an object of more than %zu bytes", KAFKA_RECORD_MAX - FRAME_MAX);
    buf_clear(&x->object);
    if (ok)
        return true;
    values->len = from;
    values->overflow = false; // there may be room for a smaller one
    return false;
}

/* The object stands in x->object. `whole`: the message that it is, whose outline goes out in its
 * place if no record holds it; else NULL. */
static void add_update(struct building *x, struct update *u, struct str trace,
                       const struct message *whole)
{
    struct batch *b = x->b;
    size_t from = b->values.len;
    struct err err = {0};
    u->id = router_model_new_id(&b->model);
    u->at_ms = b->now_at_ms;
    bool ok = encode(x, u, from, &err);
    if (!ok && whole) {
        router_object_message_outline(&x->object, whole);
        err = (struct err){0};
        ok = encode(x, u, from, &err);
    }
    if (!ok) {
        lose(x, u->object_id, &err);
        return;
    }
    struct publication *o = add_outgoing(x, x->topics->updates, record_name(RECORD_UPDATE), from);
    o->key = u->tenant_id;
    o->provider = u->provider;
    o->trace = next_trace(b, trace);
}

static struct update update_of(const struct channel *ch, const char *kind)
{
    return (struct update){.tenant_id = ch->tenant_id,
                           .kind = str_of(kind),
                           .channel_id = ch->id,
                           .provider = ch->provider,
                           .rev = ch->rev};
}

static void add_messages(struct building *x)
{
    static const char *const kinds[] = {[CHANGE_STATUS] = "message.status",
                                        [CHANGE_UPDATED] = "message.updated",
                                        [CHANGE_DELETED] = "message.deleted",
                                        [CHANGE_CREATED] = "message.created"};
    for (const struct message *m = x->b->model.first_message; m; m = m->next) {
        if (!m->publish || (m->removed && m->is_new))
            continue;
        struct update u = update_of(m->channel, kinds[m->publish]);
        u.conversation_id = m->conversation_id;
        u.object_id = m->id;
        u.rev = m->rev;
        router_object_message(&x->object, m);
        add_update(x, &u, m->trace, m);
    }
}

static void add_reactions(struct building *x)
{
    for (struct reaction *r = x->b->model.first_reaction; r; r = r->next) {
        if (!r->publish)
            continue;
        const struct message *m = router_model_message(&x->b->model, r->channel, r->external_id);
        r->message_id = m ? m->id : STR_NONE;
        struct update u = update_of(r->channel, "reaction.changed");
        u.conversation_id = r->conversation_id;
        u.object_id = r->id;
        u.rev = r->rev;
        router_object_reaction(&x->object, r);
        add_update(x, &u, r->trace, NULL);
    }
}

static const char *conversation_kind(const struct conversation *c)
{
    if (c->merged_into)
        return "conversation.deleted";
    return c->publish == CHANGE_CREATED ? "conversation.created" : "conversation.updated";
}

static void add_conversations(struct building *x)
{
    for (const struct conversation *c = x->b->model.first_conversation; c; c = c->next) {
        if (!c->publish)
            continue;
        struct update u = update_of(c->channel, conversation_kind(c));
        u.conversation_id = c->id;
        u.object_id = c->id;
        u.rev = c->rev;
        router_object_conversation(&x->object, c);
        add_update(x, &u, c->trace, NULL);
    }
}

static void add_channel(struct building *x, struct channel *ch)
{
    if (!ch || !ch->publish)
        return;
    ch->publish = false; // once
    struct update u = update_of(ch, "channel.status");
    u.object_id = ch->id;
    router_object_channel(&x->object, ch);
    add_update(x, &u, ch->trace, NULL);
}

static void add_stored_quarantine(struct building *x, const struct item *it)
{
    const struct quarantined *q = &it->quarantined;
    struct uuid tenant;
    if (!it->quarantine_id.ptr || !q->tenant_id.ptr || !uuid_parse(q->tenant_id, &tenant))
        return;
    struct update u = {.tenant_id = q->tenant_id,
                       .kind = STR("quarantine.added"),
                       .provider = q->provider,
                       .object_id = it->quarantine_id,
                       .rev = it->quarantine_rev};
    router_object_quarantined(&x->object, it);
    add_update(x, &u, it->trace, NULL);
}

static void add_quarantined(struct building *x, const struct item *it)
{
    struct batch *b = x->b;
    size_t from = b->values.len;
    struct err err = {0};
    struct quarantined q = router_parked_of(b, it);
    if (!encode_quarantined(x->codec, &q, &b->values, &err) || b->values.overflow) {
        b->values.len = from;
        lose(x, q.account, &err);
        return;
    }
    struct publication *o =
        add_outgoing(x, x->topics->quarantine, record_name(RECORD_QUARANTINED), from);
    o->key = str_dup(b->arena, q.key);
    o->provider = q.provider;
    o->trace = next_trace(b, it->trace);
}

int router_updates_build(struct batch *b, struct codec *codec, const struct topics *topics)
{
    struct building x = {.b = b, .codec = codec, .topics = topics};
    buf_init(&x.object, OBJECT_MAX);
    for (size_t i = 0; i < b->n_items; i++) // first: there is room for these in any case
        if (b->items[i].reason && !b->items[i].kept_here)
            add_quarantined(&x, &b->items[i]);
    add_messages(&x);
    add_reactions(&x);
    add_conversations(&x);
    for (size_t i = 0; i < b->n_jobs; i++)
        add_channel(&x, b->jobs[i].fact.channel);
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        add_channel(&x, it->channel);
        if (it->source == SOURCE_QUARANTINE || it->kept_here)
            add_stored_quarantine(&x, it);
    }
    buf_done(&x.object);
    return x.n_lost;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "updates.h"

#include "id.h"
#include "log.h"
#include "object.h"

#define OBJECT_MAX (16u << 20)

struct building {
    struct batch *b;
    struct codec *codec;
    const struct topics *topics;
    struct buf object;
    int n_lost;
};

static struct outgoing *add_outgoing(struct building *x, const char *topic, const char *schema,
                                     size_t from)
{
    struct batch *b = x->b;
    struct outgoing *o = ARENA_NEW(b->arena, struct outgoing);
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
static void lose(struct building *x, struct str object_id, const struct err *err, size_t from)
{
    log_error("an update cannot be encoded and is left out", kv_str("object", object_id),
              kv_c("why", err->msg));
    x->b->values.len = from;
    x->n_lost++;
}

/* The object stands in x->object. */
static void add_update(struct building *x, struct update *u, struct str trace)
{
    struct batch *b = x->b;
    size_t from = b->values.len;
    struct err err = {0};
    u->id = router_model_new_id(&b->model);
    u->at_ms = b->now_at_ms;
    u->data = buf_str(&x->object);
    bool ok =
        !x->object.overflow && encode_update(x->codec, u, &b->values, &err) && !b->values.overflow;
    buf_clear(&x->object);
    if (!ok) {
        lose(x, u->object_id, &err, from);
        return;
    }
    struct outgoing *o = add_outgoing(x, x->topics->updates, record_name(RECORD_UPDATE), from);
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
        add_update(x, &u, m->trace);
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
        add_update(x, &u, r->trace);
    }
}

static void add_conversations(struct building *x)
{
    for (const struct conversation *c = x->b->model.first_conversation; c; c = c->next) {
        if (!c->publish)
            continue;
        struct update u =
            update_of(c->channel, c->publish == CHANGE_CREATED ? "conversation.created"
                                                               : "conversation.updated");
        u.conversation_id = c->id;
        u.object_id = c->id;
        u.rev = c->rev;
        router_object_conversation(&x->object, c);
        add_update(x, &u, c->trace);
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
    add_update(x, &u, ch->trace);
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
    add_update(x, &u, it->trace);
}

/* The record's own headers, as far as we set such: what a replay needs to look the same. */
static struct str headers_json(struct building *x, const struct item *it)
{
    static const char *const names[] = {"traceparent", "postrider-provider", "postrider-schema"};
    struct json_out o = {.buf = &x->object};
    json_open(&o, '{');
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = record_header(it->rec, names[i]);
        if (value.ptr)
            json_put_str(&o, names[i], str_utf8(x->b->arena, value));
    }
    json_close(&o, '}');
    struct str json = str_dup(x->b->arena, buf_str(&x->object));
    buf_clear(&x->object);
    return json;
}

static void add_quarantined(struct building *x, const struct item *it)
{
    struct batch *b = x->b;
    size_t from = b->values.len;
    struct err err = {0};
    bool is_decoded = it->source == SOURCE_INBOUND && it->event.provider.ptr;
    struct str provider =
        is_decoded ? it->event.provider : record_header(it->rec, "postrider-provider");
    struct quarantined q = {
        .provider = provider.ptr ? str_utf8(b->arena, str_dup(b->arena, provider)) : STR(""),
        .tenant_id = it->event.tenant_id,
        .account = it->event.account,
        .reason = str_of(it->reason),
        .detail = str_utf8(b->arena, it->detail),
        .topic = str_of(it->rec->topic),
        .partition = it->rec->partition,
        .offset = it->rec->offset,
        .received_at_ms = is_decoded ? it->event.received_at_ms : it->rec->timestamp_at_ms,
        .key = it->rec->key.ptr ? it->rec->key : STR(""),
        .body = is_decoded ? it->event.body : it->rec->value};
    if (is_decoded && !q.tenant_id.ptr && it->channel)
        q.tenant_id = it->channel->tenant_id;
    if (it->source == SOURCE_RESULTS)
        q.tenant_id = it->result.tenant_id;
    q.headers = headers_json(x, it);
    if (!encode_quarantined(x->codec, &q, &b->values, &err) || b->values.overflow) {
        lose(x, q.account, &err, from);
        return;
    }
    struct outgoing *o =
        add_outgoing(x, x->topics->quarantine, record_name(RECORD_QUARANTINED), from);
    o->key = str_dup(b->arena, q.key);
    o->provider = q.provider;
    o->trace = next_trace(b, it->trace);
}

int router_updates_build(struct batch *b, struct codec *codec, const struct topics *topics)
{
    struct building x = {.b = b, .codec = codec, .topics = topics};
    buf_init(&x.object, OBJECT_MAX);
    add_messages(&x);
    add_reactions(&x);
    add_conversations(&x);
    for (size_t i = 0; i < b->n_jobs; i++)
        add_channel(&x, b->jobs[i].fact.channel);
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        add_channel(&x, it->channel);
        if (it->source == SOURCE_QUARANTINE)
            add_stored_quarantine(&x, it);
        else if (it->reason)
            add_quarantined(&x, it);
    }
    buf_done(&x.object);
    return x.n_lost;
}

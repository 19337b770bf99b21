/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "id.h"

void router_model_init(struct model *m, struct arena *a, int64_t now_at_ms)
{
    *m = (struct model){.arena = a, .now_at_ms = now_at_ms};
    router_table_init(&m->conversations, a);
    router_table_init(&m->messages, a);
    router_table_init(&m->messages_by_id, a);
    router_table_init(&m->messages_by_ref, a);
    router_table_init(&m->earlies, a);
    router_table_init(&m->reactions, a);
    router_table_init(&m->receipts, a);
}

struct str router_model_new_id(const struct model *m)
{
    char *text = arena_alloc(m->arena, UUID_TEXT + 1);
    uuid_format(uuid_v7(m->now_at_ms), text);
    return (struct str){text, UUID_TEXT};
}

struct conversation *router_model_conversation(const struct model *m, const struct channel *ch,
                                               struct str external_id)
{
    return router_table_find(&m->conversations, ch, external_id);
}

struct message *router_model_message(const struct model *m, const struct channel *ch,
                                     struct str external_id)
{
    return external_id.ptr ? router_table_find(&m->messages, ch, external_id) : NULL;
}

struct message *router_model_message_by_id(const struct model *m, struct str id)
{
    return router_table_find(&m->messages_by_id, NULL, id);
}

struct message *router_model_message_by_ref(const struct model *m, const struct channel *ch,
                                            struct str client_ref)
{
    return client_ref.ptr ? router_table_find(&m->messages_by_ref, ch, client_ref) : NULL;
}

struct early *router_model_early(const struct model *m, const struct channel *ch,
                                 struct str external_id)
{
    return external_id.ptr ? router_table_find(&m->earlies, ch, external_id) : NULL;
}

/* Of two parts; the length of the first keeps ("a", "bc") and ("ab", "c") apart. */
static struct str pair_key(const struct model *m, struct str a, struct str b)
{
    return str_fmt(m->arena, "%zu:%.*s%.*s", a.len, STR_ARG(a), STR_ARG(b));
}

struct reaction *router_model_reaction(const struct model *m, const struct channel *ch,
                                       struct str external_id, struct str sender)
{
    return router_table_find(&m->reactions, ch, pair_key(m, external_id, sender));
}

struct conversation *router_model_add_conversation(struct model *m, struct channel *ch,
                                                   struct str external_id)
{
    struct conversation *c = ARENA_NEW(m->arena, struct conversation);
    c->channel = ch;
    c->external_id = external_id;
    router_table_put(&m->conversations, ch, external_id, c);
    if (m->last_conversation)
        m->last_conversation->next = c;
    else
        m->first_conversation = c;
    m->last_conversation = c;
    m->n_conversations++;
    return c;
}

struct message *router_model_add_message(struct model *m, struct channel *ch,
                                         struct str external_id, struct str id)
{
    struct message *msg = ARENA_NEW(m->arena, struct message);
    msg->channel = ch;
    msg->id = id;
    router_table_put(&m->messages_by_id, NULL, id, msg);
    if (external_id.ptr)
        router_model_name_message(m, msg, external_id);
    if (m->last_message)
        m->last_message->next = msg;
    else
        m->first_message = msg;
    m->last_message = msg;
    m->n_messages++;
    return msg;
}

void router_model_name_message(struct model *m, struct message *msg, struct str external_id)
{
    msg->external_id = external_id;
    router_table_put(&m->messages, msg->channel, external_id, msg);
}

void router_model_rename(struct model *m, struct conversation *c, struct str external_id)
{
    c->external_id = external_id;
    router_table_put(&m->conversations, c->channel, external_id, c);
}

void router_model_move(struct conversation *from, struct conversation *to)
{
    while (from->open) {
        struct message *msg = from->open;
        from->open = msg->next_open;
        msg->conversation = to;
        msg->is_moved = true;
        msg->conversation_id = to->id;
        msg->next_open = to->open;
        to->open = msg;
    }
}

void router_model_attach(struct message *msg, struct conversation *c)
{
    if (!c || msg->conversation)
        return;
    msg->conversation = c;
    msg->next_open = c->open;
    c->open = msg;
}

struct early *router_model_add_early(struct model *m, struct channel *ch, struct str external_id)
{
    struct early *e = ARENA_NEW(m->arena, struct early);
    e->channel = ch;
    e->external_id = external_id;
    router_table_put(&m->earlies, ch, external_id, e);
    e->next = m->first_early;
    m->first_early = e;
    return e;
}

struct reaction *router_model_add_reaction(struct model *m, struct channel *ch,
                                           struct str external_id, struct str sender)
{
    struct reaction *r = ARENA_NEW(m->arena, struct reaction);
    r->channel = ch;
    r->external_id = external_id;
    r->sender_id = sender;
    router_table_put(&m->reactions, ch, pair_key(m, external_id, sender), r);
    if (m->last_reaction)
        m->last_reaction->next = r;
    else
        m->first_reaction = r;
    m->last_reaction = r;
    return r;
}

struct receipt *router_model_receipt(struct model *m, struct channel *ch, struct str external_id,
                                     struct str participant)
{
    struct str key = pair_key(m, external_id, participant);
    struct receipt *r = router_table_find(&m->receipts, ch, key);
    if (r)
        return r;
    r = ARENA_NEW(m->arena, struct receipt);
    r->channel = ch;
    r->external_id = external_id;
    r->participant = participant;
    router_table_put(&m->receipts, ch, key, r);
    r->next = m->first_receipt;
    m->first_receipt = r;
    return r;
}

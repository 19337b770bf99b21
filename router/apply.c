/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "apply_parts.h"
#include "content.h"
#include "lattice.h"

static bool is_out(const struct message *msg)
{
    return str_eq_c(msg->direction, "out");
}

/* --- marks ------------------------------------------------------------------------------------ */

static void mark_also(struct model *m, struct fact *f, struct message *msg)
{
    for (size_t i = 0; i < f->n_also; i++)
        if (f->also[i] == msg)
            return;
    if ((f->n_also & (f->n_also + 1)) == 0) { // at 0, 1, 3, 7 ...: the room is used up
        struct message **wider = ARENA_ARRAY(m->arena, struct message *, 2 * f->n_also + 1);
        for (size_t i = 0; i < f->n_also; i++)
            wider[i] = f->also[i];
        f->also = wider;
    }
    f->also[f->n_also++] = msg;
}

void router_mark_message(struct model *m, struct fact *f, struct message *msg, enum change change)
{
    msg->changed = true;
    if (change > msg->publish)
        msg->publish = change;
    if (!msg->trace.ptr)
        msg->trace = f->trace;
    if (!f->message)
        f->message = msg;
    if (f->message != msg)
        mark_also(m, f, msg);
    else if (change > f->change)
        f->change = change;
}

void router_mark_conversation(struct fact *f, struct conversation *c)
{
    enum change change = c->is_new ? CHANGE_CREATED : CHANGE_UPDATED;
    c->changed = true;
    if (change > c->publish)
        c->publish = change;
    if (!c->trace.ptr)
        c->trace = f->trace;
    if (c == f->conversation && change > f->conversation_change)
        f->conversation_change = change;
}

/* --- status ----------------------------------------------------------------------------------- */

static void raise_status(struct model *m, struct fact *f, struct message *msg, struct str to)
{
    if (router_raise_out(&msg->status, &msg->error_code, &msg->error_message, to))
        router_mark_message(m, f, msg, CHANGE_STATUS);
}

/* Only what the provider has taken (it has a name there) can be covered by a watermark. */
void router_apply_watermarks(struct model *m, struct fact *f, struct message *msg)
{
    const struct conversation *c = msg->conversation;
    int rank = router_out_rank(msg->status);
    if (!c || !is_out(msg) || !msg->external_id.ptr || rank < ROUTER_RANK_SENT)
        return;
    if (rank == ROUTER_RANK_FAILED) // told by its id, which a watermark does not know
        return;
    if (msg->provider_at_ms <= c->read_up_to_ms)
        raise_status(m, f, msg, STR("read"));
    else if (msg->provider_at_ms <= c->delivered_up_to_ms)
        raise_status(m, f, msg, STR("delivered"));
}

static void advance(struct model *m, struct fact *f, struct conversation *c, int64_t *mark,
                    int64_t to_ms)
{
    if (!c || to_ms <= *mark)
        return;
    *mark = to_ms;
    router_mark_conversation(f, c);
    for (struct message *msg = c->open; msg; msg = msg->next_open)
        router_apply_watermarks(m, f, msg);
}

static void advance_agent_read(struct fact *f, struct conversation *c, int64_t to_ms)
{
    if (!c || to_ms <= c->agent_read_at_ms)
        return;
    c->agent_read_at_ms = to_ms;
    c->recount = true;
    router_mark_conversation(f, c);
}

static void read_incoming(struct model *m, struct fact *f, struct message *msg)
{
    if (!str_eq_c(msg->status, "read")) {
        msg->status = STR("read");
        router_mark_message(m, f, msg, CHANGE_STATUS);
    }
    advance_agent_read(f, msg->conversation, msg->provider_at_ms);
}

/* Told by its id that it arrived: no failure counts any more. */
static void prove(struct message *msg, struct str status)
{
    if (msg->is_proven || router_out_rank(status) <= ROUTER_RANK_FAILED)
        return;
    msg->is_proven = true;
    msg->changed = true; // to be stored, though a client may see nothing new
}

static void fail(struct model *m, struct fact *f, struct message *msg, struct str code,
                 struct str text)
{
    if (!msg->is_proven && router_out_rank(msg->status) > ROUTER_RANK_FAILED)
        msg->status = STR("sent"); // more was only assumed, by a watermark
    if (router_fail_out(&msg->status, &msg->error_code, &msg->error_message, code, text))
        router_mark_message(m, f, msg, CHANGE_STATUS);
}

/* A receipt's status reaches a message that is there. */
void router_apply_status(struct model *m, struct fact *f, struct message *msg, struct str status,
                         struct str code, struct str text)
{
    bool is_read = str_eq_c(status, "read");
    if (!is_out(msg)) {
        if (is_read)
            read_incoming(m, f, msg);
        return;
    }
    if (str_eq_c(status, "failed")) {
        fail(m, f, msg, code, text);
    } else {
        prove(msg, status);
        raise_status(m, f, msg, status);
    }
    if (is_read && msg->conversation && !msg->conversation->is_group)
        advance(m, f, msg->conversation, &msg->conversation->read_up_to_ms, msg->provider_at_ms);
    router_apply_watermarks(m, f, msg);
}

/* --- edits and deletes ------------------------------------------------------------------------ */

void router_apply_edit(struct model *m, struct fact *f, struct message *msg, int64_t at_ms,
                       struct str key, struct str body)
{
    if (msg->edited_at_ms && !router_is_later(at_ms, key, msg->edited_at_ms, msg->edit_key))
        return;
    msg->edited_at_ms = at_ms;
    msg->edit_key = key;
    msg->text_changed = true;
    if (!msg->deleted_at_ms)
        msg->body = body;
    router_mark_message(m, f, msg, CHANGE_UPDATED);
}

/* Who takes a message back means its content: we keep that there was one. */
static void wipe(struct message *msg)
{
    msg->body = STR_NONE;
    msg->content = STR_NONE;
    msg->attachments = NULL;
    msg->attachments_json = STR_NONE;
    msg->n_attachments = 0;
    msg->content_changed = true;
    msg->text_changed = true;
}

void router_apply_delete(struct model *m, struct fact *f, struct message *msg, int64_t at_ms)
{
    if (msg->deleted_at_ms && msg->deleted_at_ms <= at_ms)
        return;
    msg->deleted_at_ms = at_ms;
    wipe(msg);
    router_mark_message(m, f, msg, CHANGE_DELETED);
}

/* --- facts that wait -------------------------------------------------------------------------- */

static struct early *early_of(struct model *m, struct fact *f, struct str target)
{
    struct early *e = router_model_early(m, f->channel, target);
    if (!e)
        e = router_model_add_early(m, f->channel, target);
    if (!e->conversation_id.ptr && f->conversation)
        e->conversation_id = f->conversation->id;
    return e;
}

void router_merge_early(struct model *m, struct fact *f, struct message *msg)
{
    struct early *e = router_model_early(m, msg->channel, msg->external_id);
    if (!e || e->applied)
        return;
    e->applied = true;
    e->changed = true;
    if (e->edited_at_ms)
        router_apply_edit(m, f, msg, e->edited_at_ms, e->edit_key, e->edit_body);
    if (e->deleted_at_ms)
        router_apply_delete(m, f, msg, e->deleted_at_ms);
    if (e->status.ptr)
        router_apply_status(m, f, msg, e->status, e->error_code, e->error_message);
}

/* --- messages --------------------------------------------------------------------------------- */

static void show_as_last(struct fact *f, struct conversation *c, const struct message *msg)
{
    if (!is_out(msg) && msg->provider_at_ms > c->last_inbound_at_ms) {
        c->last_inbound_at_ms = msg->provider_at_ms;
        router_mark_conversation(f, c);
    }
    if (!router_is_later(msg->provider_at_ms, msg->external_id, c->last_message_at_ms,
                         c->last_message_ext))
        return;
    c->last_message_at_ms = msg->provider_at_ms;
    c->last_message_ext = msg->external_id;
    c->last_message_id = msg->id;
    router_mark_conversation(f, c);
}

static void count_unread(struct fact *f, struct conversation *c, const struct message *msg)
{
    if (is_out(msg) || str_eq_c(msg->kind, "system") || msg->provider_at_ms <= c->agent_read_at_ms)
        return;
    c->unread_added++;
    router_mark_conversation(f, c);
}

/* Of several names the greatest, so that their order does not count. */
static void take_alias(struct fact *f, struct message *msg)
{
    struct str alias = f->event->external_alias;
    if (str_eq(alias, msg->external_id) || !router_take_greater(&msg->external_alias, alias))
        return;
    msg->alias_changed = true;
    msg->changed = true;
}

static void create_message(struct model *m, struct fact *f)
{
    assert(f->conversation); // admitted only with one
    const struct event *ev = f->event;
    struct message *msg =
        router_model_add_message(m, f->channel, ev->external_id, router_model_new_id(m));
    msg->is_new = true;
    msg->content_changed = true;
    msg->direction = ev->direction == DIR_OUT ? STR("out") : STR("in");
    msg->status = ev->direction == DIR_OUT ? STR("sent") : STR("received");
    msg->source_key = ev->key;
    msg->provider_at_ms = f->at_ms;
    msg->stored_at_ms = m->now_at_ms;
    msg->conversation_id = f->conversation->id;
    router_content_fill(m->arena, ev, msg);
    router_model_attach(msg, f->conversation);
    router_mark_message(m, f, msg, CHANGE_CREATED);
    show_as_last(f, f->conversation, msg);
    count_unread(f, f->conversation, msg);
    take_alias(f, msg);
    router_merge_early(m, f, msg);
    router_apply_watermarks(m, f, msg);
}

/* The same message told by another event: the one with the least (time, key) is its source. */
static void take_content(struct model *m, struct fact *f, struct message *msg)
{
    if (!msg->source_key.ptr ||
        !router_is_later(msg->provider_at_ms, msg->source_key, f->at_ms, f->event->key))
        return;
    struct message edited = *msg;
    if (msg->provider_at_ms != f->at_ms && msg->conversation)
        msg->conversation->recount = true;
    msg->source_key = f->event->key;
    msg->provider_at_ms = f->at_ms;
    router_content_fill(m->arena, f->event, msg);
    msg->content_changed = true;
    msg->text_changed = true;
    if (msg->edited_at_ms)
        msg->body = edited.body;
    if (msg->deleted_at_ms)
        wipe(msg);
    router_mark_message(m, f, msg, CHANGE_UPDATED);
}

/* The api's row that this is the echo of: the reference is ours, and the row waits for its name.
 * Other apps put what they like in its place, the same text in each message too. */
static struct message *find_own(const struct model *m, const struct fact *f)
{
    const struct event *ev = f->event;
    if (ev->direction != DIR_OUT)
        return NULL;
    struct message *msg = router_model_message_by_ref(m, f->channel, ev->client_ref);
    return msg && is_out(msg) && !msg->external_id.ptr ? msg : NULL;
}

static void apply_message(struct model *m, struct fact *f)
{
    const struct event *ev = f->event;
    struct message *msg = router_model_message(m, f->channel, ev->external_id);
    if (!msg)
        msg = find_own(m, f);
    if (!msg) {
        create_message(m, f);
        return;
    }
    if (!msg->external_id.ptr && ev->external_id.ptr) { // our own send, named by its echo
        router_model_name_message(m, msg, ev->external_id);
        router_mark_message(m, f, msg, CHANGE_STATUS);
        router_merge_early(m, f, msg);
    }
    take_alias(f, msg);
    take_content(m, f, msg);
    if (is_out(msg))
        router_apply_status(m, f, msg, STR("sent"), STR_NONE, STR_NONE);
}

/* --- the other kinds -------------------------------------------------------------------------- */

static struct str status_of(enum event_kind kind)
{
    switch (kind) {
    case EVENT_SENT:
        return STR("sent");
    case EVENT_FAILED:
        return STR("failed");
    case EVENT_DELIVERED:
        return STR("delivered");
    case EVENT_PLAYED:
        return STR("played");
    default:
        return STR("read");
    }
}

static void keep_receipt(struct model *m, struct fact *f)
{
    const struct event *ev = f->event;
    struct str who = ev->sender.len ? ev->sender : ev->contact.len ? ev->contact : ev->recipient;
    if (!who.len)
        return;
    struct receipt *r = router_model_receipt(m, f->channel, ev->target_id, who);
    struct str status = status_of(ev->kind);
    int by_rank = router_receipt_rank(status) - router_receipt_rank(r->status);
    if (!r->status.ptr || by_rank > 0 || (by_rank == 0 && f->at_ms > r->at_ms)) {
        r->status = status;
        r->at_ms = f->at_ms;
    }
}

static void apply_receipt(struct model *m, struct fact *f)
{
    const struct event *ev = f->event;
    struct conversation *c = f->conversation;
    struct str status = ev->kind == EVENT_PLAYED ? STR("read") : status_of(ev->kind);
    if (ev->target_id.ptr) {
        keep_receipt(m, f);
        struct message *msg = router_model_message(m, f->channel, ev->target_id);
        if (msg) {
            router_apply_status(m, f, msg, status, ev->provider_status, ev->reason);
        } else {
            struct early *e = early_of(m, f, ev->target_id);
            e->changed |=
                ev->kind == EVENT_FAILED
                    ? router_fail_out(&e->status, &e->error_code, &e->error_message,
                                      ev->provider_status, ev->reason)
                    : router_raise_out(&e->status, &e->error_code, &e->error_message, status);
        }
    }
    if (!ev->watermark_at_ms || !c || c->is_group)
        return;
    bool is_read = ev->kind == EVENT_READ || ev->kind == EVENT_PLAYED;
    if (is_read && ev->direction == DIR_OUT)
        advance_agent_read(f, c, ev->watermark_at_ms);
    else if (is_read)
        advance(m, f, c, &c->read_up_to_ms, ev->watermark_at_ms);
    else if (ev->kind == EVENT_DELIVERED)
        advance(m, f, c, &c->delivered_up_to_ms, ev->watermark_at_ms);
}

static void apply_edited(struct model *m, struct fact *f)
{
    struct message *msg = router_model_message(m, f->channel, f->event->target_id);
    if (msg) {
        router_apply_edit(m, f, msg, f->at_ms, f->event->key, f->event->text);
        return;
    }
    struct early *e = early_of(m, f, f->event->target_id);
    if (e->edited_at_ms && !router_is_later(f->at_ms, f->event->key, e->edited_at_ms, e->edit_key))
        return;
    e->edited_at_ms = f->at_ms;
    e->edit_key = f->event->key;
    e->edit_body = f->event->text;
    e->changed = true;
}

static void apply_deleted(struct model *m, struct fact *f)
{
    struct message *msg = router_model_message(m, f->channel, f->event->target_id);
    if (msg) {
        router_apply_delete(m, f, msg, f->at_ms);
        return;
    }
    struct early *e = early_of(m, f, f->event->target_id);
    if (e->deleted_at_ms && e->deleted_at_ms <= f->at_ms)
        return;
    e->deleted_at_ms = f->at_ms;
    e->changed = true;
}

static void apply_reaction(struct model *m, struct fact *f)
{
    const struct event *ev = f->event;
    struct str who = ev->sender.ptr ? ev->sender : STR("");
    struct reaction *r = router_model_reaction(m, f->channel, ev->target_id, who);
    if (!r) {
        r = router_model_add_reaction(m, f->channel, ev->target_id, who);
        r->id = router_model_new_id(m);
    } else if (!router_is_later(f->at_ms, ev->key, r->at_ms, r->key)) {
        return;
    }
    r->emoji = ev->text.len ? ev->text : STR_NONE;
    r->sender_name = ev->sender_name;
    r->at_ms = f->at_ms;
    r->key = ev->key;
    r->conversation_id = f->conversation ? f->conversation->id : r->conversation_id;
    r->changed = true;
    r->publish = true;
    r->trace = f->trace;
    f->reaction = r;
}

static void apply_account_status(struct fact *f)
{
    struct channel *ch = f->channel;
    if (ch->status_at_ms &&
        !router_is_later(f->at_ms, f->event->key, ch->status_at_ms, ch->status_key))
        return;
    ch->status_at_ms = f->at_ms;
    ch->status_key = f->event->key;
    ch->provider_status = f->event->provider_status;
    if (!str_eq_c(ch->status, "disconnected")) // that is ours to say
        ch->status = f->event->status;
    ch->changed = true;
    ch->publish = true;
    ch->trace = f->trace;
    f->channel_changed = true;
}

/* --- conversations ---------------------------------------------------------------------------- */

static void describe_conversation(struct fact *f)
{
    const struct event *ev = f->event;
    struct conversation *c = f->conversation;
    int64_t name_at_ms = c->name_at_ms, contact_at_ms = c->contact_at_ms;
    bool changed = c->is_new && !c->changed;
    changed |= ev->is_group && !c->is_group;
    c->is_group |= ev->is_group;
    changed |= router_take_greater(&c->alias, ev->conversation_alias);
    changed |= router_take_greater(&c->contact_id, ev->contact);
    changed |= router_rename(&c->name, &c->name_at_ms, ev->conversation_name, f->at_ms);
    changed |= router_rename(&c->contact_name, &c->contact_at_ms, ev->contact_name, f->at_ms);
    if (changed)
        router_mark_conversation(f, c);
    else if (name_at_ms != c->name_at_ms || contact_at_ms != c->contact_at_ms)
        c->changed = true; // to be stored, but nothing that a client sees
}

/* --- entry ------------------------------------------------------------------------------------ */

bool router_apply_wants(const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_EDITED:
    case EVENT_DELETED:
    case EVENT_REACTION:
        return ev->target_id.ptr != NULL;
    case EVENT_SENT:
    case EVENT_DELIVERED:
    case EVENT_READ:
    case EVENT_PLAYED:
    case EVENT_FAILED:
        return ev->target_id.ptr || ev->watermark_at_ms;
    case EVENT_ACCOUNT_STATUS:
        return ev->status.ptr != NULL;
    default:
        return router_content_is_message(ev) && ev->conversation.ptr;
    }
}

void router_apply_event(struct model *m, struct fact *f)
{
    if (f->conversation)
        describe_conversation(f);
    switch (f->event->kind) {
    case EVENT_EDITED:
        apply_edited(m, f);
        break;
    case EVENT_DELETED:
        apply_deleted(m, f);
        break;
    case EVENT_REACTION:
        apply_reaction(m, f);
        break;
    case EVENT_SENT:
    case EVENT_DELIVERED:
    case EVENT_READ:
    case EVENT_PLAYED:
    case EVENT_FAILED:
        apply_receipt(m, f);
        break;
    case EVENT_ACCOUNT_STATUS:
        apply_account_status(f);
        break;
    default:
        apply_message(m, f);
        break;
    }
}

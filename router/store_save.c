/* SPDX-License-Identifier: Apache-2.0 */
#include "id.h"
#include "store_row.h"
#include "store_save_sql.h"

static bool send_if(struct store *s, int n, int id, struct err *err)
{
    return !n || router_store_send(s, id, &router_save_sql[id], err);
}

#include "store_sql.h"

/* --- messages --------------------------------------------------------------------------------- */

static bool save_removed(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 2);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (!m->removed || m->is_new)
            continue;
        struct row w = row_of(s);
        put(&w, m->channel->tenant_id);
        put(&w, m->id);
        n++;
    }
    return send_if(s, n, DROP_MESSAGES, err);
}

/* Conversations that turned out to be others: their messages move, then they go. */
static bool save_merged(struct store *s, struct batch *b, struct err *err)
{
    static const int statements[] = {MOVE_MESSAGES, MOVE_LINES, MOVE_NOTES, DROP_CONVERSATIONS};
    for (size_t k = 0; k < ARRAY_LEN(statements); k++) {
        int n = 0;
        router_store_columns(s, 3);
        for (const struct conversation *c = b->model.first_conversation; c; c = c->next) {
            if (!c->merged_into)
                continue;
            struct row w = row_of(s);
            put(&w, c->channel->tenant_id);
            put(&w, c->id);
            put(&w, c->merged_into->id);
            n++;
        }
        if (!send_if(s, n, statements[k], err))
            return false;
    }
    return true;
}

static void put_new(struct store *s, const struct message *m)
{
    struct row w = row_of(s);
    put(&w, m->channel->tenant_id);
    put(&w, m->id);
    put(&w, m->channel->id);
    put(&w, m->conversation_id);
    put(&w, m->channel->provider);
    put(&w, m->channel->platform);
    put(&w, m->external_id);
    put(&w, m->client_ref);
    put(&w, m->direction);
    put(&w, m->status);
    put(&w, m->kind);
    put(&w, m->body);
    put(&w, m->content);
    put(&w, m->reply_to);
    put(&w, m->sender_id);
    put(&w, m->sender_name);
    put(&w, m->source_key);
    put(&w, m->edit_key);
    put(&w, m->error_code);
    put(&w, m->error_message);
    put_int(&w, m->n_attachments);
    put_int(&w, m->provider_at_ms);
    put_int(&w, m->stored_at_ms);
    put_int(&w, m->edited_at_ms);
    put_int(&w, m->deleted_at_ms);
    put_bool(&w, m->is_proven);
    put(&w, m->external_alias);
}

static bool save_new(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 27);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (!m->is_new || m->removed)
            continue;
        put_new(s, m);
        n++;
    }
    return send_if(s, n, ADD_MESSAGES, err);
}

static bool is_update(const struct message *m)
{
    return m->changed && !m->is_new && !m->removed;
}

/* Most changes are receipts: they travel without the content. */
static bool save_status(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 10);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (!is_update(m))
            continue;
        struct row w = row_of(s);
        put(&w, m->channel->tenant_id);
        put(&w, m->id);
        put(&w, m->external_id);
        put(&w, m->status);
        put(&w, m->error_code);
        put(&w, m->error_message);
        put_int(&w, m->next_attempt_at_ms);
        put_bool(&w, m->is_proven);
        put_int(&w, m->publish != CHANGE_NONE); // what no client is told is no revision
        put(&w, m->external_alias);
        n++;
    }
    return send_if(s, n, SET_STATUS, err);
}

static bool save_texts(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 14);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (!is_update(m) || !m->text_changed)
            continue;
        struct row w = row_of(s);
        put(&w, m->channel->tenant_id);
        put(&w, m->id);
        put(&w, m->kind);
        put(&w, m->body);
        put(&w, m->content);
        put(&w, m->reply_to);
        put(&w, m->sender_id);
        put(&w, m->sender_name);
        put(&w, m->source_key);
        put(&w, m->edit_key);
        put_int(&w, m->n_attachments);
        put_int(&w, m->provider_at_ms);
        put_int(&w, m->edited_at_ms);
        put_int(&w, m->deleted_at_ms);
        n++;
    }
    return send_if(s, n, SET_MESSAGES, err);
}

/* Behind all that writes messages. */
static bool resolve_replies(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 5);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (m->removed || !m->reply_to.len || !(m->is_new || m->text_changed))
            continue;
        struct row w = row_of(s);
        put(&w, m->channel->tenant_id);
        put(&w, m->id);
        put(&w, m->channel->id);
        put(&w, m->conversation_id);
        put(&w, m->reply_to);
        n++;
    }
    return send_if(s, n, RESOLVE_REPLIES, err);
}

static bool rename_replies(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 5);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (m->removed || !m->alias_changed || !m->external_id.ptr)
            continue;
        struct row w = row_of(s);
        put(&w, m->channel->tenant_id);
        put(&w, m->channel->id);
        put(&w, m->conversation_id);
        put(&w, m->external_alias);
        put(&w, m->external_id);
        n++;
    }
    return send_if(s, n, RENAME_REPLIES, err);
}

static bool drop_attachments(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 2);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (m->is_new || !(m->content_changed || m->removed))
            continue;
        struct row w = row_of(s);
        put(&w, m->channel->tenant_id);
        put(&w, m->id);
        n++;
    }
    return send_if(s, n, DROP_ATTACHMENTS, err);
}

static bool add_attachments(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 11);
    for (const struct message *m = b->model.first_message; m; m = m->next) {
        if (!m->attachments || m->removed)
            continue;
        for (int64_t i = 0; i < m->n_attachments; i++, n++) {
            const struct object_attachment *x = &m->attachments[i];
            struct row w = row_of(s);
            put(&w, m->channel->tenant_id);
            put(&w, m->id);
            put_int(&w, i);
            put(&w, x->type);
            put(&w, x->url);
            put(&w, x->provider_ref);
            put(&w, x->mime);
            put(&w, x->name);
            put_int(&w, x->size_bytes);
            put(&w, x->text);
            put(&w, x->extra);
        }
    }
    return send_if(s, n, ADD_ATTACHMENTS, err);
}

/* --- facts beside messages -------------------------------------------------------------------- */

static bool save_receipts(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 6);
    for (const struct receipt *r = b->model.first_receipt; r; r = r->next, n++) {
        struct row w = row_of(s);
        put(&w, r->channel->tenant_id);
        put(&w, r->channel->id);
        put(&w, r->external_id);
        put(&w, r->participant);
        put(&w, r->status);
        put_int(&w, r->at_ms);
    }
    return send_if(s, n, PUT_RECEIPTS, err);
}

static bool save_reactions(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 10);
    for (const struct reaction *r = b->model.first_reaction; r; r = r->next) {
        if (!r->changed)
            continue;
        struct row w = row_of(s);
        put(&w, r->channel->tenant_id);
        put(&w, r->channel->id);
        put(&w, r->external_id);
        put(&w, r->sender_id);
        put(&w, r->id);
        put(&w, r->conversation_id);
        put(&w, r->sender_name);
        put(&w, r->emoji);
        put_int(&w, r->at_ms);
        put(&w, r->key);
        n++;
    }
    return send_if(s, n, PUT_REACTIONS, err);
}

static bool save_early(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 11);
    for (const struct early *e = b->model.first_early; e; e = e->next) {
        if (!e->changed || e->applied)
            continue;
        struct row w = row_of(s);
        put(&w, e->channel->tenant_id);
        put(&w, e->channel->id);
        put(&w, e->external_id);
        put(&w, e->conversation_id);
        put(&w, e->status);
        put(&w, e->error_code);
        put(&w, e->error_message);
        put(&w, e->edit_key);
        put(&w, e->edit_body);
        put_int(&w, e->edited_at_ms);
        put_int(&w, e->deleted_at_ms);
        n++;
    }
    return send_if(s, n, PUT_EARLY, err);
}

static bool drop_early(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 3);
    for (const struct early *e = b->model.first_early; e; e = e->next) {
        if (!e->applied || !e->stored)
            continue;
        struct row w = row_of(s);
        put(&w, e->channel->tenant_id);
        put(&w, e->channel->id);
        put(&w, e->external_id);
        n++;
    }
    return send_if(s, n, DROP_EARLY, err);
}

/* --- channels, conversations, events ---------------------------------------------------------- */

static bool save_channels(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 5);
    for (size_t i = 0; i < b->n_jobs; i++) {
        struct channel *ch = b->jobs[i].fact.channel;
        if (!ch || !ch->changed)
            continue;
        ch->changed = false; // once, however many events of the batch are about it
        struct row w = row_of(s);
        put(&w, ch->id);
        put(&w, ch->status);
        put(&w, ch->provider_status);
        put(&w, ch->status_key);
        put_int(&w, ch->status_at_ms);
        n++;
    }
    return send_if(s, n, SET_CHANNELS, err);
}

static bool save_parents(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 2);
    for (size_t i = 0; i < b->n_items; i++) {
        struct channel *ch = b->items[i].channel;
        if (!ch || !ch->parent_changed)
            continue;
        ch->parent_changed = false; // as above
        struct row w = row_of(s);
        put(&w, ch->id);
        put(&w, ch->parent);
        n++;
    }
    return send_if(s, n, SET_PARENTS, err);
}

static bool save_conversations(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 19);
    for (const struct conversation *c = b->model.first_conversation; c; c = c->next) {
        if (!c->changed || c->merged_into)
            continue;
        struct row w = row_of(s);
        put(&w, c->channel->tenant_id);
        put(&w, c->id);
        put(&w, c->alias);
        put(&w, c->name);
        put(&w, c->contact_id);
        put(&w, c->contact_name);
        put(&w, c->last_message_id);
        put(&w, c->last_message_ext);
        put_bool(&w, c->is_group);
        put_int(&w, c->name_at_ms);
        put_int(&w, c->contact_at_ms);
        put_int(&w, c->last_message_at_ms);
        put_int(&w, c->last_inbound_at_ms);
        put_int(&w, c->agent_read_at_ms);
        put_int(&w, c->delivered_up_to_ms);
        put_int(&w, c->read_up_to_ms);
        put_bool(&w, c->recount);
        put_int(&w, c->unread_added);
        put(&w, c->external_id);
        n++;
    }
    return send_if(s, n, SET_CONVERSATIONS, err);
}

/* '{id,id}', or absent. */
static struct str also_of(struct batch *b, const struct fact *f)
{
    if (!f->n_also)
        return STR_NONE;
    size_t len = 0;
    char *text = arena_alloc(b->arena, f->n_also * (UUID_TEXT + 1) + 1);
    for (size_t i = 0; i < f->n_also; i++) {
        text[len++] = i ? ',' : '{';
        for (size_t k = 0; k < f->also[i]->id.len; k++)
            text[len++] = f->also[i]->id.ptr[k];
    }
    text[len++] = '}';
    return (struct str){text, len};
}

static void put_event(struct store *s, struct batch *b, const struct job *job)
{
    const struct fact *f = &job->fact;
    struct row w = row_of(s);
    put(&w, f->channel->tenant_id);
    put(&w, f->channel->id);
    put(&w, job->key);
    put_c(&w, job->event ? event_kind_name(job->event->kind) : "send");
    put_c(&w, job->item->rec->topic);
    put_int(&w, job->item->rec->partition);
    put_int(&w, job->item->rec->offset);
    put_int(&w, job->idx);
    put_c(&w, router_store_change_name(f->change));
    put_c(&w, router_store_change_name(f->conversation_change));
    put(&w, f->message ? f->message->id : STR_NONE);
    put(&w, f->conversation ? f->conversation->id : STR_NONE);
    put(&w, also_of(b, f));
}

static bool save_events(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 13);
    for (size_t i = 0; i < b->n_jobs; i++) {
        if (b->jobs[i].outcome != OUTCOME_NEW || !b->jobs[i].fact.channel)
            continue;
        put_event(s, b, &b->jobs[i]);
        n++;
    }
    return send_if(s, n, ADD_EVENTS, err);
}

/* --- what comes back -------------------------------------------------------------------------- */

static void take_row(struct batch *b, int id, const struct pg_result *r, int i)
{
    switch (id) {
    case QUARANTINED: {
        struct item *it = &b->items[pg_i64(r, i, 0)];
        it->quarantine_id = router_store_text(b, r, i, 1);
        it->quarantine_rev = pg_i64(r, i, 2);
        break;
    }
    case SET_STATUS:
        router_model_message_by_id(&b->model, pg_text(r, i, 0))->rev = pg_i64(r, i, 1);
        break;
    case RESOLVE_REPLIES:
        router_model_message_by_id(&b->model, pg_text(r, i, 0))->reply_to =
            router_store_text(b, r, i, 1);
        break;
    case PUT_REACTIONS: {
        struct channel *ch = router_table_find(&b->channels_by_id, NULL, pg_text(r, i, 0));
        router_model_reaction(&b->model, ch, pg_text(r, i, 1), pg_text(r, i, 2))->rev =
            pg_i64(r, i, 3);
        break;
    }
    case SET_CHANNELS: {
        struct channel *ch = router_table_find(&b->channels_by_id, NULL, pg_text(r, i, 0));
        ch->rev = pg_i64(r, i, 1);
        break;
    }
    case SET_CONVERSATIONS: {
        struct conversation *c = router_table_find(&b->conversations_by_id, NULL, pg_text(r, i, 0));
        c->rev = pg_i64(r, i, 1);
        c->unread = pg_i64(r, i, 2);
        break;
    }
    default:
        break;
    }
}

static void take_saved(struct store *s, struct batch *b, int id, const struct pg_result *r)
{
    (void)s;
    for (int i = 0; i < pg_rows(r); i++)
        take_row(b, id, r, i);
}

bool router_store_save(struct store *s, struct batch *b, struct err *err)
{
    // Removed rows first: the row that takes their place takes their external id too.
    if (!router_store_quarantine(s, b, err) || !save_removed(s, b, err) ||
        !save_merged(s, b, err) || !save_new(s, b, err) || !save_status(s, b, err) ||
        !save_texts(s, b, err) || !resolve_replies(s, b, err) || !rename_replies(s, b, err) ||
        !drop_attachments(s, b, err) || !add_attachments(s, b, err) || !save_receipts(s, b, err) ||
        !save_reactions(s, b, err) || !save_early(s, b, err) || !drop_early(s, b, err) ||
        !save_channels(s, b, err) || !save_parents(s, b, err) || !save_conversations(s, b, err) ||
        !save_events(s, b, err) ||
        !router_store_send_plain(s, COMMIT, &router_save_sql[COMMIT], err) ||
        !router_store_run(s, b, take_saved, err))
        return err_wrap(err, "storing");
    for (struct message *m = b->model.first_message; m; m = m->next)
        if (m->is_new)
            m->rev = 1;
    return true;
}

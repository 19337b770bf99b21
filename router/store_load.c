/* SPDX-License-Identifier: Apache-2.0 */
#include "store_load_sql.h"
#include "store_sql.h"

/* --- load ------------------------------------------------------------------------------------- */

static bool is_loaded(const struct job *job)
{
    return job->outcome == OUTCOME_NEW && job->fact.channel;
}

static bool send_channel_locks(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 1);
    for (size_t i = 0; i < b->n_jobs; i++) {
        const struct job *job = &b->jobs[i];
        if (!is_loaded(job) || !job->event || job->event->kind != EVENT_ACCOUNT_STATUS)
            continue;
        pg_array_str(&s->columns[0], job->fact.channel->id);
        n++;
    }
    return !n || router_store_send(s, LOCK_CHANNELS, &router_load_sql[LOCK_CHANNELS], err);
}

static bool send_conversations(struct store *s, struct batch *b, struct err *err)
{
    if (!b->model.first_conversation)
        return true;
    int n = 0;
    router_store_columns(s, 7);
    for (struct conversation *c = b->model.first_conversation; c; c = c->next) {
        c->id = router_model_new_id(&b->model);
        if (c->only_if_there)
            continue;
        n++;
        pg_array_str(&s->columns[0], c->channel->tenant_id);
        pg_array_str(&s->columns[1], c->channel->id);
        pg_array_str(&s->columns[2], c->external_id);
        pg_array_str(&s->columns[3], c->id);
        pg_array_str(&s->columns[4], c->channel->provider);
        pg_array_str(&s->columns[5], c->channel->platform);
        pg_array_i64(&s->columns[6], b->now_at_ms);
    }
    if (n && !router_store_send(s, ADD_CONVERSATIONS, &router_load_sql[ADD_CONVERSATIONS], err))
        return false;
    router_store_columns(s, 3);
    for (struct conversation *c = b->model.first_conversation; c; c = c->next) {
        pg_array_str(&s->columns[0], c->channel->tenant_id);
        pg_array_str(&s->columns[1], c->channel->id);
        pg_array_str(&s->columns[2], c->external_id);
    }
    return router_store_send(s, CONVERSATIONS, &router_load_sql[CONVERSATIONS], err);
}

static bool send_events(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 8);
    for (size_t i = 0; i < b->n_jobs; i++) {
        const struct job *job = &b->jobs[i];
        if (!is_loaded(job))
            continue;
        pg_array_str(&s->columns[0], job->fact.channel->tenant_id);
        pg_array_str(&s->columns[1], job->fact.channel->id);
        pg_array_str(&s->columns[2], job->key);
        pg_array_str(&s->columns[3], str_of(job->item->rec->topic));
        pg_array_i64(&s->columns[4], job->item->rec->partition);
        pg_array_i64(&s->columns[5], job->item->rec->offset);
        pg_array_i64(&s->columns[6], job->idx);
        pg_array_i64(&s->columns[7], (int64_t)i);
        n++;
    }
    return !n || router_store_send(s, EVENTS, &router_load_sql[EVENTS], err);
}

struct wanted {
    struct store *store;
    struct table seen;
};

static void want(struct wanted *w, const struct channel *ch, struct str key)
{
    if (!key.ptr || router_table_find(&w->seen, ch, key))
        return;
    router_table_put(&w->seen, ch, key, w);
    pg_array_str(&w->store->columns[0], ch->tenant_id);
    pg_array_str(&w->store->columns[1], ch->id);
    pg_array_str(&w->store->columns[2], key);
}

/* Messages and early facts by the external ids that the batch names. */
static bool send_messages(struct store *s, struct batch *b, int id, struct err *err)
{
    struct wanted w = {.store = s};
    router_table_init(&w.seen, b->arena);
    router_store_columns(s, 3);
    for (size_t i = 0; i < b->n_jobs; i++) {
        const struct job *job = &b->jobs[i];
        if (!is_loaded(job))
            continue;
        if (!job->event) {
            want(&w, job->fact.channel, job->item->result.external_message_id);
            continue;
        }
        want(&w, job->fact.channel, job->event->external_id);
        want(&w, job->fact.channel, job->event->target_id);
    }
    return !w.seen.n || router_store_send(s, id, &router_load_sql[id], err);
}

static bool send_refs(struct store *s, struct batch *b, struct err *err)
{
    struct wanted w = {.store = s};
    router_table_init(&w.seen, b->arena);
    router_store_columns(s, 3);
    for (size_t i = 0; i < b->n_jobs; i++)
        if (is_loaded(&b->jobs[i]) && b->jobs[i].event && b->jobs[i].event->direction == DIR_OUT)
            want(&w, b->jobs[i].fact.channel, b->jobs[i].event->client_ref);
    return !w.seen.n ||
           router_store_send(s, MESSAGES_BY_REF, &router_load_sql[MESSAGES_BY_REF], err);
}

static bool send_open(struct store *s, struct batch *b, struct err *err)
{
    struct wanted w = {.store = s};
    router_table_init(&w.seen, b->arena);
    router_store_columns(s, 3);
    for (struct conversation *c = b->model.first_conversation; c; c = c->next) {
        if (c->load_open)
            want(&w, c->channel, c->external_id);
        c->load_open = false;
    }
    return !w.seen.n || router_store_send(s, OPEN_MESSAGES, &router_load_sql[OPEN_MESSAGES], err);
}

/* All messages of the conversations that a result may give a name to: they may have to move. */
static bool send_moving(struct store *s, struct batch *b, struct err *err)
{
    struct wanted w = {.store = s};
    router_table_init(&w.seen, b->arena);
    router_store_columns(s, 3);
    for (struct conversation *c = b->model.first_conversation; c; c = c->next)
        if (c->load_all)
            want(&w, c->channel, c->external_id);
    return !w.seen.n ||
           router_store_send(s, MOVING_MESSAGES, &router_load_sql[MOVING_MESSAGES], err);
}

static bool send_reactions(struct store *s, struct batch *b, struct err *err)
{
    int n = 0;
    router_store_columns(s, 4);
    for (size_t i = 0; i < b->n_jobs; i++) {
        const struct job *job = &b->jobs[i];
        if (!is_loaded(job) || !job->event || job->event->kind != EVENT_REACTION)
            continue;
        pg_array_str(&s->columns[0], job->fact.channel->tenant_id);
        pg_array_str(&s->columns[1], job->fact.channel->id);
        pg_array_str(&s->columns[2], job->event->target_id);
        pg_array_str(&s->columns[3], job->event->sender.ptr ? job->event->sender : STR(""));
        n++;
    }
    return !n || router_store_send(s, REACTIONS, &router_load_sql[REACTIONS], err);
}

static void want_id(struct store *s, struct table *seen, struct str tenant, struct str id)
{
    if (!router_store_is_uuid(id) || router_table_find(seen, NULL, id))
        return;
    router_table_put(seen, NULL, id, s);
    pg_array_str(&s->columns[0], tenant);
    pg_array_str(&s->columns[1], id);
}

/* Messages of the results topic, and those that events known as ours have changed. */
static bool send_ids(struct store *s, struct batch *b, bool redelivered, struct err *err)
{
    struct table seen;
    router_table_init(&seen, b->arena);
    router_store_columns(s, 2);
    for (size_t i = 0; !redelivered && i < b->n_items; i++) {
        const struct item *it = &b->items[i];
        if (it->source == SOURCE_RESULTS && !it->reason && it->channel)
            want_id(s, &seen, it->channel->tenant_id,
                    router_store_result_object(&it->result, RESULT_MESSAGES));
    }
    for (size_t i = 0; redelivered && i < b->n_jobs; i++) {
        const struct job *job = &b->jobs[i];
        if (!job->stored.same_position)
            continue;
        for (struct str rest = job->stored.also, id; rest.len;) {
            (void)str_cut(rest, ',', &id, &rest);
            if (!router_model_message_by_id(&b->model, id))
                want_id(s, &seen, job->fact.channel->tenant_id, id);
        }
        if (job->stored.message_id.ptr &&
            !router_model_message_by_id(&b->model, job->stored.message_id))
            want_id(s, &seen, job->fact.channel->tenant_id, job->stored.message_id);
    }
    return !seen.n || router_store_send(s, MESSAGES_BY_ID, &router_load_sql[MESSAGES_BY_ID], err);
}

static bool is_full(const struct batch *b)
{
    return arena_used(b->arena) - b->load_from > BATCH_LOADED_MAX;
}

static struct channel *channel_by_id(struct batch *b, struct str id)
{
    struct channel *ch = router_table_find(&b->channels_by_id, NULL, id);
    return ch;
}

static void take_conversations(struct batch *b, const struct pg_result *r)
{
    for (int i = 0; i < pg_rows(r) && !is_full(b); i++) {
        struct channel *ch = channel_by_id(b, pg_text(r, i, 0));
        struct conversation *c = router_model_conversation(&b->model, ch, pg_text(r, i, 1));
        int col = 2;
        struct str id = router_store_text(b, r, i, col++);
        c->is_new = str_eq(id, c->id);
        c->is_there = true;
        c->id = id;
        c->alias = router_store_text(b, r, i, col++);
        c->name = router_store_text(b, r, i, col++);
        c->contact_id = router_store_text(b, r, i, col++);
        c->contact_name = router_store_text(b, r, i, col++);
        c->status = router_store_text(b, r, i, col++);
        c->assigned_to = router_store_text(b, r, i, col++);
        c->labels = router_store_text(b, r, i, col++);
        c->last_message_id = router_store_text(b, r, i, col++);
        c->last_message_ext = router_store_text(b, r, i, col++);
        c->is_group = str_eq_c(pg_text(r, i, col++), "t");
        c->name_at_ms = pg_i64(r, i, col++);
        c->contact_at_ms = pg_i64(r, i, col++);
        c->last_message_at_ms = pg_i64(r, i, col++);
        c->last_inbound_at_ms = pg_i64(r, i, col++);
        c->agent_read_at_ms = pg_i64(r, i, col++);
        c->delivered_up_to_ms = pg_i64(r, i, col++);
        c->read_up_to_ms = pg_i64(r, i, col++);
        c->created_at_ms = pg_i64(r, i, col++);
        c->unread = pg_i64(r, i, col++);
        c->rev = pg_i64(r, i, col);
        router_table_put(&b->conversations_by_id, NULL, c->id, c);
    }
}

static void take_events(struct batch *b, const struct pg_result *r)
{
    for (int i = 0; i < pg_rows(r); i++) {
        struct stored_event *e = &b->jobs[pg_i64(r, i, 0)].stored;
        e->found = true;
        e->same_position = str_eq_c(pg_text(r, i, 1), "t");
        e->change = router_store_change_of(pg_text(r, i, 2));
        e->conversation_change = router_store_change_of(pg_text(r, i, 3));
        e->message_id = router_store_text(b, r, i, 4);
        e->also = router_store_text(b, r, i, 5);
    }
}

static void read_message(struct batch *b, struct message *m, const struct pg_result *r, int i)
{
    int col = 3;
    m->conversation_id = router_store_text(b, r, i, col++);
    m->client_ref = router_store_text(b, r, i, col++);
    m->direction = router_store_text(b, r, i, col++);
    m->status = router_store_text(b, r, i, col++);
    m->kind = router_store_text(b, r, i, col++);
    m->body = router_store_text(b, r, i, col++);
    m->content = router_store_text(b, r, i, col++);
    m->reply_to = router_store_text(b, r, i, col++);
    m->external_alias = router_store_text(b, r, i, col++);
    m->sender_id = router_store_text(b, r, i, col++);
    m->sender_name = router_store_text(b, r, i, col++);
    m->source_key = router_store_text(b, r, i, col++);
    m->edit_key = router_store_text(b, r, i, col++);
    m->error_code = router_store_text(b, r, i, col++);
    m->error_message = router_store_text(b, r, i, col++);
    m->n_attachments = pg_i64(r, i, col++);
    m->attempt = pg_i64(r, i, col++);
    m->seq = pg_i64(r, i, col++);
    m->provider_at_ms = pg_i64(r, i, col++);
    m->stored_at_ms = pg_i64(r, i, col++);
    m->edited_at_ms = pg_i64(r, i, col++);
    m->deleted_at_ms = pg_i64(r, i, col++);
    m->next_attempt_at_ms = pg_i64(r, i, col++);
    m->send_at_ms = pg_i64(r, i, col++);
    m->created_by = router_store_text(b, r, i, col++);
    m->rev = pg_i64(r, i, col++);
    m->is_proven = str_eq_c(pg_text(r, i, col++), "t");
    m->attachments_json = router_store_text(b, r, i, col);
}

static void take_messages(struct batch *b, const struct pg_result *r)
{
    for (int i = 0; i < pg_rows(r) && !is_full(b); i++) {
        struct channel *ch = channel_by_id(b, pg_text(r, i, 0));
        if (!ch || router_model_message_by_id(&b->model, pg_text(r, i, 1)))
            continue;
        struct message *m = router_model_add_message(&b->model, ch, router_store_text(b, r, i, 2),
                                                     router_store_text(b, r, i, 1));
        read_message(b, m, r, i);
        if (m->client_ref.ptr)
            router_table_put(&b->model.messages_by_ref, ch, m->client_ref, m);
        router_model_attach(m,
                            router_table_find(&b->conversations_by_id, NULL, m->conversation_id));
    }
}

static void take_early(struct batch *b, const struct pg_result *r)
{
    for (int i = 0; i < pg_rows(r) && !is_full(b); i++) {
        struct channel *ch = channel_by_id(b, pg_text(r, i, 0));
        struct early *e = router_model_add_early(&b->model, ch, router_store_text(b, r, i, 1));
        e->stored = true;
        e->conversation_id = router_store_text(b, r, i, 2);
        e->status = router_store_text(b, r, i, 3);
        e->error_code = router_store_text(b, r, i, 4);
        e->error_message = router_store_text(b, r, i, 5);
        e->edit_key = router_store_text(b, r, i, 6);
        e->edit_body = router_store_text(b, r, i, 7);
        e->edited_at_ms = pg_i64(r, i, 8);
        e->deleted_at_ms = pg_i64(r, i, 9);
    }
}

static void take_reactions(struct batch *b, const struct pg_result *r)
{
    for (int i = 0; i < pg_rows(r) && !is_full(b); i++) {
        struct channel *ch = channel_by_id(b, pg_text(r, i, 0));
        if (router_model_reaction(&b->model, ch, pg_text(r, i, 1), pg_text(r, i, 2)))
            continue;
        struct reaction *x = router_model_add_reaction(&b->model, ch, router_store_text(b, r, i, 1),
                                                       router_store_text(b, r, i, 2));
        x->stored = true;
        x->id = router_store_text(b, r, i, 3);
        x->conversation_id = router_store_text(b, r, i, 4);
        x->sender_name = router_store_text(b, r, i, 5);
        x->emoji = router_store_text(b, r, i, 6);
        x->key = router_store_text(b, r, i, 7);
        x->at_ms = pg_i64(r, i, 8);
        x->rev = pg_i64(r, i, 9);
    }
}

static void take_loaded(struct store *s, struct batch *b, int id, const struct pg_result *r)
{
    (void)s;
    switch (id) {
    case LOCK_CHANNELS:
        for (int i = 0; i < pg_rows(r); i++)
            (void)router_store_read_channel(b, r, i, 0);
        break;
    case CONVERSATIONS:
        take_conversations(b, r);
        break;
    case EVENTS:
        take_events(b, r);
        break;
    case MESSAGES:
    case MESSAGES_BY_REF:
    case MESSAGES_BY_ID:
    case OPEN_MESSAGES:
    case MOVING_MESSAGES:
        take_messages(b, r);
        break;
    case EARLY:
        take_early(b, r);
        break;
    case REACTIONS:
        take_reactions(b, r);
        break;
    default:
        break;
    }
}

/* A read that waited for its message will move a watermark: what it covers is wanted too. */
static void want_open_of_early(struct batch *b)
{
    for (size_t i = 0; i < b->n_jobs; i++) {
        const struct job *job = &b->jobs[i];
        if (!is_loaded(job) || !job->event || !job->fact.conversation)
            continue;
        const struct early *e =
            router_model_early(&b->model, job->fact.channel, job->event->external_id);
        if (e && str_eq_c(e->status, "read"))
            job->fact.conversation->load_open = true;
    }
}

static bool run_load(struct store *s, struct batch *b, struct err *err)
{
    if (s->n_sent && !router_store_run(s, b, take_loaded, err))
        return false;
    return !is_full(b) ||
           err_set(err, ERR_INVALID, "what it is about takes more than %u bytes", BATCH_LOADED_MAX);
}

bool router_store_load(struct store *s, struct batch *b, struct err *err)
{
    b->load_from = arena_used(b->arena);
    if (!send_channel_locks(s, b, err) || !send_conversations(s, b, err) ||
        !send_events(s, b, err) || !send_messages(s, b, MESSAGES, err) || !send_refs(s, b, err) ||
        !send_ids(s, b, false, err) || !send_open(s, b, err) || !send_moving(s, b, err) ||
        !send_messages(s, b, EARLY, err) || !send_reactions(s, b, err))
        return err_wrap(err, "loading");
    if (!run_load(s, b, err))
        return err_wrap(err, "loading");
    want_open_of_early(b);
    if (!send_open(s, b, err) || !send_ids(s, b, true, err))
        return err_wrap(err, "loading");
    if (!run_load(s, b, err)) // seldom: a third question
        return err_wrap(err, "loading");
    return true;
}

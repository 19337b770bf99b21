/* SPDX-License-Identifier: Apache-2.0 */
/* Bulks: recipients become messages, as many as their channel may send within `bulk_ahead`, those
 * that wait already counted. Bulks are served in turns, the one that was served longest ago first,
 * so that one tenant's hundred thousand do not stand before another's ten. What is not a message
 * yet can be paused or cancelled by one row, and stands before nobody's reply. */
#include <assert.h>

#include "bulk_text.h"
#include "clock.h"
#include "id.h"
#include "scheduling.h"

#define BULKS_MAX    128
#define MESSAGES_MAX 500

/* $1 bulks. Their channels' messages that wait to be claimed are counted. */
static const struct pg_stmt take_bulks = {
    "bulk_take",
    "SELECT b.tenant_id, b.id, b.channel_id, b.kind, b.body, b.outgoing::text, b.created_by, ch.provider, "
    "ch.platform, ch.account_type, (SELECT count(*) FROM (SELECT FROM messages m WHERE m.tenant_id = b.tenant_id "
    "AND m.channel_id = b.channel_id AND m.unsettled AND m.bulk_id IS NOT NULL AND m.status = 'queued' "
    "LIMIT 10000) x), ch.settings->>'send_per_minute' FROM bulks b JOIN channels_account ch ON ch.id = b.channel_id "
    "JOIN tenants t ON t.id = b.tenant_id AND t.status = 'active' WHERE b.status = 'running' AND coalesce(b.send_at, '-infinity') <= now() "
    "AND ch.status NOT IN ('auth_required', 'stopped', 'deleted', 'disconnected') ORDER BY b.updated_at LIMIT $1::int FOR UPDATE OF b SKIP LOCKED"};
/* The next of one bulk, in the order of its key, deleted by where they lie, all in one partition.
 * By their key, or for several bulks in one statement, a planner without statistics may read all
 * recipients for them. */
static const struct pg_stmt take_recipients = {
    "bulk_recipients",
    "WITH next AS MATERIALIZED (SELECT tableoid AS part, ctid AS place FROM bulk_recipients "
    "WHERE tenant_id = $1::uuid AND bulk_id = $2::uuid ORDER BY position LIMIT $3::int) "
    "DELETE FROM bulk_recipients r WHERE r.ctid = ANY(ARRAY(SELECT place FROM next)) "
    "AND r.tableoid = (SELECT part FROM next LIMIT 1) RETURNING r.recipient, r.variables::text"};
/* A person without a conversation gets one, as if the api had begun it. */
static const struct pg_stmt add_places = {
    "bulk_places",
    "INSERT INTO conversations (tenant_id, id, channel_id, provider, platform, external_id, contact_id) "
    "SELECT u.tenant, u.id, u.channel, u.provider, u.platform, 'to:' || u.who, u.who "
    "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[]) "
    "u(tenant, id, channel, provider, platform, who) WHERE NOT EXISTS (SELECT FROM conversations c "
    "WHERE c.tenant_id = u.tenant AND c.channel_id = u.channel AND c.contact_id = u.who AND NOT c.is_group) "
    "ORDER BY 1, 3, 6 ON CONFLICT (tenant_id, channel_id, external_id) DO NOTHING"};
/* The next places in their conversations' lines, for all messages of a conversation at once. */
static const struct pg_stmt take_places = {
    "bulk_lines",
    "WITH wanted AS MATERIALIZED (SELECT u.tenant, coalesce((SELECT c.id FROM conversations c "
    "WHERE c.tenant_id = u.tenant AND c.channel_id = u.channel AND c.contact_id = u.who AND NOT c.is_group "
    "ORDER BY c.last_message_at DESC NULLS LAST, c.id LIMIT 1), (SELECT c.id FROM conversations c "
    "WHERE c.tenant_id = u.tenant AND c.channel_id = u.channel AND c.external_id = 'to:' || u.who)) AS id, u.i "
    "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[]) u(tenant, channel, who, i)), "
    "grouped AS (SELECT tenant, id, array_agg(i ORDER BY i) AS items FROM wanted WHERE id IS NOT NULL GROUP BY 1, 2), "
    "locked AS MATERIALIZED (SELECT c.tenant_id, c.id, g.items FROM grouped g JOIN conversations c "
    "ON c.tenant_id = g.tenant AND c.id = g.id ORDER BY c.tenant_id, c.channel_id, c.external_id FOR UPDATE OF c) "
    "UPDATE conversations c SET next_seq = c.next_seq + cardinality(l.items) FROM locked l "
    "WHERE c.tenant_id = l.tenant_id AND c.id = l.id "
    "RETURNING c.id, c.next_seq - cardinality(l.items), array_to_string(l.items, ','), c.external_id LIKE 'to:%'"};
static const struct pg_stmt add_messages = {
    "bulk_messages",
    "WITH added AS (INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, client_ref, "
    "direction, status, kind, body, content, attachment_count, outgoing, provider_at, conversation_seq, bulk_id, created_by, wake_at) "
    "SELECT b.tenant_id, u.id, b.channel_id, u.conversation, ch.provider, ch.platform, "
    "'pr-' || replace(u.id::text, '-', ''), 'out', 'queued', b.kind, u.body, "
    // What people are shown, as the api stores it of a single message.
    "(SELECT jsonb_object_agg(k.key, k.value) FROM jsonb_each(u.outgoing::jsonb) k "
    "WHERE k.key IN ('choices', 'choices_title', 'template', 'location', 'emoji', 'target_id')), "
    "coalesce(jsonb_array_length(u.outgoing::jsonb -> 'media'), 0), "
    "CASE WHEN u.person IS NULL THEN u.outgoing::jsonb ELSE coalesce(u.outgoing::jsonb, "
    "jsonb_build_object('kind', b.kind, 'text', u.body)) || jsonb_build_object('to_person', u.person) END, "
    "now(), u.seq, b.id, b.created_by, now() + $9::bigint * interval '1 ms' "
    "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[]) "
    "u(tenant, bulk, id, conversation, seq, body, outgoing, person) "
    "JOIN bulks b ON b.tenant_id = u.tenant AND b.id = u.bulk "
    "JOIN channels_account ch ON ch.id = b.channel_id RETURNING tenant_id, id, outgoing), "
    "files AS (INSERT INTO attachments (tenant_id, message_id, position, type, url, mime, name, size_bytes, extra) "
    "SELECT a.tenant_id, a.id, e.place - 1, e.v ->> 'type', e.v ->> 'url', coalesce(e.v ->> 'mime', f.mime), "
    "coalesce(e.v ->> 'name', f.name), f.size_bytes, "
    "CASE WHEN e.v ? 'media_id' THEN jsonb_build_object('media_id', e.v -> 'media_id') END "
    "FROM added a CROSS JOIN LATERAL jsonb_array_elements(a.outgoing -> 'media') WITH ORDINALITY e(v, place) "
    "LEFT JOIN media f ON f.tenant_id = a.tenant_id AND f.id = (e.v ->> 'media_id')::uuid) "
    "INSERT INTO outbox (tenant_id, id, object_kind, object_id) SELECT tenant_id, gen_random_uuid(), 'message', id "
    "FROM added"};
static const struct pg_stmt note_bulks = {
    "bulk_note",
    "UPDATE bulks b SET handed_out = b.handed_out + u.n, rev = b.rev + 1, updated_at = now(), "
    "status = CASE WHEN b.handed_out + u.n >= b.total OR u.n = 0 THEN 'done' ELSE b.status END, "
    "finished_at = CASE WHEN b.handed_out + u.n >= b.total OR u.n = 0 THEN now() END "
    "FROM unnest($1::uuid[], $2::uuid[], $3::int[]) u(tenant, bulk, n) "
    "WHERE b.tenant_id = u.tenant AND b.id = u.bulk"};

struct bulk {
    struct str tenant, id, channel, body, outgoing, provider, platform;
    int64_t room; /* messages that may be made now */
    int64_t n;    /* that were */
};

struct addressed {
    struct bulk *bulk;
    struct str who, body, outgoing, conversation;
    char id[UUID_TEXT + 1];
    int64_t seq;
    bool is_new_place; /* nobody has told the provider's name of the conversation yet */
};

struct handing {
    struct scheduling *s;
    struct bulk *bulks;
    int n_bulks;
    int64_t room; /* of all */
    struct addressed *items;
    int n_items;
};

/* --- which, and how many ---------------------------------------------------------------------- */

/* As the sender paces the channel: its setting goes before what is published. */
static double rate_of(const struct scheduling *s, const struct pg_result *r, int i)
{
    int64_t per_minute;
    bool is_set = str_i64(pg_text(r, i, 11), &per_minute) && per_minute >= 0;
    if (is_set && per_minute > 0)
        return (double)per_minute / 60;
    const struct sender_scheduler_opts *o = s->opts;
    double rate =
        o->rate ? o->rate(o->ctx, pg_text(r, i, 7), pg_text(r, i, 9), pg_text(r, i, 2)) : 0;
    double of_none = (double)s->conf->bulk_rate;
    return rate <= 0 || (is_set && rate < of_none) ? of_none : rate;
}

static void read_bulks(struct handing *h, const struct pg_result *r)
{
    h->bulks = ARENA_ARRAY(h->s->arena, struct bulk, (size_t)pg_rows(r) + 1);
    int64_t share = pg_rows(r) ? MESSAGES_MAX / pg_rows(r) : 0;
    for (int i = 0; i < pg_rows(r); i++) {
        struct bulk b = {.tenant = pg_text(r, i, 0),
                         .id = pg_text(r, i, 1),
                         .channel = pg_text(r, i, 2),
                         .body = pg_text(r, i, 4),
                         .outgoing = pg_text(r, i, 5),
                         .provider = pg_text(r, i, 7),
                         .platform = pg_text(r, i, 8)};
        b.room = (int64_t)(rate_of(h->s, r, i) * (double)h->s->conf->bulk_ahead / 1000.0) + 1 -
                 pg_i64(r, i, 10);
        for (int k = 0; k < h->n_bulks; k++) // several of one channel share its rate
            if (str_eq(h->bulks[k].channel, b.channel))
                b.room -= h->bulks[k].room;
        b.room = b.room < share ? b.room : share;
        if (b.room > 0) {
            h->bulks[h->n_bulks++] = b;
            h->room += b.room;
        }
    }
}

static void add_recipients(struct handing *h, struct bulk *b, const struct pg_result *r)
{
    struct arena *a = h->s->arena;
    assert(pg_rows(r) <= b->room);
    for (int i = 0; i < pg_rows(r); i++) {
        struct err ignored = {0}; // the api stored an object, or nothing
        const struct json *variables =
            pg_null(r, i, 1) ? NULL : json_parse(a, pg_text(r, i, 1), &ignored);
        struct addressed *x = &h->items[h->n_items++];
        x->bulk = b;
        x->who = str_dup(a, pg_text(r, i, 0));
        x->body = sender_bulk_fill(a, b->body, variables, false);
        x->outgoing = sender_bulk_fill(a, b->outgoing, variables, true);
        uuid_format(uuid_v7(clock_at_ms()), x->id);
        b->n++;
    }
}

/* In turn, for each bulk that has room. */
static bool take_items(struct handing *h, struct err *err)
{
    struct scheduling *s = h->s;
    h->items = ARENA_ARRAY(s->arena, struct addressed, (size_t)h->room);
    for (int i = 0; i < h->n_bulks; i++) {
        struct bulk *b = &h->bulks[i];
        struct pg_param params[] = {
            {.value = b->tenant.ptr}, {.value = b->id.ptr}, sender_param_i64(s, b->room)};
        struct pg_result *r = NULL;
        if (!pg_send(s->pg, &take_recipients, params, ARRAY_LEN(params), err) ||
            !pg_run(s->pg, &r, 1, err))
            return false;
        add_recipients(h, b, r);
        pg_result_free(r);
    }
    return true;
}

/* --- where they go ---------------------------------------------------------------------------- */

static bool send_places(struct handing *h, struct err *err)
{
    struct scheduling *s = h->s;
    sender_columns(s, 6);
    for (int i = 0; i < h->n_items; i++) {
        const struct addressed *x = &h->items[i];
        char id[UUID_TEXT + 1];
        uuid_format(uuid_v7(clock_at_ms()), id);
        pg_array_str(&s->columns[0], x->bulk->tenant);
        pg_array_str(&s->columns[1], str_of(id));
        pg_array_str(&s->columns[2], x->bulk->channel);
        pg_array_str(&s->columns[3], x->bulk->provider);
        pg_array_str(&s->columns[4], x->bulk->platform);
        pg_array_str(&s->columns[5], x->who);
    }
    if (!sender_columns_send(s, &add_places, NULL, 0, err))
        return false;
    sender_columns(s, 4);
    for (int i = 0; i < h->n_items; i++) {
        pg_array_str(&s->columns[0], h->items[i].bulk->tenant);
        pg_array_str(&s->columns[1], h->items[i].bulk->channel);
        pg_array_str(&s->columns[2], h->items[i].who);
        pg_array_i64(&s->columns[3], i);
    }
    return sender_columns_send(s, &take_places, NULL, 0, err);
}

static bool read_places(struct handing *h, const struct pg_result *r, struct err *err)
{
    for (int row = 0; row < pg_rows(r); row++) {
        int64_t seq = pg_i64(r, row, 1), i = 0;
        for (struct str rest = pg_text(r, row, 2), one; rest.len; seq++) {
            (void)str_cut(rest, ',', &one, &rest);
            if (!str_i64(one, &i) || i < 0 || i >= h->n_items)
                return err_set(err, ERR_FAULT,
                               "a bulk's recipient got a place that nobody asked for");
            struct addressed *x = &h->items[i];
            x->conversation = pg_text(r, row, 0);
            x->seq = seq;
            x->is_new_place = str_eq_c(pg_text(r, row, 3), "t");
        }
    }
    for (int i = 0; i < h->n_items; i++)
        if (!h->items[i].conversation.ptr)
            return err_set(err, ERR_FAULT, "a bulk's recipient has no conversation");
    return true;
}

/* --- storing and telling ---------------------------------------------------------------------- */

static bool send_messages(struct handing *h, struct err *err)
{
    struct scheduling *s = h->s;
    sender_columns(s, 8);
    for (int i = 0; i < h->n_items; i++) {
        const struct addressed *x = &h->items[i];
        pg_array_str(&s->columns[0], x->bulk->tenant);
        pg_array_str(&s->columns[1], x->bulk->id);
        pg_array_str(&s->columns[2], str_of(x->id));
        pg_array_str(&s->columns[3], x->conversation);
        pg_array_i64(&s->columns[4], x->seq);
        pg_array_str(&s->columns[5], x->body);
        pg_array_str(&s->columns[6], x->outgoing);
        pg_array_str(&s->columns[7], x->is_new_place ? x->who : STR_NONE);
    }
    struct pg_param after = sender_param_i64(s, s->conf->unclaimed_after + s->conf->bulk_ahead);
    return sender_columns_send(s, &add_messages, &after, 1, err);
}

static bool send_note(struct handing *h, struct err *err)
{
    struct scheduling *s = h->s;
    sender_columns(s, 3);
    for (int i = 0; i < h->n_bulks; i++) {
        pg_array_str(&s->columns[0], h->bulks[i].tenant);
        pg_array_str(&s->columns[1], h->bulks[i].id);
        pg_array_i64(&s->columns[2], h->bulks[i].n);
    }
    return sender_columns_send(s, &note_bulks, NULL, 0, err);
}

/* Stored first: a command that gets lost is given again, as for any message. */
static bool command(struct handing *h, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < h->n_items; i++) {
        const struct addressed *x = &h->items[i];
        struct send_command c = {.tenant_id = x->bulk->tenant,
                                 .message_id = str_of(x->id),
                                 .channel_id = x->bulk->channel,
                                 .conversation_id = x->conversation,
                                 .provider = x->bulk->provider,
                                 .created_at_ms = clock_at_ms(),
                                 .priority = 1};
        ok = sender_records_command(h->s->records, &c, err);
    }
    struct err late = {0};
    ok &= sender_records_wait(h->s->records, ok ? err : &late);
    metric_add(metric_cell(h->s->opts->metrics, SENDER_METRIC_COMMANDS, "bulk"), h->n_items);
    return ok;
}

/* Between BEGIN and COMMIT. `keep`: results that the items point into. */
static bool make_messages(struct handing *h, struct pg_result *keep[2], struct err *err)
{
    struct scheduling *s = h->s;
    int n = 1;
    if (!take_items(h, err))
        return false;
    if (h->n_items) {
        if (!send_places(h, err) || !pg_run(s->pg, keep, 2, err) || !read_places(h, keep[1], err) ||
            !send_messages(h, err))
            return false;
        n++;
    }
    return send_note(h, err) && sender_commit(s, n, err);
}

bool sender_bulk_hand_out(struct scheduling *s, int *done, struct err *err)
{
    struct handing h = {.s = s};
    struct pg_result *keep[2] = {0};
    struct pg_param most = sender_param_i64(s, BULKS_MAX);
    auto_result r = sender_begin(s, &take_bulks, &most, 1, err);
    if (!r)
        return err_wrap(err, "looking for bulks");
    read_bulks(&h, r);
    if (!h.n_bulks) {
        sender_rollback(s);
        return true;
    }
    bool ok = make_messages(&h, keep, err);
    if (!ok)
        sender_rollback(s);
    ok = ok && command(&h, err);
    *done = h.n_items;
    for (size_t i = 0; i < ARRAY_LEN(keep); i++)
        pg_result_free(keep[i]);
    return ok || err_wrap(err, "handing out a bulk");
}

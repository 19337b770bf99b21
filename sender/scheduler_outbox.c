/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the outbox become ObjectChanged records. The router reads the object itself, so their
 * order does not matter and several rows of one object are one record. A row is deleted when Kafka
 * has its record: a crash in between publishes it again, which shows nobody anything new. */
#include "clock.h"
#include "scheduling.h"

static const struct pg_stmt take = {
    "outbox_take",
    "SELECT o.tenant_id, o.object_kind, o.object_id, coalesce(m.channel_id, c.channel_id), "
    "coalesce(m.conversation_id, c.id), o.part, o.place FROM ("
    "SELECT tenant_id, object_kind, object_id, tableoid AS part, ctid AS place FROM outbox "
    "WHERE object_kind <> 'quarantine' ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED) o "
    "LEFT JOIN LATERAL (SELECT m.channel_id, m.conversation_id FROM messages m WHERE o.object_kind = 'message' "
    "AND m.tenant_id = o.tenant_id AND m.id = o.object_id LIMIT 1) m ON true "
    "LEFT JOIN LATERAL (SELECT c.channel_id, c.id FROM conversations c WHERE o.object_kind = 'conversation' "
    "AND c.tenant_id = o.tenant_id AND c.id = o.object_id LIMIT 1) c ON true "
    "ORDER BY o.tenant_id, o.object_kind, o.object_id"};
/* One partition's, by where they lie: they are locked, so they stay there. By their key a planner
 * whose statistics are of a moment when the outbox was empty, as it mostly is, may read all of it
 * for each of them. */
static const struct pg_stmt drop = {
    "outbox_drop", "DELETE FROM outbox WHERE tableoid = $2::oid AND ctid = ANY($1::tid[])"};
/* What waits for a channel is looked at now: it may be mended. */
static const struct pg_stmt wake = {
    "outbox_wake",
    "UPDATE messages m SET wake_at = now() FROM (SELECT w.tenant_id, w.id FROM unnest($1::uuid[], $2::uuid[]) "
    "u(tenant, channel) JOIN channels_account ch ON ch.id = u.channel AND ch.status NOT IN ('auth_required', 'stopped', 'deleted', 'disconnected') "
    "JOIN messages w ON w.tenant_id = u.tenant AND w.channel_id = u.channel AND w.unsettled "
    "WHERE w.status IN ('queued', 'retry') AND w.wake_at > now() LIMIT 5000 FOR UPDATE OF w SKIP LOCKED) w "
    "WHERE m.tenant_id = w.tenant_id AND m.id = w.id"};

enum { TENANT, KIND, OBJECT, CHANNEL, CONVERSATION, PART, PLACE };

static bool is_same_object(const struct pg_result *r, int a, int b)
{
    return str_eq(pg_text(r, a, OBJECT), pg_text(r, b, OBJECT)) &&
           str_eq(pg_text(r, a, KIND), pg_text(r, b, KIND)) &&
           str_eq(pg_text(r, a, TENANT), pg_text(r, b, TENANT));
}

static struct str key_of(struct scheduling *s, const struct pg_result *r, int i)
{
    struct str channel = pg_text(r, i, CHANNEL), conversation = pg_text(r, i, CONVERSATION);
    if (!channel.ptr)
        return pg_text(r, i, OBJECT);
    return str_fmt(s->arena, "%.*s:%.*s", STR_ARG(channel), STR_ARG(conversation));
}

static bool publish(struct scheduling *s, const struct pg_result *r, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < pg_rows(r); i++) {
        if (i > 0 && is_same_object(r, i - 1, i))
            continue;
        struct result changed = {.kind = RESULT_OBJECT_CHANGED,
                                 .tenant_id = pg_text(r, i, TENANT),
                                 .at_ms = clock_at_ms(),
                                 .object_kind = pg_text(r, i, KIND),
                                 .object_id = pg_text(r, i, OBJECT)};
        ok = sender_records_result(s->records, key_of(s, r, i), &changed, err);
    }
    struct err late = {0}; // wait in any case: nothing of this turn may count for the next
    if (sender_records_wait(s->records, ok ? err : &late))
        return ok;
    return false;
}

static bool wake_channels(struct scheduling *s, const struct pg_result *r, int *n, struct err *err)
{
    int channels = 0;
    sender_columns(s, 2);
    for (int i = 0; i < pg_rows(r); i++) {
        if (!str_eq_c(pg_text(r, i, KIND), "channel"))
            continue;
        pg_array_str(&s->columns[0], pg_text(r, i, TENANT));
        pg_array_str(&s->columns[1], pg_text(r, i, OBJECT));
        channels++;
    }
    *n = channels > 0;
    return !channels || sender_columns_send(s, &wake, NULL, 0, err);
}

/* Between the first of its rows and the last one others may lie: they are ordered by tenant. */
static bool drop_part(struct scheduling *s, const struct pg_result *r, int first, struct err *err)
{
    struct str part = pg_text(r, first, PART);
    struct pg_param of = {.value = part.ptr};
    sender_columns(s, 1);
    for (int i = first; i < pg_rows(r); i++)
        if (str_eq(pg_text(r, i, PART), part))
            pg_array_str(&s->columns[0], pg_text(r, i, PLACE));
    return sender_columns_send(s, &drop, &of, 1, err);
}

static bool is_first_of_part(const struct pg_result *r, int row)
{
    for (int i = 0; i < row; i++)
        if (str_eq(pg_text(r, i, PART), pg_text(r, row, PART)))
            return false;
    return true;
}

static bool settle(struct scheduling *s, const struct pg_result *r, struct err *err)
{
    int n = 0;
    if (!wake_channels(s, r, &n, err))
        return sender_rollback(s);
    for (int i = 0; i < pg_rows(r); i++) {
        if (!is_first_of_part(r, i))
            continue;
        if (!drop_part(s, r, i, err))
            return sender_rollback(s);
        n++;
    }
    return sender_commit(s, n, err);
}

bool sender_outbox_drain(struct scheduling *s, int *done, struct err *err)
{
    struct pg_param limit = sender_param_i64(s, SCHEDULING_ROWS_MAX);
    auto_result r = sender_begin(s, &take, &limit, 1, err);
    if (!r)
        return err_wrap(err, "reading the outbox");
    *done = pg_rows(r);
    if (!*done) {
        sender_rollback(s);
        return true;
    }
    if (!publish(s, r, err)) {
        sender_rollback(s);
        return err_wrap(err, "publishing the outbox");
    }
    if (!settle(s, r, err))
        return err_wrap(err, "clearing the outbox");
    for (int i = 0; i < *done; i++) {
        static const char *const kinds[] = {"message", "conversation", "channel"};
        const char *kind = "other";
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            kind = str_eq_c(pg_text(r, i, KIND), kinds[k]) ? kinds[k] : kind;
        metric_add(metric_cell(s->opts->metrics, SENDER_METRIC_OUTBOX, kind), 1);
    }
    return true;
}

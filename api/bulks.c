/* SPDX-License-Identifier: Apache-2.0 */
/* How far a bulk is, and what is done with it on its way. Of what was asked to wait, at most the
 * few messages still go that were already handed out. */
#include "bulk.h"
#include "handlers.h"
#include "inbox_rows.h"
#include "page.h"

#define BULK_COLUMNS                                                                              \
    "b.id, b.channel_id, b.name, b.status, b.kind, b.body, b.total, b.handed_out, b.created_by, " \
    "b.rev, " API_MS("b.send_at") ", " API_MS("b.created_at") ", " API_MS("b.finished_at")
enum {
    ID,
    CHANNEL,
    NAME,
    STATUS,
    KIND,
    TEXT,
    TOTAL,
    HANDED_OUT,
    CREATED_BY,
    REV,
    SEND_AT,
    CREATED_AT,
    FINISHED_AT,
    PROGRESS
};

static const char *const states[] = {"sent",      "delivered", "read",
                                     "uncertain", "failed",    "cancelled"};
#define STATE(name) ", count(*) FILTER (WHERE m.status = '" name "') AS n_" name
const struct pg_stmt api_bulk_read = {
    "api_bulk_read",
    "SELECT " BULK_COLUMNS
    ", p.* FROM bulks b CROSS JOIN LATERAL (SELECT count(*) AS made" STATE("sent")
        STATE("delivered") STATE("read") STATE("uncertain") STATE("failed") STATE(
            "cancelled") " FROM messages m WHERE m.tenant_id = b.tenant_id AND m.bulk_id = b.id) p "
                         "WHERE b.tenant_id = $1 AND b.id = $2::uuid"};

/* Each recipient is counted once, by what became of it so far. */
static void put_progress(struct json_out *o, const struct pg_result *r, int row)
{
    bool is_cancelled = str_eq_c(pg_text(r, row, STATUS), "cancelled");
    int64_t total = pg_i64(r, row, TOTAL), waiting = total - pg_i64(r, row, PROGRESS), settled = 0;
    json_key_out(o, "progress");
    json_open(o, '{');
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        int64_t n = pg_i64(r, row, PROGRESS + 1 + (int)i);
        settled += n;
        // Those that had not become messages are cancelled with it.
        json_put_int(o, states[i],
                     str_eq_c(str_of(states[i]), "cancelled") && is_cancelled ? n + waiting : n);
    }
    json_put_int(o, "queued", total - settled - (is_cancelled ? waiting : 0));
    json_close(o, '}');
}

static void put_members(struct json_out *o, const struct pg_result *r, int row)
{
    static const char *const texts[] = {"id", "channel_id", "name", "status", "kind", "text"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        json_put_str(o, texts[i], pg_text(r, row, (int)i));
    json_put_int(o, "total", pg_i64(r, row, TOTAL));
    json_put_int(o, "handed_out", pg_i64(r, row, HANDED_OUT));
    json_put_str(o, "created_by", pg_text(r, row, CREATED_BY));
    json_put_int(o, "rev", pg_i64(r, row, REV));
    json_put_time(o, "send_at", pg_i64(r, row, SEND_AT));
    json_put_time(o, "created_at", pg_i64(r, row, CREATED_AT));
    json_put_time(o, "finished_at", pg_i64(r, row, FINISHED_AT));
}

void api_bulk_put(struct json_out *o, const struct pg_result *r, int row)
{
    json_open(o, '{');
    put_members(o, r, row);
    put_progress(o, r, row);
    json_close(o, '}');
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Ids are in the order of time. */
static const struct pg_stmt list = {
    "api_bulk_list",
    "SELECT " BULK_COLUMNS
    " FROM bulks b WHERE b.tenant_id = $1 AND ($2::uuid IS NULL OR b.id < $2::uuid) "
    "AND ($3::text IS NULL OR b.status = $3) ORDER BY b.id DESC LIMIT $4::bigint"};

static void put_entry(struct json_out *o, const struct pg_result *r, int row)
{
    json_open(o, '{');
    put_members(o, r, row);
    json_close(o, '}');
}

static void on_list(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    api_page_answer(c, results[0], put_entry, ID, ID);
}

static void list_bulks(struct call *c)
{
    const struct api_page *page = api_page_read(c, API_KEY_NONE);
    if (!page)
        return;
    const struct str params[] = {call_who(c)->tenant_id, page->id, call_query(c, "status"),
                                 api_page_limit(c)};
    call_send(c, &list, params, 4);
    call_commit(c, on_list);
}

static void send_one(struct call *c, const struct pg_stmt *stmt)
{
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id")};
    call_send(c, stmt, params, 2);
}

static void answer_one(struct call *c, const struct pg_result *r)
{
    if (!pg_rows(r)) {
        call_absent(c);
        return;
    }
    call_set_rev(c, pg_i64(r, 0, REV));
    api_bulk_put(call_out(c), r, 0);
    call_answer(c, 200);
}

static void on_one(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    answer_one(c, results[0]);
}

static void get_bulk(struct call *c)
{
    send_one(c, &api_bulk_read);
    call_commit(c, on_one);
}

/* --- changing --------------------------------------------------------------------------------- */

struct move {
    const char *to, *action;
    const struct pg_stmt stmt;
};

static struct move pause_it = {
    "paused",
    "bulk.pause",
    {"api_bulk_pause", "UPDATE bulks SET status = 'paused', rev = rev + 1 WHERE tenant_id = $1 "
                       "AND id = $2::uuid AND status = 'running' RETURNING 1"}};
static struct move resume_it = {
    "running",
    "bulk.resume",
    {"api_bulk_resume", "UPDATE bulks SET status = 'running', rev = rev + 1 WHERE tenant_id = $1 "
                        "AND id = $2::uuid AND status = 'paused' RETURNING 1"}};
static struct move cancel_it = {
    "cancelled",
    "bulk.cancel",
    {"api_bulk_cancel",
     "UPDATE bulks SET status = 'cancelled', finished_at = now(), rev = rev + 1 WHERE tenant_id = $1 "
     "AND id = $2::uuid AND status IN ('running', 'paused') RETURNING 1"}};
/* Those that are messages already and wait to be claimed. Their followers are commanded as rows
 * that are due. */
static const struct pg_stmt cancel_messages = {
    "api_bulk_cancel_messages",
    "WITH x AS (UPDATE messages m SET status = 'cancelled', next_attempt_at = NULL, rev = m.rev + 1 "
    "FROM bulks b WHERE b.tenant_id = $1 AND b.id = $2::uuid AND b.status = 'cancelled' "
    "AND m.tenant_id = b.tenant_id AND m.bulk_id = b.id AND m.status IN ('queued', 'retry') "
    "RETURNING m.tenant_id, m.id) INSERT INTO outbox (tenant_id, id, object_kind, object_id) "
    "SELECT x.tenant_id, gen_random_uuid(), 'message', x.id FROM x"};

static void on_read(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    answer_one(c, results[0]);
}

static void on_cancelled(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    answer_one(c, results[1]);
}

static void on_moved(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct move *m = *call_state(c);
    const struct pg_result *now = results[1];
    if (!pg_rows(now)) {
        call_absent(c);
        return;
    }
    if (!pg_rows(results[0]) && !str_eq_c(pg_text(now, 0, STATUS), m->to)) {
        call_problem(c, 409, "bulk_over", STR_NONE, "this bulk is %.*s",
                     STR_ARG(pg_text(now, 0, STATUS)));
        return;
    }
    if (m == &cancel_it)
        send_one(c, &cancel_messages);
    send_one(c, &api_bulk_read);
    if (pg_rows(results[0]))
        call_audit(c, m->action, "bulk", call_path(c, "id"), STR_NONE);
    call_commit(c, m == &cancel_it ? on_cancelled : on_read);
}

static void make_move(struct call *c, struct move *m)
{
    *call_state(c) = m;
    send_one(c, &m->stmt);
    send_one(c, &api_bulk_read);
    call_run(c, on_moved);
}

static void pause_bulk(struct call *c)
{
    make_move(c, &pause_it);
}

static void resume_bulk(struct call *c)
{
    make_move(c, &resume_it);
}

static void cancel_bulk(struct call *c)
{
    make_move(c, &cancel_it);
}

const struct api_handler api_bulks_handlers[] = {
    {"listBulks", list_bulks},   {"getBulk", get_bulk},       {"pauseBulk", pause_bulk},
    {"resumeBulk", resume_bulk}, {"cancelBulk", cancel_bulk}, {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are there: a conversation's, one of them, what happened to it, and its cancelling.
 */
#include <string.h>

#include "handlers.h"
#include "inbox.h"
#include "inbox_rows.h"
#include "page.h"

#define NEWER STR("n")
#define REV   26 /* of API_MESSAGE_COLUMNS */

/* --- a conversation's ------------------------------------------------------------------------- */

#define LIST_MESSAGES                              \
    "SELECT " API_MESSAGE_COLUMNS ", " API_MICROS( \
        "m.provider_at") " FROM messages m WHERE m.tenant_id = $1 AND m.conversation_id = $2"

static const struct pg_stmt newest = {"api_messages",
                                      LIST_MESSAGES " ORDER BY m.provider_at DESC, m.id DESC "
                                                    "LIMIT $3::bigint"};
static const struct pg_stmt older = {
    "api_messages_older", LIST_MESSAGES " AND (m.provider_at, m.id) < (" API_AT_MICROS(
                              "$4") ", $5::uuid) "
                                    "ORDER BY m.provider_at DESC, m.id DESC LIMIT $3::bigint"};
static const struct pg_stmt newer = {"api_messages_newer",
                                     LIST_MESSAGES " AND (m.provider_at, m.id) > (" API_AT_MICROS(
                                         "$4") ", $5::uuid) "
                                               "ORDER BY m.provider_at, m.id LIMIT $3::bigint"};
static const struct pg_stmt conversation_is_there = {
    "api_conversation_is_there", "SELECT FROM conversations WHERE tenant_id = $1 AND id = $2"};

static struct str cursor_at(struct call *c, struct str way, const struct pg_result *r, int row)
{
    return api_page_cursor(c, way, r, row, API_MESSAGE_N, 0);
}

/* Rows that came from the cursor on: towards older ones, or towards newer ones, which are then
 * shown the other way round. */
static void put_page(struct call *c, const struct api_page *page, const struct pg_result *r)
{
    bool is_newer = str_eq(page->way, NEWER);
    int shown = api_page_begin(c, r);
    int newest_row = is_newer ? shown - 1 : 0, oldest_row = is_newer ? 0 : shown - 1;
    struct json_out *o = call_out(c);
    for (int i = 0; i < shown; i++)
        api_put_message(o, r, is_newer ? shown - 1 - i : i);
    json_close(o, ']');
    // Behind the oldest of newer ones stands the one that the cursor named.
    bool has_older = shown && (is_newer || pg_rows(r) > shown);
    json_put_str(o, "next_cursor", has_older ? cursor_at(c, STR(""), r, oldest_row) : STR_NONE);
    struct str again = STR_NONE;
    if (shown)
        again = cursor_at(c, NEWER, r, newest_row);
    else if (page->key.ptr)
        again = call_cursor_make(c, (const struct str[]){NEWER, page->key, page->id}, 3);
    json_put_str(o, "newer_cursor", again);
    json_close(o, '}');
    call_answer(c, 200);
}

static void on_page(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (pg_rows(results[0]))
        put_page(c, *call_state(c), results[1]);
    else
        call_absent(c);
}

static void list_messages(struct call *c)
{
    const struct api_page *page = api_page_read(c, API_KEY_TIME);
    if (!page)
        return;
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id"), api_page_limit(c),
                                 page->key, page->id};
    const struct pg_stmt *next = str_eq(page->way, NEWER) ? &newer : &older;
    call_send(c, &conversation_is_there, params, 2);
    call_send(c, page->key.ptr ? next : &newest, params, page->key.ptr ? 5 : 3);
    call_commit(c, on_page);
}

/* --- one -------------------------------------------------------------------------------------- */

static const struct pg_stmt read_one = {"api_message",
                                        "SELECT " API_MESSAGE_COLUMNS
                                        " FROM messages m WHERE m.tenant_id = $1 AND m.id = $2"};

static void answer_one(struct call *c, const struct pg_result *r)
{
    call_set_rev(c, pg_i64(r, 0, REV));
    api_put_message(call_out(c), r, 0);
    call_answer(c, 200);
}

static void on_one(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (pg_rows(results[0]))
        answer_one(c, results[0]);
    else
        call_absent(c);
}

static void send_one(struct call *c, const struct pg_stmt *stmt)
{
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id")};
    call_send(c, stmt, params, 2);
}

static void get_message(struct call *c)
{
    send_one(c, &read_one);
    call_commit(c, on_one);
}

/* --- what happened to it ---------------------------------------------------------------------- */

#define TIMELINE_MAX "1000"

static const struct pg_stmt timeline = {
    "api_timeline",
    "WITH m AS (SELECT * FROM messages WHERE tenant_id = $1 AND id = $2) "
    "SELECT " API_MS(
        "t.at") ", t.event, t.attempt, t.status, t.participant, t.http_status, t.code, t.why FROM ("
                "SELECT m.stored_at AS at, 0 AS place, CASE m.direction WHEN 'out' THEN 'accepted' ELSE 'received' END AS event, "
                "NULL::int AS attempt, NULL AS status, NULL AS participant, NULL::int AS http_status, NULL AS code, NULL AS why "
                "FROM m UNION ALL "
                "SELECT m.send_at, 1, 'scheduled', NULL, NULL, NULL, NULL, NULL, NULL FROM m WHERE m.send_at IS NOT NULL UNION ALL "
                "SELECT a.started_at, 2, 'attempt_started', a.attempt, NULL, NULL, NULL, NULL, NULL FROM send_attempts a "
                "WHERE a.tenant_id = $1 AND a.message_id = $2 UNION ALL "
                "SELECT a.finished_at, 3, 'attempt_finished', a.attempt, a.outcome, NULL, a.http_status, a.error_code, "
                "a.error_message FROM send_attempts a WHERE a.tenant_id = $1 AND a.message_id = $2 "
                "AND a.finished_at IS NOT NULL UNION ALL "
                "SELECT r.at, 4, 'receipt', NULL, r.status, r.participant_id, NULL, NULL, NULL FROM m JOIN message_receipts r "
                "ON r.tenant_id = $1 AND r.channel_id = m.channel_id AND r.external_message_id = m.external_message_id UNION ALL "
                "SELECT m.edited_at, 5, 'edited', NULL, NULL, NULL, NULL, NULL, NULL FROM m WHERE m.edited_at IS NOT NULL UNION ALL "
                "SELECT m.deleted_at, 6, 'deleted', NULL, NULL, NULL, NULL, NULL, NULL FROM m WHERE m.deleted_at IS NOT NULL"
                ") t ORDER BY t.at, t.place, t.attempt LIMIT " TIMELINE_MAX};
static const struct pg_stmt read_status = {
    "api_message_status", "SELECT status FROM messages WHERE tenant_id = $1 AND id = $2"};

static void put_number(struct json_out *o, const char *key, const struct pg_result *r, int row,
                       int col)
{
    if (pg_null(r, row, col))
        json_put_raw(o, key, STR_NONE);
    else
        json_put_int(o, key, pg_i64(r, row, col));
}

static void put_step(struct json_out *o, const struct pg_result *r, int row)
{
    json_open(o, '{');
    json_put_time(o, "at", pg_i64(r, row, 0));
    json_put_str(o, "event", pg_text(r, row, 1));
    put_number(o, "attempt", r, row, 2);
    json_put_str(o, "status", pg_text(r, row, 3));
    json_put_str(o, "participant", pg_text(r, row, 4));
    put_number(o, "http_status", r, row, 5);
    json_put_str(o, "error_code", pg_text(r, row, 6));
    json_put_str(o, "error_message", pg_text(r, row, 7));
    json_close(o, '}');
}

static void on_timeline(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (!pg_rows(results[0])) {
        call_absent(c);
        return;
    }
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_put_str(o, "message_id", call_path(c, "id"));
    json_put_str(o, "status", pg_text(results[0], 0, 0));
    json_key_out(o, "items");
    json_open(o, '[');
    for (int i = 0; i < pg_rows(results[1]); i++)
        put_step(o, results[1], i);
    json_close(o, ']');
    json_close(o, '}');
    call_answer(c, 200);
}

static void get_timeline(struct call *c)
{
    send_one(c, &read_status);
    send_one(c, &timeline);
    call_commit(c, on_timeline);
}

/* --- cancelling ------------------------------------------------------------------------------- */

/* By its status at that moment, as the sender claims it: one of the two comes first. */
static const struct pg_stmt cancel = {
    "api_message_cancel",
    "UPDATE messages SET status = 'cancelled', next_attempt_at = NULL, rev = rev + 1 "
    "WHERE tenant_id = $1 AND id = $2 AND direction = 'out' AND status IN ('queued', 'retry') "
    "RETURNING id"};
/* Those behind it in its conversation have waited for it. */
static const struct pg_stmt follower = {
    "api_message_follower",
    "SELECT f.id, f.channel_id, f.conversation_id, f.provider, f.attempt, (f.bulk_id IS NOT NULL)::int "
    "FROM messages m JOIN messages f ON f.tenant_id = m.tenant_id AND f.channel_id = m.channel_id "
    "AND f.conversation_id = m.conversation_id AND f.unsettled AND f.conversation_seq > m.conversation_seq "
    "WHERE m.tenant_id = $1 AND m.id = $2 ORDER BY f.conversation_seq LIMIT 1"};

static void wake_follower(struct call *c)
{
    api_inbox_wake(call_api(c), *call_state(c));
}

static void on_cancelled(struct call *c, struct pg_result *const *results, int n)
{
    const struct pg_result *next = results[n - 1];
    struct arena *a = call_arena(c);
    if (pg_rows(next)) {
        struct send_command *cmd = ARENA_NEW(a, struct send_command);
        *cmd = (struct send_command){.tenant_id = call_who(c)->tenant_id,
                                     .message_id = str_dup(a, pg_text(next, 0, 0)),
                                     .channel_id = str_dup(a, pg_text(next, 0, 1)),
                                     .conversation_id = str_dup(a, pg_text(next, 0, 2)),
                                     .provider = str_dup(a, pg_text(next, 0, 3)),
                                     .attempt = pg_i64(next, 0, 4),
                                     .created_at_ms = call_now_at_ms(c),
                                     .priority = pg_i64(next, 0, 5)};
        *call_state(c) = cmd;
        call_after_commit(c, wake_follower);
    }
    answer_one(c, results[n - 2]);
}

static void on_cancel(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (!pg_rows(results[1])) {
        call_absent(c);
        return;
    }
    if (!pg_rows(results[0])) {
        call_problem(c, 409, "not_cancellable", STR_NONE,
                     "only a message that waits to be sent can be cancelled, and this one is %.*s",
                     STR_ARG(pg_text(results[1], 0, 0)));
        return;
    }
    call_changed(c, "message", call_path(c, "id"));
    send_one(c, &read_one);
    send_one(c, &follower);
    call_commit(c, on_cancelled);
}

static void cancel_message(struct call *c)
{
    send_one(c, &cancel);
    send_one(c, &read_status);
    call_run(c, on_cancel);
}

const struct api_handler api_history_handlers[] = {
    {"listMessages", list_messages},
    {"getMessage", get_message},
    {"getTimeline", get_timeline},
    {"cancelMessage", cancel_message},
    {0},
};

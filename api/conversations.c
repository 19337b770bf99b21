/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations: the list of an inbox, one of them, and what people change in it. */
#include <stdio.h>
#include <string.h>

#include "handlers.h"
#include "id.h"
#include "inbox_rows.h"
#include "page.h"
#include "try.h"

#define FROM_CONVERSATIONS \
    " FROM conversations c JOIN channels_account ch ON ch.id = c.channel_id WHERE c.tenant_id = $1"
#define ORDER_AT "coalesce(c.last_message_at, c.created_at)"
#define IN_ORDER " ORDER BY " ORDER_AT " DESC, c.id DESC"

/* --- the list --------------------------------------------------------------------------------- */

#define LIST_PARAMS_MAX 12
#define LIST_SQL_MAX    4096

/* A statement that grows with what is asked. */
struct list {
    struct buf sql;
    struct str params[LIST_PARAMS_MAX];
    int n;
    const char *name; /* the statement's, while only what is common is asked; NULL: not prepared */
};

/* `condition` has one %d: the parameter's number. */
static void want(struct list *l, const char *condition, struct str value)
{
    l->params[l->n++] = value;
    buf_put_c(&l->sql, " AND ");
    const char *at = strstr(condition, "%d");
    buf_put(&l->sql, condition, (size_t)(at - condition));
    buf_putf(&l->sql, "%d", l->n);
    buf_put_c(&l->sql, at + 2);
}

static void want_query(struct call *c, struct list *l, const char *param, const char *condition)
{
    struct str value = call_query(c, param);
    if (!value.ptr)
        return;
    want(l, condition, value);
    l->name = NULL;
}

/* Anybody's, nobody's, or one user's. */
static bool want_assignee(struct call *c, struct list *l)
{
    struct str who = call_query(c, "assignee");
    struct uuid id;
    if (!who.ptr)
        return true;
    if (!str_eq_c(who, "none") && !str_eq_c(who, "me") && !uuid_parse(who, &id)) {
        call_problem(c, 400, "invalid_request", STR_NONE, "assignee: want a user's id, me or none");
        return false;
    }
    l->name = NULL;
    if (str_eq_c(who, "none"))
        buf_put_c(&l->sql, " AND c.assigned_to IS NULL");
    else
        want(l, "c.assigned_to = $%d", str_eq_c(who, "me") ? call_who(c)->user_id : who);
    return true;
}

static void want_unread(struct call *c, struct list *l)
{
    struct str unread = call_query(c, "unread");
    if (!unread.ptr)
        return;
    l->name = NULL;
    buf_put_c(&l->sql,
              str_eq_c(unread, "true") ? " AND c.unread_count > 0" : " AND c.unread_count = 0");
}

static void want_page(struct call *c, struct list *l, const struct api_page *page)
{
    static const char *const names[2][2] = {
        {"api_conversations", "api_conversations_next"},
        {"api_conversations_of_status", "api_conversations_of_status_next"},
    };
    struct str status = call_query(c, "status");
    if (status.ptr)
        want(l, "c.status = $%d", status);
    if (l->name)
        l->name = names[status.ptr != NULL][page->key.ptr != NULL];
    if (page->key.ptr) {
        l->params[l->n++] = page->key;
        l->params[l->n++] = page->id;
        buf_putf(&l->sql, " AND (" ORDER_AT ", c.id) < (" API_AT_MICROS("$%d") ", $%d::uuid)",
                 l->n - 1, l->n);
    }
    l->params[l->n++] = api_page_limit(c);
    buf_putf(&l->sql, IN_ORDER " LIMIT $%d::bigint", l->n);
    // Its channels are joined to the page, not to the list: what the planner thinks of them must
    // not keep it from reading a page in the order of its index.
    buf_put_c(&l->sql, ") c JOIN channels_account ch ON ch.id = c.channel_id" IN_ORDER);
}

static void on_list(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    api_page_answer(c, results[0], api_put_conversation, API_CONVERSATION_N, 0);
}

static void list_conversations(struct call *c)
{
    const struct api_page *page = api_page_read(c, API_KEY_TIME);
    if (!page)
        return;
    struct list l = {.params = {call_who(c)->tenant_id}, .n = 1, .name = ""};
    buf_init(&l.sql, LIST_SQL_MAX);
    buf_put_c(&l.sql,
              "SELECT " API_CONVERSATION_COLUMNS ", " API_MICROS(
                  ORDER_AT) " FROM (SELECT c.* FROM conversations c WHERE c.tenant_id = $1");
    want_query(c, &l, "provider", "c.provider = $%d");
    want_query(c, &l, "platform", "c.platform = $%d");
    want_query(c, &l, "channel_id", "c.channel_id = $%d");
    want_query(c, &l, "q", "c.id IN (SELECT conversations_with($%d))");
    want_unread(c, &l);
    bool ok = want_assignee(c, &l);
    want_page(c, &l, page);
    struct pg_stmt stmt = {l.name, str_c(call_arena(c), buf_str(&l.sql))};
    buf_done(&l.sql);
    if (!ok)
        return;
    call_send(c, &stmt, l.params, l.n);
    call_commit(c, on_list);
}

/* --- one -------------------------------------------------------------------------------------- */

static const struct pg_stmt read_one = {
    "api_conversation", "SELECT " API_CONVERSATION_COLUMNS FROM_CONVERSATIONS " AND c.id = $2"};
static const struct pg_stmt lock_one = {"api_conversation_lock",
                                        "SELECT " API_CONVERSATION_COLUMNS FROM_CONVERSATIONS
                                        " AND c.id = $2 FOR UPDATE OF c"};

static void answer_one(struct call *c, const struct pg_result *r)
{
    call_set_rev(c, pg_i64(r, 0, API_CONVERSATION_REV));
    api_put_conversation(call_out(c), r, 0);
    call_answer(c, 200);
}

static void on_one(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (!pg_rows(results[0]))
        call_absent(c);
    else
        answer_one(c, results[0]);
}

static void send_one(struct call *c, const struct pg_stmt *stmt)
{
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id")};
    call_send(c, stmt, params, 2);
}

static void get_conversation(struct call *c)
{
    send_one(c, &read_one);
    call_commit(c, on_one);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Absent parameters leave what is there; an assignee of '' takes it away. */
static const struct pg_stmt update = {
    "api_conversation_update",
    "UPDATE conversations SET status = coalesce($3, status), "
    "assigned_to = CASE WHEN $4::text IS NULL THEN assigned_to ELSE nullif($4, '')::uuid END, "
    "labels = CASE WHEN $5::jsonb IS NULL THEN labels "
    "ELSE ARRAY(SELECT DISTINCT x FROM jsonb_array_elements_text($5::jsonb) x ORDER BY x) END, "
    "rev = rev + 1 WHERE tenant_id = $1 AND id = $2"};
static const struct pg_stmt find_user = {"api_user_is_there",
                                         "SELECT FROM users WHERE tenant_id = $1 AND id = $2"};

struct change {
    struct str status, assigned_to, labels;
    int64_t rev; /* -1: any */
};

static void on_updated(struct call *c, struct pg_result *const *results, int n)
{
    answer_one(c, results[n - 1]);
}

static bool may_change(struct call *c, const struct change *want_change,
                       const struct pg_result *row, const struct pg_result *user)
{
    if (!pg_rows(row)) {
        call_absent(c);
        return false;
    }
    if (want_change->rev >= 0 && want_change->rev != pg_i64(row, 0, API_CONVERSATION_REV)) {
        call_problem(c, 412, "precondition_failed", STR_NONE,
                     "the conversation has changed since it was read: read it again");
        return false;
    }
    if (user && !pg_rows(user) && !str_eq(want_change->assigned_to, call_who(c)->user_id)) {
        call_problem(c, 422, "unknown_user", STR("#/assigned_to"), "no such user");
        return false;
    }
    return true;
}

static void on_locked(struct call *c, struct pg_result *const *results, int n)
{
    const struct change *x = *call_state(c);
    if (!may_change(c, x, results[0], n > 1 ? results[1] : NULL))
        return;
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id"), x->status,
                                 x->assigned_to, x->labels};
    call_send(c, &update, params, 5);
    call_changed(c, "conversation", call_path(c, "id"));
    send_one(c, &read_one);
    call_commit(c, on_updated);
}

static void update_conversation(struct call *c)
{
    struct change *x = ARENA_NEW(call_arena(c), struct change);
    const struct json *body = call_body(c), *labels = json_get(body, "labels");
    *call_state(c) = x;
    if (!call_if_match(c, &x->rev))
        return;
    x->status = json_text(call_arena(c), json_get(body, "status"));
    x->labels = labels ? labels->span : STR_NONE;
    // A null is a member, too: json_get() does not tell it from an absent one.
    for (const struct json *v = json_first(body); v; v = json_next(body, v))
        if (str_eq_c(json_text(call_arena(c), json_key(v)), "assigned_to"))
            x->assigned_to = json_is(v, JSON_NULL) ? STR("") : json_text(call_arena(c), v);
    send_one(c, &lock_one);
    if (x->assigned_to.len) {
        const struct str params[] = {call_who(c)->tenant_id, x->assigned_to};
        call_send(c, &find_user, params, 2);
    }
    call_run(c, on_locked);
}

/* --- read ------------------------------------------------------------------------------------- */

/* Up to the message that is named, or else to the latest that came in; never back. A message that
 * comes late, with an older time, is then not counted as unread: nobody can tell whether it was
 * seen, and the router counts by the same rule. */
static const struct pg_stmt mark_read = {
    "api_conversation_read",
    "WITH seen AS (SELECT greatest(c.agent_read_at, CASE WHEN $3::uuid IS NULL THEN c.last_inbound_at "
    "ELSE (SELECT m.provider_at FROM messages m WHERE m.tenant_id = $1 AND m.id = $3 "
    "AND m.conversation_id = c.id) END) AS up_to FROM conversations c WHERE c.tenant_id = $1 AND c.id = $2) "
    "UPDATE conversations c SET agent_read_at = seen.up_to, unread_count = (SELECT count(*) FROM messages m "
    "WHERE m.tenant_id = $1 AND m.conversation_id = $2 AND m.direction = 'in' AND m.kind <> 'system' "
    "AND m.provider_at > seen.up_to), rev = c.rev + 1 FROM seen WHERE c.tenant_id = $1 AND c.id = $2 "
    "AND (c.agent_read_at IS DISTINCT FROM seen.up_to OR c.unread_count > 0) AND seen.up_to IS NOT NULL "
    "RETURNING c.id"};
/* What its provider is to be told of it: up to which message. */
static const struct pg_stmt mark_of = {
    "api_read_mark_of",
    "SELECT c.provider, ch.external_account_id, ch.account_type, c.external_id, c.contact_id, "
    "c.is_group::int, m.external_message_id FROM conversations c "
    "JOIN channels_account ch ON ch.id = c.channel_id AND ch.status <> 'disconnected' "
    "CROSS JOIN LATERAL (SELECT x.external_message_id FROM messages x WHERE x.tenant_id = $1 "
    "AND x.conversation_id = c.id AND x.direction = 'in' AND x.external_message_id IS NOT NULL "
    "AND x.provider_at <= c.agent_read_at ORDER BY x.provider_at DESC, x.id LIMIT 1) m "
    "WHERE c.tenant_id = $1 AND c.id = $2"};
static const struct pg_stmt tell_mark = {
    "api_read_mark",
    "INSERT INTO read_marks AS r (tenant_id, conversation_id, channel_id, target) "
    "SELECT $1, c.id, c.channel_id, $3 FROM conversations c WHERE c.tenant_id = $1 AND c.id = $2 "
    "ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET target = excluded.target, "
    "channel_id = excluded.channel_id, due_at = now(), tries = 0"};
static const struct pg_stmt message_of = {
    "api_message_of",
    "SELECT FROM messages WHERE tenant_id = $1 AND id = $2 AND conversation_id = $3"};

/* Where the network has read marks, the sender tells it, in its own time. */
static void tell_provider(struct call *c, const struct pg_result *r)
{
    if (!pg_rows(r))
        return;
    struct str target = pg_text(r, 0, 6);
    const struct api_try t = {.provider = pg_text(r, 0, 0),
                              .account = pg_text(r, 0, 1),
                              .account_type = pg_text(r, 0, 2),
                              .conversation = pg_text(r, 0, 3),
                              .contact_id = pg_text(r, 0, 4),
                              .is_group = pg_i64(r, 0, 5) != 0};
    if (!api_try_read(c, &t, target))
        return;
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id"), target};
    call_send(c, &tell_mark, params, 3);
}

static void on_marked(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (pg_rows(results[0])) {
        call_changed(c, "conversation", call_path(c, "id"));
        tell_provider(c, results[1]);
    }
    send_one(c, &read_one);
    call_commit(c, on_updated);
}

static void on_read_locked(struct call *c, struct pg_result *const *results, int n)
{
    struct str up_to = json_text(call_arena(c), json_get(call_body(c), "message_id"));
    if (!pg_rows(results[0])) {
        call_absent(c);
        return;
    }
    if (n > 1 && !pg_rows(results[1])) {
        call_problem(c, 422, "unknown_message", STR("#/message_id"),
                     "this conversation has no such message");
        return;
    }
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id"), up_to};
    call_send(c, &mark_read, params, 3);
    call_send(c, &mark_of, params, 2);
    call_run(c, on_marked);
}

static void mark_conversation_read(struct call *c)
{
    struct str up_to = json_text(call_arena(c), json_get(call_body(c), "message_id"));
    send_one(c, &lock_one);
    if (up_to.ptr) {
        const struct str params[] = {call_who(c)->tenant_id, up_to, call_path(c, "id")};
        call_send(c, &message_of, params, 3);
    }
    call_run(c, on_read_locked);
}

const struct api_handler api_conversations_handlers[] = {
    {"listConversations", list_conversations},
    {"getConversation", get_conversation},
    {"updateConversation", update_conversation},
    {"markConversationRead", mark_conversation_read},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* What could not be handled and waits: shown whole to its tenant, replayed or dropped by hand. What
 * may be done is decided by functions of the database, which the operator's verbs call too. */
#include <string.h>

#include "crypto.h"
#include "handlers.h"
#include "inbox_rows.h"
#include "mem.h"
#include "object.h"
#include "page.h"

// clang-format off
#define COLUMNS                                                                              \
    "q.id, q.tenant_id, q.provider, q.account, q.reason, q.detail, q.topic, q.partition, "   \
    "q.\"offset\", " API_MS("q.received_at") ", q.rev, " API_MS("q.replayed_at") ", " API_MS("q.dropped_at")
// clang-format on

enum {
    COL_REV = 10,
    COL_REPLAYED,
    COL_DROPPED,
    COLUMNS_N,
    COL_HEADERS = COLUMNS_N,
    COL_KEY,
    COL_BODY,
};

/* Bodies are stored as they came, up to a record's size. */
#define BODY_MAX (4 << 20)

static void put_members(struct json_out *o, const struct pg_result *r, int i)
{
    object_quarantined_members(o, &(struct object_quarantined){.id = pg_text(r, i, 0),
                                                               .tenant_id = pg_text(r, i, 1),
                                                               .provider = pg_text(r, i, 2),
                                                               .account = pg_text(r, i, 3),
                                                               .reason = pg_text(r, i, 4),
                                                               .detail = pg_text(r, i, 5),
                                                               .topic = pg_text(r, i, 6),
                                                               .partition = pg_i64(r, i, 7),
                                                               .offset = pg_i64(r, i, 8),
                                                               .received_at_ms = pg_i64(r, i, 9),
                                                               .rev = pg_i64(r, i, COL_REV)});
    json_put_time(o, "replayed_at", pg_i64(r, i, COL_REPLAYED));
    json_put_time(o, "dropped_at", pg_i64(r, i, COL_DROPPED));
}

/* --- GET /api/webhooks/quarantine ------------------------------------------------------------- */

static void put_reasons(struct json_out *o, const struct pg_result *r)
{
    json_key_out(o, "reasons");
    json_open(o, '[');
    for (int i = 0; i < pg_rows(r); i++) {
        json_open(o, '{');
        json_put_str(o, "reason", pg_text(r, i, 0));
        json_put_int(o, "count", pg_i64(r, i, 1));
        json_put_time(o, "oldest_at", pg_i64(r, i, 2));
        json_close(o, '}');
    }
    json_close(o, ']');
}

static void listed(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct json_out *o = call_out(c);
    int shown = api_page_begin(c, results[0]);
    for (int i = 0; i < shown; i++) {
        json_open(o, '{');
        put_members(o, results[0], i);
        json_close(o, '}');
    }
    api_page_end(c, results[0], COLUMNS_N, 0);
    put_reasons(o, results[1]);
    json_close(o, '}');
    call_answer(c, 200);
}

static void list(struct call *c)
{
    // In the order of coming.
    // clang-format off
    static const struct pg_stmt page_sql = {
        "api_quarantine_page",
        "SELECT " COLUMNS ", " API_MICROS("q.received_at") " FROM quarantine q "
        "WHERE q.replayed_at IS NULL AND q.dropped_at IS NULL "
        "AND ($1::text IS NULL OR q.reason = $1) AND ($2::text IS NULL OR q.provider = $2) "
        "AND ($3::bigint IS NULL OR (q.received_at, q.id) > (" API_AT_MICROS("$3") ", $4::uuid)) "
        "ORDER BY q.received_at, q.id LIMIT $5::bigint"};
    static const struct pg_stmt reasons = {
        "api_quarantine_reasons",
        "SELECT w.reason, count(*), " API_MS("min(w.received_at)") " FROM ("
        "SELECT reason, received_at FROM quarantine WHERE replayed_at IS NULL AND dropped_at IS NULL "
        "ORDER BY received_at LIMIT 10000) w GROUP BY w.reason ORDER BY 1"};
    // clang-format on
    const struct api_page *page = api_page_read(c, API_KEY_TIME);
    if (!page)
        return;
    const struct str params[] = {call_query(c, "reason"), call_query(c, "provider"), page->key,
                                 page->id, api_page_limit(c)};
    call_send(c, &page_sql, params, ARRAY_LEN(params));
    call_send(c, &reasons, NULL, 0);
    call_run(c, listed);
}

/* --- GET /api/webhooks/quarantine/{id} -------------------------------------------------------- */

static void shown(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    if (pg_rows(r) == 0) {
        call_absent(c);
        return;
    }
    struct json_out *o = call_out(c);
    struct str body = STR("");
    // It comes in base64, because it may be anything.
    if (!base64_decode(call_arena(c), pg_text(r, 0, COL_BODY), &body))
        body = STR("");
    bool is_text = str_utf8(call_arena(c), body).ptr == body.ptr;
    json_open(o, '{');
    put_members(o, r, 0);
    json_put_raw(o, "headers", pg_text(r, 0, COL_HEADERS));
    json_put_str(o, "key", pg_text(r, 0, COL_KEY));
    json_put_str(o, "body", is_text ? body : STR_NONE);
    json_put_str(o, "body_base64", is_text ? STR_NONE : base64_encode(call_arena(c), body));
    json_close(o, '}');
    call_set_rev(c, pg_i64(r, 0, COL_REV));
    call_answer(c, 200);
}

static void get(struct call *c)
{
    static const struct pg_stmt one = {
        "api_quarantine_one",
        "SELECT " COLUMNS ", q.headers, encode(q.key, 'escape'), "
        "translate(encode(q.body, 'base64'), E'\\n', '') FROM quarantine q WHERE q.id = $1::uuid"};
    const struct str params[] = {call_path(c, "id")};
    call_send(c, &one, params, 1);
    call_run(c, shown);
}

/* --- POST .../replay, DELETE ------------------------------------------------------------------ */

struct act {
    const char *audit;
    const char *wanted; /* the word that says that it was done */
    struct pg_stmt stmt;
};

static void acted(struct call *c, struct pg_result *const *results, int n)
{
    (void)results, (void)n;
    const struct act *act = *call_state(c);
    if (strcmp(act->wanted, "dropped") == 0) {
        call_answer(c, 204);
        return;
    }
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_put_str(o, "id", call_path(c, "id"));
    json_put_str(o, "result", STR("queued"));
    json_close(o, '}');
    call_answer(c, 202);
}

static void decided(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct act *act = *call_state(c);
    struct str word = pg_text(results[0], 0, 0);
    if (str_eq_c(word, act->wanted)) {
        call_audit(c, act->audit, "quarantine", call_path(c, "id"), STR_NONE);
        call_commit(c, acted);
    } else if (str_eq_c(word, "absent")) {
        call_absent(c);
    } else if (str_eq_c(word, "nobody")) {
        call_problem(c, 409, "account_not_connected", STR_NONE,
                     "connect the account first: the record would only come back");
    } else {
        call_problem(c, 409, "quarantine_settled", STR_NONE, "the record was %.*s before",
                     STR_ARG(word));
    }
}

static void act(struct call *c, struct act *what)
{
    const struct str params[] = {call_path(c, "id")};
    *call_state(c) = what;
    call_send(c, &what->stmt, params, 1);
    call_run(c, decided);
}

static void replay(struct call *c)
{
    static struct act what = {"quarantine.replay",
                              "queued",
                              {"api_quarantine_replay", "SELECT quarantine_replay($1::uuid)"}};
    act(c, &what);
}

static void drop(struct call *c)
{
    static struct act what = {
        "quarantine.drop", "dropped", {"api_quarantine_drop", "SELECT quarantine_drop($1::uuid)"}};
    act(c, &what);
}

const struct api_handler api_quarantine_handlers[] = {
    {"listQuarantine", list},
    {"getQuarantined", get},
    {"replayQuarantined", replay},
    {"dropQuarantined", drop},
    {0},
};

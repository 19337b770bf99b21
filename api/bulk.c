/* SPDX-License-Identifier: Apache-2.0 */
/* A bulk is accepted whole or not at all: its rows go into the database in one transaction, some
 * thousand in a round, each read from the body when its turn comes. So other calls have the loop in
 * between, and no more is in memory than the body itself. */
#include "bulk.h"

#include "api.h"
#include "bulk_rows.h"
#include "check.h"
#include "crypto.h"
#include "handlers.h"
#include "id.h"
#include "inbox_rows.h"
#include "outgoing_body.h"
#include "send.h"
#include "spec.h"
#include "try.h"

#define CHUNK_ROWS      2000
#define CHUNK_BYTES     ((size_t)2 << 20)
#define SCRATCH_MAX     ((size_t)16 << 20)
#define COLUMN_MAX      ((size_t)16 << 20)
#define HEAD_FACTOR_MAX ((size_t)256 << 10)

struct making {
    struct buf body;
    bool is_busy; /* too much of others is in memory */
    struct api_bulk_reader rows;
    struct arena *scratch;
    struct pg_array positions, people, variables;
    struct api_outgoing message;
    struct str id, channel_id, name, first;
    int64_t stored;
};

/* --- the body --------------------------------------------------------------------------------- */

bool api_bulk_begin(struct call *c)
{
    struct making *m = ARENA_NEW(call_arena(c), struct making);
    *call_state(c) = m;
    buf_init(&m->body, API_BULK_BODY_MAX);
    return true;
}

bool api_bulk_piece(struct call *c, struct str bytes)
{
    struct making *m = *call_state(c);
    struct api *api = call_api(c);
    if (api->bulk_bytes + bytes.len > API_BULK_BODIES_MAX)
        m->is_busy = true;
    if (m->is_busy)
        return false;
    size_t before = m->body.len;
    buf_put_str(&m->body, bytes);
    api->bulk_bytes += m->body.len - before;
    call_set_raw_body(c, buf_str(&m->body));
    return !m->body.overflow;
}

void api_bulk_drop(struct call *c)
{
    struct making *m = *call_state(c);
    call_api(c)->bulk_bytes -= m->body.len;
    call_set_raw_body(c, STR_NONE);
    buf_done(&m->body);
    if (!m->scratch)
        return;
    arena_free(m->scratch);
    pg_array_done(&m->positions);
    pg_array_done(&m->people);
    pg_array_done(&m->variables);
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void bad_request(struct call *c, struct str pointer, struct str parameter, const char *why)
{
    struct api_violations v = {.a = call_arena(c)};
    api_violation_add(&v, pointer, parameter, "%s", why);
    call_violations(c, 400, &v);
}

/* CSV holds the recipients alone: the rest stands in the address, and is put together as if it had
 * come as JSON, to be checked by the same schema. */
static bool head_of_csv(struct call *c, struct str *head)
{
    struct str message = call_query(c, "message"), name = call_query(c, "name");
    struct err err = {0};
    struct buf buf;
    struct json_out o = {.buf = &buf};
    if (!call_query(c, "channel_id").ptr || !message.ptr) {
        bad_request(c, STR_NONE, message.ptr ? STR("channel_id") : STR("message"),
                    "is required beside CSV");
        return false;
    }
    if (!json_parse(call_arena(c), message, &err)) {
        bad_request(c, STR_NONE, STR("message"), err.msg);
        return false;
    }
    buf_init(&buf, HEAD_FACTOR_MAX);
    json_open(&o, '{');
    json_put_str(&o, "channel_id", call_query(c, "channel_id"));
    json_put_raw(&o, "message", message);
    if (name.ptr)
        json_put_str(&o, "name", name);
    json_put_raw(&o, "recipients", STR("[]"));
    json_close(&o, '}');
    *head = str_dup(call_arena(c), buf_str(&buf));
    buf_done(&buf);
    return true;
}

static const struct json *check_head(struct call *c, struct str head)
{
    struct api_violations v = {.a = call_arena(c)};
    struct err err = {0};
    const struct json *root = json_parse(call_arena(c), head, &err);
    if (!root)
        api_violation_add(&v, STR("#"), STR_NONE, "%s", err.msg);
    else
        (void)api_check(call_operation(c)->body, root, &v);
    if (v.n)
        call_violations(c, 400, &v);
    return v.n ? NULL : root;
}

static bool is_csv(struct call *c)
{
    struct str type, rest;
    (void)str_cut(call_header(c, "Content-Type"), ';', &type, &rest);
    return str_ieq(str_trim(type), STR("text/csv"));
}

/* What is asked, without its recipients; NULL: answered. */
static const struct json *read_head(struct call *c, struct making *m)
{
    struct arena *a = call_arena(c);
    struct str head = STR_NONE, body = buf_str(&m->body);
    struct err err = {0};
    bool csv = is_csv(c);
    if (!csv && (call_query(c, "channel_id").ptr || call_query(c, "message").ptr ||
                 call_query(c, "name").ptr)) {
        call_problem(c, 422, "not_beside_json", STR_NONE,
                     "channel_id, message and name of a JSON request stand in its body");
        return NULL;
    }
    if (csv && !head_of_csv(c, &head))
        return NULL;
    bool ok = csv ? api_bulk_open_csv(&m->rows, a, body, &err)
                  : api_bulk_open_json(&m->rows, a, body, &head, &err);
    if (!ok) {
        bad_request(c, csv ? STR_NONE : STR("#"), STR_NONE, err.msg);
        return NULL;
    }
    return check_head(c, head);
}

static bool read_message(struct call *c, struct making *m, const struct json *root)
{
    struct arena *a = call_arena(c);
    const struct json *message = json_get(root, "message");
    m->channel_id = json_text(a, json_get(root, "channel_id"));
    m->name = json_text(a, json_get(root, "name"));
    if (!api_outgoing_read(c, message, &m->message))
        return false;
    if (!m->message.reply_to.ptr && !m->message.target.ptr)
        return true;
    call_problem(c, 422, "not_for_bulk", STR("#/message"),
                 "many cannot be sent an answer or a reaction to one message");
    return false;
}

/* --- the recipients --------------------------------------------------------------------------- */

static const struct pg_stmt add_recipients = {
    "api_bulk_recipients",
    "WITH x AS (INSERT INTO bulk_recipients (tenant_id, bulk_id, position, recipient, variables) "
    "SELECT $1::uuid, $2::uuid, u.position, u.who, u.variables::jsonb "
    "FROM unnest($3::int[], $4::text[], $5::text[]) u(position, who, variables) "
    "ON CONFLICT (tenant_id, bulk_id, recipient) DO NOTHING RETURNING 1) SELECT count(*) FROM x"};

static void open_columns(struct making *m)
{
    m->scratch = arena_new(SCRATCH_MAX);
    pg_array_init(&m->positions, COLUMN_MAX);
    pg_array_init(&m->people, COLUMN_MAX);
    pg_array_init(&m->variables, COLUMN_MAX);
}

static void note_bad(struct call *c, const struct making *m, const struct err *err,
                     struct api_violations *v)
{
    struct arena *a = call_arena(c);
    if (m->rows.is_csv)
        api_violation_add(v, STR_NONE, STR_NONE, "line %lld: %s", (long long)m->rows.line,
                          err->msg);
    else
        api_violation_add(v, str_fmt(a, "#/recipients/%lld", (long long)m->rows.n - 1), STR_NONE,
                          "%s", err->msg);
}

/* The next rows into the columns. False: some are bad, and that was answered; all that this chunk
 * has. */
static bool read_chunk(struct call *c, struct making *m, int *n)
{
    struct api_violations v = {.a = call_arena(c)};
    struct api_bulk_row row;
    arena_reset(m->scratch);
    pg_array_clear(&m->positions);
    pg_array_clear(&m->people);
    pg_array_clear(&m->variables);
    for (*n = 0;
         *n < CHUNK_ROWS && arena_used(m->scratch) < CHUNK_BYTES && v.n < API_VIOLATIONS_MAX;) {
        struct err err = {0};
        enum api_bulk_step step = api_bulk_next(&m->rows, m->scratch, &row, &err);
        if (step == API_BULK_END)
            break;
        if (m->rows.n > API_BULK_ROWS_MAX) {
            call_problem(c, 422, "too_many_recipients", STR("#/recipients"),
                         "at most %d recipients: make several bulks", API_BULK_ROWS_MAX);
            return false;
        }
        (*n)++;
        if (step == API_BULK_BAD) {
            note_bad(c, m, &err, &v);
            continue;
        }
        pg_array_i64(&m->positions, m->rows.n);
        pg_array_str(&m->people, row.to);
        pg_array_str(&m->variables, row.variables);
        if (!m->first.ptr)
            m->first = str_dup(call_arena(c), row.to);
    }
    if (v.n)
        call_violations(c, 400, &v);
    return v.n == 0;
}

static void send_chunk(struct call *c, struct making *m)
{
    const struct pg_param params[] = {
        pg_param_str(call_arena(c), call_who(c)->tenant_id), pg_param_str(call_arena(c), m->id),
        pg_array_param(&m->positions), pg_array_param(&m->people), pg_array_param(&m->variables)};
    pg_tx_send(call_tx(c), &add_recipients, params, ARRAY_LEN(params));
}

/* --- storing ---------------------------------------------------------------------------------- */

static const struct pg_stmt look_at_channel = {
    "api_bulk_channel", "SELECT provider, external_account_id, account_type, status "
                        "FROM channels_account WHERE tenant_id = $1 AND id = $2::uuid"};
static const struct pg_stmt add_bulk = {
    "api_bulk_add",
    "INSERT INTO bulks (tenant_id, id, channel_id, name, kind, body, outgoing, total, send_at, created_by) "
    "VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6, $7::jsonb, 0, " API_AT("$8") ", $9::uuid)"};
static const struct pg_stmt set_total = {
    "api_bulk_total", "UPDATE bulks SET total = $3::int WHERE tenant_id = $1 AND id = $2::uuid"};

static struct str number(struct call *c, int64_t n)
{
    return str_fmt(call_arena(c), "%lld", (long long)n);
}

static void on_stored(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct making *m = *call_state(c);
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "bulk");
    api_bulk_put(o, results[1], 0);
    json_put_int(o, "duplicates", m->rows.n - m->stored);
    json_close(o, '}');
    call_answer(c, 202);
}

static void finish(struct call *c, const struct making *m)
{
    const struct str total[] = {call_who(c)->tenant_id, m->id, number(c, m->stored)};
    const struct str one[] = {call_who(c)->tenant_id, m->id};
    call_send(c, &set_total, total, 3);
    call_send(c, &api_bulk_read, one, 2);
    call_audit(c, "bulk.create", "bulk", m->id,
               str_fmt(call_arena(c), "{\"total\":%lld}", (long long)m->stored));
    call_commit(c, on_stored);
}

static void on_chunk(struct call *c, struct pg_result *const *results, int n)
{
    struct making *m = *call_state(c);
    int rows = 0;
    m->stored += pg_i64(results[n - 1], 0, 0);
    if (!read_chunk(c, m, &rows))
        return;
    if (!rows) {
        finish(c, m);
        return;
    }
    send_chunk(c, m);
    call_run(c, on_chunk);
}

/* Would the provider take it, for the first of them? */
static bool is_sendable(struct call *c, const struct making *m, const struct pg_result *r)
{
    struct err err = {0};
    const struct api_try t = {.provider = pg_text(r, 0, 0),
                              .account = pg_text(r, 0, 1),
                              .account_type = pg_text(r, 0, 2),
                              .to = m->first,
                              .id = m->id,
                              .message = &m->message};
    if (api_try_build(c, &t, &err))
        return true;
    call_problem(c, 422, "not_sendable", STR("#/message"), "%s", err.msg);
    return false;
}

static void store(struct call *c, struct making *m)
{
    const struct api_outgoing *x = &m->message;
    const struct str params[] = {call_who(c)->tenant_id,
                                 m->id,
                                 m->channel_id,
                                 m->name,
                                 x->kind,
                                 x->text,
                                 api_outgoing_json(c, x),
                                 x->send_at_ms ? number(c, x->send_at_ms) : STR_NONE,
                                 call_who(c)->user_id};
    call_send(c, &add_bulk, params, ARRAY_LEN(params));
    send_chunk(c, m);
    call_run(c, on_chunk);
}

static void on_looked(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct making *m = *call_state(c);
    const struct pg_result *r = results[0];
    int rows = 0;
    if (!pg_rows(r)) {
        call_problem(c, 422, "unknown_channel", STR("#/channel_id"), "no such channel");
        return;
    }
    struct str status = pg_text(r, 0, 3);
    if (str_eq_c(status, "disconnected") || str_eq_c(status, "deleted")) {
        call_problem(c, 409, "channel_disconnected", STR_NONE,
                     "the channel is not connected any more: connect it again");
        return;
    }
    if (!api_send_take_files(c, &m->message, results[1]) || !read_chunk(c, m, &rows))
        return;
    if (!rows) {
        call_problem(c, 422, "no_recipients", STR("#/recipients"), "there is nobody to send it to");
        return;
    }
    if (is_sendable(c, m, r))
        store(c, m);
}

static void create_bulk(struct call *c)
{
    struct making *m = *call_state(c);
    if (m->is_busy) {
        const struct err busy = {.kind = ERR_BUSY, .msg = "too many bulks are being read"};
        call_problem_err(c, &busy);
        return;
    }
    if (m->body.overflow) {
        call_problem(c, 413, "too_large", STR_NONE, "at most %zu bytes: make several bulks",
                     API_BULK_BODY_MAX);
        return;
    }
    const struct json *root = read_head(c, m);
    if (!root || !read_message(c, m, root))
        return;
    char id[UUID_TEXT + 1];
    uuid_format(uuid_v7(call_now_at_ms(c)), id);
    m->id = str_dup(call_arena(c), str_of(id));
    open_columns(m);
    const struct str channel[] = {call_who(c)->tenant_id, m->channel_id};
    call_send(c, &look_at_channel, channel, 2);
    api_send_look_at_files(c, &m->message);
    call_run(c, on_looked);
}

const struct api_handler api_bulk_handlers[] = {
    {"createBulk", create_bulk},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's side: tenants, their limits, and the audit log. Its statements run in the
 * operator's own role, which sees no tenant's messages; an owner reads the audit log of its tenant
 * here too. */
#include <inttypes.h>

#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "mem.h"

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define TENANT                                                                  \
    "t.id, t.name, t.status, t.uncertain_policy, t.max_channels, t.max_users, " \
    "t.requests_per_second, " MS(                                               \
        "t.created_at") ", t.rev, "                                             \
                        "(SELECT count(*) FROM channels_account c WHERE c.tenant_id = t.id AND c.status <> 'disconnected')"

enum { COL_CREATED = 7, COL_REV, COL_CHANNELS };

static void put_limit(struct json_out *o, const char *key, const struct pg_result *r, int i,
                      int col)
{
    if (pg_null(r, i, col))
        json_put_raw(o, key, STR_NONE);
    else
        json_put_int(o, key, pg_i64(r, i, col));
}

static void put_tenant(struct json_out *o, const struct pg_result *r, int i)
{
    json_open(o, '{');
    json_put_str(o, "id", pg_text(r, i, 0));
    json_put_str(o, "name", pg_text(r, i, 1));
    json_put_str(o, "status", pg_text(r, i, 2));
    json_put_str(o, "uncertain_policy", pg_text(r, i, 3));
    put_limit(o, "max_channels", r, i, 4);
    put_limit(o, "max_users", r, i, 5);
    put_limit(o, "requests_per_second", r, i, 6);
    json_put_int(o, "channels", pg_i64(r, i, COL_CHANNELS));
    json_put_time(o, "created_at", pg_i64(r, i, COL_CREATED));
    json_put_int(o, "rev", pg_i64(r, i, COL_REV));
    json_close(o, '}');
}

/* Begins {items: [...; the caller ends it with page_end. Returns how many of the rows are shown:
 * one more than asked for was read. */
static int page_begin(struct call *c, const struct pg_result *r)
{
    int64_t limit = 0;
    (void)call_query_i64(c, "limit", &limit);
    json_open(call_out(c), '{');
    json_key_out(call_out(c), "items");
    json_open(call_out(c), '[');
    return pg_rows(r) > limit ? (int)limit : pg_rows(r);
}

static void page_end(struct call *c, const struct str *after, int n)
{
    json_close(call_out(c), ']');
    json_put_str(call_out(c), "next_cursor", after ? call_cursor_make(c, after, n) : STR_NONE);
    json_close(call_out(c), '}');
    call_answer(c, 200);
}

/* --- tenants -------------------------------------------------------------------------------------
 */

static void listed(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    int shown = page_begin(c, r);
    for (int i = 0; i < shown; i++)
        put_tenant(call_out(c), r, i);
    const struct str after[] = {shown ? pg_text(r, shown - 1, 1) : STR_NONE,
                                shown ? pg_text(r, shown - 1, 0) : STR_NONE};
    page_end(c, pg_rows(r) > shown && shown ? after : NULL, ARRAY_LEN(after));
}

static void list(struct call *c)
{
    static const struct pg_stmt stmt = {
        "api_tenants", "SELECT " TENANT " FROM tenants t WHERE ($1::text IS NULL OR t.status = $1) "
                       "AND ($2::text IS NULL OR (t.name, t.id) > ($2, $3::uuid)) "
                       "ORDER BY t.name, t.id LIMIT $4::bigint + 1"};
    struct str after[2];
    if (!call_cursor_read(c, after, ARRAY_LEN(after)))
        return;
    const struct str params[] = {call_query(c, "status"), after[0], after[1],
                                 call_query(c, "limit")};
    call_send(c, &stmt, params, ARRAY_LEN(params));
    call_run(c, listed);
}

static void answer_tenant(struct call *c, const struct pg_result *r, int status)
{
    if (pg_rows(r) == 0) {
        call_absent(c);
        return;
    }
    put_tenant(call_out(c), r, 0);
    call_set_rev(c, pg_i64(r, 0, COL_REV));
    call_answer(c, status);
}

static void got(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    answer_tenant(c, results[0], 200);
}

static void get(struct call *c)
{
    static const struct pg_stmt stmt = {"api_tenant",
                                        "SELECT " TENANT " FROM tenants t WHERE t.id = $1::uuid"};
    const struct str params[] = {call_path(c, "id")};
    call_send(c, &stmt, params, 1);
    call_run(c, got);
}

static struct str body_text(struct call *c, const char *name)
{
    return json_text(call_arena(c), json_get(call_body(c), name));
}

static void created(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    answer_tenant(c, results[0], 201);
}

static void create(struct call *c)
{
    static const struct pg_stmt stmt = {
        "api_tenant_create",
        "WITH t AS (INSERT INTO tenants (id, name, uncertain_policy, max_channels, max_users, "
        "requests_per_second) VALUES ($1::uuid, $2, coalesce($3, 'ask'), $4::int, $5::int, $6::int) "
        "RETURNING *) SELECT " TENANT " FROM t"};
    char *id = arena_alloc(call_arena(c), UUID_TEXT + 1);
    uuid_format(uuid_v7(clock_at_ms()), id);
    const struct str params[] = {str_of(id),
                                 body_text(c, "name"),
                                 body_text(c, "uncertain_policy"),
                                 body_text(c, "max_channels"),
                                 body_text(c, "max_users"),
                                 body_text(c, "requests_per_second")};
    call_send(c, &stmt, params, ARRAY_LEN(params));
    call_audit_of(c, params[0], "tenant.create", "tenant", params[0], STR_NONE);
    call_commit(c, created);
}

/* A member that is there and null takes the limit away; one that is absent leaves it. */
static struct str is_given(struct call *c, const char *name)
{
    for (const struct json *v = json_first(call_body(c)); v; v = json_next(call_body(c), v))
        if (str_eq_c(json_text(call_arena(c), json_key(v)), name))
            return STR("true");
    return STR("false");
}

static void committed(struct call *c, struct pg_result *const *results, int n)
{
    (void)results, (void)n;
    call_answer(c, 200);
}

/* What was refused is not in the log. */
static void changed(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    if (pg_rows(r) == 0) {
        if (pg_i64(results[1], 0, 0))
            call_problem(c, 412, "changed_meanwhile", STR_NONE,
                         "it was changed meanwhile: read it again");
        else
            call_absent(c);
        return;
    }
    put_tenant(call_out(c), r, 0);
    call_set_rev(c, pg_i64(r, 0, COL_REV));
    // What was changed stands in the request: no secret is in it.
    call_audit_of(c, call_path(c, "id"), "tenant.change", "tenant", call_path(c, "id"),
                  call_body(c)->span);
    call_commit(c, committed);
}

static void change(struct call *c)
{
    static const struct pg_stmt stmt = {
        "api_tenant_change",
        "WITH t AS (UPDATE tenants SET name = coalesce($2, name), status = coalesce($3, status), "
        "uncertain_policy = coalesce($4, uncertain_policy), "
        "max_channels = CASE WHEN $6::bool THEN $5::int ELSE max_channels END, "
        "max_users = CASE WHEN $8::bool THEN $7::int ELSE max_users END, "
        "requests_per_second = CASE WHEN $10::bool THEN $9::int ELSE requests_per_second END, "
        "rev = rev + 1 WHERE id = $1::uuid AND ($11::bigint IS NULL OR rev = $11::bigint) "
        "RETURNING *) SELECT " TENANT " FROM t"};
    static const struct pg_stmt exists = {"api_tenant_exists",
                                          "SELECT count(*) FROM tenants WHERE id = $1::uuid"};
    int64_t rev;
    if (!call_if_match(c, &rev))
        return;
    struct str id = call_path(c, "id");
    const struct str params[] = {id,
                                 body_text(c, "name"),
                                 body_text(c, "status"),
                                 body_text(c, "uncertain_policy"),
                                 body_text(c, "max_channels"),
                                 is_given(c, "max_channels"),
                                 body_text(c, "max_users"),
                                 is_given(c, "max_users"),
                                 body_text(c, "requests_per_second"),
                                 is_given(c, "requests_per_second"),
                                 rev < 0 ? STR_NONE : str_fmt(call_arena(c), "%" PRId64, rev)};
    call_send(c, &stmt, params, ARRAY_LEN(params));
    call_send(c, &exists, params, 1);
    call_run(c, changed);
}

/* --- the audit log
 * ---------------------------------------------------------------------------------- */

static void audit_listed(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    struct json_out *o = call_out(c);
    int shown = page_begin(c, r);
    for (int i = 0; i < shown; i++) {
        json_open(o, '{');
        json_put_str(o, "id", pg_text(r, i, 0));
        json_put_str(o, "tenant_id", pg_text(r, i, 1));
        json_put_str(o, "actor", pg_text(r, i, 2));
        json_put_str(o, "action", pg_text(r, i, 3));
        json_put_str(o, "object_kind", pg_text(r, i, 4));
        json_put_str(o, "object_id", pg_text(r, i, 5));
        json_put_raw(o, "detail", pg_text(r, i, 6));
        json_put_time(o, "created_at", pg_i64(r, i, 7));
        json_close(o, '}');
    }
    const struct str after[] = {shown ? pg_text(r, shown - 1, 8) : STR_NONE,
                                shown ? pg_text(r, shown - 1, 0) : STR_NONE};
    page_end(c, pg_rows(r) > shown && shown ? after : NULL, ARRAY_LEN(after));
}

static void audit(struct call *c, struct str tenant_id)
{
    static const struct pg_stmt stmt = {
        "api_audit",
        "SELECT a.id, a.tenant_id, a.actor, a.action, a.object_kind, a.object_id, a.detail, " MS(
            "a.created_at") ", a.created_at::text FROM audit_log a WHERE a.tenant_id = $1::uuid AND "
                            "($2::text IS NULL OR a.action = $2) AND ($3::text IS NULL OR (a.created_at, a.id) < "
                            "($3::timestamptz, $4::uuid)) ORDER BY a.created_at DESC, a.id DESC LIMIT $5::bigint + 1"};
    struct str after[2];
    if (!call_cursor_read(c, after, ARRAY_LEN(after)))
        return;
    const struct str params[] = {tenant_id, call_query(c, "action"), after[0], after[1],
                                 call_query(c, "limit")};
    call_send(c, &stmt, params, ARRAY_LEN(params));
    call_run(c, audit_listed);
}

static void audit_own(struct call *c)
{
    audit(c, call_who(c)->tenant_id);
}

static void audit_of_tenant(struct call *c)
{
    audit(c, call_path(c, "id"));
}

const struct api_handler api_operator_handlers[] = {
    {"listTenants", list},
    {"getTenant", get},
    {"createTenant", create},
    {"changeTenant", change},
    {"listAudit", audit_own},
    {"listAuditOfTenant", audit_of_tenant},
    {0},
};

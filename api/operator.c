/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's side: tenants, their limits, and the audit log. Its statements run in the
 * operator's own role, which sees no tenant's messages; an owner reads the audit log of its tenant
 * here too. */
#include <inttypes.h>

#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "inbox_rows.h"
#include "mem.h"
#include "page.h"

#define TENANT                                                                  \
    "t.id, t.name, t.status, t.uncertain_policy, t.max_channels, t.max_users, " \
    "t.requests_per_second, " API_MS(                                           \
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

/* --- tenants ---------------------------------------------------------------------------------- */

static void listed(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    api_page_answer(c, results[0], put_tenant, 1, 0);
}

static void list(struct call *c)
{
    static const struct pg_stmt stmt = {
        "api_tenants", "SELECT " TENANT " FROM tenants t WHERE ($1::text IS NULL OR t.status = $1) "
                       "AND ($2::text IS NULL OR (t.name, t.id) > ($2, $3::uuid)) "
                       "ORDER BY t.name, t.id LIMIT $4::bigint"};
    const struct api_page *page = api_page_read(c, API_KEY_NAME);
    if (!page)
        return;
    const struct str params[] = {call_query(c, "status"), page->key, page->id, api_page_limit(c)};
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

/* --- the audit log ---------------------------------------------------------------------------- */

enum { AUDIT_KEY = 8 };

static void put_audit(struct json_out *o, const struct pg_result *r, int i)
{
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

static void audit_listed(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    api_page_answer(c, results[0], put_audit, AUDIT_KEY, 0);
}

static void audit(struct call *c, struct str tenant_id)
{
    // clang-format off
    static const struct pg_stmt stmt = {
        "api_audit",
        "SELECT a.id, a.tenant_id, a.actor, a.action, a.object_kind, a.object_id, a.detail, "
        API_MS("a.created_at") ", " API_MICROS("a.created_at") " FROM audit_log a "
        "WHERE a.tenant_id = $1::uuid AND ($2::text IS NULL OR a.action = $2) "
        "AND ($3::bigint IS NULL OR (a.created_at, a.id) < (" API_AT_MICROS("$3") ", $4::uuid)) "
        "ORDER BY a.created_at DESC, a.id DESC LIMIT $5::bigint"};
    // clang-format on
    const struct api_page *page = api_page_read(c, API_KEY_TIME);
    if (!page)
        return;
    const struct str params[] = {tenant_id, call_query(c, "action"), page->key, page->id,
                                 api_page_limit(c)};
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

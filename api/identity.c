/* SPDX-License-Identifier: Apache-2.0 */
/* Registering, logging in, and who calls. */
#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "password.h"
#include "rows.h"
#include "session.h"
#include "stats.h"
#include "throttle.h"

/* What a login or a registration keeps between its rounds. */
struct entry {
    struct str email, password;
    struct str user_id, tenant_id, role, user_status, tenant_status;
    struct str tenant_name, name;
    struct api_ticket ticket;
    struct api_session *session;
};

static struct entry *entry_of(struct call *c)
{
    return *call_state(c);
}

static struct entry *new_entry(struct call *c)
{
    struct entry *e = ARENA_NEW(call_arena(c), struct entry);
    *call_state(c) = e;
    return e;
}

static struct str body_text(struct call *c, const char *name)
{
    return json_text(call_arena(c), json_get(call_body(c), name));
}

static void count_login(struct call *c, const char *result)
{
    metric_add(metric_cell(call_api(c)->metrics, API_METRIC_LOGINS, result), 1);
}

static struct str new_id(struct call *c)
{
    char text[UUID_TEXT + 1];
    uuid_format(uuid_v7(call_now_at_ms(c)), text);
    return str_dup(call_arena(c), str_of(text));
}

/* --- who -------------------------------------------------------------------------------------- */

static const struct pg_stmt read_tenant = {"api_read_tenant", "SELECT " API_TENANT_COLUMNS
                                                              " FROM tenants t WHERE t.id = $1"};
static const struct pg_stmt read_user = {"api_read_user",
                                         "SELECT " API_USER_COLUMNS " FROM " API_USER_TABLES
                                         " WHERE u.tenant_id = $1 AND u.id = $2"};

static void on_me(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "user");
    if (pg_rows(results[1]))
        api_put_user(o, results[1], 0);
    else
        json_null(o);
    json_key_out(o, "tenant");
    if (pg_rows(results[0]))
        api_put_tenant(o, results[0], 0);
    else
        json_null(o);
    json_put_str(o, "role", call_who(c)->role);
    json_close(o, '}');
    call_answer(c, 200);
}

static void get_me(struct call *c)
{
    const struct str params[] = {call_who(c)->tenant_id, call_who(c)->user_id};
    call_send(c, &read_tenant, params, 1);
    call_send(c, &read_user, params, 2);
    call_commit(c, on_me);
}

/* --- registering ------------------------------------------------------------------------------ */

static const struct pg_stmt add_tenant = {"api_register",
                                          "SELECT login_register($1, $2, $3, $4, $5, $6)"};

static bool check_password(struct call *c, struct str password, struct str email)
{
    const char *why = api_password_weakness(password, email, call_api(c)->conf->password_min);
    if (!why)
        return true;
    call_problem(c, 422, "weak_password", STR("#/password"), "%s", why);
    return false;
}

static void on_email_taken(struct call *c)
{
    call_problem(c, 409, "email_taken", STR("#/email"),
                 "this address has an account already: log in");
}

static void on_registered(struct call *c, struct pg_result *const *results, int n)
{
    api_session_answer(c, entry_of(c)->session, results, n, 201);
}

static void on_register_hash(void *ctx, const char *hash)
{
    struct call *c = ctx;
    struct entry *e = entry_of(c);
    if (!*hash) {
        const struct err err = {.kind = ERR_BUSY, .msg = "no memory for a password"};
        call_problem_err(c, &err);
        return;
    }
    call_become(c, e->tenant_id, e->user_id, "owner");
    const struct str params[] = {e->tenant_id, e->tenant_name, e->user_id,
                                 e->email,     e->name,        str_of(hash)};
    call_send(c, &add_tenant, params, ARRAY_LEN(params));
    call_audit(c, "tenant.registered", "tenant", e->tenant_id, STR_NONE);
    e->session = api_session_send(c, STR_NONE);
    call_on_conflict(c, "logins_pkey", on_email_taken);
    call_commit(c, on_registered);
}

static void post_register(struct call *c)
{
    struct err err = {0};
    struct entry *e = new_entry(c);
    if (!call_api(c)->conf->registration) {
        call_problem(c, 403, "registration_closed", STR_NONE,
                     "nobody can register here: ask the operator");
        return;
    }
    e->email = body_text(c, "email");
    e->name = body_text(c, "name");
    e->tenant_name = body_text(c, "tenant_name");
    e->tenant_id = new_id(c);
    e->user_id = new_id(c);
    struct str password = body_text(c, "password");
    if (check_password(c, password, e->email) &&
        !api_password_hash(call_api(c)->passwords, password, on_register_hash, c, &err))
        call_problem_err(c, &err);
}

/* --- logging in ------------------------------------------------------------------------------- */

static const struct pg_stmt find_login = {
    "api_find_login", "SELECT tenant_id, user_id, role, user_status, tenant_status, secret "
                      "FROM login_find($1)"};

static void on_logged_in(struct call *c, struct pg_result *const *results, int n)
{
    count_login(c, "accepted");
    api_session_answer(c, entry_of(c)->session, results, n, 200);
}

static void refuse_login(struct call *c)
{
    count_login(c, "refused");
    call_problem(c, 401, "invalid_credentials", STR_NONE,
                 "no account has this address and password");
}

static void on_verified(void *ctx, bool is_right)
{
    struct call *c = ctx;
    struct entry *e = entry_of(c);
    if (!is_right || !str_eq_c(e->user_status, "active")) {
        refuse_login(c);
        return;
    }
    api_throttle_succeeded(call_api(c)->throttle, e->email, call_peer(c), clock_ms());
    if (!str_eq_c(e->tenant_status, "active")) {
        call_problem(c, 403, "tenant_suspended", STR_NONE,
                     "the account is suspended: ask the operator");
        return;
    }
    call_become(c, e->tenant_id, e->user_id, "agent");
    e->session = api_session_send(c, STR_NONE);
    call_commit(c, on_logged_in);
}

static void on_found(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct entry *e = entry_of(c);
    const struct pg_result *r = results[0];
    struct arena *a = call_arena(c);
    struct err err = {0};
    struct str hash = STR_NONE;
    if (pg_rows(r)) {
        e->tenant_id = str_dup(a, pg_text(r, 0, 0));
        e->user_id = str_dup(a, pg_text(r, 0, 1));
        e->user_status = str_dup(a, pg_text(r, 0, 3));
        e->tenant_status = str_dup(a, pg_text(r, 0, 4));
        hash = pg_text(r, 0, 5);
    }
    if (!api_password_verify(call_api(c)->passwords, e->password, hash, on_verified, c, &err))
        call_problem_err(c, &err);
}

/* Addresses are alike in either case. */
static struct str lower(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        out[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] - 'A' + 'a') : s.ptr[i];
    return (struct str){out, s.len};
}

static void post_login(struct call *c)
{
    struct entry *e = new_entry(c);
    struct err err = {.kind = ERR_LIMITED,
                      .msg = "too many failed logins: wait as Retry-After says"};
    e->email = lower(call_arena(c), body_text(c, "email"));
    e->password = body_text(c, "password");
    if (!api_throttle_try(call_api(c)->throttle, e->email, call_peer(c), clock_ms(),
                          &err.retry_after_ms)) {
        count_login(c, "throttled");
        call_problem_err(c, &err);
        return;
    }
    call_send(c, &find_login, &e->email, 1);
    call_commit(c, on_found);
}

/* --- refresh tokens --------------------------------------------------------------------------- */

static const struct pg_stmt take_refresh = {
    "api_take_refresh",
    "SELECT c.user_id, c.family, c.used_at IS NOT NULL, c.expires_at < now(), "
    "u.status = 'active' AND t.status = 'active', u.role FROM user_credentials c "
    "JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id "
    "JOIN tenants t ON t.id = c.tenant_id "
    "WHERE c.tenant_id = $1 AND c.id = $2 AND c.kind = 'refresh_token' AND c.secret = $3 "
    "FOR UPDATE OF c"};
static const struct pg_stmt spend_refresh = {
    "api_spend_refresh",
    "UPDATE user_credentials SET used_at = now() WHERE tenant_id = $1 AND id = $2"};
static const struct pg_stmt revoke_family = {
    "api_revoke_family", "DELETE FROM user_credentials WHERE tenant_id = $1 AND family = $2"};

static void refuse_refresh(struct call *c)
{
    call_problem(c, 401, "invalid_token", STR_NONE, "the refresh token is not good: log in again");
}

static void on_revoked(struct call *c, struct pg_result *const *results, int n)
{
    (void)results, (void)n;
    metric_add(metric_cell(call_api(c)->metrics, API_METRIC_REUSED), 1);
    refuse_refresh(c);
}

static void on_refreshed(struct call *c, struct pg_result *const *results, int n)
{
    api_session_answer(c, entry_of(c)->session, results, n, 200);
}

static bool is_true(const struct pg_result *r, int col)
{
    return str_eq_c(pg_text(r, 0, col), "t");
}

static void on_refresh(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct entry *e = entry_of(c);
    const struct pg_result *r = results[0];
    if (pg_rows(r) == 0 || is_true(r, 3) || !is_true(r, 4)) {
        refuse_refresh(c);
        return;
    }
    struct str family = str_dup(call_arena(c), pg_text(r, 0, 1));
    call_become(c, e->ticket.tenant_id, pg_text(r, 0, 0), "agent");
    const struct str params[] = {e->ticket.tenant_id, is_true(r, 2) ? family : e->ticket.id};
    if (is_true(r, 2)) {
        call_send(c, &revoke_family, params, 2);
        call_audit(c, "session.reused", "user", pg_text(r, 0, 0), STR_NONE);
        call_commit(c, on_revoked);
        return;
    }
    call_send(c, &spend_refresh, params, 2);
    e->session = api_session_send(c, family);
    call_commit(c, on_refreshed);
}

/* The ticket of the body, whose tenant is the call's from here on; it proves nothing yet. */
static bool read_ticket(struct call *c, const char *prefix, const char *member)
{
    static const struct str nobody = {"00000000-0000-0000-0000-000000000000", UUID_TEXT};
    struct entry *e = new_entry(c);
    if (!api_ticket_parse(call_arena(c), prefix, body_text(c, member), &e->ticket))
        return false;
    call_become(c, e->ticket.tenant_id, nobody, "agent");
    return true;
}

static void send_ticket(struct call *c, const struct pg_stmt *stmt)
{
    const struct api_ticket *t = &entry_of(c)->ticket;
    const struct str params[] = {t->tenant_id, t->id, t->hash};
    call_send(c, stmt, params, ARRAY_LEN(params));
}

static void post_refresh(struct call *c)
{
    if (!read_ticket(c, API_REFRESH_PREFIX, "refresh_token")) {
        refuse_refresh(c);
        return;
    }
    send_ticket(c, &take_refresh);
    call_run(c, on_refresh);
}

static void on_logged_out(struct call *c, struct pg_result *const *results, int n)
{
    (void)results, (void)n;
    call_answer(c, 204);
}

static const struct pg_stmt end_family = {
    "api_end_family",
    "DELETE FROM user_credentials WHERE tenant_id = $1 AND family = "
    "(SELECT family FROM user_credentials WHERE tenant_id = $1 AND id = $2 AND secret = $3 "
    "AND kind = 'refresh_token')"};

static void post_logout(struct call *c)
{
    if (!read_ticket(c, API_REFRESH_PREFIX, "refresh_token")) {
        call_answer(c, 204); // there is nothing to end
        return;
    }
    send_ticket(c, &end_family);
    call_commit(c, on_logged_out);
}

/* --- invitations ------------------------------------------------------------------------------ */

static const struct pg_stmt read_invitation = {
    "api_read_invitation",
    "SELECT u.id, u.email FROM user_credentials c "
    "JOIN users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id AND u.status = 'invited' "
    "WHERE c.tenant_id = $1 AND c.id = $2 AND c.secret = $3 AND c.kind = 'invitation' "
    "AND c.expires_at > now()"};
static const struct pg_stmt spend_invitation = {
    "api_spend_invitation",
    "WITH spent AS (DELETE FROM user_credentials WHERE tenant_id = $1 AND id = $2 AND secret = $3 "
    "AND kind = 'invitation' RETURNING user_id) "
    "UPDATE users u SET status = 'active' FROM spent WHERE u.tenant_id = $1 AND u.id = spent.user_id "
    "AND u.status = 'invited' RETURNING u.id"};
static const struct pg_stmt add_password = {
    "api_add_password", "INSERT INTO user_credentials (tenant_id, id, user_id, kind, secret) "
                        "VALUES ($1, $2, $3, 'password', $4)"};
static const struct pg_stmt set_name = {
    "api_set_name",
    "INSERT INTO user_profiles (tenant_id, user_id, display_name) VALUES ($1, $2, coalesce($3, '')) "
    "ON CONFLICT (tenant_id, user_id) DO UPDATE SET display_name = coalesce($3, "
    "user_profiles.display_name)"};

static void refuse_invitation(struct call *c)
{
    call_problem(c, 401, "invalid_token", STR_NONE,
                 "the invitation was used, was withdrawn or has expired");
}

static void on_accepted(struct call *c, struct pg_result *const *results, int n)
{
    api_session_answer(c, entry_of(c)->session, results, n, 201);
}

static void on_spent(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct entry *e = entry_of(c);
    if (pg_rows(results[0]) == 0) { // another acceptance was faster
        refuse_invitation(c);
        return;
    }
    call_audit(c, "user.accepted", "user", e->user_id, STR_NONE);
    e->session = api_session_send(c, STR_NONE);
    call_commit(c, on_accepted);
}

static void on_accept_hash(void *ctx, const char *hash)
{
    struct call *c = ctx;
    struct entry *e = entry_of(c);
    if (!*hash) {
        const struct err err = {.kind = ERR_BUSY, .msg = "no memory for a password"};
        call_problem_err(c, &err);
        return;
    }
    call_become(c, e->ticket.tenant_id, e->user_id, "agent");
    const struct str password[] = {e->ticket.tenant_id, new_id(c), e->user_id, str_of(hash)};
    const struct str name[] = {e->ticket.tenant_id, e->user_id, e->name};
    send_ticket(c, &spend_invitation);
    call_send(c, &add_password, password, ARRAY_LEN(password));
    call_send(c, &set_name, name, ARRAY_LEN(name));
    call_run(c, on_spent);
}

static void on_invitation(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct entry *e = entry_of(c);
    struct err err = {0};
    if (pg_rows(results[0]) == 0) {
        refuse_invitation(c);
        return;
    }
    e->user_id = str_dup(call_arena(c), pg_text(results[0], 0, 0));
    if (check_password(c, e->password, pg_text(results[0], 0, 1)) &&
        !api_password_hash(call_api(c)->passwords, e->password, on_accept_hash, c, &err))
        call_problem_err(c, &err);
}

static void post_accept(struct call *c)
{
    if (!read_ticket(c, API_INVITATION_PREFIX, "token")) {
        refuse_invitation(c);
        return;
    }
    entry_of(c)->password = body_text(c, "password");
    entry_of(c)->name = body_text(c, "name");
    send_ticket(c, &read_invitation);
    call_commit(c, on_invitation);
}

const struct api_handler api_identity_handlers[] = {
    {"getMe", get_me},
    {"register", post_register},
    {"login", post_login},
    {"refresh", post_refresh},
    {"logout", post_logout},
    {"acceptInvitation", post_accept},
    {0},
};

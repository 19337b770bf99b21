/* SPDX-License-Identifier: Apache-2.0 */
/* The users of a tenant. */
#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "page.h"
#include "rows.h"
#include "session.h"
#include "standing.h"

/* --- list ------------------------------------------------------------------------------------- */

static const struct pg_stmt list_users = {
    "api_list_users",
    "SELECT " API_USER_COLUMNS " FROM " API_USER_TABLES
    " WHERE u.tenant_id = $1 AND ($2::uuid IS NULL OR u.id > $2::uuid) ORDER BY u.id LIMIT $3::bigint"};

static void on_users(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    api_page_answer(c, results[0], api_put_user, 0, 0);
}

static void get_users(struct call *c)
{
    const struct api_page *page = api_page_read(c, API_KEY_NONE);
    if (!page)
        return;
    const struct str params[] = {call_who(c)->tenant_id, page->id, api_page_limit(c)};
    call_send(c, &list_users, params, ARRAY_LEN(params));
    call_commit(c, on_users);
}

/* --- invite ----------------------------------------------------------------------------------- */

struct invitation {
    struct str user_id;
    struct api_ticket ticket;
    int64_t expires_at_ms;
};

static const struct pg_stmt add_user = {
    "api_add_user",
    "INSERT INTO users (tenant_id, id, email, role, status) VALUES ($1, $2, $3, $4, 'invited')"};
static const struct pg_stmt add_profile = {
    "api_add_profile",
    "INSERT INTO user_profiles (tenant_id, user_id, display_name) VALUES ($1, $2, coalesce($3, ''))"};
static const struct pg_stmt claim_login = {"api_claim_login", "SELECT login_claim($1, $2)"};
static const struct pg_stmt add_invitation = {
    "api_add_invitation",
    "INSERT INTO user_credentials (tenant_id, id, user_id, kind, secret, expires_at) "
    "VALUES ($1, $2, $3, 'invitation', $4, $5)"};
static const struct pg_stmt read_user = {"api_read_invited",
                                         "SELECT " API_USER_COLUMNS " FROM " API_USER_TABLES
                                         " WHERE u.tenant_id = $1 AND u.id = $2"};

static void on_taken(struct call *c)
{
    call_problem(c, 409, "email_taken", STR("#/email"), "this address has an account already");
}

static void on_invited(struct call *c, struct pg_result *const *results, int n)
{
    const struct invitation *v = *call_state(c);
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "user");
    api_put_user(o, results[n - 1], 0);
    json_key_out(o, "invitation");
    json_open(o, '{');
    json_put_str(o, "token", v->ticket.text);
    json_put_time(o, "expires_at", v->expires_at_ms);
    json_close(o, '}');
    json_close(o, '}');
    call_answer(c, 201);
}

static struct invitation *new_invitation(struct call *c)
{
    struct arena *a = call_arena(c);
    struct invitation *v = ARENA_NEW(a, struct invitation);
    char text[UUID_TEXT + 1];
    uuid_format(uuid_v7(call_now_at_ms(c)), text);
    v->user_id = str_dup(a, str_of(text));
    v->expires_at_ms = call_now_at_ms(c) + call_api(c)->conf->invitation_ttl;
    api_ticket_new(a, API_INVITATION_PREFIX, call_who(c)->tenant_id, call_now_at_ms(c), &v->ticket);
    *call_state(c) = v;
    return v;
}

static void post_user(struct call *c)
{
    struct arena *a = call_arena(c);
    const struct json *body = call_body(c);
    struct invitation *v = new_invitation(c);
    struct str tenant = call_who(c)->tenant_id, email = json_text(a, json_get(body, "email"));
    struct str role = json_text(a, json_get(body, "role"));
    char at[CLOCK_TEXT_MAX];
    (void)clock_format(v->expires_at_ms, at);
    role = role.len ? role : STR("agent");
    const struct str user[] = {tenant, v->user_id, email, role};
    const struct str profile[] = {tenant, v->user_id, json_text(a, json_get(body, "name"))};
    const struct str login[] = {email, v->user_id};
    const struct str ticket[] = {tenant, v->ticket.id, v->user_id, v->ticket.hash, str_of(at)};
    const struct str ids[] = {tenant, v->user_id};
    call_send(c, &add_user, user, ARRAY_LEN(user));
    call_send(c, &add_profile, profile, ARRAY_LEN(profile));
    call_send(c, &claim_login, login, ARRAY_LEN(login));
    call_send(c, &add_invitation, ticket, ARRAY_LEN(ticket));
    call_audit(c, "user.invited", "user", v->user_id,
               str_fmt(a, "{\"role\":\"%.*s\"}", STR_ARG(role)));
    call_send(c, &read_user, ids, ARRAY_LEN(ids));
    call_on_conflict(c, "logins_pkey", on_taken);
    call_on_conflict(c, "users_tenant_id_lower_idx", on_taken);
    call_commit(c, on_invited);
}

/* --- delete ----------------------------------------------------------------------------------- */

/* All owners are locked, so that two who delete each other do not leave none. */
static const struct pg_stmt lock_users = {"api_lock_users",
                                          "SELECT id, role, status FROM users WHERE tenant_id = $1 "
                                          "AND (id = $2 OR role = 'owner') ORDER BY id FOR UPDATE"};
static const struct pg_stmt release_login = {"api_release_login", "SELECT login_release($1)"};
static const struct pg_stmt unassign = {
    "api_unassign", "WITH freed AS (UPDATE conversations SET assigned_to = NULL, rev = rev + 1 "
                    "WHERE tenant_id = $1 AND assigned_to = $2 RETURNING id) "
                    "INSERT INTO outbox (tenant_id, id, object_kind, object_id) "
                    "SELECT $1, gen_random_uuid(), 'conversation', id FROM freed"};
static const struct pg_stmt delete_credentials = {
    "api_delete_credentials", "DELETE FROM user_credentials WHERE tenant_id = $1 AND user_id = $2"};
static const struct pg_stmt delete_profile = {
    "api_delete_profile", "DELETE FROM user_profiles WHERE tenant_id = $1 AND user_id = $2"};
static const struct pg_stmt delete_user = {"api_delete_user",
                                           "DELETE FROM users WHERE tenant_id = $1 AND id = $2"};
static const struct pg_stmt mark_removed = {
    "api_mark_removed", "INSERT INTO removed_users (tenant_id, user_id) VALUES ($1, $2)"};

/* Their tokens are refused here from now on; other processes of the api follow within seconds. */
static void on_deleted(struct call *c, struct pg_result *const *results, int n)
{
    (void)results, (void)n;
    const struct api_standing gone = {.is_removed = true};
    api_standing_put(call_api(c)->standings, call_who(c)->tenant_id, call_path(c, "id"), clock_ms(),
                     &gone);
    call_answer(c, 204);
}

static void on_locked(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    const struct str ids[] = {call_who(c)->tenant_id, call_path(c, "id")};
    int found = -1, owners = 0;
    for (int i = 0; i < pg_rows(r); i++) {
        if (str_ieq(pg_text(r, i, 0), ids[1]))
            found = i;
        else
            owners += str_eq_c(pg_text(r, i, 1), "owner") && str_eq_c(pg_text(r, i, 2), "active");
    }
    if (found < 0) {
        call_absent(c);
        return;
    }
    if (!owners && str_eq_c(pg_text(r, found, 1), "owner")) {
        call_problem(c, 409, "last_owner", STR_NONE, "a tenant keeps at least one owner");
        return;
    }
    call_send(c, &release_login, &ids[1], 1);
    call_send(c, &unassign, ids, 2);
    call_send(c, &delete_credentials, ids, 2);
    call_send(c, &delete_profile, ids, 2);
    call_send(c, &delete_user, ids, 2);
    call_send(c, &mark_removed, ids, 2);
    call_audit(c, "user.deleted", "user", ids[1], STR_NONE);
    call_commit(c, on_deleted);
}

static void delete_user_by_id(struct call *c)
{
    const struct str ids[] = {call_who(c)->tenant_id, call_path(c, "id")};
    if (str_ieq(ids[1], call_who(c)->user_id)) {
        call_problem(c, 409, "own_account", STR_NONE, "another owner has to do this");
        return;
    }
    call_send(c, &lock_users, ids, 2);
    call_run(c, on_locked);
}

const struct api_handler api_users_handlers[] = {
    {"listUsers", get_users},
    {"inviteUser", post_user},
    {"deleteUser", delete_user_by_id},
    {0},
};

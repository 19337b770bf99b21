/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: what is connected, and how it is. */
#include "channel_row.h"
#include "handlers.h"
#include "outside.h"
#include "page.h"
#include "probe.h"
#include "tenant_access.h"
#include "way.h"

static const struct pg_stmt list_sql = {
    "channels_list",
    "SELECT " API_CHANNEL_COLUMNS
    " FROM channels_account WHERE tenant_id = nullif(current_setting('postrider.tenant_id', true), "
    "'')::uuid AND ($1::text IS NULL OR platform = $1) AND ($2::text IS NULL OR status = $2) AND "
    "($3::uuid IS NULL OR id > $3::uuid) ORDER BY id LIMIT $4::int"};

/* What the provider says at once, unless a webhook has said something later. */
static const struct pg_stmt seen_sql = {
    "channel_seen",
    "UPDATE channels_account SET credential_status = coalesce($2, credential_status), "
    "credential_detail = $3, credential_checked_at = now(), status = CASE WHEN status = "
    "'disconnected' THEN status ELSE coalesce($4, status) END, provider_status = coalesce($5, "
    "provider_status), status_at = now(), status_key = 'asked', asked_at = now(), reported_type = "
    "coalesce($6, reported_type), reported_absent = coalesce($7::bool, reported_absent), rev = rev + 1 "
    "WHERE id = $1::uuid"};

static const struct pg_stmt disconnect_sql = {"channel_disconnect",
                                              "SELECT channel_disconnect($1::uuid)"};

/* --- the list --------------------------------------------------------------------------------- */

static void on_list(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    api_page_answer(c, results[0], api_put_channel, 0, 0);
}

static void list_channels(struct call *c)
{
    const struct api_page *page = api_page_read(c, API_KEY_NONE);
    if (!page)
        return;
    struct str params[] = {call_query(c, "platform"), call_query(c, "status"), page->id,
                           api_page_limit(c)};
    call_send(c, &list_sql, params, ARRAY_LEN(params));
    call_commit(c, on_list);
}

/* --- one -------------------------------------------------------------------------------------- */

static void answer_channel(struct call *c, const struct pg_result *r)
{
    call_set_rev(c, pg_i64(r, 0, API_CHANNEL_REV));
    api_put_channel(call_out(c), r, 0);
    call_answer(c, 200);
}

static void on_seen(struct call *c, struct pg_result *const *results, int n)
{
    if (pg_rows(results[n - 1]) != 1)
        call_absent(c);
    else
        answer_channel(c, results[n - 1]);
}

static void on_asked(struct call *c, struct api_probe *p)
{
    struct str health = api_probe_health(p), id = call_path(c, "id");
    api_secret_wipe(p->account.token);
    struct str status = p->is_ok ? p->found.status : health.len ? STR("auth_required") : STR_NONE;
    // An answer without a type says nothing of it, and one that nobody understands says nothing.
    struct str type = p->is_ok && p->found.type.len ? p->account.type : STR_NONE;
    bool is_absent = !p->is_ok && p->why.outcome == OUTCOME_PERMANENT && p->status >= 400;
    struct str params[] = {id,
                           health,
                           p->is_ok ? STR_NONE : p->why.reason,
                           status,
                           p->is_ok ? p->found.provider_status : STR_NONE,
                           type,
                           p->is_ok    ? STR("false")
                           : is_absent ? STR("true")
                                       : STR_NONE};
    call_send(c, &seen_sql, params, ARRAY_LEN(params));
    call_changed(c, "channel", id);
    api_send_channel(c, id);
    call_commit(c, on_seen);
}

static void on_channel(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    const struct pg_result *r = results[0];
    if (pg_rows(r) != 1) {
        call_absent(c);
        return;
    }
    struct api_probe *p = ARENA_NEW(call_arena(c), struct api_probe);
    p->provider = api_channel_account(c, r, &p->account);
    bool is_live = str_eq_c(call_query(c, "live"), "true");
    if (!is_live || !p->provider || !p->provider->discover || !api_channel_has_access(r)) {
        answer_channel(c, r);
        return;
    }
    p->account.type = STR_NONE; // the answer is to name it
    if (api_channel_open(c, r, &p->account))
        api_probe_account(c, p, on_asked);
}

static void get_channel(struct call *c)
{
    api_send_channel(c, call_path(c, "id"));
    call_commit(c, on_channel);
}

/* --- the end of one --------------------------------------------------------------------------- */

static void on_audited(struct call *c, struct pg_result *const *results, int n)
{
    (void)results;
    (void)n;
    call_answer(c, 204);
}

static void on_disconnected(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (pg_null(results[0], 0, 0)) {
        call_absent(c);
        return;
    }
    call_audit(c, "channel.disconnected", "channel", call_path(c, "id"), STR_NONE);
    call_commit(c, on_audited);
}

static void disconnect_channel(struct call *c)
{
    struct str id = call_path(c, "id");
    call_send(c, &disconnect_sql, &id, 1);
    call_run(c, on_disconnected);
}

/* --- what could be connected ------------------------------------------------------------------ */

static const struct pg_stmt direct_sql = {
    "channel_direct",
    "SELECT " API_CHANNEL_COLUMNS API_CHANNEL_ACCESS
    " FROM channels_account WHERE tenant_id = nullif(current_setting('postrider.tenant_id', true), "
    "'')::uuid AND provider = $1 AND credentials IS NOT NULL ORDER BY id DESC LIMIT 1"};

static const struct pg_stmt mine_sql = {
    "channels_mine",
    "SELECT external_account_id, id FROM channels_account WHERE tenant_id = "
    "nullif(current_setting('postrider.tenant_id', true), '')::uuid AND provider = $1 AND "
    "external_account_id = ANY ($2::text[]) AND status <> 'disconnected'"};

static struct str channel_of(const struct pg_result *r, struct str account)
{
    for (int i = 0; i < pg_rows(r); i++) {
        if (str_eq(pg_text(r, i, 0), account))
            return pg_text(r, i, 1);
    }
    return STR_NONE;
}

static void on_mine(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct api_probe *p = *call_state(c);
    struct str platform = call_path(c, "provider");
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_key_out(o, "items");
    json_open(o, '[');
    for (size_t i = 0; i < p->list.n; i++) {
        const struct found_account *f = &p->list.items[i];
        if (str_eq_c(platform, p->provider->platform(api_found_type(p->provider, f))))
            api_put_found(c, p->provider, f, channel_of(results[0], f->external_id));
    }
    json_close(o, ']');
    struct str cursor = p->list.cursor;
    json_put_str(o, "next_cursor", cursor.len ? call_cursor_make(c, &cursor, 1) : STR_NONE);
    json_close(o, '}');
    call_answer(c, 200);
}

static void on_available(struct call *c, struct api_probe *p)
{
    enum { IDS_MAX = 1 << 20 };
    api_secret_wipe(p->account.token);
    if (!p->is_ok) {
        api_probe_problem(c, p);
        return;
    }
    struct pg_array ids;
    pg_array_init(&ids, IDS_MAX);
    for (size_t i = 0; i < p->list.n; i++)
        pg_array_str(&ids, p->list.items[i].external_id);
    struct str params[] = {str_of(p->provider->name),
                           str_dup(call_arena(c), str_of(pg_array_param(&ids).value))};
    pg_array_done(&ids);
    call_send(c, &mine_sql, params, ARRAY_LEN(params));
    call_commit(c, on_mine);
}

static void on_access(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    struct api_probe *p = *call_state(c);
    struct str cursor = STR_NONE;
    p->provider =
        api_way(call_path(c, "provider"), call_query(c, "via"), api_has_tenant_access(results[0]));
    if (!p->provider) {
        call_absent(c);
        return;
    }
    if (!call_cursor_read(c, &cursor, 1))
        return;
    if (api_way_is_shared(p->provider)) {
        if (api_open_tenant_access(c, results[0], &p->account))
            api_probe_list(c, p, cursor, on_available);
        return;
    }
    if (pg_rows(results[1]) != 1) {
        call_problem(
            c, 409, "no_credentials", STR_NONE,
            "No channel of this kind has credentials to ask with: connect one by its credentials.");
        return;
    }
    (void)api_channel_account(c, results[1], &p->account);
    if (api_channel_open(c, results[1], &p->account))
        api_probe_list(c, p, cursor, on_available);
}

static void list_available(struct call *c)
{
    const struct provider *direct = api_way_direct(call_path(c, "provider"));
    struct str name = str_of(direct ? direct->name : "");
    *call_state(c) = ARENA_NEW(call_arena(c), struct api_probe);
    api_send_tenant_access(c);
    call_send(c, &direct_sql, &name, 1);
    call_commit(c, on_access);
}

const struct api_handler api_channel_handlers[] = {
    {"listChannels", list_channels},
    {"getChannel", get_channel},
    {"disconnectChannel", disconnect_channel},
    {"listAvailableAccounts", list_available},
    {0},
};

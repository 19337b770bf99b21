/* SPDX-License-Identifier: Apache-2.0 */
/* How each channel's webhooks do. Bounded: the last hour of events, the last day of quarantine, the
 * latest conversations. */
#include "handlers.h"
#include "page.h"

// The index on time finds the last hour; what is older than that the conversations tell.
static const struct pg_stmt health_sql = {
    "webhooks_health",
    "SELECT c.id, c.provider, c.platform, c.external_account_id, c.name, c.status, "
    "credential_health(c.credential_status, c.credential_expires_at), "
    "(extract(epoch FROM greatest(e.last_at, v.last_at)) * 1000)::bigint, e.n, "
    "q.failures, q.waiting, (extract(epoch FROM q.oldest) * 1000)::bigint, l.lag_ms, "
    "(extract(epoch FROM h.registered_at) * 1000)::bigint, "
    "(extract(epoch FROM h.last_error_at) * 1000)::bigint, h.last_error "
    "FROM channels_account c "
    "LEFT JOIN webhook_health h ON h.tenant_id = c.tenant_id AND h.channel_id = c.id "
    "CROSS JOIN LATERAL (SELECT count(*), max(x.stored_at) FROM (SELECT stored_at FROM events "
    "WHERE tenant_id = c.tenant_id AND channel_id = c.id AND stored_at > now() - interval '1 hour' "
    "LIMIT 100000) x) e(n, last_at) "
    "LEFT JOIN LATERAL (SELECT last_message_at FROM conversations WHERE tenant_id = c.tenant_id "
    "AND channel_id = c.id ORDER BY coalesce(last_message_at, created_at) DESC LIMIT 1) v(last_at) "
    "ON true "
    "LEFT JOIN LATERAL (SELECT (avg(greatest(extract(epoch FROM m.stored_at - m.provider_at), 0)) * "
    "1000)::bigint FROM (SELECT last_message_id FROM conversations WHERE tenant_id = c.tenant_id "
    "AND channel_id = c.id ORDER BY coalesce(last_message_at, created_at) DESC LIMIT 20) k "
    "JOIN messages m ON m.tenant_id = c.tenant_id AND m.id = k.last_message_id WHERE m.direction = "
    "'in' AND m.stored_at > now() - interval '1 day') l(lag_ms) ON true "
    "CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE y.stored_at > now() - interval '1 day'), "
    "count(*), min(y.received_at) FROM (SELECT stored_at, received_at FROM quarantine WHERE provider "
    "= c.provider AND account = c.external_account_id AND replayed_at IS NULL AND dropped_at IS NULL "
    "LIMIT 10000) y) q(failures, waiting, oldest) "
    "WHERE c.tenant_id = nullif(current_setting('postrider.tenant_id', true), '')::uuid AND "
    "($1::uuid IS NULL OR c.id > $1::uuid) ORDER BY c.id LIMIT $2::int"};

enum {
    ID,
    PROVIDER,
    PLATFORM,
    ACCOUNT,
    NAME,
    STATUS,
    CREDENTIALS,
    LAST_EVENT_AT,
    RATE,
    FAILURES,
    LOST,
    OLDEST,
    LAG,
    REGISTERED_AT,
    LAST_ERROR_AT,
    LAST_ERROR,
};

static void put_row(struct json_out *o, const struct pg_result *r, int i)
{
    json_open(o, '{');
    json_put_str(o, "channel_id", pg_text(r, i, ID));
    json_put_str(o, "provider", pg_text(r, i, PROVIDER));
    json_put_str(o, "platform", pg_text(r, i, PLATFORM));
    json_put_str(o, "external_account_id", pg_text(r, i, ACCOUNT));
    json_put_str(o, "name", pg_text(r, i, NAME));
    json_put_str(o, "status", pg_text(r, i, STATUS));
    json_put_str(o, "credentials", pg_text(r, i, CREDENTIALS));
    json_put_time(o, "last_event_at", pg_i64(r, i, LAST_EVENT_AT));
    json_put_int(o, "events_last_hour", pg_i64(r, i, RATE));
    json_put_int(o, "failures_last_day", pg_i64(r, i, FAILURES));
    json_put_int(o, "lost", pg_i64(r, i, LOST));
    json_put_time(o, "oldest_lost_at", pg_i64(r, i, OLDEST));
    if (pg_null(r, i, LAG))
        json_put_raw(o, "lag_ms", STR_NONE);
    else
        json_put_int(o, "lag_ms", pg_i64(r, i, LAG));
    json_put_time(o, "registered_at", pg_i64(r, i, REGISTERED_AT));
    json_put_time(o, "last_error_at", pg_i64(r, i, LAST_ERROR_AT));
    json_put_str(o, "last_error", pg_text(r, i, LAST_ERROR));
    json_close(o, '}');
}

static void on_health(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    api_page_answer(c, results[0], put_row, ID, ID);
}

static void get_health(struct call *c)
{
    const struct api_page *page = api_page_read(c, API_KEY_NONE);
    if (!page)
        return;
    struct str params[] = {page->id, api_page_limit(c)};
    call_send(c, &health_sql, params, ARRAY_LEN(params));
    call_commit(c, on_health);
}

const struct api_handler api_webhook_health_handlers[] = {
    {"getWebhooksHealth", get_health},
    {0},
};

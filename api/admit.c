/* SPDX-License-Identifier: Apache-2.0 */
#include "admit.h"

#include <stdio.h>

#include "api_conf.h"
#include "auth.h"
#include "call_impl.h"
#include "clock.h"
#include "stats.h"

#define BURST   4 /* of a second's calls */
#define KEY_MAX 160

void api_admit_rate_headers(struct call *c)
{
    if (!c->rate.limit)
        return;
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {{"RateLimit-Limit", c->rate.limit},
                {"RateLimit-Remaining", c->rate.left},
                {"RateLimit-Reset", c->rate.reset_s}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        http_set_header(c->http, rows[i].name, str_fmt(c->arena, "%lld", (long long)rows[i].value));
}

static bool take_rate(struct call *c, const char *of, struct str who, int64_t per_second)
{
    char key[KEY_MAX];
    struct api_rate rate;
    int n = snprintf(key, sizeof key, "%s %.*s", of, STR_ARG(who));
    struct str text = {key, n < (int)sizeof key ? (size_t)n : sizeof key - 1};
    int cost = c->op ? c->op->cost : 1;
    bool ok = api_rates_take(c->api->rates, text, per_second, per_second * BURST, cost, clock_ms(),
                             &rate);
    // The one that is nearest to its end is the one that the caller has to know.
    if (!c->rate.limit || rate.left < c->rate.left)
        c->rate = rate;
    if (ok)
        return true;
    metric_add(metric_cell(c->api->metrics, API_METRIC_LIMITED, of), 1);
    const struct err err = {.kind = ERR_LIMITED,
                            .retry_after_ms = rate.wait_ms > 0 ? rate.wait_ms : 1,
                            .msg = "too many calls: wait as Retry-After says"};
    call_problem_err(c, &err);
    return false;
}

bool api_admit_rates(struct call *c)
{
    const struct api_conf *conf = c->api->conf;
    if (!c->who.user_id.ptr)
        return take_rate(c, "address", c->peer, conf->user_rate);
    return take_rate(c, "user", c->who.user_id, conf->user_rate) &&
           take_rate(c, "tenant", c->who.tenant_id,
                     c->standing.rate ? c->standing.rate : conf->tenant_rate);
}

bool api_admit_token(struct call *c)
{
    unsigned role = 0;
    struct err err = {0};
    if (!c->op->roles)
        return true;
    bool ok = api_auth(c->api, c->arena, http_header(c->http, "Authorization"), c->now_at_ms,
                       &c->who, &role, &err);
    http_wipe_header(c->http, "Authorization");
    if (!ok) {
        bool absent = err.kind == ERR_UNPROVEN;
        // Any address may try tokens; that is bounded like its other calls.
        if (!take_rate(c, "address", c->peer, c->api->conf->user_rate))
            return false;
        http_set_header(c->http, "WWW-Authenticate",
                        absent ? STR("Bearer") : STR("Bearer error=\"invalid_token\""));
        call_problem(c, 401, absent ? "unauthorized" : "invalid_token", STR_NONE, "%s", err.msg);
        return false;
    }
    if (c->op->roles & role)
        return true;
    call_problem(c, 403, "forbidden", STR_NONE, "the role %.*s may not do this",
                 STR_ARG(c->who.role));
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider's API does with a call: answers, checks, sends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "server.h"

#define JSON_TYPE    "application/json; charset=utf-8"
#define TOKEN_PREFIX STR("sim-")

/* An answer that waits: for its time, or for who makes it. */
struct sim_later {
    uv_timer_t timer;
    struct sim_server *server;
    const struct sim_api *api;
    struct http_request *http; /* NULL: the client has gone */
    struct sim_later *previous, *next;
    const char *content_type;
    struct str body; /* owned */
    int status;
    bool drops;
};

/* --- answers ---------------------------------------------------------------------------------- */

void sim_header(struct sim_call *c, const char *name, struct str value)
{
    http_set_header(c->http, name, value);
}

static void give(struct http_request *r, int status, const char *content_type, struct str body,
                 bool drops)
{
    if (drops)
        http_drop(r);
    else
        http_answer(r, status, content_type, body);
}

static void on_later_closed(uv_handle_t *handle)
{
    struct sim_later *l = handle->data;
    *(l->previous ? &l->previous->next : &l->server->later) = l->next;
    if (l->next)
        l->next->previous = l->previous;
    free((void *)l->body.ptr);
    free(l);
}

static void later_end(struct sim_later *l, int status, const char *content_type, struct str body)
{
    struct http_request *r = l->http;
    if (r) {
        l->http = NULL;
        *http_user(r) = NULL;
        give(r, status, content_type, body, l->drops);
    }
    if (!uv_is_closing((uv_handle_t *)&l->timer))
        uv_close((uv_handle_t *)&l->timer, on_later_closed);
}

static void on_time(uv_timer_t *timer)
{
    struct sim_later *l = timer->data;
    later_end(l, l->status, l->content_type, l->body);
}

struct sim_later *sim_answer_later(struct sim_call *c)
{
    struct sim_server *s = c->server;
    struct sim_later *l = xalloc(sizeof *l);
    *l = (struct sim_later){
        .server = s, .api = c->api, .http = c->http, .next = s->later, .drops = c->drops};
    if (s->later)
        s->later->previous = l;
    s->later = l;
    c->is_answered = true;
    *http_user(c->http) = l;
    http_defer(c->http);
    (void)uv_timer_init(s->loop, &l->timer);
    l->timer.data = l;
    return l;
}

static void answer_in_time(struct sim_call *c, int status, const char *content_type,
                           struct str body)
{
    struct sim_later *l = sim_answer_later(c);
    l->content_type = content_type;
    l->body = (struct str){xstrndup(body.len ? body.ptr : "", body.len), body.len};
    l->status = status;
    (void)uv_timer_start(&l->timer, on_time, (uint64_t)c->slow_ms, 0);
}

static void count(struct sim_server *s, const char *provider, int status)
{
    char name[64];
    int len = snprintf(name, sizeof name, "%s %d", provider, status);
    int64_t *n = sim_table_get(s->counts, (struct str){name, (size_t)len}, true);
    if (n)
        ++*n;
}

void sim_answer_as(struct sim_call *c, int status, const char *content_type, struct str body)
{
    if (c->is_answered)
        return; // the first word counts
    c->is_answered = true;
    if (c->api->finish)
        c->api->finish(c);
    if (c->is_garbled)
        body = body.len > 2 ? (struct str){body.ptr, body.len / 2} : STR("<html>");
    count(c->server, c->api->name, c->drops ? 0 : status);
    if (c->slow_ms)
        answer_in_time(c, status, content_type, body);
    else
        give(c->http, status, content_type, body, c->drops);
}

void sim_answer(struct sim_call *c, int status, struct str body)
{
    sim_answer_as(c, status, JSON_TYPE, body);
}

void sim_later_answer(struct sim_later *l, int status, struct str body)
{
    count(l->server, l->api->name, status);
    later_end(l, status, JSON_TYPE, body);
}

static void fail(struct sim_call *c, const struct sim_failure *f)
{
    if (!c->is_answered)
        c->api->fail(c, f);
}

void sim_fail(struct sim_call *c, enum sim_why why, const char *detail)
{
    fail(c, &(struct sim_failure){.why = why, .status = 500, .detail = detail});
}

static void hang_up(struct sim_call *c)
{
    c->drops = true;
    sim_answer(c, 503, STR_NONE);
}

/* --- what handlers use ------------------------------------------------------------------------ */

bool sim_body(struct sim_call *c, unsigned allowed, struct sim_body *out)
{
    struct err why = {0};
    struct str type = http_header(c->http, "Content-Type");
    enum sim_body_read r = sim_body_parse(c->a, type, http_body(c->http), allowed, out, &why);
    if (r == SIM_READ_OK)
        return true;
    sim_fail(c, r == SIM_READ_TYPE ? SIM_WHY_TYPE : SIM_WHY_BODY,
             str_c(c->a, str_utf8(c->a, str_of(why.msg))));
    return false;
}

struct str sim_bearer(const struct sim_call *c)
{
    struct str value = http_header(c->http, "Authorization"), scheme, token;
    if (!str_cut(value, ' ', &scheme, &token) || !str_ieq(scheme, STR("Bearer")))
        return STR_NONE;
    return str_trim(token);
}

struct str sim_token_account(struct arena *a, struct str token)
{
    struct str rest = str_skip(token, TOKEN_PREFIX.len);
    static const char *const words[] = {"expired-", "revoked-"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_starts(rest, str_of(words[i])))
            rest = str_skip(rest, strlen(words[i]));
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] >= '0' && rest.ptr[n] <= '9')
        n++;
    if (n && n <= 19)
        return (struct str){rest.ptr, n};
    return str_fmt(a, "%llu", (unsigned long long)(1000000000u + str_hash(token) % 9000000000u));
}

struct sim_target sim_target_of(const struct sim_call *c, struct str to)
{
    return (struct sim_target){.provider = str_of(c->api->name),
                               .account = c->account,
                               .to = to,
                               .path = c->path,
                               .is_send = c->is_send};
}

static bool token_fault(struct sim_call *c, const struct sim_target *t)
{
    if (sim_faults_strike(&c->server->faults, SIM_FAULT_EXPIRED, t))
        sim_fail(c, SIM_WHY_EXPIRED, NULL);
    else if (sim_faults_strike(&c->server->faults, SIM_FAULT_REVOKED, t))
        sim_fail(c, SIM_WHY_REVOKED, NULL);
    return !c->is_answered;
}

bool sim_token_check(struct sim_call *c, struct str token)
{
    struct sim_target t = sim_target_of(c, STR_NONE);
    if (!token.len)
        sim_fail(c, SIM_WHY_NO_TOKEN, NULL);
    else if (str_starts(token, STR("sim-expired")))
        sim_fail(c, SIM_WHY_EXPIRED, NULL);
    else if (str_starts(token, STR("sim-revoked")))
        sim_fail(c, SIM_WHY_REVOKED, NULL);
    else if (!str_starts(token, TOKEN_PREFIX))
        sim_fail(c, SIM_WHY_BAD_TOKEN, NULL);
    else if (token_fault(c, &t))
        c->token = token;
    return !c->is_answered;
}

uint64_t sim_unique(struct sim_call *c)
{
    return ++c->server->unique;
}

struct str sim_unique_id(struct sim_call *c)
{
    char *id = arena_alloc(c->a, SIM_ID);
    uint64_t n = sim_unique(c);
    sim_id_text(sim_mix(c->server->run ^ sim_mix(n)), n ^ c->server->run, id);
    return (struct str){id, SIM_ID};
}

struct sim_known *sim_account(struct sim_call *c, struct str id)
{
    return sim_accounts_find(c->server->accounts, str_of(c->api->name), id, true);
}

struct sim_upload *sim_upload(struct sim_call *c, struct str id, bool make)
{
    struct str name = str_fmt(c->a, "%s %.*s %.*s", c->api->name, STR_ARG(c->account), STR_ARG(id));
    return sim_table_get(c->server->uploads, name, make);
}

/* --- faults ----------------------------------------------------------------------------------- */

/* Those that any call may meet. False: has failed, or hung up. */
bool sim_call_faults(struct sim_call *c, const struct sim_target *t)
{
    struct sim_faults *f = &c->server->faults;
    const struct sim_rule *r = sim_faults_strike(f, SIM_FAULT_SLOW, t);
    if (r)
        c->slow_ms = r->ms;
    if (sim_faults_strike(f, SIM_FAULT_DROP_BEFORE, t)) {
        hang_up(c);
        return false;
    }
    if ((r = sim_faults_strike(f, SIM_FAULT_ERROR, t))) {
        fail(c, &(struct sim_failure){.why = SIM_WHY_SERVER, .status = (int)r->status});
        return false;
    }
    if ((r = sim_faults_strike(f, SIM_FAULT_RATE_LIMIT, t))) {
        int64_t wait_ms = r->retry_after_s * 1000;
        sim_quotas_told_to_wait(c->server->quotas, t->provider, c->account, clock_ms() + wait_ms);
        fail(c, &(struct sim_failure){.why = SIM_WHY_RATE, .status = 429, .wait_ms = wait_ms});
        return false;
    }
    c->is_garbled = sim_faults_strike(f, SIM_FAULT_MALFORMED, t) || c->is_garbled;
    return true;
}

bool sim_send_may(struct sim_call *c, struct str account, struct str to)
{
    struct sim_server *s = c->server;
    bool was_nobody = !c->account.len;
    c->account = account;
    c->is_send = true;
    struct sim_target t = sim_target_of(c, to);
    t.was_nobody = was_nobody;
    if (!token_fault(c, &t) || !sim_call_faults(c, &t))
        return false;
    c->quota = sim_quotas_take(s->quotas, t.provider, account, to, clock_ms());
    if (c->quota.is_refused) {
        fail(c, &(struct sim_failure){.why = SIM_WHY_RATE,
                                      .status = 429,
                                      .wait_ms = c->quota.wait_ms,
                                      .is_pair = c->quota.is_pair});
        return false;
    }
    const struct sim_rule *r =
        c->api->can_move ? sim_faults_strike(&s->faults, SIM_FAULT_MOVED, &t) : NULL;
    if (r)
        fail(c, &(struct sim_failure){.why = SIM_WHY_MOVED, .moved_to = r->moved_to});
    else if (sim_faults_strike(&s->faults, SIM_FAULT_WINDOW, &t))
        sim_fail(c, SIM_WHY_WINDOW, NULL);
    else if (sim_faults_strike(&s->faults, SIM_FAULT_REFUSED, &t))
        sim_fail(c, SIM_WHY_REFUSED, NULL);
    else
        c->drops = sim_faults_strike(&s->faults, SIM_FAULT_DROP_AFTER, &t) != NULL;
    return !c->is_answered;
}

void sim_send_accept(struct sim_call *c, const struct sim_send *send)
{
    struct sim_server *s = c->server;
    struct sim_send clean = *send;
    // What a request holds need not be UTF-8; what we write must.
    struct str *texts[] = {&clean.kind,       &clean.to,          &clean.conversation, &clean.text,
                           &clean.client_ref, &clean.external_id, &clean.target};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i]->ptr)
            *texts[i] = str_utf8(c->a, *texts[i]);
    c->account = str_utf8(c->a, c->account);
    const struct sim_sent *row =
        sim_sends_add(s->sends, c->api, c->account, c->at_ms, &clean, c->drops);
    sim_quotas_count(s->quotas, str_of(c->api->name), c->account, c->at_ms);
    const struct sim_known *k = sim_account(c, c->account);
    if (k && send->external_id.len)
        sim_reports_add(s->reports, c->api, k, row);
}

/* --- when a client or the server goes --------------------------------------------------------- */

void sim_later_forget(struct http_request *r)
{
    struct sim_later *l = *http_user(r);
    if (l)
        l->http = NULL;
}

void sim_later_close(struct sim_server *s)
{
    for (struct sim_later *l = s->later; l; l = l->next)
        if (!uv_is_closing((uv_handle_t *)&l->timer))
            uv_close((uv_handle_t *)&l->timer, on_later_closed);
}

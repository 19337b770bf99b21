/* SPDX-License-Identifier: Apache-2.0 */
#include "asking.h"

#include <stdlib.h>

#include "asking_store.h"
#include "clock.h"
#include "compose.h"
#include "credentials.h"
#include "log.h"
#include "match.h"
#include "mem.h"
#include "stats.h"

#define POLL_MS         1000
#define LEASE_MARGIN_MS 10000
#define PAGES_MAX       5
#define ARENA_BYTES     ((size_t)16 << 20)
#define IDS_BYTES       ((size_t)4 << 20)
#define ROW_BYTES_MAX   ((size_t)1 << 20)
/* A hundred messages, each with what a network has to say of it. */
#define LIST_BYTES_MAX ((size_t)2 << 20)

struct sender_asking {
    struct sender_asking_opts opts;
    struct exchange_opts exchange;
    uv_timer_t *timer;
    struct ask *asks[SENDER_ASKS_MAX]; /* NULL: free */
    size_t n_asks, n_calls;
    bool is_taking, is_stopping;
};

struct ask {
    struct sender_asking *by;
    struct ask **slot; /* in asks */
    struct arena *arena;
    struct sender_ask_row row; /* copied */
    const struct provider *provider;
    struct send_account account;
    struct sender_credentials credentials;
    struct send_message message;
    struct sent_ask list;
    struct exchange *exchange; /* under way; NULL: none */
    int n_pages;
    struct pg_array ids, matches; /* newest first, as they come */
    struct sent_message *found;
    size_t n_found;
};

static void free_ask(struct ask *k)
{
    *k->slot = NULL;
    k->by->n_asks--;
    sender_credentials_wipe(&k->credentials, &k->account);
    pg_array_done(&k->ids);
    pg_array_done(&k->matches);
    arena_free_wiped(k->arena);
    free(k);
}

/* --- the end of one ------------------------------------------------------------------------- */

static void tell(struct ask *k, struct str external_id)
{
    struct sender_answer answer = {.to = STATE_SENT, .class = "found", .external_id = external_id};
    struct sender_result x = {.message_id = k->row.message_id,
                              .provider = k->provider->name,
                              .trace = "",
                              .attempt = k->row.attempt,
                              .at_ms = clock_at_ms(),
                              .answer = &answer};
    if (uuid_parse(k->row.tenant_id, &x.tenant_id) &&
        uuid_parse(k->row.channel_id, &x.channel_id) &&
        uuid_parse(k->row.conversation_id, &x.conversation_id))
        sender_results_tell(k->by->opts.results, &x);
}

static void count(struct ask *k, const char *how)
{
    metric_add(metric_cell(k->by->opts.metrics, SENDER_METRIC_SETTLED, how), 1);
    log_info("a provider was asked about an uncertain message", kv_c("provider", k->provider->name),
             kv_str("tenant", k->row.tenant_id), kv_str("message_id", k->row.message_id),
             kv_c("how", how));
}

static void on_settled(void *ctx, struct str how, struct str external_id, const struct err *err)
{
    struct ask *k = ctx;
    if (err) {
        log_warn("what came of asking a provider was not stored", kv_c("why", err->msg));
    } else if (str_eq_c(how, "found")) {
        tell(k, external_id);
        count(k, "found");
    } else if (str_eq_c(how, "absent")) {
        count(k, "absent");
    }
    free_ask(k);
}

static void settle(struct ask *k, enum sender_asked asked, int64_t wait_ms)
{
    const struct sender_conf *conf = k->by->opts.conf;
    static const char *const words[] = {[ASKED_LISTED] = "listed",
                                        [ASKED_IN_PART] = "in_part",
                                        [ASKED_IN_VAIN] = "in_vain",
                                        [ASKED_FOR_NONE] = "for_none"};
    metric_add(
        metric_cell(k->by->opts.metrics, SENDER_METRIC_ASKED, k->provider->name, words[asked]), 1);
    sender_credentials_wipe(&k->credentials, &k->account);
    sender_asks_settle(k->by->opts.pool,
                       &(struct sender_ask_answer){.tenant_id = k->row.tenant_id,
                                                   .message_id = k->row.message_id,
                                                   .channel_id = k->row.channel_id,
                                                   .conversation_id = k->row.conversation_id,
                                                   .attempt = k->row.attempt,
                                                   .asked = asked,
                                                   .ids = &k->ids,
                                                   .matches = &k->matches,
                                                   .wait_ms = wait_ms,
                                                   .hold_ms = conf->uncertain_hold,
                                                   .ask_after_ms = conf->ask_after},
                       on_settled, k);
}

/* --- the list ------------------------------------------------------------------------------- */

static bool ask_page(struct ask *k, struct err *err);

/* Oldest first: of several that look alike the one that came first is ours. */
static void put_found(struct ask *k, const struct sender_wanted *w)
{
    for (size_t i = k->n_found; i > 0; i--) {
        pg_array_str(&k->ids, k->found[i - 1].external_id);
        pg_array_str(&k->matches, sender_match(w, &k->found[i - 1]) ? STR("t") : STR("f"));
    }
}

static void keep(struct ask *k, const struct sender_wanted *w, const struct sent_list *page)
{
    for (size_t i = 0; i < page->n; i++) {
        const struct sent_message *m = &page->items[i];
        if (!sender_match_is_candidate(w, m))
            continue;
        struct sent_message *to = &k->found[k->n_found++];
        *to = *m;
        to->external_id = str_dup(k->arena, str_utf8(k->arena, m->external_id));
        to->text = m->text.len ? str_dup(k->arena, m->text) : STR_NONE;
    }
}

static void read_page(struct ask *k, const struct sent_list *page)
{
    struct err err = {0};
    const struct sender_wanted w = {.message = &k->message,
                                    .began_at_ms = k->row.began_at_ms,
                                    .rewrites_links = k->provider->list->rewrites_links};
    bool reaches = sender_match_reaches_back(&w, page);
    keep(k, &w, page);
    k->n_pages++;
    if (!reaches && page->cursor.len && k->n_pages < PAGES_MAX && !k->by->is_stopping) {
        k->list.cursor = str_dup(k->arena, page->cursor);
        if (ask_page(k, &err))
            return;
    }
    put_found(k, &w);
    bool is_sure = reaches && sender_match_tells_absence(&k->message);
    settle(k, is_sure ? ASKED_LISTED : ASKED_IN_PART, 0);
}

static void on_listed(void *ctx, const struct exchange_done *d)
{
    struct ask *k = ctx;
    struct sender_asking *s = k->by;
    k->exchange = NULL;
    s->n_calls--;
    if (s->is_stopping) {
        free_ask(k);
        if (sender_asking_is_idle(s))
            s->opts.on_idle(s->opts.ctx);
        return;
    }
    if (d->judgement.outcome == OUTCOME_SENT) {
        read_page(k, &d->sent);
        return;
    }
    log_debug("a provider did not list a conversation", kv_c("provider", k->provider->name),
              kv_str("tenant", k->row.tenant_id), kv_str("message_id", k->row.message_id),
              kv_c("class", outcome_name(d->judgement.outcome)), kv_int("status", d->status),
              kv_str("code", d->judgement.code), kv_str("detail", d->judgement.detail));
    settle(k, ASKED_IN_VAIN, d->judgement.wait_ms);
}

static bool ask_page(struct ask *k, struct err *err)
{
    k->exchange =
        exchange_list(&k->by->exchange, k->provider, &k->list, &k->account, on_listed, k, err);
    k->by->n_calls += k->exchange != NULL;
    return k->exchange != NULL;
}

/* --- the beginning of one ------------------------------------------------------------------- */

static void copy_row(struct ask *k, const struct sender_ask_row *row)
{
    struct sender_ask_row *r = &k->row;
    struct str *const texts[] = {&r->tenant_id,
                                 &r->message_id,
                                 &r->channel_id,
                                 &r->conversation_id,
                                 &r->provider,
                                 &r->external_id,
                                 &r->kind,
                                 &r->body,
                                 &r->outgoing,
                                 &r->media,
                                 &r->reply_to,
                                 &r->client_ref,
                                 &r->conversation,
                                 &r->contact_id,
                                 &r->account_type,
                                 &r->external_account,
                                 &r->base_url,
                                 &r->credentials,
                                 &r->credentials_key_id};
    *r = *row;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i]->ptr)
            *texts[i] = (struct str){str_c(k->arena, *texts[i]), texts[i]->len};
    k->account = (struct send_account){
        .external_id = r->external_account, .type = r->account_type, .base_url = r->base_url};
}

/* NULL: as many as there may be. */
static struct ask *new_ask(struct sender_asking *s, const struct sender_ask_row *row)
{
    size_t i = 0;
    while (i < SENDER_ASKS_MAX && s->asks[i])
        i++;
    if (i == SENDER_ASKS_MAX)
        return NULL;
    struct ask *k = xalloc(sizeof *k);
    k->by = s;
    k->slot = &s->asks[i];
    k->arena = arena_new(ARENA_BYTES);
    k->found = ARENA_ARRAY(k->arena, struct sent_message, PAGES_MAX * SENT_LIST_MAX);
    pg_array_init(&k->ids, IDS_BYTES);
    pg_array_init(&k->matches, IDS_BYTES);
    copy_row(k, row);
    s->asks[i] = k;
    s->n_asks++;
    return k;
}

static bool compose(struct ask *k, struct err *err)
{
    const struct sender_ask_row *r = &k->row;
    struct send_row row = {.tenant_id = r->tenant_id,
                           .kind = r->kind,
                           .body = r->body,
                           .reply_to = r->reply_to,
                           .client_ref = r->client_ref,
                           .outgoing = r->outgoing,
                           .media = r->media,
                           .conversation = r->conversation,
                           .contact_id = r->contact_id,
                           .is_group = r->is_group};
    if (r->body.len + r->outgoing.len + r->media.len > ROW_BYTES_MAX)
        return err_set(err, ERR_LIMITED, "The message is too large.");
    if (!send_compose(k->arena, &row, &k->message, err))
        return false;
    k->list = (struct sent_ask){
        .to_kind = k->message.to_kind, .to = k->message.to, .is_group = r->is_group};
    return send_makes_message(k->message.kind) || err_set(err, ERR_INVALID, "It makes no message.");
}

static void begin(struct ask *k)
{
    struct err err = {0};
    k->provider = provider_find(k->row.provider);
    if (k->row.is_found) {
        tell(k, k->row.external_id);
        free_ask(k);
        return;
    }
    if (!k->provider->list || !compose(k, &err)) {
        settle(k, ASKED_FOR_NONE, 0);
        return;
    }
    enum sender_opening opening = sender_credentials_open(
        k->by->opts.vault, k->arena, k->row.tenant_id, k->row.credentials_key_id,
        k->row.credentials, &k->credentials, &k->account, &err);
    if (opening != OPENED)
        settle(k, ASKED_IN_VAIN, 0);
    else if (!ask_page(k, &err))
        settle(k, err.kind == ERR_BUSY ? ASKED_IN_VAIN : ASKED_FOR_NONE, 0);
}

static void on_taken(void *ctx, const struct sender_ask_row *rows, size_t n, const struct err *err)
{
    struct sender_asking *s = ctx;
    s->is_taking = false;
    if (err)
        log_warn("looking for uncertain messages failed", kv_c("why", err->msg));
    for (size_t i = 0; i < n && !s->is_stopping; i++) {
        struct ask *k = provider_find(rows[i].provider) ? new_ask(s, &rows[i]) : NULL;
        if (k)
            begin(k);
    }
}

static void on_time(uv_timer_t *timer)
{
    struct sender_asking *s = timer->data;
    if (s->is_taking || s->n_asks >= SENDER_ASKS_MAX || !pg_pool_is_connected(s->opts.pool))
        return;
    s->is_taking = true;
    int64_t lease_ms = PAGES_MAX * s->opts.conf->call_timeout + LEASE_MARGIN_MS;
    sender_asks_take(s->opts.pool, SENDER_ASKS_MAX - s->n_asks, lease_ms, on_taken, s);
}

/* --- life ----------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

struct sender_asking *sender_asking_new(const struct sender_asking_opts *opts)
{
    struct sender_asking *s = xalloc(sizeof *s);
    s->opts = *opts;
    s->exchange = (struct exchange_opts){.fetch = opts->fetch,
                                         .timeout_ms = opts->conf->call_timeout,
                                         .answer_max_bytes = LIST_BYTES_MAX};
    s->timer = xalloc(sizeof *s->timer);
    (void)uv_timer_init(opts->loop, s->timer);
    s->timer->data = s;
    (void)uv_timer_start(s->timer, on_time, POLL_MS, POLL_MS);
    return s;
}

void sender_asking_stop(struct sender_asking *s)
{
    s->is_stopping = true;
    (void)uv_timer_stop(s->timer);
    for (size_t i = 0; i < SENDER_ASKS_MAX; i++)
        if (s->asks[i] && s->asks[i]->exchange)
            exchange_cancel(s->asks[i]->exchange);
}

bool sender_asking_is_idle(const struct sender_asking *s)
{
    return !s->n_calls;
}

void sender_asking_free(struct sender_asking *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SENDER_ASKS_MAX; i++)
        if (s->asks[i])
            free_ask(s->asks[i]);
    uv_close((uv_handle_t *)s->timer, on_closed);
    free(s);
}

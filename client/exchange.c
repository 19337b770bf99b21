/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crypto.h"
#include "mem.h"
#include "pipe.h"

#define MEDIA_MAX_BYTES ((int64_t)100 << 20)
/* A file of ours may take longer than a request without one, on a line as slow as this. */
#define FILE_BYTES_PER_MS 256
/* Of one step: the request, the answer, and what judging it makes. JSON takes up to 64 times its
 * size (json.h); an answer for which this is not enough is judged as one that cannot be read. */
#define STEP_ARENA_MAX(answer_max) ((answer_max)*64 + ((size_t)8 << 20))
/* What outlives a step: references of earlier ones, and a cursor. */
#define REF_MAX        ((size_t)4096)
#define KEPT_ARENA_MAX ((size_t)1 << 20)
static_assert((SEND_STEPS_MAX + 2) * REF_MAX < KEPT_ARENA_MAX / 2, "room for all references");

enum exchange_kind { EXCHANGE_SEND, EXCHANGE_DISCOVER, EXCHANGE_WEBHOOK, EXCHANGE_LIST };

/* A part's bytes: of a file of the caller, or of one that is fetched. */
struct stream {
    struct exchange *exchange;
    struct fetch_source source; /* what it is read from */
    struct pipe *pipe;
    bool is_open; /* a file of the caller */
    bool is_broken;
};

struct exchange {
    struct exchange_opts opts;
    enum exchange_kind kind;
    const struct provider *provider;
    const struct send_account *account;
    const struct send_message *message;
    unsigned attempt;
    enum discover_what what;
    struct str cursor;
    struct webhook_ask ask;
    struct sent_ask list;
    bool (*may_start)(void *ctx);
    void (*on_done)(void *ctx, const struct exchange_done *d);
    void *ctx;

    struct arena *kept, *step;
    struct send_progress progress;
    struct send_request request;
    struct stream streams[SEND_PARTS_MAX];
    struct transfer *transfer; /* under way; NULL: none */
    uv_timer_t timer;          /* between steps */
    bool has_timer, is_opening /* its pipes */, is_cancelled, is_refused, is_over;
    int64_t called_at_ms;
    struct exchange_done done;
};

static bool begin_step(struct exchange *x, struct err *err);
static void go_on(struct exchange *x);

/* --- streams ---------------------------------------------------------------------------------- */

static void close_streams(struct exchange *x)
{
    for (size_t i = 0; i < SEND_PARTS_MAX; i++) {
        struct stream *s = &x->streams[i];
        pipe_close(s->pipe);
        if (s->is_open)
            x->opts.files->close(x->opts.files->ctx, &s->source);
        *s = (struct stream){0};
    }
}

static int64_t on_stream_read(void *ctx, char *out, size_t n)
{
    struct stream *s = ctx;
    int64_t got = s->source.read(s->source.ctx, out, n);
    s->is_broken = s->is_broken || (got < 0 && got != FETCH_LATER);
    return got;
}

static void on_file_ready(void *ctx)
{
    struct exchange *x = ((struct stream *)ctx)->exchange;
    if (x->transfer)
        fetch_resume(x->transfer);
}

static void on_pipe_change(void *ctx)
{
    struct exchange *x = ((struct stream *)ctx)->exchange;
    if (x->transfer)
        fetch_resume(x->transfer);
    else if (x->is_opening)
        go_on(x);
}

static bool open_file(struct exchange *x, const struct send_part *p, struct stream *s,
                      struct err *err)
{
    const struct exchange_files *files = x->opts.files;
    if (!files)
        return err_set(err, ERR_INVALID, "This message cannot have files.");
    s->source.size_bytes = -1;
    s->is_open =
        files->open(files->ctx, p->file, p->from, p->length, on_file_ready, s, &s->source, err);
    return s->is_open;
}

static bool open_streams(struct exchange *x, struct err *err)
{
    const struct send_request *r = &x->request;
    for (size_t i = 0; i < r->n_parts; i++) {
        const struct send_part *p = &r->parts[i];
        struct stream *s = &x->streams[i];
        *s = (struct stream){.exchange = x};
        if (p->file.len && !open_file(x, p, s, err))
            return false;
        if (!p->fetch.len)
            continue;
        const struct pipe_opts o = {.fetch = x->opts.fetch,
                                    .url = p->fetch,
                                    .from = p->from,
                                    .length = p->length,
                                    .max_bytes = x->opts.media_max_bytes ? x->opts.media_max_bytes
                                                                         : MEDIA_MAX_BYTES,
                                    // It opens in one request's time, and is read in another's.
                                    .timeout_ms = 2 * x->opts.timeout_ms,
                                    .on_change = on_pipe_change,
                                    .ctx = s};
        s->pipe = pipe_open(&o, err);
        if (!s->pipe)
            return err_wrap(err, "The address of a file");
        x->is_opening = true;
    }
    return true;
}

/* PIPE_OPENING: one of them is not known yet. */
static enum pipe_state look_at_pipes(const struct exchange *x, const struct err **err)
{
    enum pipe_state all = PIPE_OPEN;
    for (size_t i = 0; i < x->request.n_parts; i++) {
        const struct pipe *p = x->streams[i].pipe;
        if (p && pipe_state(p) == PIPE_BROKEN) {
            *err = pipe_err(p);
            return PIPE_BROKEN;
        }
        if (p && pipe_state(p) == PIPE_OPENING)
            all = PIPE_OPENING;
    }
    return all;
}

static bool was_a_source_broken(const struct exchange *x)
{
    for (size_t i = 0; i < SEND_PARTS_MAX; i++)
        if (x->streams[i].is_broken)
            return true;
    return false;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void free_exchange(struct exchange *x)
{
    close_streams(x);
    arena_free_wiped(x->step);
    arena_free_wiped(x->kept);
    x->step = x->kept = NULL;
    if (x->has_timer)
        uv_close((uv_handle_t *)&x->timer, on_closed);
    else
        free(x);
}

static void finish(struct exchange *x)
{
    assert(!x->is_over && !x->transfer);
    x->is_over = true;
    x->is_opening = false;
    x->done.called_at_ms = x->called_at_ms;
    x->on_done(x->ctx, &x->done);
    free_exchange(x);
}

/* Nothing was sent, or nothing that counts. */
static void finish_as(struct exchange *x, enum outcome outcome, const char *reason)
{
    struct judgement *j = &x->done.judgement;
    *j = (struct judgement){.outcome = outcome, .pace.used_percent = -1};
    j->reason = str_dup(x->kept, str_of(reason ? reason : outcome_reason(outcome)));
    finish(x);
}

static void finish_failed(struct exchange *x, const struct err *err)
{
    if (err->kind == ERR_BUSY)
        finish_as(x, OUTCOME_RETRY, err->msg);
    else
        finish_as(x, OUTCOME_PERMANENT, err->msg);
}

/* --- between steps ---------------------------------------------------------------------------- */

static void next_step(struct exchange *x)
{
    struct err err = {0};
    if (x->is_cancelled)
        finish_as(x, OUTCOME_RETRY, NULL);
    else if (!begin_step(x, &err))
        finish_failed(x, &err);
}

static void on_timer(uv_timer_t *timer)
{
    next_step(timer->data);
}

static void wait_for(struct exchange *x, int64_t ms)
{
    if (!x->has_timer) {
        (void)uv_timer_init(fetch_loop(x->opts.fetch), &x->timer);
        x->timer.data = x;
        x->has_timer = true;
    }
    (void)uv_timer_start(&x->timer, on_timer, (uint64_t)ms, 0);
}

static void take_step(struct exchange *x)
{
    struct str ref = x->done.judgement.ref;
    // Its arena ends with the step; the reference is needed in all later ones.
    if (ref.len <= REF_MAX && send_progress_add(&x->progress, str_dup(x->kept, ref)))
        wait_for(x, x->done.judgement.wait_ms);
    else
        finish_as(x, OUTCOME_PERMANENT, "The network's answer to the upload makes no sense.");
}

/* --- the answer ------------------------------------------------------------------------------- */

static enum reply_fault fault_of(const struct exchange *x, const struct transfer *t)
{
    switch (transfer_end(t)) {
    case FETCH_WHOLE:
        return REPLY_WHOLE;
    case FETCH_REFUSED:
    case FETCH_UNSENT:
        return REPLY_UNSENT;
    case FETCH_UNKNOWN:
        break;
    }
    // The request itself was never whole: nobody can have acted on it.
    return was_a_source_broken(x) ? REPLY_UNSENT : REPLY_UNKNOWN;
}

static void judge(struct exchange *x, const struct send_reply *reply)
{
    struct exchange_done *d = &x->done;
    const struct provider *p = x->provider;
    const struct send_call call = {x->account, x->message, &x->progress, x->request.is_final};
    bool ok;
    switch (x->kind) {
    case EXCHANGE_SEND:
        p->judge(x->step, &call, reply, &d->judgement);
        return;
    case EXCHANGE_DISCOVER:
        ok = p->discover->read(x->step, x->what, x->account, reply, &d->accounts, &d->judgement);
        break;
    case EXCHANGE_LIST:
        ok = p->list->read(x->step, &x->list, x->account, reply, &d->sent, &d->judgement);
        break;
    default:
        ok = p->webhook->read(x->step, &x->ask, x->account, reply, &d->webhook, &d->judgement);
    }
    if (ok)
        d->judgement = (struct judgement){.outcome = OUTCOME_SENT, .pace.used_percent = -1};
}

static void on_transfer_done(void *ctx, struct transfer *t)
{
    struct exchange *x = ctx;
    // An answer may have a token in it: in the step's arena, which is wiped.
    const struct send_reply reply = {.fault = fault_of(x, t),
                                     .status = transfer_status(t),
                                     .body = str_dup(x->step, transfer_body(t)),
                                     .header = transfer_header,
                                     .http = t,
                                     .at_ms = clock_at_ms(),
                                     .attempt = x->attempt};
    x->transfer = NULL;
    x->done.status = reply.status;
    x->done.was_called =
        x->request.is_final && transfer_sent_ms(t) >= 0 && reply.fault != REPLY_UNSENT;
    bool is_refused = transfer_end(t) == FETCH_REFUSED && !x->is_refused;
    judge(x, &reply);
    close_streams(x);
    if (is_refused)
        finish_as(x, OUTCOME_PERMANENT, "The channel's address is not one that may be called.");
    else if (x->done.judgement.outcome == OUTCOME_NEXT)
        take_step(x);
    else
        finish(x);
}

/* --- the request ------------------------------------------------------------------------------ */

static bool on_may_start(void *ctx)
{
    struct exchange *x = ctx;
    if (x->request.is_final && x->may_start && !x->may_start(x->ctx)) {
        x->is_refused = true;
        return false;
    }
    x->called_at_ms = clock_at_ms();
    return true;
}

static void part_of(struct stream *s, const struct send_part *p, struct fetch_part *out)
{
    *out = (struct fetch_part){.name = p->name,
                               .value = p->value,
                               .filename = p->filename,
                               .mime = p->value.ptr ? str_of(p->value_mime) : p->mime};
    if (p->value.ptr)
        return;
    if (s->pipe)
        s->source = pipe_source(s->pipe);
    int64_t size = s->source.size_bytes;
    if (size < 0 && p->length)
        size = p->length;
    out->source = (struct fetch_source){on_stream_read, s, size};
}

static int64_t timeout_ms(const struct exchange *x, const struct fetch_part *parts)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < x->request.n_parts; i++)
        if (!parts[i].value.ptr && parts[i].source.size_bytes > 0)
            bytes += parts[i].source.size_bytes;
    return x->opts.timeout_ms + bytes / FILE_BYTES_PER_MS;
}

static bool hand_over(struct exchange *x, struct err *err)
{
    static const enum fetch_method methods[] = {[METHOD_GET] = FETCH_GET,
                                                [METHOD_POST] = FETCH_POST,
                                                [METHOD_PATCH] = FETCH_PATCH,
                                                [METHOD_PUT] = FETCH_PUT,
                                                [METHOD_DELETE] = FETCH_DELETE};
    struct send_request *r = &x->request;
    struct fetch_header headers[SEND_HEADERS_MAX];
    struct fetch_part parts[SEND_PARTS_MAX];
    for (size_t i = 0; i < r->n_headers; i++)
        headers[i] = (struct fetch_header){r->headers[i].name, r->headers[i].value};
    for (size_t i = 0; i < r->n_parts; i++)
        part_of(&x->streams[i], &r->parts[i], &parts[i]);
    const struct fetch_request f = {.method = methods[r->method],
                                    .url = r->url,
                                    .headers = headers,
                                    .n_headers = r->n_headers,
                                    .body = r->body_kind == BODY_NONE ? STR_NONE : r->body,
                                    .parts = parts,
                                    .n_parts = r->n_parts,
                                    .timeout_ms = timeout_ms(x, parts),
                                    .answer_max_bytes = x->opts.answer_max_bytes,
                                    .is_guarded = x->account->base_url.len > 0,
                                    .may_start = on_may_start,
                                    .on_done = on_transfer_done,
                                    .ctx = x};
    bool ok = fetch_start(x->opts.fetch, &f, &x->transfer, err);
    send_request_wipe(r);
    return ok || err_wrap(err, "the channel's address");
}

/* Its pipes have news. */
static void go_on(struct exchange *x)
{
    const struct err *broken = NULL;
    struct err err = {0};
    if (x->is_cancelled)
        return; // the timer ends it
    switch (look_at_pipes(x, &broken)) {
    case PIPE_OPENING:
        return;
    case PIPE_BROKEN:
        finish_failed(x, broken);
        return;
    case PIPE_OPEN:
        x->is_opening = false;
        if (!hand_over(x, &err))
            finish_failed(x, &err);
    }
}

static bool build(struct exchange *x, struct err *err)
{
    struct send_request *r = &x->request;
    const struct provider *p = x->provider;
    const struct send_call call = {x->account, x->message, &x->progress, false};
    *r = (struct send_request){0};
    switch (x->kind) {
    case EXCHANGE_SEND:
        return p->build(x->step, &call, r, err);
    case EXCHANGE_DISCOVER:
        return p->discover->build(x->step, x->what, x->account, x->cursor, r, err);
    case EXCHANGE_LIST:
        return p->list->build(x->step, &x->list, x->account, r, err);
    default:
        return p->webhook->build(x->step, &x->ask, x->account, r, err);
    }
}

static bool begin_step(struct exchange *x, struct err *err)
{
    arena_free_wiped(x->step);
    x->step = arena_new(STEP_ARENA_MAX(x->opts.answer_max_bytes));
    if (!build(x, err) || !open_streams(x, err))
        return false;
    return x->is_opening || hand_over(x, err);
}

/* --- life ------------------------------------------------------------------------------------- */

static struct exchange *new_exchange(const struct exchange_opts *o, enum exchange_kind kind,
                                     const struct provider *p, const struct send_account *account,
                                     void (*on_done)(void *ctx, const struct exchange_done *d),
                                     void *ctx)
{
    struct exchange *x = xalloc(sizeof *x);
    x->opts = *o;
    x->kind = kind;
    x->provider = p;
    x->account = account;
    x->on_done = on_done;
    x->ctx = ctx;
    x->attempt = 1;
    x->kept = arena_new(KEPT_ARENA_MAX);
    x->done.judgement.pace.used_percent = -1;
    return x;
}

static struct exchange *begin(struct exchange *x, struct err *err)
{
    if (begin_step(x, err))
        return x;
    free_exchange(x);
    return NULL;
}

struct exchange *exchange_send(const struct exchange_opts *o, const struct provider *p,
                               const struct send_account *account,
                               const struct send_message *message, unsigned attempt,
                               bool (*may_start)(void *ctx),
                               void (*on_done)(void *ctx, const struct exchange_done *d), void *ctx,
                               struct err *err)
{
    if (!p->build || !p->judge) {
        err_set(err, ERR_INVALID, "Nothing can be sent by way of %s.", p->name);
        return NULL;
    }
    struct exchange *x = new_exchange(o, EXCHANGE_SEND, p, account, on_done, ctx);
    x->message = message;
    x->attempt = attempt;
    x->may_start = may_start;
    return begin(x, err);
}

struct exchange *exchange_discover(const struct exchange_opts *o, const struct provider *p,
                                   enum discover_what what, const struct send_account *account,
                                   struct str cursor,
                                   void (*on_done)(void *ctx, const struct exchange_done *d),
                                   void *ctx, struct err *err)
{
    if (!p->discover) {
        err_set(err, ERR_INVALID, "%s does not tell its accounts.", p->name);
        return NULL;
    }
    if (cursor.len > REF_MAX) {
        err_set(err, ERR_INVALID, "The cursor is not one that was given.");
        return NULL;
    }
    struct exchange *x = new_exchange(o, EXCHANGE_DISCOVER, p, account, on_done, ctx);
    x->what = what;
    x->cursor = cursor.ptr ? str_dup(x->kept, cursor) : STR_NONE;
    return begin(x, err);
}

struct exchange *exchange_webhook(const struct exchange_opts *o, const struct provider *p,
                                  const struct webhook_ask *ask, const struct send_account *account,
                                  void (*on_done)(void *ctx, const struct exchange_done *d),
                                  void *ctx, struct err *err)
{
    if (!p->webhook) {
        err_set(err, ERR_INVALID, "The webhook of %s is made by hand, at the provider.", p->name);
        return NULL;
    }
    struct exchange *x = new_exchange(o, EXCHANGE_WEBHOOK, p, account, on_done, ctx);
    x->ask = *ask;
    return begin(x, err);
}

struct exchange *exchange_list(const struct exchange_opts *o, const struct provider *p,
                               const struct sent_ask *ask, const struct send_account *account,
                               void (*on_done)(void *ctx, const struct exchange_done *d), void *ctx,
                               struct err *err)
{
    if (!p->list) {
        err_set(err, ERR_INVALID, "%s does not tell what a conversation has.", p->name);
        return NULL;
    }
    struct exchange *x = new_exchange(o, EXCHANGE_LIST, p, account, on_done, ctx);
    x->list = *ask;
    return begin(x, err);
}

void exchange_cancel(struct exchange *x)
{
    if (x->is_over)
        return;
    x->is_cancelled = true;
    if (x->transfer)
        fetch_cancel(x->transfer);
    else
        wait_for(x, 0); // between steps, or while its pipes open
}

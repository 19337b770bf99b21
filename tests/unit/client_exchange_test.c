/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "guard.h"
#include "http_server.h"
#include "test.h"

/* --- an adapter that does as it is told ------------------------------------------------------- */

static struct {
    struct str url;   /* of its requests */
    struct str media; /* address of a file that is sent with the final step; absent: none */
    struct str file;  /* or a file of the caller */
    int64_t from, length;
    size_t steps;    /* before the final one */
    int64_t wait_ms; /* between them */
    char *secret_at; /* where the last request's token lay */
    int n_built;
} plan;

static bool plan_build(struct arena *a, const struct send_call *call, struct send_request *out,
                       struct err *err)
{
    plan.n_built++;
    if (call->message && str_eq_c(call->message->text, "impossible"))
        return err_set(err, ERR_INVALID, "This cannot be sent.");
    *out = (struct send_request){.method = METHOD_POST, .url = plan.url};
    out->is_final = call->progress->n == plan.steps;
    if (!send_secret_add(a, out, "Authorization", "Bearer ", call->account->token, err))
        return false;
    plan.secret_at = (char *)out->headers[0].value.ptr;
    size_t n = call->progress->n;
    struct str before = n ? call->progress->refs[n - 1] : STR("none");
    struct str said = str_fmt(a, "step %zu of %.*s", n, STR_ARG(before));
    if (!out->is_final || (!plan.media.len && !plan.file.len)) {
        out->body_kind = BODY_JSON;
        out->body = said;
        return send_header_add(out, "Content-Type", STR("application/json"), err);
    }
    out->body_kind = BODY_MULTIPART;
    send_part_text(out, "what", said);
    send_part_file(out, "file", &(struct send_media){.url = plan.media, .file = plan.file});
    out->parts[1].from = plan.from;
    out->parts[1].length = plan.length;
    return true;
}

static void plan_judge(struct arena *a, const struct send_call *call,
                       const struct send_reply *reply, struct judgement *out)
{
    *out = (struct judgement){.pace.used_percent = -1};
    if (judge_fault(call, reply, out))
        return;
    if (reply->status != 200) {
        judge_status(call, reply, out);
        return;
    }
    out->outcome = call->is_final ? OUTCOME_SENT : OUTCOME_NEXT;
    out->external_id = out->ref = str_fmt(a, "<%.*s>", STR_ARG(reply->body));
    out->wait_ms = plan.wait_ms;
}

static bool plan_list(struct arena *a, enum discover_what what, const struct send_account *account,
                      struct str cursor, struct send_request *out, struct err *err)
{
    (void)what, (void)err;
    *out = (struct send_request){.method = METHOD_GET, .url_is_secret = true};
    out->url = str_fmt(a, "%.*s?token=%.*s&cursor=%.*s", STR_ARG(plan.url), STR_ARG(account->token),
                       STR_ARG(cursor));
    plan.secret_at = (char *)out->url.ptr;
    return true;
}

static bool plan_read(struct arena *a, enum discover_what what, const struct send_account *account,
                      const struct send_reply *reply, struct found_accounts *out,
                      struct judgement *why)
{
    (void)what;
    static const struct send_progress none = {.n = 0};
    static const struct send_message nothing = {.kind = SEND_READ};
    const struct send_call call = {account, &nothing, &none, false};
    *why = (struct judgement){.pace.used_percent = -1};
    if (judge_fault(&call, reply, why))
        return false;
    judge_status(&call, reply, why);
    if (reply->status != 200)
        return false;
    out->items = ARENA_NEW(a, struct found_account);
    out->items[0].external_id = reply->body;
    out->n = 1;
    out->cursor = STR("more");
    return true;
}

static bool plan_hook(struct arena *a, const struct webhook_ask *ask,
                      const struct send_account *account, struct send_request *out, struct err *err)
{
    (void)a, (void)account, (void)err;
    *out = (struct send_request){.method = METHOD_PUT, .url = plan.url, .body_kind = BODY_FORM};
    out->body = ask->url;
    return true;
}

static bool plan_hooked(struct arena *a, const struct webhook_ask *ask,
                        const struct send_account *account, const struct send_reply *reply,
                        struct webhook_found *out, struct judgement *why)
{
    (void)a, (void)ask, (void)account, (void)why;
    out->is_there = reply->status == 200;
    return true;
}

static const struct send_discover plan_discover = {plan_list, plan_read};
static const struct send_webhook plan_webhook = {
    .n_parts = 1, .build = plan_hook, .read = plan_hooked};
static const struct provider adapter = {.name = "plan",
                                        .build = plan_build,
                                        .judge = plan_judge,
                                        .discover = &plan_discover,
                                        .webhook = &plan_webhook};

/* --- the frame -------------------------------------------------------------------------------- */

struct frame {
    uv_loop_t loop;
    struct server api, files;
    struct fetch *fetch;
    struct guard *guard;
    struct arena *a;
    struct exchange_opts opts;
    struct send_account account;
    struct send_message message;
    struct exchange *exchange;
    /* what came of it */
    int n_done, n_asked;
    bool may;
    struct judgement judgement;
    struct exchange_done done;
    char external_id[256], reason[256], found[64];
};

static char seen[16384];

static void answer_ok(struct peer *p, const char *text, size_t n)
{
    (void)snprintf(seen, sizeof seen, "%.*s", (int)n, text);
    server_answer(p, 200, "", "ok");
}

static void set_up(struct frame *x)
{
    struct err err = {0};
    memset(x, 0, sizeof *x);
    assert_int_equal(uv_loop_init(&x->loop), 0);
    x->a = arena_new(1 << 20);
    server_open(&x->api, &x->loop, answer_ok);
    server_open(&x->files, &x->loop, answer_ok);
    x->guard = guard_new(str_c(x->a, str_fmt(x->a, "127.0.0.1:%d", x->files.port)), &err);
    assert_non_null(x->guard);
    x->fetch = fetch_new(&(struct fetch_opts){.loop = &x->loop,
                                              .max_per_host = 2,
                                              .max_transfers = 8,
                                              .connect_timeout_ms = 5000,
                                              .guard = x->guard},
                         &err);
    assert_non_null(x->fetch);
    x->opts = (struct exchange_opts){.fetch = x->fetch,
                                     .timeout_ms = 20000,
                                     .answer_max_bytes = 10000,
                                     .media_max_bytes = 1 << 20};
    x->account.token = STR("canary-token");
    x->message = (struct send_message){.kind = SEND_TEXT, .text = STR("hello")};
    x->may = true;
    memset(&plan, 0, sizeof plan);
    plan.url = str_fmt(x->a, "http://127.0.0.1:%d/send", x->api.port);
}

static void tear_down(struct frame *x)
{
    server_done(&x->api);
    server_done(&x->files);
    fetch_free(x->fetch);
    assert_int_equal(uv_run(&x->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&x->loop), 0);
    guard_free(x->guard);
    arena_free(x->a);
}

static void on_done(void *ctx, const struct exchange_done *d)
{
    struct frame *x = ctx;
    x->n_done++;
    x->done = *d;
    x->judgement = d->judgement;
    (void)snprintf(x->external_id, sizeof x->external_id, "%.*s",
                   STR_ARG(d->judgement.external_id));
    (void)snprintf(x->reason, sizeof x->reason, "%.*s", STR_ARG(d->judgement.reason));
    if (d->accounts.n)
        (void)snprintf(x->found, sizeof x->found, "%.*s/%.*s",
                       STR_ARG(d->accounts.items[0].external_id), STR_ARG(d->accounts.cursor));
}

static bool on_may_start(void *ctx)
{
    struct frame *x = ctx;
    x->n_asked++;
    return x->may;
}

static void begin(struct frame *x)
{
    struct err err = {0};
    x->n_done = 0;
    x->exchange = exchange_send(&x->opts, &adapter, &x->account, &x->message, 1, on_may_start,
                                on_done, x, &err);
    if (!x->exchange)
        fail_msg("%s", err.msg);
    assert_int_equal(x->n_done, 0);
}

static void run(struct frame *x)
{
    begin(x);
    WAIT_UNTIL(&x->loop, x->n_done);
}

/* --- one request ------------------------------------------------------------------------------ */

static void a_message_is_built_sent_and_judged(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    begin(&x);
    // The token is gone from what is ours as soon as it was handed over.
    assert_int_equal(plan.secret_at[0], 0);
    assert_int_equal(plan.secret_at[8], 0);
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    assert_string_equal(x.external_id, "<ok>");
    assert_non_null(strstr(seen, "Authorization: Bearer canary-token\r\n"));
    assert_non_null(strstr(seen, "\r\n\r\nstep 0 of none"));
    assert_int_equal(x.n_asked, 1);
    assert_int_equal(x.done.status, 200);
    assert_true(x.done.was_called);
    assert_true(x.done.called_at_ms > 0);
    for (int i = 0; i < 10; i++)
        loop_turn(&x.loop);
    assert_int_equal(x.n_done, 1);
    tear_down(&x);
}

static void what_cannot_be_built_is_said_at_once(void **state)
{
    (void)state;
    struct frame x;
    struct err err = {0};
    set_up(&x);
    x.message.text = STR("impossible");
    assert_null(
        exchange_send(&x.opts, &adapter, &x.account, &x.message, 1, NULL, on_done, &x, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_string_equal(err.msg, "This cannot be sent.");
    static const struct provider mute = {.name = "mute"};
    assert_null(exchange_send(&x.opts, &mute, &x.account, &x.message, 1, NULL, on_done, &x, &err));
    assert_null(
        exchange_discover(&x.opts, &mute, DISCOVER_LIST, &x.account, STR_NONE, on_done, &x, &err));
    assert_null(
        exchange_webhook(&x.opts, &mute, &(struct webhook_ask){0}, &x.account, on_done, &x, &err));
    // A file, and nobody who opens files.
    x.message.text = STR("x");
    plan.file = STR("f");
    assert_null(
        exchange_send(&x.opts, &adapter, &x.account, &x.message, 1, NULL, on_done, &x, &err));
    assert_int_equal(x.n_done, 0);
    tear_down(&x);
}

static void a_lease_that_ran_out_gives_the_call_up(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    x.may = false;
    run(&x);
    assert_int_equal(x.n_asked, 1);
    assert_int_equal(x.api.n_requests, 0);
    assert_int_equal(x.judgement.outcome, OUTCOME_RETRY);
    assert_false(x.done.was_called);
    assert_int_equal(x.done.called_at_ms, 0);
    tear_down(&x);
}

static void answer_nothing(struct peer *p, const char *text, size_t n)
{
    (void)p, (void)text, (void)n;
}

static void drop(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_close(p);
}

static void an_answer_that_never_came_is_ambiguous(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    x.api.on_request = drop;
    run(&x);
    assert_int_equal(x.api.n_requests, 1);
    assert_int_equal(x.judgement.outcome, OUTCOME_AMBIGUOUS);
    assert_true(x.done.was_called);
    assert_int_equal(x.done.status, 0);

    x.api.on_request = answer_nothing;
    begin(&x);
    WAIT_UNTIL(&x.loop, x.api.n_requests == 2);
    exchange_cancel(x.exchange);
    exchange_cancel(x.exchange);
    assert_int_equal(x.n_done, 0);
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_AMBIGUOUS);
    assert_true(x.done.was_called);
    tear_down(&x);
}

static void a_connection_that_never_came_about_is_tried_again(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    server_done(&x.api);
    run(&x);
    assert_int_equal(x.judgement.outcome, OUTCOME_RETRY);
    assert_false(x.done.was_called);
    assert_true(x.done.called_at_ms > 0);
    server_open(&x.api, &x.loop, answer_ok);
    tear_down(&x);
}

static void a_tenant_s_base_url_is_guarded(void **state)
{
    (void)state;
    struct frame x;
    struct err err = {0};
    set_up(&x);
    x.account.base_url = plan.url;
    assert_null(
        exchange_send(&x.opts, &adapter, &x.account, &x.message, 1, NULL, on_done, &x, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.msg, "https"));
    assert_int_equal(x.api.n_peers, 0);
    // What the operator lets through is.
    plan.url = str_fmt(x.a, "http://127.0.0.1:%d/send", x.files.port);
    x.account.base_url = plan.url;
    run(&x);
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    tear_down(&x);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void count_step(struct peer *p, const char *text, size_t n)
{
    char body[64];
    (void)snprintf(seen, sizeof seen, "%.*s", (int)n, text);
    (void)snprintf(body, sizeof body, "r%d", p->server->n_requests);
    server_answer(p, 200, "", body);
}

static void an_upload_goes_through_all_its_steps(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    x.api.on_request = count_step;
    plan.steps = 3;
    plan.wait_ms = 1;
    run(&x);
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    assert_int_equal(x.api.n_requests, 4);
    assert_int_equal(x.n_asked, 1); // before the final one only
    assert_non_null(strstr(seen, "step 3 of <r3>"));
    assert_string_equal(x.external_id, "<r4>");
    tear_down(&x);
}

static void answer_500_to_the_second(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_answer(p, p->server->n_requests == 2 ? 503 : 200, "", "x");
}

static void a_step_that_fails_ends_it_before_anything_was_sent(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    x.api.on_request = answer_500_to_the_second;
    plan.steps = 3;
    run(&x);
    assert_int_equal(x.judgement.outcome, OUTCOME_RETRY);
    assert_int_equal(x.done.status, 503);
    assert_int_equal(x.api.n_requests, 2);
    assert_false(x.done.was_called);
    assert_int_equal(x.n_asked, 0);

    x.api.on_request = answer_ok;
    plan.wait_ms = 60000;
    begin(&x);
    WAIT_UNTIL(&x.loop, x.api.n_requests == 3);
    for (int i = 0; i < 50; i++)
        loop_turn(&x.loop);
    exchange_cancel(x.exchange); // while it waits for its next step
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_RETRY);
    assert_false(x.done.was_called);
    tear_down(&x);
}

static void say_huge_ref(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    char body[8000];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    server_answer(p, 200, "", body);
}

static void references_without_end_are_refused(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    x.api.on_request = say_huge_ref;
    plan.steps = 3;
    run(&x);
    assert_int_equal(x.judgement.outcome, OUTCOME_PERMANENT);
    x.api.on_request = answer_ok;
    plan.steps = SEND_STEPS_MAX + 1;
    run(&x);
    assert_int_equal(x.judgement.outcome, OUTCOME_PERMANENT);
    assert_int_equal(x.api.n_requests, 1 + SEND_STEPS_MAX + 1);
    tear_down(&x);
}

/* --- files ------------------------------------------------------------------------------------ */

#define FILE_BYTES 600000

static char file_bytes[FILE_BYTES + 1];
static size_t n_right, n_upload;

static void make_file(void)
{
    for (size_t i = 0; i < FILE_BYTES; i++)
        file_bytes[i] = (char)('a' + i * 7 % 23 + i / 1000 % 3);
}

/* A request whose file is the bytes of ours from ctx on. */
static void check_upload(struct peer *p, const char *text, size_t n)
{
    static const char mark[] = "application/octet-stream\r\n\r\n";
    const char *body = memmem(text, n, mark, sizeof mark - 1);
    assert_non_null(body);
    body += sizeof mark - 1;
    const char *end = memmem(body, n - (size_t)(body - text), "\r\n--", 4);
    assert_non_null(end);
    n_upload = (size_t)(end - body);
    n_right = 0;
    while (n_right < n_upload && body[n_right] == file_bytes[(size_t)plan.from + n_right])
        n_right++;
    answer_ok(p, text, n < 4000 ? n : 4000);
}

static void serve_piece(struct peer *p, const char *text, size_t n)
{
    char wanted[64];
    static char piece[FILE_BYTES + 1];
    int len = snprintf(wanted, sizeof wanted, "Range: bytes=%d-%d\r\n", (int)plan.from,
                       (int)(plan.from + plan.length - 1));
    assert_non_null(memmem(text, n, wanted, (size_t)len));
    (void)snprintf(piece, sizeof piece, "%.*s", (int)plan.length, file_bytes + plan.from);
    server_answer(p, 206, "", piece);
}

/* uv_try_write would wait for ever for a client that shares our loop. */
static void write_later(struct peer *p, const char *head)
{
    static uv_write_t requests[16];
    static int next;
    uv_buf_t bufs[2] = {uv_buf_init((char *)head, (unsigned)strlen(head)),
                        uv_buf_init(file_bytes, FILE_BYTES)};
    uv_write_t *w = &requests[next++ % 16];
    assert_int_equal(uv_write(w, (uv_stream_t *)&p->tcp, bufs, 2, NULL), 0);
}

static void serve_slowly(struct peer *p, const char *text, size_t n)
{
    static char head[128];
    (void)text, (void)n;
    (void)snprintf(head, sizeof head, "HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n", FILE_BYTES);
    write_later(p, head);
}

static void files_at_an_address_are_streamed_through(void **state)
{
    (void)state;
    struct frame x;
    make_file();
    set_up(&x);
    plan.media = str_fmt(x.a, "http://127.0.0.1:%d/file", x.files.port);
    x.api.on_request = check_upload;
    x.files.on_request = serve_slowly;
    run(&x);
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    assert_int_equal(n_upload, FILE_BYTES);
    assert_int_equal(n_right, FILE_BYTES);
    assert_int_equal(x.files.n_requests, 1);
    assert_null(strstr(seen, "chunked")); // its size is known
    tear_down(&x);
}

static void pieces_are_fetched_alone_where_the_server_can(void **state)
{
    (void)state;
    make_file();
    for (int i = 0; i < 2; i++) {
        struct frame x;
        set_up(&x);
        plan.media = str_fmt(x.a, "http://127.0.0.1:%d/file", x.files.port);
        plan.from = 100001;
        plan.length = 50000;
        x.api.on_request = check_upload;
        x.files.on_request = i ? serve_slowly : serve_piece; // or the whole of it comes
        run(&x);
        assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
        assert_int_equal(n_upload, 50000);
        assert_int_equal(n_right, 50000);
        tear_down(&x);
    }
}

static void serve_404(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_answer(p, 404, "", "not here");
}

static void serve_503(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_answer(p, 503, "", "");
}

static void serve_302(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_answer(p, 302, "Location: http://127.0.0.1:1/\r\n", "");
}

static void serve_too_much(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    static const char head[] = "HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\nx";
    server_say(p, head, sizeof head - 1);
}

static void serve_half(struct peer *p, const char *text, size_t n)
{
    char head[128];
    (void)text, (void)n;
    int len =
        snprintf(head, sizeof head, "HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n", FILE_BYTES);
    server_say(p, head, (size_t)len);
    server_say(p, file_bytes, 30000);
    server_close(p);
}

static void a_file_that_cannot_be_fetched_says_so_and_nothing_is_sent(void **state)
{
    (void)state;
    static const struct {
        void (*serve)(struct peer *p, const char *text, size_t n);
        enum outcome outcome;
        const char *reason;
    } cases[] = {
        {serve_404, OUTCOME_PERMANENT, "(404)"},
        {serve_302, OUTCOME_PERMANENT, "leads elsewhere"},
        {serve_503, OUTCOME_RETRY, "(503)"},
        {drop, OUTCOME_RETRY, "could not be fetched"},
        {serve_too_much, OUTCOME_PERMANENT, "too large"},
        {serve_half, OUTCOME_RETRY, ""},
    };
    make_file();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame x;
        set_up(&x);
        plan.media = str_fmt(x.a, "http://127.0.0.1:%d/file", x.files.port);
        x.files.on_request = cases[i].serve;
        run(&x);
        assert_int_equal(x.files.n_requests, 1);
        assert_int_equal(x.api.n_requests, 0); // never a whole one
        assert_int_equal(x.judgement.outcome, cases[i].outcome);
        assert_non_null(strstr(x.reason, cases[i].reason));
        assert_false(x.done.was_called);
        tear_down(&x);
    }
    struct frame x;
    struct err err = {0};
    set_up(&x);
    plan.media = str_fmt(x.a, "http://127.0.0.1:%d/file", x.api.port); // not let through
    assert_null(
        exchange_send(&x.opts, &adapter, &x.account, &x.message, 1, NULL, on_done, &x, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(x.api.n_peers, 0);
    tear_down(&x);
}

static void a_file_is_not_fetched_faster_than_it_is_sent(void **state)
{
    (void)state;
    struct frame x;
    make_file();
    set_up(&x);
    plan.media = str_fmt(x.a, "http://127.0.0.1:%d/file", x.files.port);
    x.api.on_request = check_upload;
    x.api.on_begun = server_stop_reading; // the provider takes nothing for now
    x.files.on_request = serve_slowly;
    begin(&x);
    WAIT_UNTIL(&x.loop, x.api.n_begun == 1);
    for (int i = 0; i < 300; i++)
        loop_turn(&x.loop);
    assert_int_equal(x.n_done, 0);
    server_read_on(x.api.peers);
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    assert_int_equal(n_right, FILE_BYTES);
    tear_down(&x);
}

static void cancelling_while_a_file_opens_sends_nothing(void **state)
{
    (void)state;
    struct frame x;
    set_up(&x);
    plan.media = str_fmt(x.a, "http://127.0.0.1:%d/file", x.files.port);
    x.files.on_request = answer_nothing;
    begin(&x);
    WAIT_UNTIL(&x.loop, x.files.n_requests == 1);
    exchange_cancel(x.exchange);
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_RETRY);
    assert_false(x.done.was_called);
    assert_int_equal(x.api.n_requests, 0);
    WAIT_UNTIL(&x.loop, fetch_under_way(x.fetch) == 0);
    tear_down(&x);
}

/* A file of the caller that is slow. */
struct slow_file {
    int64_t at, end;
    bool is_late;
    void (*on_ready)(void *ctx);
    void *ready_ctx;
    int n_open, n_closed;
};

static int64_t slow_read(void *ctx, char *out, size_t n)
{
    struct slow_file *f = ctx;
    f->is_late = !f->is_late;
    if (f->is_late && f->at < f->end)
        return FETCH_LATER;
    n = n < (size_t)(f->end - f->at) ? n : (size_t)(f->end - f->at);
    n = n < 5000 ? n : 5000;
    memcpy(out, file_bytes + f->at, n);
    f->at += (int64_t)n;
    return (int64_t)n;
}

static bool slow_open(void *ctx, struct str file, int64_t from, int64_t length,
                      void (*on_ready)(void *ready_ctx), void *ready_ctx,
                      struct fetch_source *source, struct err *err)
{
    struct slow_file *f = ctx;
    if (!str_eq_c(file, "media/1"))
        return err_set(err, ERR_ABSENT, "The file is gone.");
    f->n_open++;
    f->at = from;
    f->end = length ? from + length : FILE_BYTES;
    f->on_ready = on_ready;
    f->ready_ctx = ready_ctx;
    *source = (struct fetch_source){slow_read, f, f->end - f->at};
    return true;
}

static void slow_close(void *ctx, struct fetch_source *source)
{
    struct slow_file *f = ctx;
    assert_ptr_equal(source->ctx, f);
    f->n_closed++;
}

static void files_of_the_caller_are_streamed_as_they_come(void **state)
{
    (void)state;
    struct frame x;
    struct slow_file f = {0};
    const struct exchange_files files = {slow_open, slow_close, &f};
    struct err err = {0};
    make_file();
    set_up(&x);
    x.opts.files = &files;
    x.api.on_request = check_upload;
    plan.file = STR("media/1");
    plan.from = 1000;
    plan.length = 100000;
    begin(&x);
    int64_t until_ms = clock_ms() + PATIENCE_MS;
    while (!x.n_done && clock_ms() < until_ms) {
        loop_turn(&x.loop);
        if (f.is_late)
            f.on_ready(f.ready_ctx);
    }
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    assert_int_equal(n_upload, 100000);
    assert_int_equal(n_right, 100000);
    assert_int_equal(f.n_open, 1);
    assert_int_equal(f.n_closed, 1);
    plan.file = STR("media/2");
    assert_null(
        exchange_send(&x.opts, &adapter, &x.account, &x.message, 1, NULL, on_done, &x, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_int_equal(f.n_closed, 1);
    tear_down(&x);
}

/* --- accounts and webhooks -------------------------------------------------------------------- */

static void accounts_are_listed_page_by_page(void **state)
{
    (void)state;
    struct frame x;
    struct err err = {0};
    set_up(&x);
    assert_non_null(exchange_discover(&x.opts, &adapter, DISCOVER_LIST, &x.account, STR("c1"),
                                      on_done, &x, &err));
    assert_int_equal(plan.secret_at[20], 0); // a URL with a token in it
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    assert_string_equal(x.found, "ok/more");
    assert_non_null(strstr(seen, "GET /send?token=canary-token&cursor=c1 "));

    x.n_done = 0;
    x.api.on_request = serve_503;
    assert_non_null(exchange_discover(&x.opts, &adapter, DISCOVER_VALIDATE, &x.account, STR_NONE,
                                      on_done, &x, &err));
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_RETRY);
    assert_int_equal(x.done.status, 503);
    tear_down(&x);
}

static void webhooks_are_asked_for(void **state)
{
    (void)state;
    struct frame x;
    struct err err = {0};
    set_up(&x);
    const struct webhook_ask ask = {.what = WEBHOOK_CREATE, .url = STR("url=https%3A%2F%2Fus")};
    assert_non_null(exchange_webhook(&x.opts, &adapter, &ask, &x.account, on_done, &x, &err));
    WAIT_UNTIL(&x.loop, x.n_done);
    assert_int_equal(x.judgement.outcome, OUTCOME_SENT);
    assert_true(x.done.webhook.is_there);
    assert_non_null(strstr(seen, "PUT /send"));
    assert_non_null(strstr(seen, "url=https%3A%2F%2Fus"));
    tear_down(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_built_sent_and_judged),
        cmocka_unit_test(what_cannot_be_built_is_said_at_once),
        cmocka_unit_test(a_lease_that_ran_out_gives_the_call_up),
        cmocka_unit_test(an_answer_that_never_came_is_ambiguous),
        cmocka_unit_test(a_connection_that_never_came_about_is_tried_again),
        cmocka_unit_test(a_tenant_s_base_url_is_guarded),
        cmocka_unit_test(an_upload_goes_through_all_its_steps),
        cmocka_unit_test(a_step_that_fails_ends_it_before_anything_was_sent),
        cmocka_unit_test(references_without_end_are_refused),
        cmocka_unit_test(files_at_an_address_are_streamed_through),
        cmocka_unit_test(pieces_are_fetched_alone_where_the_server_can),
        cmocka_unit_test(a_file_that_cannot_be_fetched_says_so_and_nothing_is_sent),
        cmocka_unit_test(a_file_is_not_fetched_faster_than_it_is_sent),
        cmocka_unit_test(cancelling_while_a_file_opens_sends_nothing),
        cmocka_unit_test(files_of_the_caller_are_streamed_as_they_come),
        cmocka_unit_test(accounts_are_listed_page_by_page),
        cmocka_unit_test(webhooks_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

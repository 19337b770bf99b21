/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "fetch.h"
#include "guard.h"
#include "http_server.h"
#include "test.h"

/* --- names ------------------------------------------------------------------------------------ */

static int n_lookups;

/* libcurl's: a public name whose DNS answer is this machine. */
// glibc names them otherwise. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
int getaddrinfo(const char *name, const char *service, const struct addrinfo *req,
                struct addrinfo **pai)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &found, sizeof real);
    bool is_ours = name && strcmp(name, "rebound.example.com") == 0;
    __atomic_fetch_add(&n_lookups, is_ours, __ATOMIC_RELAXED);
    return real(is_ours ? "127.0.0.1" : name, service, req, pai);
}

/* --- one transfer's outcome ------------------------------------------------------------------- */

struct end {
    struct transfer *transfer;
    bool done;
    enum fetch_end end;
    int status;
    char body[4096];
    char header[128]; /* X-Which */
    char why[320];
    enum err_kind kind;
    int64_t sent_ms;
    /* on_data */
    size_t n_data, pause_after;
    bool is_paused, is_enough;
    bool may_start;
    int n_started;
};

static void on_done(void *ctx, struct transfer *t)
{
    struct end *e = ctx;
    assert_false(e->done);
    e->done = true;
    e->end = transfer_end(t);
    e->status = transfer_status(t);
    struct str body = transfer_body(t), header = transfer_header(t, "x-WHICH");
    (void)snprintf(e->body, sizeof e->body, "%.*s", STR_ARG(body));
    (void)snprintf(e->header, sizeof e->header, "%.*s", STR_ARG(header));
    (void)snprintf(e->why, sizeof e->why, "%s", transfer_err(t)->msg);
    e->kind = transfer_err(t)->kind;
    e->sent_ms = transfer_sent_ms(t);
}

static bool on_may_start(void *ctx)
{
    struct end *e = ctx;
    e->n_started++;
    return e->may_start;
}

static bool on_data(void *ctx, int status, struct str data)
{
    struct end *e = ctx;
    e->status = status;
    e->n_data += data.len;
    if (e->pause_after && e->n_data >= e->pause_after) {
        fetch_pause(e->transfer);
        e->is_paused = true;
    }
    return !e->is_enough;
}

/* --- the frame -------------------------------------------------------------------------------- */

struct part {
    uv_loop_t loop;
    struct server server;
    struct fetch *fetch;
    struct guard *guard;
};

static void ask_ok(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_answer(p, 200, "X-Which: one\r\nx-which: two\r\n", "hello");
}

static void set_up_as(struct part *x, const char *allowed, int max_per_host, int max_transfers)
{
    struct err err = {0};
    assert_int_equal(uv_loop_init(&x->loop), 0);
    server_open(&x->server, &x->loop, ask_ok);
    x->guard = guard_new(allowed, &err);
    assert_non_null(x->guard);
    x->fetch = fetch_new(&(struct fetch_opts){.loop = &x->loop,
                                              .max_per_host = max_per_host,
                                              .max_transfers = max_transfers,
                                              .connect_timeout_ms = 5000,
                                              .guard = x->guard},
                         &err);
    assert_non_null(x->fetch);
}

static void set_up(struct part *x)
{
    set_up_as(x, "", 4, 8);
}

static void tear_down(struct part *x)
{
    server_done(&x->server);
    fetch_free(x->fetch);
    assert_int_equal(uv_run(&x->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&x->loop), 0);
    guard_free(x->guard);
}

static struct str local_url(struct part *x, struct arena *a, const char *path)
{
    return str_fmt(a, "http://127.0.0.1:%d%s", x->server.port, path);
}

static struct fetch_request request(struct part *x, struct arena *a, struct end *e)
{
    *e = (struct end){.may_start = true};
    return (struct fetch_request){.method = FETCH_POST,
                                  .url = local_url(x, a, "/send?token=secret"),
                                  .body = STR("{}"),
                                  .timeout_ms = 20000,
                                  .answer_max_bytes = 2000,
                                  .on_done = on_done,
                                  .ctx = e};
}

static void begin(struct part *x, const struct fetch_request *r, struct end *e)
{
    struct err err = {0};
    if (!fetch_start(x->fetch, r, &e->transfer, &err))
        fail_msg("%s", err.msg);
}

static void run(struct part *x, const struct fetch_request *r, struct end *e)
{
    begin(x, r, e);
    WAIT_UNTIL(&x->loop, e->done);
}

/* --- requests and answers --------------------------------------------------------------------- */

static char seen[8192]; /* the latest request that keep_request got */

static void keep_request(struct peer *p, const char *text, size_t n)
{
    (void)snprintf(seen, sizeof seen, "%.*s", (int)n, text);
    ask_ok(p, text, n);
}

static void requests_go_out_as_given(void **state)
{
    (void)state;
    static const struct {
        enum fetch_method method;
        const char *body, *wanted, *unwanted;
    } cases[] = {
        {FETCH_GET, NULL, "GET /send?token=secret HTTP/1.1\r\nHost: 127.0.0.1:", "Content-"},
        {FETCH_POST, "{\"a\":1}", "Content-Length: 7\r\n\r\n{\"a\":1}", "Expect"},
        {FETCH_POST, NULL, "POST /send?token=secret HTTP/1.1\r\n", "Content-Type"},
        {FETCH_POST, NULL, "Content-Length: 0\r\n", "Content-Type"},
        {FETCH_PUT, "x", "PUT /send", "Transfer-Encoding"},
        {FETCH_PATCH, "x", "PATCH /send", "Content-Type"},
        {FETCH_DELETE, NULL, "DELETE /send", "Content-"},
        {FETCH_DELETE, "x", "DELETE /send", "Content-Type"},
    };
    struct part x;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    x.server.on_request = keep_request;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct end e;
        struct fetch_request r = request(&x, a, &e);
        const struct fetch_header headers[] = {{"Authorization", STR("Bearer s")},
                                               {"X-Empty", STR("")}};
        r.method = cases[i].method;
        r.body = str_of(cases[i].body);
        r.headers = headers;
        r.n_headers = 2;
        run(&x, &r, &e);
        assert_int_equal(e.end, FETCH_WHOLE);
        assert_int_equal(e.status, 200);
        assert_string_equal(e.body, "hello");
        assert_string_equal(e.header, "two");
        assert_true(e.sent_ms >= 0);
        assert_non_null(strstr(seen, cases[i].wanted));
        assert_null(strstr(seen, cases[i].unwanted));
        assert_non_null(strstr(seen, "Authorization: Bearer s\r\n"));
        assert_non_null(strstr(seen, "X-Empty:\r\n"));
        assert_null(strstr(seen, "Cookie"));
    }
    assert_int_equal(x.server.n_peers, 1); // kept alive
    tear_down(&x);
}

static void redirect(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_answer(p, 302, "Location: http://127.0.0.1:1/\r\nSet-Cookie: a=b\r\n", "");
}

static void redirects_are_not_followed(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    x.server.on_request = redirect;
    struct fetch_request r = request(&x, a, &e);
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_WHOLE);
    assert_int_equal(e.status, 302);
    tear_down(&x);
}

static void what_is_no_url_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const urls[] = {"",
                                       "nonsense",
                                       "ftp://a.example.com/",
                                       "file:///etc/passwd",
                                       "http://user@a.example.com/",
                                       "http://a.example.com/\n"};
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    struct fetch_request r = request(&x, a, &e);
    for (size_t i = 0; i <= ARRAY_LEN(urls); i++) {
        struct err err = {0};
        struct transfer *t = NULL;
        r.url = i < ARRAY_LEN(urls) ? str_of(urls[i]) : STR_NONE;
        assert_false(fetch_start(x.fetch, &r, &t, &err));
        assert_int_equal(err.kind, ERR_INVALID);
    }
    const struct fetch_header split = {"X-A", STR("b\r\nX-C: d")};
    struct err err = {0};
    struct transfer *t = NULL;
    r = request(&x, a, &e);
    r.headers = &split;
    r.n_headers = 1;
    assert_false(fetch_start(x.fetch, &r, &t, &err));
    assert_int_equal(fetch_under_way(x.fetch), 0);
    assert_false(e.done);
    tear_down(&x);
}

/* --- the ends --------------------------------------------------------------------------------- */

static void nobody_listens_is_unsent(void **state)
{
    (void)state;
    struct part x, y;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    set_up(&y);
    struct fetch_request r = request(&x, a, &e);
    r.url = local_url(&y, a, "/send?token=secret");
    tear_down(&y);
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_UNSENT);
    assert_int_equal(e.kind, ERR_BUSY);
    assert_int_equal(e.sent_ms, -1);
    assert_null(strstr(e.why, "secret"));
    assert_non_null(strstr(e.why, "127.0.0.1:"));
    tear_down(&x);
}

static void say_http(struct peer *p)
{
    server_say(p, "HTTP/1.1 200 X\r\n\r\n", 18);
}

static void a_tls_handshake_that_fails_is_unsent(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    x.server.on_begun = say_http;
    struct fetch_request r = request(&x, a, &e);
    r.url = str_fmt(a, "https://127.0.0.1:%d/", x.server.port);
    run(&x, &r, &e);
    assert_int_equal(x.server.n_begun, 1);
    assert_int_equal(e.end, FETCH_UNSENT);
    tear_down(&x);
}

static void close_now(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    server_close(p);
}

static void say_half(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    static const char half[] = "HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhello";
    server_say(p, half, sizeof half - 1);
    server_close(p);
}

static void say_long(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    char body[4000];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    server_answer(p, 200, "", body);
}

static void say_long_header(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    char line[1000];
    server_say(p, "HTTP/1.1 200 X\r\n", 16);
    for (int i = 0; i < 100; i++) {
        int len = snprintf(line, sizeof line, "X-%d: %0990d\r\n", i, i);
        server_say(p, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
        server_say(p, "\r\n", 2 * (len >= (int)sizeof line));
    }
}

static void say_nothing(struct peer *p, const char *text, size_t n)
{
    (void)p, (void)text, (void)n;
}

static void without_a_whole_answer_the_outcome_is_unknown(void **state)
{
    (void)state;
    static const struct {
        void (*answer)(struct peer *p, const char *text, size_t n);
        enum err_kind kind;
    } cases[] = {
        {close_now, ERR_BUSY},
        {say_half, ERR_BUSY},
        {say_long, ERR_LIMITED},
        {say_nothing, ERR_BUSY},
    };
    auto_arena a = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct part x;
        struct end e;
        set_up(&x);
        x.server.on_request = cases[i].answer;
        struct fetch_request r = request(&x, a, &e);
        if (cases[i].answer == say_nothing)
            r.timeout_ms = 300;
        run(&x, &r, &e);
        assert_int_equal(x.server.n_requests, 1);
        assert_int_equal(e.end, FETCH_UNKNOWN);
        assert_int_equal(e.kind, cases[i].kind);
        assert_null(strstr(e.why, "secret"));
        tear_down(&x);
    }
}

static void headers_without_end_are_cut_off(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    x.server.on_request = say_long_header;
    struct fetch_request r = request(&x, a, &e);
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_UNKNOWN);
    assert_int_equal(e.kind, ERR_LIMITED);
    tear_down(&x);
}

/* The first request of a connection is answered, the second one is read whole and never answered.
 */
static void accept_and_drop(struct peer *p, const char *text, size_t n)
{
    if (p->n_requests == 1)
        ask_ok(p, text, n);
    else if (p->server->ctx)
        server_reset(p);
    else
        server_close(p);
}

static void what_a_reused_connection_dropped_is_never_sent_twice(void **state)
{
    (void)state;
    static const enum fetch_method methods[] = {FETCH_POST, FETCH_PUT, FETCH_GET};
    auto_arena a = arena_new(1 << 20);
    for (size_t i = 0; i < 2 * ARRAY_LEN(methods); i++) {
        struct part x;
        struct end first, second;
        set_up(&x);
        x.server.on_request = accept_and_drop;
        x.server.ctx = i % 2 ? &x : NULL; // closed, or reset
        struct fetch_request r = request(&x, a, &first);
        run(&x, &r, &first);
        assert_int_equal(first.end, FETCH_WHOLE);
        r = request(&x, a, &second);
        r.method = methods[i / 2];
        if (r.method == FETCH_GET)
            r.body = STR_NONE;
        run(&x, &r, &second);
        assert_int_equal(second.end, FETCH_UNKNOWN);
        assert_int_equal(second.kind, ERR_BUSY);
        // It was the same connection, and libcurl's second attempt did not even connect.
        assert_int_equal(x.server.n_peers, 1);
        assert_int_equal(x.server.n_requests, 2);
        // The next one is well.
        r = request(&x, a, &first);
        run(&x, &r, &first);
        assert_int_equal(first.end, FETCH_WHOLE);
        assert_int_equal(x.server.n_peers, 2);
        tear_down(&x);
    }
}

static void an_idle_connection_that_was_closed_is_not_used(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    struct fetch_request r = request(&x, a, &e);
    run(&x, &r, &e);
    server_close(x.server.peers);
    WAIT_UNTIL(&x.loop, x.server.n_open == 0);
    r = request(&x, a, &e);
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_WHOLE);
    assert_int_equal(x.server.n_peers, 2);
    assert_int_equal(x.server.n_requests, 2);
    tear_down(&x);
}

/* --- the guard -------------------------------------------------------------------------------- */

static void a_tenant_s_url_does_not_reach_this_machine(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    struct fetch_request r = request(&x, a, &e);
    struct err err = {0};
    struct transfer *t = NULL;
    r.is_guarded = true;
    assert_false(fetch_start(x.fetch, &r, &t, &err)); // by its URL
    assert_int_equal(err.kind, ERR_INVALID);

    // A public name, until it is looked up.
    int before = __atomic_load_n(&n_lookups, __ATOMIC_RELAXED);
    r.url = str_fmt(a, "https://rebound.example.com:%d/", x.server.port);
    run(&x, &r, &e);
    assert_true(__atomic_load_n(&n_lookups, __ATOMIC_RELAXED) > before);
    assert_int_equal(e.end, FETCH_REFUSED);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_int_equal(x.server.n_peers, 0);

    // Not guarded, the same name gets there: it was the guard.
    r = request(&x, a, &e);
    r.url = str_fmt(a, "http://rebound.example.com:%d/", x.server.port);
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_WHOLE);
    tear_down(&x);
}

static void an_allowed_host_is_reached_and_only_on_its_port(void **state)
{
    (void)state;
    struct part other, x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&other);
    struct str allowed = str_fmt(a, "127.0.0.1:%d", other.server.port);
    set_up_as(&x, str_c(a, allowed), 4, 8);
    struct fetch_request r = request(&other, a, &e);
    r.is_guarded = true;
    begin(&x, &r, &e);
    int64_t until_ms = clock_ms() + PATIENCE_MS;
    while (!e.done && clock_ms() < until_ms) {
        loop_turn(&x.loop);
        loop_turn(&other.loop);
    }
    assert_int_equal(e.end, FETCH_WHOLE);
    assert_int_equal(other.server.n_requests, 1);
    struct err err = {0};
    struct transfer *t = NULL;
    r.url = local_url(&x, a, "/");
    assert_false(fetch_start(x.fetch, &r, &t, &err));
    tear_down(&x);
    tear_down(&other);
}

/* --- streams ---------------------------------------------------------------------------------- */

struct file {
    size_t n, size;    /* bytes given, and in all */
    bool is_late;      /* nothing now */
    int n_late;        /* how often it said so */
    size_t late_every; /* each so many bytes it says so */
    size_t broken_at;  /* 0: never */
};

static int64_t read_file(void *ctx, char *out, size_t n)
{
    struct file *f = ctx;
    if (f->broken_at && f->n >= f->broken_at)
        return -1;
    if (f->is_late) {
        f->n_late++;
        return FETCH_LATER;
    }
    size_t left = (f->broken_at ? f->broken_at : f->size) - f->n;
    n = n < left ? n : left;
    if (f->late_every) {
        n = n < f->late_every ? n : f->late_every;
        f->is_late = true;
    }
    memset(out, 'z', n);
    f->n += n;
    return (int64_t)n;
}

static size_t n_upload;

static void count_upload(struct peer *p, const char *text, size_t n)
{
    n_upload = 0;
    for (size_t i = 0; i < n; i++)
        n_upload += text[i] == 'z';
    keep_request(p, text, n);
}

static struct fetch_request upload(struct part *x, struct arena *a, struct end *e, struct file *f,
                                   bool is_size_known)
{
    struct fetch_request r = request(x, a, e);
    struct fetch_part *parts = ARENA_ARRAY(a, struct fetch_part, 2);
    parts[0] = (struct fetch_part){.name = "recipient", .value = STR("{\"id\":1}")};
    parts[1] = (struct fetch_part){.name = "file",
                                   .source = {read_file, f, is_size_known ? (int64_t)f->size : -1},
                                   .filename = STR("a \"b\".png"),
                                   .mime = STR("image/png")};
    r.body = STR_NONE;
    r.parts = parts;
    r.n_parts = 2;
    return r;
}

static void files_are_streamed_and_wait_for_their_source(void **state)
{
    (void)state;
    static const size_t every[] = {0, 1000, 20000};
    auto_arena a = arena_new(1 << 20);
    for (size_t i = 0; i < 2 * ARRAY_LEN(every); i++) {
        struct part x;
        struct end e;
        struct file f = {.size = 300000, .late_every = every[i / 2]};
        set_up(&x);
        x.server.on_request = count_upload;
        struct fetch_request r = upload(&x, a, &e, &f, i % 2);
        begin(&x, &r, &e);
        int64_t until_ms = clock_ms() + PATIENCE_MS;
        while (!e.done && clock_ms() < until_ms) {
            loop_turn(&x.loop);
            if (f.is_late && f.n_late) {
                f.is_late = false;
                f.n_late = 0;
                fetch_resume(e.transfer);
            } else if (f.is_late && f.n % 3000 == 0) {
                // Resumed before it has said that there is nothing: that must not be lost either.
                f.is_late = false;
                fetch_resume(e.transfer);
            }
        }
        assert_int_equal(e.end, FETCH_WHOLE);
        assert_int_equal(n_upload, 300000);
        assert_non_null(strstr(seen, "name=\"recipient\"\r\n\r\n{\"id\":1}\r\n"));
        assert_non_null(strstr(seen, "filename=\"a %22b%22.png\"\r\nContent-Type: image/png"));
        assert_int_equal(strstr(seen, "Transfer-Encoding: chunked") != NULL, i % 2 == 0);
        tear_down(&x);
    }
}

static void a_source_that_waits_costs_no_turns(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    struct file f = {.size = 5000, .late_every = 1000};
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    struct fetch_request r = upload(&x, a, &e, &f, true);
    begin(&x, &r, &e);
    WAIT_UNTIL(&x.loop, f.n_late == 1);
    f.is_late = false;
    fetch_resume(e.transfer);
    WAIT_UNTIL(&x.loop, f.n_late == 2);
    // It is asked once, and then no more until it was resumed.
    for (int i = 0; i < 200; i++)
        loop_turn(&x.loop);
    assert_int_equal(f.n_late, 2);
    fetch_resume(e.transfer); // for nothing
    WAIT_UNTIL(&x.loop, f.n_late == 3);
    for (int i = 0; i < 200; i++)
        loop_turn(&x.loop);
    assert_int_equal(f.n_late, 3);
    fetch_cancel(e.transfer);
    WAIT_UNTIL(&x.loop, e.done);
    assert_int_equal(e.end, FETCH_UNKNOWN);
    tear_down(&x);
}

static void a_source_that_breaks_or_ends_early_fails_the_transfer(void **state)
{
    (void)state;
    auto_arena a = arena_new(1 << 20);
    for (int i = 0; i < 2; i++) {
        struct part x;
        struct end e;
        struct file f = {.size = 50000, .broken_at = i ? 0 : 20000};
        set_up(&x);
        struct fetch_request r = upload(&x, a, &e, &f, true);
        if (i)
            f.size = 30000;
        run(&x, &r, &e);
        assert_int_equal(e.end, FETCH_UNKNOWN);
        assert_int_equal(x.server.n_requests, 0); // never whole
        assert_non_null(strstr(e.why, "file"));
        tear_down(&x);
    }
}

static void say_much(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    static char body[200001];
    memset(body, 'y', sizeof body - 1);
    server_answer(p, 206, "", body);
}

static void answers_are_handed_over_as_they_come_and_can_be_paused(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    x.server.on_request = say_much;
    struct fetch_request r = request(&x, a, &e);
    r.on_data = on_data;
    r.answer_max_bytes = 1 << 20;
    e.pause_after = 1;
    begin(&x, &r, &e);
    WAIT_UNTIL(&x.loop, e.is_paused);
    size_t had = e.n_data;
    for (int i = 0; i < 200; i++)
        loop_turn(&x.loop);
    assert_int_equal(e.n_data, had);
    assert_false(e.done);
    while (!e.done) {
        e.is_paused = false;
        fetch_resume(e.transfer);
        WAIT_UNTIL(&x.loop, e.is_paused || e.done);
    }
    assert_int_equal(e.end, FETCH_WHOLE);
    assert_int_equal(e.n_data, 200000);
    assert_int_equal(e.status, 206);
    assert_string_equal(e.body, "");

    r = request(&x, a, &e);
    r.on_data = on_data;
    r.answer_max_bytes = 1 << 20;
    e.is_enough = true;
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_UNKNOWN);
    tear_down(&x);
}

/* --- queues ----------------------------------------------------------------------------------- */

static void transfers_wait_in_order_for_their_host_s_connections(void **state)
{
    (void)state;
    struct part x;
    struct end ends[10];
    auto_arena a = arena_new(1 << 20);
    set_up_as(&x, "", 2, 8);
    x.server.on_request = say_nothing;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct fetch_request r = request(&x, a, &ends[i]);
        r.may_start = on_may_start;
        begin(&x, &r, &ends[i]);
    }
    assert_int_equal(ends[0].n_started, 0); // nothing before the next turn
    WAIT_UNTIL(&x.loop, x.server.n_requests == 2);
    for (int i = 0; i < 100; i++)
        loop_turn(&x.loop);
    assert_int_equal(x.server.n_requests, 2);
    assert_int_equal(x.server.n_peers, 2);
    assert_int_equal(fetch_under_way(x.fetch), 10);
    assert_int_equal(ends[0].n_started + ends[1].n_started, 2);
    assert_int_equal(ends[2].n_started, 0);
    ends[2].may_start = false;
    x.server.on_request = ask_ok;
    for (struct peer *p = x.server.peers; p; p = p->next)
        ask_ok(p, "", 0);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        WAIT_UNTIL(&x.loop, ends[i].done);
        assert_int_equal(ends[i].end, i == 2 ? FETCH_REFUSED : FETCH_WHOLE);
        assert_int_equal(ends[i].n_started, 1);
    }
    assert_int_equal(x.server.n_requests, 9);
    assert_int_equal(x.server.n_peers, 2);
    assert_int_equal(fetch_under_way(x.fetch), 0);
    tear_down(&x);
}

static void one_host_s_queue_does_not_hold_up_another(void **state)
{
    (void)state;
    struct part x;
    struct server quick;
    struct end slow[20], e;
    auto_arena a = arena_new(1 << 20);
    set_up_as(&x, "", 4, 6);
    server_open(&quick, &x.loop, ask_ok);
    x.server.on_request = say_nothing;
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        struct fetch_request r = request(&x, a, &slow[i]);
        begin(&x, &r, &slow[i]);
    }
    struct fetch_request r = request(&x, a, &e);
    r.url = str_fmt(a, "http://127.0.0.1:%d/", quick.port);
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_WHOLE);
    server_done(&quick);
    server_done(&x.server);
    fetch_free(x.fetch); // ends all the others
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        assert_true(slow[i].done);
        assert_true(slow[i].end == FETCH_UNSENT || slow[i].end == FETCH_UNKNOWN);
        assert_int_equal(slow[i].end, slow[i].sent_ms < 0 ? FETCH_UNSENT : FETCH_UNKNOWN);
    }
    assert_int_equal(uv_run(&x.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&x.loop), 0);
    guard_free(x.guard);
}

static void a_cancelled_transfer_ends_as_its_phase_does(void **state)
{
    (void)state;
    struct part x;
    struct end sent, waiting, again;
    auto_arena a = arena_new(1 << 20);
    set_up_as(&x, "", 1, 8);
    x.server.on_request = say_nothing;
    struct fetch_request r = request(&x, a, &sent);
    begin(&x, &r, &sent);
    r = request(&x, a, &waiting);
    begin(&x, &r, &waiting);
    WAIT_UNTIL(&x.loop, x.server.n_requests == 1);
    fetch_cancel(sent.transfer);
    fetch_cancel(sent.transfer);
    fetch_cancel(waiting.transfer);
    assert_false(sent.done || waiting.done);
    WAIT_UNTIL(&x.loop, sent.done && waiting.done);
    assert_int_equal(sent.end, FETCH_UNKNOWN);
    assert_int_equal(waiting.end, FETCH_UNSENT);
    assert_int_equal(x.server.n_requests, 1);
    x.server.on_request = ask_ok;
    r = request(&x, a, &again);
    run(&x, &r, &again);
    assert_int_equal(again.end, FETCH_WHOLE);
    tear_down(&x);
}

static void say_chunked(struct peer *p, const char *text, size_t n)
{
    (void)text, (void)n;
    static const char hints[] = "HTTP/1.1 103 X\r\nX-Which: early\r\n\r\n";
    static const char whole[] =
        "HTTP/1.1 429 X\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    server_say(p, hints, sizeof hints - 1);
    for (size_t i = 0; i < sizeof whole - 1; i++)
        server_say(p, whole + i, 1);
}

static void answers_in_parts_and_early_hints_are_read(void **state)
{
    (void)state;
    struct part x;
    struct end e;
    auto_arena a = arena_new(1 << 20);
    set_up(&x);
    x.server.on_request = say_chunked;
    struct fetch_request r = request(&x, a, &e);
    run(&x, &r, &e);
    assert_int_equal(e.end, FETCH_WHOLE);
    assert_int_equal(e.status, 429);
    assert_string_equal(e.body, "abcde");
    assert_string_equal(e.header, ""); // 103's headers are not the answer's
    tear_down(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_out_as_given),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(what_is_no_url_is_refused_at_once),
        cmocka_unit_test(nobody_listens_is_unsent),
        cmocka_unit_test(a_tls_handshake_that_fails_is_unsent),
        cmocka_unit_test(without_a_whole_answer_the_outcome_is_unknown),
        cmocka_unit_test(headers_without_end_are_cut_off),
        cmocka_unit_test(what_a_reused_connection_dropped_is_never_sent_twice),
        cmocka_unit_test(an_idle_connection_that_was_closed_is_not_used),
        cmocka_unit_test(a_tenant_s_url_does_not_reach_this_machine),
        cmocka_unit_test(an_allowed_host_is_reached_and_only_on_its_port),
        cmocka_unit_test(files_are_streamed_and_wait_for_their_source),
        cmocka_unit_test(a_source_that_waits_costs_no_turns),
        cmocka_unit_test(a_source_that_breaks_or_ends_early_fails_the_transfer),
        cmocka_unit_test(answers_are_handed_over_as_they_come_and_can_be_paused),
        cmocka_unit_test(transfers_wait_in_order_for_their_host_s_connections),
        cmocka_unit_test(one_host_s_queue_does_not_hold_up_another),
        cmocka_unit_test(a_cancelled_transfer_ends_as_its_phase_does),
        cmocka_unit_test(answers_in_parts_and_early_hints_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

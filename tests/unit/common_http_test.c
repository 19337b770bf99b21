/* SPDX-License-Identifier: Apache-2.0 */
/* The server over real loopback sockets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "http.h"
#include "http_client.h"
#include "mem.h"

#define BODY_MAX 10000
#define DEFERRED 512

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct http_request *deferred[DEFERRED];
    int n_deferred, n_requests, n_done, n_refused;
    int last_refused;
    char seen[256]; /* what the last request was */
    int websocket_fd;
    char early[64];
    int n_sockets;
    bool done_before_socket;
};

static void on_socket(void *ctx, void *user, int fd, struct str early)
{
    struct fixture *f = ctx;
    assert_ptr_equal(user, f);
    f->websocket_fd = fd;
    f->n_sockets++;
    f->done_before_socket = f->n_done > 0;
    (void)snprintf(f->early, sizeof f->early, "%.*s", STR_ARG(early));
}

static void answer_upgrade(struct fixture *f, struct http_request *r)
{
    struct err err = {0};
    if (!http_upgrade_websocket(r, STR("chat"), on_socket, f, &err))
        http_answer_err(r, &err);
}

static void on_request(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->n_requests++;
    struct str path = http_path(r);
    (void)snprintf(f->seen, sizeof f->seen, "%d %.*s %zu q=%.*s h=%.*s", http_method(r),
                   STR_ARG(path), http_body(r).len, STR_ARG(http_query(r, "q")),
                   STR_ARG(http_header(r, "x-test")));
    if (str_eq_c(path, "/echo")) {
        http_set_header(r, "X-Peer", http_peer(r));
        http_answer(r, 200, "text/plain", http_body(r));
    } else if (str_eq_c(path, "/defer")) {
        assert_true(f->n_deferred < DEFERRED);
        http_defer(r);
        f->deferred[f->n_deferred++] = r;
    } else if (str_eq_c(path, "/socket")) {
        answer_upgrade(f, r);
    } else if (str_eq_c(path, "/busy")) {
        struct err err = {0};
        err_set(&err, ERR_BUSY, "not \"now\"");
        err.retry_after_ms = 1500;
        http_answer_err(r, &err);
    } else {
        http_answer(r, 200, NULL, STR_NONE);
    }
}

static void on_done(void *ctx, struct http_request *r)
{
    (void)r;
    ((struct fixture *)ctx)->n_done++;
}

static void on_refused(void *ctx, int status)
{
    struct fixture *f = ctx;
    f->n_refused++;
    f->last_refused = status;
}

static void start(struct fixture *f, struct http_server_opts opts)
{
    struct err err = {0};
    *f = (struct fixture){.websocket_fd = -1};
    assert_int_equal(uv_loop_init(&f->loop), 0);
    opts.host = "127.0.0.1";
    opts.max_connections = opts.max_connections ? opts.max_connections : 1000;
    opts.idle_timeout_ms = opts.idle_timeout_ms ? opts.idle_timeout_ms : 10000;
    opts.body_max_bytes = opts.body_max_bytes ? opts.body_max_bytes : BODY_MAX;
    opts.header_pool_bytes = 8192;
    opts.on_request = on_request;
    opts.on_done = on_done;
    opts.on_refused = on_refused;
    opts.ctx = f;
    f->server = http_server_new(&f->loop, &opts, &err);
    assert_non_null(f->server);
}

static void stop(struct fixture *f)
{
    http_server_free(f->server);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(f->n_done, f->n_requests);
}

static int port_of(const struct fixture *f)
{
    return http_server_port(f->server);
}

/* 1,000 bytes as one chunk. */
#define CHUNK 1007
static void make_chunk(char out[CHUNK])
{
    memset(out, 'x', CHUNK);
    memcpy(out, (const char[]){'3', 'e', '8', '\r', '\n'}, 5);
    out[CHUNK - 2] = '\r';
    out[CHUNK - 1] = '\n';
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_request_arrives_whole_and_its_answer_goes_back(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST /echo?q=a%20b%2B&r HTTP/1.1\r\nHost: h\r\nX-TEST: yes\r\n"
                   "Content-Length: 5\r\n\r\nhello");
    client_wait(&c, "hello", 1);
    assert_string_equal(f.seen, "2 /echo 5 q=a b+ h=yes");
    assert_non_null(strstr(c.in, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(c.in, "X-Peer: 127.0.0.1\r\n"));
    client_close(&c);
    stop(&f);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
                   "GET /other HTTP/1.1\r\nHost: h\r\n\r\n"
                   "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nthree");
    client_wait(&c, "three", 1);
    assert_int_equal(text_count(c.in, "HTTP/1.1 200 OK"), 3);
    assert_true(strstr(c.in, "one") < strstr(c.in, "three"));
    client_close(&c);
    stop(&f);
}

static void a_chunked_body_grows_and_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n");
    client_wait(&c, "wikipedia", 1);

    client_say(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[CHUNK];
    make_chunk(chunk);
    for (int i = 0; i < 10; i++)
        client_send(&c, chunk, sizeof chunk);
    client_say(&c, "0\r\n\r\n");
    client_wait(&c, "HTTP/1.1 200 OK", 2);
    assert_string_equal(f.seen, "2 /echo 10000 q= h=");

    client_say(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 11; i++)
        client_send(&c, chunk, sizeof chunk);
    client_say(&c, "0\r\n\r\n");
    client_wait(&c, "HTTP/1.1 413", 1);
    client_wait_closed(&c);
    assert_int_equal(f.n_requests, 2);
    assert_int_equal(f.last_refused, 413);
    client_close(&c);
    stop(&f);
}

static void an_endless_chunked_body_is_cut_off(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[CHUNK];
    make_chunk(chunk);
    for (int i = 0; i < 1000 && !c.closed; i++)
        client_send(&c, chunk, sizeof chunk);
    client_wait_closed(&c);
    assert_int_equal(f.n_requests, 0);
    client_close(&c);
    stop(&f);
}

static void a_body_over_the_limit_gets_413_and_the_connection_closes(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, (struct http_server_opts){0});
    static const struct {
        const char *head;
        size_t body;
    } cases[] = {
        {"Content-Length: 10001\r\n\r\n", 10001},                     // read, then refused
        {"Content-Length: 99999999999\r\n\r\n", 0},                   // refused at once
        {"Content-Length: 20000\r\nExpect: 100-continue\r\n\r\n", 0}, // the client waits
    };
    char *body = xalloc(20000);
    memset(body, 'x', 20000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client c;
        client_open(&c, &f.loop, port_of(&f));
        client_say(&c, "POST /echo HTTP/1.1\r\nHost: h\r\n");
        client_say(&c, cases[i].head);
        client_send(&c, body, cases[i].body);
        client_wait(&c, "application/problem+json", 1);
        assert_non_null(strstr(c.in, "HTTP/1.1 413"));
        client_wait_closed(&c);
        client_close(&c);
    }
    free(body);
    assert_int_equal(f.n_requests, 0);
    assert_int_equal(f.n_refused, 3);
    stop(&f);
}

static void a_body_of_exactly_the_limit_passes(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    char *body = xalloc(BODY_MAX);
    memset(body, 'x', BODY_MAX);
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n");
    client_send(&c, body, BODY_MAX);
    client_wait(&c, "HTTP/1.1 200 OK", 1);
    assert_string_equal(f.seen, "2 / 10000 q= h=");
    free(body);
    client_close(&c);
    stop(&f);
}

#define LARGE 40000
#define POST_LARGE \
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\nExpect: 100-continue\r\n\r\n"

static void all_bodies_together_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct client a, b, c;
    char *body = xalloc(LARGE);
    memset(body, 'x', LARGE);
    start(&f, (struct http_server_opts){.body_max_bytes = LARGE, .bodies_max_bytes = 50000});
    client_open(&a, &f.loop, port_of(&f));
    client_say(&a, POST_LARGE);
    client_wait(&a, "HTTP/1.1 100", 1);
    // Announced, but not come: it takes nothing from others.
    client_open(&b, &f.loop, port_of(&f));
    client_say(&b, POST_LARGE);
    client_wait(&b, "HTTP/1.1 100", 1);
    client_send(&a, body, LARGE - 1);
    // Now there is no room for another large one, neither begun nor new; small ones go on.
    client_send(&b, body, LARGE);
    client_wait(&b, "HTTP/1.1 503", 1);
    client_wait(&b, "Retry-After: 1", 1);
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nsmall");
    client_wait(&c, "HTTP/1.1 200", 1);
    client_say(&c, POST_LARGE);
    client_wait(&c, "HTTP/1.1 503", 1);
    client_close(&c);
    client_send(&a, body, 1);
    client_wait(&a, "HTTP/1.1 200", 1);
    // What it held is free again.
    client_say(&a, POST_LARGE);
    client_wait(&a, "HTTP/1.1 100", 2);
    client_send(&a, body, LARGE);
    client_wait(&a, "HTTP/1.1 200", 2);
    client_close(&a);
    client_close(&b);
    free(body);
    stop(&f);
}

static void headers_over_the_pool_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ");
    char filler[9001];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    client_say(&c, filler);
    client_say(&c, "\r\n\r\n");
    client_wait_closed(&c);
    assert_non_null(strstr(c.in, "HTTP/1.1 431"));
    assert_int_equal(f.n_requests, 0);
    client_close(&c);
    stop(&f);
}

static void malformed_http_is_400(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: nonsense\r\n\r\n");
    client_wait(&c, "HTTP/1.1 400", 1);
    client_wait_closed(&c);
    client_close(&c);
    stop(&f);
}

static void a_silent_client_is_let_go(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){.idle_timeout_ms = 1000});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    client_wait_closed(&c);
    assert_int_equal(f.n_requests, 0);
    client_close(&c);
    stop(&f);
}

static void a_client_that_drips_is_let_go_too(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){.idle_timeout_ms = 1000});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST / HTTP/1.1\r\nHost: h\r\nX-Drip: ");
    int64_t begun_ms = clock_ms(), next_ms = begun_ms;
    while (!c.closed) {
        if (clock_ms() >= next_ms) {
            (void)send(c.fd, "x", 1, MSG_NOSIGNAL);
            next_ms += 200;
        }
        loop_turn(&f.loop);
        client_pull(&c);
        assert_true(clock_ms() - begun_ms < PATIENCE_MS);
    }
    assert_in_range(clock_ms() - begun_ms, 1900, 5000);
    assert_int_equal(f.n_requests, 0);
    client_close(&c);
    stop(&f);
}

static void deferred_answers_come_later_and_out_of_order(void **state)
{
    (void)state;
    struct fixture f;
    struct client c[3];
    start(&f, (struct http_server_opts){0});
    for (int i = 0; i < 3; i++) {
        client_open(&c[i], &f.loop, port_of(&f));
        client_say(&c[i], "POST /defer HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
        WAIT_UNTIL(&f.loop, f.n_deferred == i + 1);
    }
    assert_int_equal(http_server_requests(f.server), 3);
    for (int i = 2; i >= 0; i--) {
        http_answer(f.deferred[i], 200, i == 1 ? "text/plain" : NULL, i == 1 ? STR("1") : STR_NONE);
        client_wait(&c[i], "HTTP/1.1 200 OK", 1);
        client_pull(&c[0]);
        assert_true(i == 0 || c[0].n == 0);
    }
    // and the connections go on
    client_say(&c[0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client_wait(&c[0], "HTTP/1.1 200 OK", 2);
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    stop(&f);
}

static void many_deferred_requests_are_answered_in_one_turn(void **state)
{
    (void)state;
    struct fixture f;
    enum {
        N = 384
    }; // a multiple of 128, where libmicrohttpd's own loop stalls; some are suspended
    struct client *c = xalloc(N * sizeof *c);
    start(&f, (struct http_server_opts){0});
    for (int i = 0; i < N; i++)
        client_open(&c[i], &f.loop, port_of(&f));
    for (int round = 1; round <= 3; round++) {
        f.n_deferred = 0;
        for (int i = 0; i < N; i++)
            assert_true(send(c[i].fd, "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n", 32, 0) == 32);
        WAIT_UNTIL(&f.loop, f.n_deferred == N);
        for (int i = 0; i < N; i++)
            http_answer(f.deferred[i], 200, NULL, STR_NONE);
        for (int i = 0; i < N; i++)
            client_wait(&c[i], "HTTP/1.1 200 OK", (size_t)round);
    }
    for (int i = 0; i < N; i++)
        client_close(&c[i]);
    free(c);
    stop(&f);
}

static void a_client_gone_while_deferred_ends_with_on_done(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "POST /defer HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    WAIT_UNTIL(&f.loop, f.n_deferred == 1);
    client_close(&c);
    http_answer(f.deferred[0], 200, NULL, STR_NONE);
    WAIT_UNTIL(&f.loop, f.n_done == 1);
    stop(&f);
}

static void a_deferred_request_ends_when_its_client_resets(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    // libmicrohttpd watches a connection from its first wait for input on.
    client_say(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client_wait(&c, "HTTP/1.1 200 OK", 1);
    client_say(&c, "POST /defer HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    WAIT_UNTIL(&f.loop, f.n_deferred == 1);
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    client_close(&c);
    WAIT_UNTIL(&f.loop, f.n_done == 2);
    assert_int_equal(http_server_requests(f.server), 0);
    stop(&f);
}

static void a_slow_upload_goes_on_while_others_wait(void **state)
{
    (void)state;
    struct fixture f;
    struct client waiting, slow;
    start(&f, (struct http_server_opts){0});
    client_open(&waiting, &f.loop, port_of(&f));
    client_say(&waiting, "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(&f.loop, f.n_deferred == 1);
    client_open(&slow, &f.loop, port_of(&f));
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n";
    for (size_t i = 0; i < sizeof head - 1; i += 20) {
        struct str part = str_skip(str_of(head), i);
        client_send(&slow, part.ptr, part.len < 20 ? part.len : 20);
    }
    char part[1000];
    memset(part, 'x', sizeof part);
    for (int i = 0; i < 9; i++)
        client_send(&slow, part, sizeof part);
    client_wait(&slow, "HTTP/1.1 200 OK", 1);
    WAIT_UNTIL(&f.loop, (client_pull(&slow), slow.n > 9000));
    http_answer(f.deferred[0], 200, NULL, STR_NONE);
    client_wait(&waiting, "HTTP/1.1 200 OK", 1);
    client_close(&waiting);
    client_close(&slow);
    stop(&f);
}

static void a_server_freed_with_deferred_requests_answers_them_503(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(&f.loop, f.n_deferred == 1);
    stop(&f);
    while (!c.closed)
        client_pull(&c);
    assert_non_null(strstr(c.in, "HTTP/1.1 503"));
    client_close(&c);
}

static void a_quiesced_server_finishes_and_says_close(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "GET /defer HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(&f.loop, f.n_deferred == 1);
    http_server_quiesce(f.server);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)http_server_port(f.server)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), -1);
    close(fd);
    http_answer(f.deferred[0], 200, NULL, STR_NONE);
    client_wait(&c, "Connection: close", 1);
    client_wait_closed(&c);
    assert_int_equal(http_server_requests(f.server), 0);
    client_close(&c);
    stop(&f);
}

static void an_error_becomes_a_problem_document(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){0});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, "GET /busy HTTP/1.1\r\nHost: h\r\n\r\n");
    client_wait(&c, "}", 1);
    assert_non_null(strstr(c.in, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_non_null(strstr(c.in, "Retry-After: 2\r\n"));
    assert_non_null(strstr(c.in, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(c.in, "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
                                 "\"status\":503,\"detail\":\"not \\\"now\\\"\"}"));
    client_close(&c);
    stop(&f);
}

static void a_taken_port_is_named(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    start(&f, (struct http_server_opts){0});
    int port = http_server_port(f.server);
    struct http_server_opts opts = {.host = "127.0.0.1", .port = port, .on_request = on_request};
    assert_null(http_server_new(&f.loop, &opts, &err));
    char want[64];
    (void)snprintf(want, sizeof want, "port %d on 127.0.0.1 is taken", port);
    assert_non_null(strstr(err.msg, want));
    assert_false(http_port_is_free("127.0.0.1", port, &err));
    stop(&f);
    assert_true(http_port_is_free("127.0.0.1", port, &err));
}

static void two_servers_share_a_port(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    start(&f, (struct http_server_opts){.reuse_port = true});
    struct http_server_opts opts = {.host = "127.0.0.1",
                                    .port = http_server_port(f.server),
                                    .reuse_port = true,
                                    .max_connections = 100,
                                    .idle_timeout_ms = 10000,
                                    .body_max_bytes = BODY_MAX,
                                    .header_pool_bytes = 8192,
                                    .on_request = on_request,
                                    .on_done = on_done,
                                    .ctx = &f};
    struct http_server *second = http_server_new(&f.loop, &opts, &err);
    assert_non_null(second);
    for (int i = 0; i < 20; i++) {
        struct client c;
        client_open(&c, &f.loop, port_of(&f));
        client_say(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        client_wait(&c, "HTTP/1.1 200 OK", 1);
        client_close(&c);
    }
    http_server_free(second);
    stop(&f);
}

/* --- websockets ------------------------------------------------------------------------------- */

#define UPGRADE                                                              \
    "GET /socket HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n" \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                    \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void a_websocket_is_handed_over_with_its_early_bytes(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){.can_upgrade = true});
    client_open(&c, &f.loop, port_of(&f));
    client_say(&c, UPGRADE "early");
    WAIT_UNTIL(&f.loop, f.n_sockets == 1 && f.n_done == 1);
    assert_false(f.done_before_socket);
    assert_string_equal(f.early, "early");
    client_wait(&c, "\r\n\r\n", 1);
    assert_non_null(strstr(c.in, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_non_null(strstr(c.in, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_non_null(strstr(c.in, "Sec-WebSocket-Protocol: chat\r\n"));

    // The socket is ours: it works both ways, also after the server is gone.
    assert_int_equal(send(f.websocket_fd, "down", 4, 0), 4);
    client_wait(&c, "down", 1);
    int fd = f.websocket_fd;
    stop(&f);
    assert_int_equal(send(c.fd, "up", 2, 0), 2);
    char got[8];
    ssize_t n;
    while ((n = recv(fd, got, sizeof got, 0)) < 0 && errno == EAGAIN)
        usleep(100);
    assert_int_equal(n, 2);
    close(fd);
    client_close(&c);
}

static void what_is_no_websocket_request_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "GET /socket HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /socket HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n\r\n",
        "GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    };
    struct fixture f;
    start(&f, (struct http_server_opts){.can_upgrade = true});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client c;
        client_open(&c, &f.loop, port_of(&f));
        client_say(&c, cases[i]);
        client_wait(&c, "HTTP/1.1 400", 1);
        client_close(&c);
    }
    assert_int_equal(f.n_sockets, 0);
    stop(&f);
}

static void a_server_freed_during_upgrades_leaks_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, (struct http_server_opts){.can_upgrade = true});
    client_open(&c, &f.loop, port_of(&f));
    assert_true(send(c.fd, UPGRADE, sizeof UPGRADE - 1, 0) > 0);
    WAIT_UNTIL(&f.loop, f.n_requests == 1);
    stop(&f);
    if (f.n_sockets)
        close(f.websocket_fd);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_arrives_whole_and_its_answer_goes_back),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_chunked_body_grows_and_is_bounded),
        cmocka_unit_test(an_endless_chunked_body_is_cut_off),
        cmocka_unit_test(a_body_over_the_limit_gets_413_and_the_connection_closes),
        cmocka_unit_test(a_body_of_exactly_the_limit_passes),
        cmocka_unit_test(all_bodies_together_are_bounded),
        cmocka_unit_test(headers_over_the_pool_are_refused),
        cmocka_unit_test(malformed_http_is_400),
        cmocka_unit_test(a_silent_client_is_let_go),
        cmocka_unit_test(a_client_that_drips_is_let_go_too),
        cmocka_unit_test(deferred_answers_come_later_and_out_of_order),
        cmocka_unit_test(many_deferred_requests_are_answered_in_one_turn),
        cmocka_unit_test(a_client_gone_while_deferred_ends_with_on_done),
        cmocka_unit_test(a_deferred_request_ends_when_its_client_resets),
        cmocka_unit_test(a_slow_upload_goes_on_while_others_wait),
        cmocka_unit_test(a_server_freed_with_deferred_requests_answers_them_503),
        cmocka_unit_test(a_quiesced_server_finishes_and_says_close),
        cmocka_unit_test(an_error_becomes_a_problem_document),
        cmocka_unit_test(a_taken_port_is_named),
        cmocka_unit_test(two_servers_share_a_port),
        cmocka_unit_test(a_websocket_is_handed_over_with_its_early_bytes),
        cmocka_unit_test(what_is_no_websocket_request_is_refused),
        cmocka_unit_test(a_server_freed_during_upgrades_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

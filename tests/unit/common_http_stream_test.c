/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are never whole in memory, both ways, over real loopback sockets. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "http.h"
#include "http_client.h"
#include "mem.h"

#define BODY_MAX  1000
#define TAKES_MAX 200000 /* then on_body wants no more */

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct http_request *streaming;
    int n_heads, n_requests, n_done, n_sources_done;
    size_t n_taken, longest_piece;
    int64_t left;    /* of the source */
    bool dries_up;   /* the source has nothing now, once */
    bool breaks;     /* the source ends early */
    bool has_waited; /* the source said that it has nothing */
};

static bool on_head(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->n_heads++;
    if (str_eq_c(http_path(r), "/denied")) {
        http_answer(r, 401, NULL, STR_NONE);
        return false;
    }
    f->n_taken = 0;
    return str_starts(http_path(r), STR("/up"));
}

static bool on_body(void *ctx, struct http_request *r, struct str piece)
{
    struct fixture *f = ctx;
    assert_int_equal(http_body(r).len, 0);
    f->n_taken += piece.len;
    if (piece.len > f->longest_piece)
        f->longest_piece = piece.len;
    return f->n_taken <= TAKES_MAX;
}

static int64_t on_read(void *ctx, char *out, size_t n)
{
    struct fixture *f = ctx;
    if (f->dries_up && f->left < 100000) {
        f->dries_up = false;
        f->has_waited = true;
        return HTTP_LATER;
    }
    if (f->breaks && f->left < 100000)
        return -1;
    size_t some = n < (size_t)f->left ? n : (size_t)f->left;
    memset(out, 'y', some);
    f->left -= (int64_t)some;
    return (int64_t)some;
}

static void on_source_done(void *ctx)
{
    ((struct fixture *)ctx)->n_sources_done++;
}

static void on_request(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->n_requests++;
    if (str_eq_c(http_path(r), "/down")) {
        f->streaming = r;
        http_answer_source(r, 200, "application/octet-stream",
                           &(struct http_source){on_read, on_source_done, f, f->left});
        return;
    }
    char seen[64];
    int n = snprintf(seen, sizeof seen, "took %zu whole %zu.", f->n_taken, http_body(r).len);
    http_answer(r, f->n_taken > TAKES_MAX ? 413 : 200, "text/plain", (struct str){seen, (size_t)n});
}

static void on_done(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->n_done++;
    if (r == f->streaming)
        f->streaming = NULL;
}

static void start(struct fixture *f, int64_t idle_timeout_ms)
{
    struct err err = {0};
    *f = (struct fixture){0};
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->server = http_server_new(&f->loop,
                                &(struct http_server_opts){.host = "127.0.0.1",
                                                           .max_connections = 100,
                                                           .idle_timeout_ms = idle_timeout_ms,
                                                           .body_max_bytes = BODY_MAX,
                                                           .header_pool_bytes = 8192,
                                                           .on_head = on_head,
                                                           .on_body = on_body,
                                                           .on_request = on_request,
                                                           .on_done = on_done,
                                                           .ctx = f},
                                &err);
    assert_non_null(f->server);
}

static void stop(struct fixture *f)
{
    http_server_free(f->server);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void send_bytes(struct client *c, size_t n)
{
    static char block[10000];
    memset(block, 'x', sizeof block);
    while (n && !c->closed) {
        size_t some = n < sizeof block ? n : sizeof block;
        client_send(c, block, some);
        n -= some;
    }
}

/* How many bytes of the answer's body came until the connection closed, or `want` did. */
static size_t take_body(struct client *c, size_t want)
{
    client_wait(c, "\r\n\r\n", 1);
    const char *body = strstr(c->in, "\r\n\r\n") + 4;
    size_t n = c->n - (size_t)(body - c->in);
    while (n < want && !c->closed) {
        c->n = 0;
        client_pull(c);
        n += c->n;
        loop_turn(c->loop);
    }
    return n;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_streamed_body_passes_in_pieces_past_the_limit_of_others(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 10000);
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 150000\r\n\r\n");
    send_bytes(&c, 150000);
    client_wait(&c, "took 150000 whole 0.", 1);
    assert_true(f.longest_piece < 20000);
    client_say(&c, "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "5\r\nhello\r\n0\r\n\r\n"
                   "POST /plain HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                   "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    client_wait(&c, "took 5 whole 0.", 1);
    client_wait(&c, "took 0 whole 3.", 1);
    client_wait(&c, "took 0 whole 0.", 1);
    assert_int_equal(f.n_heads, 3); // without a body there is no head to ask about
    client_close(&c);
    WAIT_UNTIL(&f.loop, f.n_done == 4);
    stop(&f);
}

static void what_was_refused_by_its_head_is_answered_without_its_body(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 10000);
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "POST /denied HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n"
                   "Expect: 100-continue\r\n\r\n");
    client_wait(&c, "HTTP/1.1 401", 1);
    client_wait_closed(&c);
    assert_int_equal(f.n_requests, 0);
    assert_null(strstr(c.in, "100 Continue"));
    client_close(&c);
    // A short one is read first, so that its connection goes on.
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "POST /denied HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n");
    send_bytes(&c, 3000);
    client_wait(&c, "HTTP/1.1 401", 1);
    client_say(&c, "POST /plain HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    client_wait(&c, "whole 3.", 1);
    assert_false(c.closed);
    client_close(&c);
    stop(&f);
}

static void a_body_that_is_not_wanted_to_its_end_is_answered_or_cut_off(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 10000);
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 202000\r\n\r\n");
    send_bytes(&c, 202000); // little enough behind the limit to be read
    client_wait(&c, "HTTP/1.1 413", 1);
    client_close(&c);
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n");
    send_bytes(&c, 90000000);
    client_wait_closed(&c);
    client_close(&c);
    WAIT_UNTIL(&f.loop, f.n_done == 2);
    stop(&f);
}

static void an_upload_that_goes_on_is_not_too_slow_and_one_that_drips_is(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 1000);
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
    int64_t from_ms = clock_ms();
    while (!c.closed && clock_ms() - from_ms < 8000) {
        client_send(&c, "x", 1); // steady, but it would take for ever
        client_pull(&c);
    }
    assert_true(c.closed);
    client_close(&c);
    WAIT_UNTIL(&f.loop, f.n_done == 1);
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
    from_ms = clock_ms();
    for (int i = 0; i < 4; i++) { // each step within the patience, all of them past it
        send_bytes(&c, 50000);
        int64_t step_ms = clock_ms() + 900;
        WAIT_UNTIL(&f.loop, clock_ms() > step_ms);
    }
    client_wait(&c, "took 200000 whole 0.", 1);
    assert_true(clock_ms() - from_ms > 3000);
    client_close(&c);
    stop(&f);
}

static void an_answer_is_read_as_the_client_takes_it(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 10000);
    f.left = 3000000;
    f.dries_up = true;
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "GET /down HTTP/1.1\r\nHost: h\r\n\r\n");
    client_wait(&c, "Content-Length: 3000000\r\n", 1);
    assert_true(f.left > 0); // the client has not taken it yet
    size_t n = 0;
    while (!f.has_waited) {
        n += c.n;
        c.n = 0;
        client_pull(&c);
        loop_turn(&f.loop);
    }
    http_resume_source(f.streaming);
    n += c.n;
    c.n = 0;
    int64_t until_ms = clock_ms() + PATIENCE_MS;
    while (n < 3000000 || f.n_sources_done == 0) {
        client_pull(&c);
        n += c.n;
        c.n = 0;
        loop_turn(&f.loop);
        assert_true(clock_ms() < until_ms);
    }
    assert_int_equal(f.left, 0);
    assert_true(n > 3000000 && n < 3000400); // and the headers
    assert_false(c.closed);
    client_close(&c);
    stop(&f);
}

static void a_source_that_breaks_closes_the_connection(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 10000);
    f.left = 1000000;
    f.breaks = true;
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "GET /down HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(take_body(&c, 1000000) < 1000000);
    assert_true(c.closed);
    WAIT_UNTIL(&f.loop, f.n_sources_done == 1);
    client_close(&c);
    stop(&f);
}

static void a_client_that_goes_away_ends_the_source(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 10000);
    f.left = 100000000;
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "GET /down HTTP/1.1\r\nHost: h\r\n\r\n");
    client_wait(&c, "200 OK", 1);
    client_close(&c);
    WAIT_UNTIL(&f.loop, f.n_sources_done == 1 && f.n_done == 1);
    stop(&f);
}

static void a_server_freed_while_a_source_has_nothing_ends_it(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    start(&f, 10000);
    f.left = 50000;
    f.dries_up = true;
    client_open(&c, &f.loop, http_server_port(f.server));
    client_say(&c, "GET /down HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_UNTIL(&f.loop, f.has_waited);
    stop(&f);
    assert_int_equal(f.n_sources_done, 1);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_streamed_body_passes_in_pieces_past_the_limit_of_others),
        cmocka_unit_test(what_was_refused_by_its_head_is_answered_without_its_body),
        cmocka_unit_test(a_body_that_is_not_wanted_to_its_end_is_answered_or_cut_off),
        cmocka_unit_test(an_upload_that_goes_on_is_not_too_slow_and_one_that_drips_is),
        cmocka_unit_test(an_answer_is_read_as_the_client_takes_it),
        cmocka_unit_test(a_source_that_breaks_closes_the_connection),
        cmocka_unit_test(a_client_that_goes_away_ends_the_source),
        cmocka_unit_test(a_server_freed_while_a_source_has_nothing_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

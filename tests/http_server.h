/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A server of raw bytes for tests of clients on an event loop: it reads a request as it stands, and
 * the test answers it with bytes of its own, or not at all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#include "http_client.h"
#include "mem.h"

#define SERVER_REQUEST_MAX (1 << 20)

struct server;

struct peer {
    uv_tcp_t tcp;
    struct server *server;
    struct peer *next;
    char *in; /* SERVER_REQUEST_MAX + 1, ended by a NUL */
    size_t n;
    int n_requests; /* whole ones on this connection */
    bool is_gone, is_paused;
};

struct server {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    int port;
    struct peer *peers;
    int n_peers, n_open, n_requests, n_begun;
    /* A request is whole: `text` is its head and body, n bytes. */
    void (*on_request)(struct peer *p, const char *text, size_t n);
    void (*on_begun)(struct peer *p); /* its first bytes are here; NULL: not wanted */
    void *ctx;
};

static inline void server_on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct peer *p = h->data;
    (void)hint;
    *buf = uv_buf_init(p->in + p->n, (unsigned)(SERVER_REQUEST_MAX - p->n));
}

static inline void server_on_closed(uv_handle_t *h)
{
    struct peer *p = h->data;
    p->server->n_open--;
    p->is_gone = true;
}

static inline void server_close(struct peer *p)
{
    if (!uv_is_closing((uv_handle_t *)&p->tcp))
        uv_close((uv_handle_t *)&p->tcp, server_on_closed);
}

/* Close with a reset, as a process that dies does. */
static inline void server_reset(struct peer *p)
{
    if (!uv_is_closing((uv_handle_t *)&p->tcp))
        (void)uv_tcp_close_reset(&p->tcp, server_on_closed);
}

static inline void server_say(struct peer *p, const char *text, size_t n)
{
    while (n) {
        uv_buf_t buf = uv_buf_init((char *)text, (unsigned)n);
        int sent = uv_try_write((uv_stream_t *)&p->tcp, &buf, 1);
        if (sent < 0 && sent != UV_EAGAIN)
            return;
        text += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
}

static inline void server_answer(struct peer *p, int status, const char *headers, const char *body)
{
    char head[2048];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", status,
                     strlen(body), headers);
    server_say(p, head, (size_t)n);
    server_say(p, body, strlen(body));
}

/* Bytes of the first whole request in p->in; 0: not whole yet. */
static inline size_t server_whole(const struct peer *p)
{
    const char *end = memmem(p->in, p->n, "\r\n\r\n", 4), *header;
    if (!end)
        return 0;
    size_t head = (size_t)(end + 4 - p->in), body = 0;
    for (header = p->in; header < end; header = strstr(header, "\r\n") + 2) {
        if (strncasecmp(header, "content-length:", 15) == 0)
            body = (size_t)strtoul(header + 15, NULL, 10);
        if (strncasecmp(header, "transfer-encoding: chunked", 26) == 0) {
            const char *last = memmem(end, p->n - head + 4, "\r\n0\r\n\r\n", 7);
            return last ? (size_t)(last + 7 - p->in) : 0;
        }
    }
    return p->n >= head + body ? head + body : 0;
}

static inline void server_on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct peer *p = stream->data;
    (void)buf;
    if (got < 0) {
        server_close(p);
        return;
    }
    if (p->n == 0 && got > 0) {
        p->server->n_begun++;
        if (p->server->on_begun)
            p->server->on_begun(p);
    }
    p->n += (size_t)got;
    p->in[p->n] = '\0';
    size_t whole;
    while (!uv_is_closing((uv_handle_t *)stream) && (whole = server_whole(p)) > 0) {
        p->n_requests++;
        p->server->n_requests++;
        p->server->on_request(p, p->in, whole);
        memmove(p->in, p->in + whole, p->n - whole + 1);
        p->n -= whole;
    }
}

static inline void server_stop_reading(struct peer *p)
{
    (void)uv_read_stop((uv_stream_t *)&p->tcp);
}

static inline void server_read_on(struct peer *p)
{
    (void)uv_read_start((uv_stream_t *)&p->tcp, server_on_alloc, server_on_read);
}

static inline void server_on_connection(uv_stream_t *stream, int status)
{
    struct server *s = stream->data;
    struct peer *p = xalloc(sizeof *p);
    assert_int_equal(status, 0);
    p->in = xalloc(SERVER_REQUEST_MAX + 1);
    p->server = s;
    p->next = s->peers;
    s->peers = p;
    s->n_peers++;
    s->n_open++;
    assert_int_equal(uv_tcp_init(s->loop, &p->tcp), 0);
    p->tcp.data = p;
    assert_int_equal(uv_accept(stream, (uv_stream_t *)&p->tcp), 0);
    server_read_on(p);
}

static inline void server_open(struct server *s, uv_loop_t *loop,
                               void (*on_request)(struct peer *p, const char *text, size_t n))
{
    struct sockaddr_in addr;
    int len = sizeof addr;
    *s = (struct server){.loop = loop, .on_request = on_request};
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &addr), 0);
    assert_int_equal(uv_tcp_init(loop, &s->tcp), 0);
    assert_int_equal(uv_tcp_bind(&s->tcp, (const struct sockaddr *)&addr, 0), 0);
    s->tcp.data = s;
    assert_int_equal(uv_listen((uv_stream_t *)&s->tcp, 64, server_on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&addr, &len), 0);
    s->port = ntohs(addr.sin_port);
}

/* Close all; run the loop until it is done. */
static inline void server_done(struct server *s)
{
    uv_close((uv_handle_t *)&s->tcp, NULL);
    for (struct peer *p = s->peers; p; p = p->next)
        if (!p->is_gone)
            server_close(p);
    WAIT_UNTIL(s->loop, s->n_open == 0);
    while (s->peers) {
        struct peer *p = s->peers;
        s->peers = p->next;
        free(p->in);
        free(p);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* HTTP/1.1 server: libmicrohttpd polled from our own libuv loop.
 *
 * libmicrohttpd's internal epoll thread stalls when exactly 128*k events are ready, and resuming a
 * connection from another thread loses wake-ups, so MHD_run() is called on the loop thread only and
 * so is every function here. A server whose requests are upgraded to websockets must not also defer
 * answers: both live on one list that each resume walks (`can_upgrade` excludes http_defer).
 *
 * Answered by the server itself, without the handler: 400 (malformed), 408/closed (too slow: a
 * request that is not whole after twice the idle timeout ends), 413, 414, 431, 503 (`bodies_max`).
 */
#include <uv.h>

#include "arena.h"
#include "err.h"
#include "str.h"

struct http_server;
struct http_request;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

#define HTTP_BODY_SMALL (16 * 1024)

struct http_server_opts {
    const char *host;
    int port;        /* 0: any free one, see http_server_port */
    bool reuse_port; /* several loops on one port */
    int max_connections;
    int64_t idle_timeout_ms;
    int64_t body_max_bytes; /* past it 413, before the handler */
    /* Of all bodies above HTTP_BODY_SMALL together, past it 503; 0: 64 bodies. Counted is what has
     * come, not what was announced; small ones are bounded by max_connections. */
    int64_t bodies_max_bytes;
    int64_t header_pool_bytes; /* libmicrohttpd's per-connection pool; 8192 measured best */
    bool can_upgrade;
    /* Bodies and answers may hold secrets: their memory is overwritten before it is given back.
     * What is kept of a request that ended is http_wipe_body's to overwrite. */
    bool wipes;
    /* The headers of a request with a body are there, and the body is not. True: the body is
     * streamed: body_max does not bound it, nothing of it is kept, each piece goes to on_body as it
     * comes, and on_request follows when it has ended. It may be answered here (a 401, a 413): then
     * on_body and on_request do not come. What is short enough is read and dropped first, so that
     * the client sees the answer; else the connection is closed. NULL: none is streamed. */
    bool (*on_head)(void *ctx, struct http_request *r);
    /* A piece of a streamed body. False: no more of it is wanted: what follows is dropped, as long
     * as it is short enough to be worth reading, so that the client sees on_request's answer. */
    bool (*on_body)(void *ctx, struct http_request *r, struct str piece);
    /* The request is whole. Answer now with http_answer, or http_defer and answer later. */
    void (*on_request)(void *ctx, struct http_request *r);
    /* Once for each request that on_request got or on_head took, when it has ended, answered or not
     * (client gone): forget `r`. NULL: not wanted. */
    void (*on_done)(void *ctx, struct http_request *r);
    /* The server refused a request by itself, with 413 or 503: for counting. NULL: not wanted. */
    void (*on_refused)(void *ctx, int status);
    void *ctx;
};

/* NULL: err (a taken port says so and names it). Returns owned. */
struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_opts *opts,
                                    struct err *err);
/* Several servers with `reuse_port` would silently share a port with another process: check once,
 * before the first of them, that it is free. */
bool http_port_is_free(const char *host, int port, struct err *err) NODISCARD;
int http_server_port(const struct http_server *s);
/* No new connections; those that are there finish their requests, and are told to close. */
void http_server_quiesce(struct http_server *s);
/* Requests that have begun and not ended. */
size_t http_server_requests(const struct http_server *s);
/* Ends all connections; deferred requests get 503. Its handles close in the loop's next turns: run
 * the loop until it is done before it is freed. */
void http_server_free(struct http_server *s);

enum http_method http_method(const struct http_request *r);
struct str http_path(const struct http_request *r); /* percent-decoded */
struct str http_body(const struct http_request *r);
/* Overwrite it: it held a secret, and its memory is kept for the next request. */
void http_wipe_body(struct http_request *r);
/* The same for a header, whose value is empty from then on. */
void http_wipe_header(struct http_request *r, const char *name);
/* Header `name` in any case; absent: STR_NONE. */
struct str http_header(const struct http_request *r, const char *name);
/* Query argument, percent-decoded; absent: STR_NONE. */
struct str http_query(const struct http_request *r, const char *name);
/* Each query argument in turn, as it came, repeated ones too; false from `on` ends it. */
void http_query_each(const struct http_request *r,
                     bool (*on)(void *ctx, struct str name, struct str value), void *ctx);
/* The peer's address as text. */
struct str http_peer(const struct http_request *r);
/* Memory that lives as long as the request. */
struct arena *http_arena(struct http_request *r);
/* A slot for the handler's own state; NULL at on_request. */
void **http_user(struct http_request *r);

/* Extra header for the answer, before http_answer; `name` constant, value copied. */
void http_set_header(struct http_request *r, const char *name, struct str value);
/* `body` is copied. content_type NULL: none. */
void http_answer(struct http_request *r, int status, const char *content_type, struct str body);
/* An answer whose body is read as the client takes it. */
#define HTTP_LATER (-2)
struct http_source {
    /* Up to n bytes; 0: the end; -1: it broke, the connection is closed so that the client sees it;
     * HTTP_LATER: none now, http_resume_source() when there are. */
    int64_t (*read)(void *ctx, char *out, size_t n);
    void (*done)(void *ctx); /* once: nothing more is read */
    void *ctx;
    int64_t size_bytes;
};
/* Takes the source, in any case. */
void http_answer_source(struct http_request *r, int status, const char *content_type,
                        const struct http_source *source);
/* Not after `done`. */
void http_resume_source(struct http_request *r);
/* "Not Found". */
const char *http_reason(int status);
/* RFC 9457 problem document from an error, with Retry-After where it says so. */
void http_answer_err(struct http_request *r, const struct err *err);
/* The same for a status that no error kind has (405). */
void http_answer_problem(struct http_request *r, int status, struct str detail);
/* Close the connection instead of answering: what a broken server does. For those that play one. */
void http_drop(struct http_request *r);
/* No answer yet: http_answer comes later from the loop thread. Call it before the work that will
 * answer is handed over. The request may end meanwhile (on_done): the client reset the connection,
 * or idle_timeout_ms passed, so let that be longer than any answer takes. That a client went away
 * may also be noticed only when the answer is written. */
void http_defer(struct http_request *r);

/* Websocket: answer 101 and hand over the socket. `on_socket` gets a file descriptor that is ours
 * (non-blocking; libmicrohttpd has let go of it, its pool is freed) and bytes already read behind
 * the request. It comes after on_request returned and before on_done; when the client went away
 * first, on_done comes alone. `protocol` is the accepted Sec-WebSocket-Protocol, or absent. False:
 * not a websocket request (ERR_INVALID), not answered. */
bool http_upgrade_websocket(struct http_request *r, struct str protocol,
                            void (*on_socket)(void *ctx, void *user, int fd, struct str early),
                            void *user, struct err *err) NODISCARD;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the http_*.c files share; nobody else includes this. */
#include <microhttpd.h>

#include "http.h"

enum http_state {
    HTTP_READING,
    HTTP_STREAMING,  /* each piece goes to on_body */
    HTTP_DISCARDING, /* too large: read on to the end, so that the client sees the 413 */
    HTTP_HANDLING,   /* in on_request */
    HTTP_DEFERRED,   /* parked, or suspended */
    HTTP_ANSWERED,
};

/* A connection whose request is not whole yet is on the server's `slow` list, oldest first. */
struct http_conn {
    struct MHD_Connection *mhd;
    struct http_conn *prev, *next;
    uint64_t since_ms;       /* connected, last request ended, or a streamed body went on */
    uint64_t streamed_bytes; /* since then */
    bool waiting;
};

struct http_extra {
    const char *name;
    const char *value;
    struct http_extra *next;
};

struct http_upgrade {
    void (*on_socket)(void *ctx, void *user, int fd, struct str early);
    void *user;
    struct MHD_UpgradeResponseHandle *handle;
    struct str early;
    int fd; /* ours; -1: the 101 was not written */
};

/* Pooled: its body buffer and its arena's first chunk are kept for the next request. */
struct http_request {
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct http_conn *conn;
    struct http_request *prev, *next;
    struct arena *arena;
    struct http_extra *headers;
    struct http_upgrade *upgrade; /* NULL: none asked for */
    const char *path;
    void *user;
    char *body;
    size_t body_len, body_cap;
    int64_t reserved_bytes; /* of the server's bodies_max */
    uint64_t discarded_bytes;
    int refusal; /* HTTP_DISCARDING: the status to end with; 0: on_request answers */
    enum http_method method;
    enum http_state state;
    bool was_handled, parked;
    struct http_source source;        /* of the answer; read NULL: none */
    bool source_waits, source_broken; /* suspended; to be broken off */
    bool is_early;  /* being answered before its body was read: its connection is closed */
    bool has_ended; /* and waits for its source to be done with */
    struct MHD_Response *answer; /* of a parked request, until libmicrohttpd asks for it */
    int status;
};

struct http_list {
    struct http_request *head;
    size_t n;
};

struct http_server {
    struct http_server_opts opts;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t tick, pulse;
    uv_check_t check;
    uv_idle_t idle;
    int n_handles;
    struct MHD_Daemon *mhd;
    struct MHD_Response *empty, *empty_close; /* shared by all answers without a body */
    struct http_list live, pool;
    struct http_list upgraded; /* 101 written, socket ours, libmicrohttpd not told yet */
    struct http_list released; /* libmicrohttpd has let go */
    struct http_conn *slow_head, *slow_tail;
    int64_t bodies_bytes;
    size_t n_parked;
    uint64_t progress; /* grows when one more MHD_run() may find work */
    int port;
    bool wants_run, quiescing, in_run;
};

/* Run libmicrohttpd once at the end of this turn. */
void http_server_wake(struct http_server *s);
void http_list_push(struct http_list *l, struct http_request *r);
void http_list_remove(struct http_list *l, struct http_request *r);

/* A bound, listening, non-blocking socket; -1: err. */
int http_listen(const char *host, int port, bool reuse_port, int *bound_port, struct err *err);

/* Deferred requests wait in one of two ways. Suspending costs two epoll_ctl() and a recv() that
 * finds nothing, a tenth of the whole request. Parked, the handler just does not answer yet; then
 * libmicrohttpd asks again in each MHD_run(), 0.1 us a piece, so only so many are parked. */
#define HTTP_PARKED_MAX 256

/* http_request.c */
struct http_request *http_request_take(struct http_server *s, struct MHD_Connection *mhd,
                                       const char *method, const char *path);
void http_request_recycle(struct http_request *r);
void http_request_free(struct http_request *r);
/* Unless it is one of the shared ones; NULL: none. */
void http_response_release(struct http_server *s, struct MHD_Response *response);
/* Break off the answer, so that its connection can be closed. */
void http_source_break(struct http_request *r);
/* The status with which a body of so many bytes is refused at the moment; 0: there is room. */
int http_body_refusal(const struct http_request *r, uint64_t total_bytes);
/* Take room for a body of so many bytes; false: past a limit, *status says which answer. */
bool http_body_reserve(struct http_request *r, uint64_t total_bytes, int *status);
void http_body_put(struct http_request *r, const char *data, size_t n);

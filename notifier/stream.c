/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "origin.h"

#define PATH            "/v1/stream"
#define PROTOCOL_PREFIX "bearer."
#define HANDSHAKES_MAX  2048 /* connections that are not websockets yet */
#define IDLE_TIMEOUT_MS 10000
#define BODY_MAX        4096
/* A token of TOKEN_MAX in the path or a header, and a browser's other headers. */
#define HEADER_POOL    (12 * 1024)
#define START_RETRY_MS 1000

struct stream {
    struct stream_opts opts;
    struct http_server *http;
};

void notifier_stream_protocol(struct str header, struct str *protocol, struct str *token)
{
    *protocol = *token = STR_NONE;
    while (header.len > 0) {
        struct str item = STR_NONE;
        struct str rest = STR_NONE;
        str_cut(header, ',', &item, &rest);
        item = str_trim(item);
        if (str_starts(item, STR(PROTOCOL_PREFIX))) {
            *protocol = item;
            *token = str_skip(item, STR(PROTOCOL_PREFIX).len);
            return;
        }
        header = rest;
    }
}

/* A refusal: counted, and its reason told. */
static void refuse(struct stream *s, struct http_request *r, const char *result, int status,
                   struct str detail)
{
    notifier_stats_count(s->opts.stats, NOTIFIER_REQUESTS, result);
    http_answer_problem(r, status, detail);
}

static void refuse_err(struct stream *s, struct http_request *r, const char *result,
                       const struct err *err)
{
    notifier_stats_count(s->opts.stats, NOTIFIER_REQUESTS, result);
    http_answer_err(r, err);
}

/* Path, method, origin: what needs no token. False: answered. */
static bool check_request(struct stream *s, struct http_request *r)
{
    if (!str_eq_c(http_path(r), PATH)) {
        refuse(s, r, "not_found", 404, STR("the stream is at " PATH));
        return false;
    }
    if (http_method(r) != HTTP_GET) {
        http_set_header(r, "Allow", STR("GET"));
        refuse(s, r, "bad_method", 405, STR_NONE);
        return false;
    }
    if (!origin_is_allowed(str_of(s->opts.conf->allowed_origins), http_header(r, "Origin"),
                           http_header(r, "Host"))) {
        refuse(
            s, r, "origin", 403,
            STR("pages of this origin may not open a stream; the operator sets allowed_origins"));
        return false;
    }
    if (http_header(r, "Upgrade").len == 0) {
        http_set_header(r, "Upgrade", STR("websocket"));
        refuse(s, r, "no_upgrade", 426, STR("this is a websocket"));
        return false;
    }
    return true;
}

/* False: answered. */
static bool check_token(struct stream *s, struct http_request *r, struct str text,
                        struct admission *in)
{
    if (text.len == 0)
        return true; // it comes as the first frame
    struct err err = {0};
    if (token_check(http_arena(r), text, s->opts.keys, clock_at_ms(), &in->token, &err)) {
        in->has_token = true;
        return true;
    }
    http_set_header(r, "WWW-Authenticate", STR("Bearer error=\"invalid_token\""));
    refuse(s, r, "token", 401, str_of(err.msg));
    return false;
}

/* False: answered. */
static bool check_room(struct stream *s, struct http_request *r, const struct admission *in)
{
    struct err err = {0};
    if (!s->opts.is_open(s->opts.ctx)) {
        err_set(&err, ERR_BUSY, "not open yet: the latest updates are being read from Kafka");
        err.retry_after_ms = START_RETRY_MS;
        refuse_err(s, r, "starting", &err);
        return false;
    }
    struct uuid tenant;
    bool is_known = in->has_token && uuid_parse(in->token.tenant_id, &tenant);
    if (notifier_hub_has_room(s->opts.hub, is_known ? &tenant : NULL, &err))
        return true;
    refuse_err(s, r, "full", &err);
    return false;
}

static void on_socket(void *ctx, void *user, int fd, struct str early)
{
    struct stream *s = ctx;
    notifier_client_open(s->opts.hub, user, fd, early);
}

static void on_request(void *ctx, struct http_request *r)
{
    struct stream *s = ctx;
    struct str protocol = STR_NONE;
    struct str token = STR_NONE;
    struct admission *in = ARENA_NEW(http_arena(r), struct admission);
    if (!check_request(s, r))
        return;
    notifier_stream_protocol(http_header(r, "Sec-WebSocket-Protocol"), &protocol, &token);
    if (token.len == 0)
        token = http_query(r, "token");
    if (!check_token(s, r, token, in) || !check_room(s, r, in))
        return;
    in->cursor = str_dup(http_arena(r), http_query(r, "cursor"));

    struct err err = {0};
    if (http_upgrade_websocket(r, protocol, on_socket, in, &err))
        notifier_stats_count(s->opts.stats, NOTIFIER_REQUESTS, "accepted");
    else
        refuse_err(s, r, "bad_handshake", &err);
}

static void on_refused(void *ctx, int status)
{
    (void)status;
    struct stream *s = ctx;
    notifier_stats_count(s->opts.stats, NOTIFIER_REQUESTS, "bad_request");
}

struct stream *notifier_stream_new(const struct stream_opts *opts, struct err *err)
{
    struct stream *s = xalloc(sizeof *s);
    s->opts = *opts;
    s->http = http_server_new(opts->loop,
                              &(struct http_server_opts){
                                  .host = opts->conf->listen_host,
                                  .port = (int)opts->conf->listen_port,
                                  .max_connections = HANDSHAKES_MAX,
                                  .idle_timeout_ms = IDLE_TIMEOUT_MS,
                                  .body_max_bytes = BODY_MAX,
                                  .header_pool_bytes = HEADER_POOL,
                                  .can_upgrade = true,
                                  .on_request = on_request,
                                  .on_refused = on_refused,
                                  .ctx = s,
                              },
                              err);
    if (s->http)
        return s;
    free(s);
    return NULL;
}

int notifier_stream_port(const struct stream *s)
{
    return http_server_port(s->http);
}

void notifier_stream_quiesce(struct stream *s)
{
    http_server_quiesce(s->http);
}

void notifier_stream_free(struct stream *s)
{
    if (!s)
        return;
    http_server_free(s->http);
    free(s);
}

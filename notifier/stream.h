/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The HTTP side of the stream: who may open one, before the connection becomes a websocket.
 *
 * | answer | when                                                                  |
 * |--------|-----------------------------------------------------------------------|
 * | 101    | the stream begins                                                     |
 * | 400    | a websocket handshake that is none                                    |
 * | 401    | a token that is not good                                              |
 * | 403    | a web page of an origin that is not allowed                           |
 * | 404    | another path; 405: another method; 426: not a websocket request       |
 * | 429    | the tenant has all the connections it may have                        |
 * | 503    | too many clients, stopping, or the latest updates are being read back | */
#include "http.h"
#include "hub.h"

struct stream;

struct stream_opts {
    uv_loop_t *loop;
    const struct notifier_conf *conf;
    const struct token_keys *keys; /* whose tokens are good */
    struct hub *hub;
    struct stats *stats;
    /* The rings are filled, cursors can be named. */
    bool (*is_open)(void *ctx);
    void *ctx;
};

/* Listens. NULL: err. Returns owned. */
struct stream *notifier_stream_new(const struct stream_opts *opts, struct err *err);
int notifier_stream_port(const struct stream *s);
/* No new connections. */
void notifier_stream_quiesce(struct stream *s);
void notifier_stream_free(struct stream *s);

/* The token in a Sec-WebSocket-Protocol header, and the protocol to answer with; absent: none.
 * Pure. */
void notifier_stream_protocol(struct str header, struct str *protocol, struct str *token);

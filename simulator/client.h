/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A provider's delivering end: HTTP/1.1 over keep-alive connections, one request in flight on each,
 * each tried again with growing pauses until it is acknowledged or refused for good.
 *
 * Written on epoll and not on libcurl because it loads ingest in benches: libcurl's multi interface
 * costs twice what ingest does. Strict: an answer that is not HTTP/1.1 with a Content-Length closes
 * the connection and counts as a failure. */
#include <stdint.h>

#include "err.h"
#include "str.h"

struct sim_post;
struct sim_client;

/* Status of a try that got no answer. */
#define SIM_NO_ANSWER 0

struct sim_client_opts {
    struct str url; /* http://host[:port], no path */
    int connections;
    int64_t timeout_ms; /* for one try */
    int64_t retry_base_ms, retry_cap_ms;
    /* The next request to write; NULL: none at the moment. */
    struct sim_post *(*next)(void *ctx);
    /* One try ended; latency from the first byte written to the answer's last. */
    void (*on_try)(void *ctx, struct sim_post *p, int status, int64_t latency_us);
    /* The request will not be tried again: acknowledged, or refused (4xx but 408 and 429). */
    void (*on_done)(void *ctx, struct sim_post *p, bool acknowledged);
    void *ctx;
};

struct sim_url {
    char host[256];
    char port[6];
};
bool sim_url_parse(struct str text, struct sim_url *out, struct err *err) NODISCARD;

/* NULL: err. Returns owned. */
struct sim_client *sim_client_new(const struct sim_client_opts *opts, struct err *err);
/* Requests that are under way are forgotten without on_done. */
void sim_client_free(struct sim_client *c);
/* Hand out requests to idle connections, wait up to `timeout_ms` for something to happen, deal with
 * it. blocks up to `timeout_ms`. */
void sim_client_turn(struct sim_client *c, int timeout_ms);
/* Readable when a turn has something to do at once; for who polls, and turns with timeout 0. */
int sim_client_fd(const struct sim_client *c);
/* Requests under way, those that wait for their next try included. */
int sim_client_busy(const struct sim_client *c);

/* --- the pure part ---------------------------------------------------------------------------- */

struct sim_answer {
    int status;
    size_t head_len, body_len;
    bool close;            /* the server ends the connection after it */
    int64_t retry_after_s; /* -1: not said */
};
enum sim_parse { SIM_PARSE_MORE, SIM_PARSE_DONE, SIM_PARSE_BAD };
/* Head of an answer; MORE: not all there yet. The body may still be on its way. */
enum sim_parse sim_answer_parse(struct str in, struct sim_answer *out);
/* Does a provider send again after this status? */
bool sim_is_retried(int status);

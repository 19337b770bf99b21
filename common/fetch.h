/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* HTTPS client: libcurl's multi interface on a libuv loop.
 *
 * HTTP/1.1 with keep-alive (HTTP/2 POSTs failed once in 700 in our measurements), no redirects, no
 * proxies, no cookies, only http and https, TLS verified against `ca_file` with libcurl's CA cache
 * working. What a tenant names (base URLs, media) is checked on the address that is connected to:
 * see guard.h. Transfers beyond a host's connections wait here in order, not in libcurl; hosts take
 * turns.
 *
 * Nothing is retried. libcurl by itself sends a request again when a reused connection was closed
 * before an answer began (Curl_retry_request, and CURLOPT_MAXAGE_CONN only makes it rarer): the
 * server may have acted on the first one. We refuse the second attempt in CURLOPT_PREREQFUNCTION,
 * and such a transfer ends as FETCH_UNKNOWN. */
#include <uv.h>

#include "err.h"
#include "str.h"

struct fetch;
struct transfer;
struct guard;

struct fetch_opts {
    uv_loop_t *loop;
    const char *ca_file;        /* NULL or "": the system's bundle */
    int max_per_host;           /* connections to one host and port */
    int max_transfers;          /* under way; past it transfers wait */
    int64_t connect_timeout_ms; /* name, connection, TLS */
    const struct guard *guard;  /* constant after start; NULL: no host is let through */
};

enum fetch_method { FETCH_GET, FETCH_POST, FETCH_PATCH, FETCH_PUT, FETCH_DELETE };

struct fetch_header {
    const char *name;
    struct str value; /* no control character in it */
};

/* Bytes that are sent as they come: a file of a multipart form, never whole in memory. */
struct fetch_source {
    /* Up to n bytes into out; 0: the end; -1: it broke (the transfer fails); FETCH_LATER: none now,
     * fetch_resume() when there are. */
    int64_t (*read)(void *ctx, char *out, size_t n);
    void *ctx;
    int64_t size_bytes; /* exactly so many come; -1: unknown (sent chunked, which some refuse) */
};
#define FETCH_LATER (-2)

struct fetch_part {
    const char *name;
    struct str value; /* text part; absent: `source` */
    struct fetch_source source;
    struct str filename, mime; /* absent: none is given */
};

struct fetch_request {
    enum fetch_method method;
    struct str url;
    const struct fetch_header *headers;
    size_t n_headers;
    struct str body;                /* absent: none */
    const struct fetch_part *parts; /* n_parts > 0: multipart/form-data, no body */
    size_t n_parts;
    const struct fetch_source *upload; /* the body of a PUT, as it comes; NULL: see body, parts */
    /* "aws:amz:REGION:SERVICE": signed by libcurl (AWS Signature Version 4) with `credentials`,
     * "KEY ID:SECRET"; the body is signed only as far as x-amz-content-sha256 says. NULL: not. */
    const char *aws_sigv4;
    struct str credentials;
    int64_t timeout_ms;      /* from being handed to the network to its last byte */
    size_t answer_max_bytes; /* a longer answer ends as FETCH_UNKNOWN */
    bool is_guarded;         /* a tenant's URL: https only, and guard's addresses */
    /* Called as the answer's body comes, instead of keeping it; NULL: it is kept. False ends the
     * transfer. It may call fetch_pause. */
    bool (*on_data)(void *ctx, int status, struct str data);
    /* Just before it goes to the network, after it has waited its turn: false gives it up (a lease
     * that ran out meanwhile): FETCH_REFUSED. NULL: always. */
    bool (*may_start)(void *ctx);
    void (*on_done)(void *ctx, struct transfer *t); /* once; the transfer is freed after it */
    void *ctx;
};

enum fetch_end {
    FETCH_WHOLE,   /* status, headers and body are there */
    FETCH_REFUSED, /* by guard or may_start: nothing was sent */
    FETCH_UNSENT,  /* name, connection or TLS failed: nothing of the request left us */
    FETCH_UNKNOWN, /* it left, in part or whole, and no whole answer came */
};

struct fetch *fetch_new(const struct fetch_opts *opts, struct err *err); /* returns owned */
/* Ends all transfers with FETCH_UNKNOWN or FETCH_UNSENT, on_done included; its handles close in the
 * loop's next turns. Not from a callback of a transfer. */
void fetch_free(struct fetch *f);
/* Everything in the request but sources and ctx is copied, and wiped with the transfer. False:
 * the URL or a header is not one, or guard refuses the URL (ERR_INVALID), or `f` is being freed
 * (ERR_BUSY); on_done is not called. on_done never comes from within fetch_start. */
bool fetch_start(struct fetch *f, const struct fetch_request *r, struct transfer **out,
                 struct err *err) NODISCARD;
void fetch_cancel(struct transfer *t); /* on_done comes, in a later turn, as its phase ends */
/* In on_data: after this no more comes until fetch_resume. Its timeout goes on. */
void fetch_pause(struct transfer *t);
/* A source that said FETCH_LATER has bytes again; or more data is wanted. */
void fetch_resume(struct transfer *t);
int fetch_under_way(const struct fetch *f); /* those that wait for their turn included */
uv_loop_t *fetch_loop(const struct fetch *f);

/* In on_done. */
enum fetch_end transfer_end(const struct transfer *t);
int transfer_status(const struct transfer *t); /* 0: none came */
struct str transfer_body(const struct transfer *t);
/* Header of the answer in any case, the last one counts; absent: STR_NONE. `t`: struct transfer; in
 * on_data too. */
struct str transfer_header(const void *t, const char *name);
/* Why it did not end whole, for people; never holds the URL's path or a header's value. */
const struct err *transfer_err(const struct transfer *t);
/* Milliseconds from being handed to the network to the first byte of the request on the socket; -1:
 * none left us. */
int64_t transfer_sent_ms(const struct transfer *t);

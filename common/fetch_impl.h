/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between fetch.c (the loop, the queues) and fetch_transfer.c (one request with libcurl). */
#include <curl/curl.h>

#include "buf.h"
#include "fetch.h"

struct host;

enum transfer_state {
    TRANSFER_WAITING, /* in its host's queue */
    TRANSFER_RUNNING, /* in the multi handle */
    TRANSFER_ENDED,
};

/* A part's place in its source. */
struct part_source {
    struct transfer *transfer;
    struct fetch_source source;
    int64_t n_read;
};

struct transfer {
    struct fetch *fetch;
    struct host *host;
    struct transfer *next, *prev; /* in its host's queue, or among those that run */
    struct transfer *next_todo;   /* among those that the next turn cancels or resumes */
    enum transfer_state state;

    struct fetch_request request; /* its text lies in `memory` */
    char *memory;
    size_t memory_bytes;
    struct part_source *sources; /* n_parts */

    CURLU *url;
    struct str host_name; /* in `memory` */
    int port;
    CURL *easy; /* while running */
    curl_mime *mime;
    struct curl_slist *headers;

    struct buf answer_headers, answer;
    size_t answer_bytes;
    int status;
    int64_t started_ms, sent_at_ms; /* monotonic; 0: not yet */
    bool is_refused;                /* guard refused an address */
    bool is_again;                  /* libcurl was about to send it a second time */
    bool is_too_long;
    bool is_source_broken;
    bool is_cancelled;
    bool is_send_waiting; /* a source said FETCH_LATER and was not asked since */
    bool is_recv_paused;
    bool is_owed; /* a resume that libcurl may not have seen yet */
    bool is_todo;
    enum fetch_end end;
    struct err err;
};

/* NULL: err. Returns owned. */
struct transfer *transfer_new(struct fetch *f, const struct fetch_request *r, struct err *err);
void transfer_free(struct transfer *t); /* wipes */
/* Everything libcurl has to know of it. */
void transfer_set_up(struct transfer *t, CURL *easy, const struct fetch_opts *o);
/* Take it from the handle again. */
void transfer_take_down(struct transfer *t);
/* How it ended, when libcurl says `code`. */
void transfer_judge(struct transfer *t, CURLcode code);
/* It never ran, or ran no longer. */
void transfer_give_up(struct transfer *t, enum fetch_end end, enum err_kind kind, const char *why);
const struct fetch_opts *fetch_opts_of(const struct fetch *f);

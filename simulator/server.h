/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The simulator's server: which provider's API a request is for, what the frame does for all of
 * them, and the control plane under /_sim/. */
#include "accounts.h"
#include "api.h"
#include "reports.h"
#include "sends.h"
#include "serve_conf.h"
#include "table.h"

struct fetch;

/* A file that was uploaded before its message, as far as its provider's API wants it. */
struct sim_upload {
    int64_t total_bytes, bytes, at_ms;
    int64_t pieces; /* that came, in order */
    int64_t asked;  /* how often its state was */
    bool is_done, is_video;
};
/* NULL: there is none; or with `make`, there are too many. */
struct sim_upload *sim_upload(struct sim_call *c, struct str id, bool make);

struct sim_server {
    const struct sim_serve_conf *conf;
    uv_loop_t *loop;
    struct http_server *http;
    struct arena *arena; /* of one call */
    struct sim_faults faults;
    struct sim_quotas *quotas;
    struct sim_sends *sends;
    struct sim_accounts *accounts;
    struct sim_reports *reports;
    struct sim_hooks *hooks;
    struct sim_table *counts; /* int64_t by "provider status" */
    FILE *ledger;
    struct sim_later *later;   /* answers that wait */
    struct sim_table *uploads; /* struct sim_upload by "provider account id" */
    struct fetch *fetch;       /* to ingest; NULL: it has no address */
    uint64_t run, unique;
};

/* NULL: err. Returns owned. Borrows conf. */
struct sim_server *sim_server_new(uv_loop_t *loop, const struct sim_serve_conf *conf,
                                  struct err *err);
int sim_server_port(const struct sim_server *s);
/* Its handles close in the loop's next turns: run it until it is done, then free. */
void sim_server_close(struct sim_server *s);
void sim_server_free(struct sim_server *s);

/* Limits as the providers publish them, from now on. */
void sim_server_limit(struct sim_server *s);
/* The account, met if it is new. NULL: there are too many. */
struct sim_known *sim_account(struct sim_call *c, struct str id);

/* calls.c: a call as the faults see it; those that any call may meet (false: has failed, or hung
 * up). */
struct sim_target sim_target_of(const struct sim_call *c, struct str to);
bool sim_call_faults(struct sim_call *c, const struct sim_target *t);
/* The client of an answer that waits has gone; and no answer is waited for any more. */
void sim_later_forget(struct http_request *r);
void sim_later_close(struct sim_server *s);

/* control.c */
void sim_control(struct sim_server *s, struct http_request *r);

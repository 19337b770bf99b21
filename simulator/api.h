/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A provider's API as its clients see it: paths, checks, answers and errors in its own form. The
 * counterpart of the adapters' build and judge, written apart from them so that a test of one
 * against the other means something.
 *
 * An API is a row of routes. A handler checks as strictly as the provider does, then either fails
 * (sim_fail, or an error body of its own by sim_answer), or answers (sim_answer), or makes a send:
 *
 *   if (!sim_send_may(c, account, to))   // rate limits and faults; has answered, or dropped
 *       return;
 *   sim_send_accept(c, &send);           // ledger, and the webhooks that report it
 *   sim_answer(c, 200, body);
 *
 * Everything in a call lives until its handler returns. Loop thread. */
#include "body.h"
#include "faults.h"
#include "http.h"
#include "provider_style.h"
#include "quota.h"

struct sim_call;
struct sim_server;

#define SIM_ARGS_MAX 4

struct sim_route {
    enum http_method method;
    /* Below the provider's prefix, "/api/v1/chats/" "*" "/messages": a star is one whole segment,
     * not empty, and what it stands for is c->args[i]; a star may also follow a fixed beginning of
     * its segment ("/bot*" "/sendMessage"). */
    const char *path;
    void (*handle)(struct sim_call *c);
};

/* Why a call is refused, where every API has its own words for it. */
enum sim_why {
    SIM_WHY_PATH,     /* no such path */
    SIM_WHY_METHOD,   /* not with this method */
    SIM_WHY_NO_TOKEN, /* none given */
    SIM_WHY_BAD_TOKEN,
    SIM_WHY_EXPIRED,
    SIM_WHY_REVOKED,
    SIM_WHY_TYPE,    /* the body's content type */
    SIM_WHY_BODY,    /* the body cannot be read as what it says it is */
    SIM_WHY_RATE,    /* wait_ms; is_pair: of this conversation only */
    SIM_WHY_SERVER,  /* status 5xx */
    SIM_WHY_WINDOW,  /* the window for free messages is closed */
    SIM_WHY_REFUSED, /* this person cannot be written to */
    SIM_WHY_MOVED,   /* only where `can_move`: the conversation is moved_to now */
};
struct sim_failure {
    enum sim_why why;
    int status;      /* SIM_WHY_SERVER: 500 and the like */
    int64_t wait_ms; /* SIM_WHY_RATE */
    bool is_pair;
    struct str moved_to;
    const char *detail; /* for people; NULL: none */
};

struct sim_report;

struct sim_api {
    const char *name; /* provider; its paths begin with "/<name>" */
    const struct sim_route *routes;
    size_t n_routes;
    /* Its limits as published, for those who ask for them; 0: none. */
    struct sim_limit limit;
    /* Before every handler: take the token out of the call and have it checked (sim_token_check).
     * False: has answered. */
    bool (*admit)(struct sim_call *c);
    /* Answer with the API's own status and error body. */
    void (*fail)(struct sim_call *c, const struct sim_failure *f);
    /* Headers that every answer has, just before it leaves; NULL: none. */
    void (*finish)(struct sim_call *c);
    bool can_move; /* conversations get new ids: has SIM_WHY_MOVED */

    /* What comes back of a send, as webhooks. style: path and proof; NULL: nothing comes back. */
    const struct sim_provider *style;
    bool has_echo, has_delivered, has_read;
    /* JSON of n reports of one account's provider (n <= style->batch_max), appended. */
    void (*report)(struct buf *out, const struct sim_report *reports, size_t n);
};

/* A message that was accepted, for the ledger. What is absent is not written. */
struct sim_send {
    struct str kind;         /* "text", "image", "reaction", "read", "typing", "template"... */
    struct str to;           /* person, or conversation, as the request named it */
    struct str conversation; /* the provider's id of it, where it has one */
    struct str text;
    struct str client_ref;  /* the provider echoes it (Messenger's metadata, WhatsApp's
                               biz_opaque_callback_data) */
    struct str external_id; /* as echo and receipts name it; absent: it makes no message */
    struct str target;      /* reaction, read: the message meant; answered message */
    struct str detail;      /* JSON with what else was said; absent: nothing */
};

/* One thing that happened to a message that was sent, to be reported by webhook. */
struct sim_report {
    enum sim_kind kind; /* SIM_ECHO, SIM_DELIVERED, SIM_READ */
    struct str account, type;
    int64_t at_ms;
    struct sim_send send;
};

#define SIM_HEADERS_MAX 16

struct sim_call {
    struct sim_server *server;
    const struct sim_api *api;
    struct http_request *http;
    struct arena *a;
    enum http_method method;
    struct str path; /* below the prefix */
    struct str args[SIM_ARGS_MAX];
    struct str token;       /* set by admit */
    struct str account;     /* whose call it is, as soon as it is known; absent: not known */
    int64_t at_ms;          /* wall time of the call */
    struct sim_quota quota; /* after sim_send_may: what the limits leave */
    /* What the frame keeps: */
    int64_t slow_ms;
    bool is_answered, is_send, drops, is_garbled;
};

/* Tokens: "sim-..." is valid, "sim-expired..." and "sim-revoked..." are what they say, all others
 * unknown. False: has failed. */
bool sim_token_check(struct sim_call *c, struct str token);
/* The account that a token names: the digits behind "sim-" (or "sim-expired-", "sim-revoked-");
 * without digits a number that follows from the token. */
struct str sim_token_account(struct arena *a, struct str token);
/* "Bearer x" in the header Authorization; absent: none. */
struct str sim_bearer(const struct sim_call *c);

void sim_fail(struct sim_call *c, enum sim_why why, const char *detail);
/* The body, of one of the kinds in `allowed` (SIM_BODY_JSON | ...). False: has failed. */
bool sim_body(struct sim_call *c, unsigned allowed, struct sim_body *out);
/* For a header of the answer; `name` constant. */
void sim_header(struct sim_call *c, const char *name, struct str value);
/* JSON, unless `content_type` says else. Once for each call. */
void sim_answer(struct sim_call *c, int status, struct str body);
void sim_answer_as(struct sim_call *c, int status, const char *content_type, struct str body);

/* The answer comes later, from the loop: the call is over, this is what is left of it. Answer it
 * once; whether the client is still there is no business of who does. */
struct sim_later;
struct sim_later *sim_answer_later(struct sim_call *c);
void sim_later_answer(struct sim_later *l, int status, struct str body);

/* A send is about to be accepted: limits of account and pair, and the faults that are on. `to` is
 * what the pair's limit is kept for. False: has failed, or hung up. */
bool sim_send_may(struct sim_call *c, struct str account, struct str to);
/* Into the ledger; webhooks report it unless external_id is absent. */
void sim_send_accept(struct sim_call *c, const struct sim_send *send);

/* A number that no other call of this run gets. */
uint64_t sim_unique(struct sim_call *c);
/* 22 characters of base64url, unique in this run and unlike those of other runs. */
struct str sim_unique_id(struct sim_call *c);

extern const struct sim_api *const sim_apis[]; /* ended by NULL: api_table.c */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What UniPile, Telegram and X share to write requests and to judge answers by a table. */
#include "outgoing.h"
#include "provider.h"

/* A JSON body while it is written. */
struct send_json {
    struct buf buf;
    struct json_out out;
};
void send_json_begin(struct send_json *j);
/* A member of text; absent or empty: left out. */
void send_json_text(struct send_json *j, struct arena *a, const char *key, struct str v);
/* Closes, frees and makes it the body of `r`. ERR_LIMITED: too large. */
bool send_json_end(struct send_json *j, struct arena *a, struct send_request *r,
                   struct err *err) NODISCARD;

/* What a provider's error means. The first row that fits counts. */
struct send_error {
    const char *name; /* of the error, or how its text begins; NULL: any */
    int status;       /* 0: any */
    enum outcome outcome;
    enum send_scope scope;
    bool may_have_acted;    /* a message may exist all the same */
    unsigned attempts_more; /* retry: so many times; 0: as the sender likes */
    int64_t wait_ms;        /* where the provider names none */
    const char *reason;     /* NULL: the outcome's own */
};
/* `out` comes with code and detail. What the reply's Retry-After says goes before the row. */
void judge_by(const struct send_error *row, const struct send_call *call,
              const struct send_reply *reply, struct judgement *out);

/* An empty judgement: nothing said about the pace. */
/* The first of `n` rows of this name and status; NULL: none. */
const struct send_error *send_error_find(const struct send_error *rows, size_t n, struct str name,
                                         int status);
/* What follows the last slash: the name in a problem's `type`, which is a path or a URL. */
struct str send_error_name(struct str type);
struct judgement judgement_none(void);
/* The provider's words for the log: shortened, and hidden where they repeat the token. */
struct str send_words(struct arena *a, const struct send_account *account, struct str words);
/* A call that makes no message, to judge answers about accounts and webhooks. */
struct send_call send_call_of_account(const struct send_account *account);
/* The root of a whole reply's body; NULL: it is no JSON. */
const struct json *send_reply_json(struct arena *a, const struct send_reply *reply);
bool send_reply_is_ok(const struct send_reply *reply); /* 2xx */
/* The outcome of a check that found something else than what was asked for. */
void judge_as_wrong(struct judgement *why, enum outcome outcome, const char *reason);
/* A page of what a conversation has, while it is read. What has no id is left out, what is beyond
 * SENT_LIST_MAX too; then the page is not all there is. `cursor` absent: there are none older. */
void sent_list_begin(struct arena *a, struct sent_list *l);
void sent_list_add(struct sent_list *l, const struct sent_message *m);
void sent_list_end(struct sent_list *l, struct str cursor);
/* How the medium is meant: more than one of url, ref and file, or none, is ERR_INVALID. */
bool send_media_valid(const struct send_media *m, struct err *err) NODISCARD;
/* "12" or "-3.25": decimal, without exponent. */
bool is_decimal(struct str s);
bool is_integer(struct str s); /* "12", "-12": what an id may be; never empty */

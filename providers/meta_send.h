/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What Instagram, Messenger and WhatsApp share outbound: the Graph API's requests, its errors and
 * its usage headers. */
#include "buf.h"
#include "json.h"
#include "outgoing.h"

#define GRAPH_HOST           "https://graph.facebook.com"
#define GRAPH_HOST_INSTAGRAM "https://graph.instagram.com"
#define GRAPH_VERSION        "v25.0"

/* --- requests --------------------------------------------------------------------------------- */

/* "<host>/<version>/<path>" with the account's token. `path` is already encoded. */
bool graph_request(struct arena *a, const struct send_account *account, const char *host,
                   enum send_method method, struct str path, struct send_request *out,
                   struct err *err) NODISCARD;

/* A JSON object that is being written. graph_body_done() closes it and puts it into the request. */
struct graph_body {
    struct arena *a;
    struct buf buf;
    struct json_out out;
};
void graph_body_init(struct graph_body *b, struct arena *a);
bool graph_body_done(struct graph_body *b, struct send_request *r, struct err *err) NODISCARD;
void graph_open(struct graph_body *b, const char *key, char bracket); /* key NULL: in an array */
void graph_close(struct graph_body *b, char bracket);
void graph_text(struct graph_body *b, const char *key, struct str v); /* absent: left out */

/* Uploads come before the message, a step for each file. */
const struct send_media *graph_next_upload(const struct send_call *call); /* NULL: all are there */
/* The provider's id of media[i]: its ref, or what its upload gave; absent: it is sent by url. */
struct str graph_media_ref(const struct send_call *call, size_t i);
/* Each medium has exactly one source, and an http(s) address if it is one. */
bool graph_media_check(const struct send_message *m, struct err *err) NODISCARD;

/* --- errors ----------------------------------------------------------------------------------- */

#define GRAPH_ANY (-1)

/* What a code means. Rows with a subcode come before those of any. */
struct graph_code {
    int64_t first, last; /* codes from .. to */
    int64_t subcode;     /* GRAPH_ANY */
    enum outcome outcome;
    enum send_scope scope;
    unsigned attempts_max;
    int wait_ms; /* where nothing else says how long; grows fourfold with each attempt if so */
    bool wait_grows;
    const char *reason; /* NULL: the outcome's */
};
struct graph_codes {
    const struct graph_code *rows;
    size_t n;
};
extern const struct graph_codes graph_codes_common, graph_codes_whatsapp;
/* NULL: not in the table. */
const struct graph_code *graph_code_find(const struct graph_codes *t, int64_t code,
                                         int64_t subcode);

/* Where answers have the id of what came to be. */
struct graph_dialect {
    const struct graph_codes *codes; /* looked into before the common ones; NULL: none of its own */
    struct str (*message_id)(struct arena *a, const struct json *root);
    const char *upload_id; /* member of an upload's answer */
};
void graph_judge(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                 const struct graph_dialect *d, struct judgement *out);
/* The error of an answer, and the pace. True: an error, or no JSON object; *out is complete. */
bool graph_judge_error(struct arena *a, const struct send_call *call,
                       const struct send_reply *reply, const struct graph_codes *codes,
                       const struct json **root, struct judgement *out);
/* X-App-Usage and X-Business-Use-Case-Usage. */
void graph_pace(struct arena *a, const struct send_reply *reply, struct send_pace *out);

/* --- the adapters' members -------------------------------------------------------------------- */

extern const struct send_discover instagram_discover, messenger_discover, whatsapp_discover;
extern const struct send_list instagram_list, messenger_list;
extern const struct send_webhook instagram_webhook, messenger_webhook, whatsapp_webhook;
send_build_fn instagram_build, messenger_build, whatsapp_build;
send_judge_fn messenger_judge, whatsapp_judge; /* Messenger's is Instagram's too */

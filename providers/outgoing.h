/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The outbound side of an adapter: what to send becomes an HTTP request, the provider's answer
 * becomes a judgement. Pure like the inbound side: no sockets, no files, no clock. Results live in
 * the arena that is given and may point into the input, which must outlive them.
 *
 *   progress = {0}
 *   do build(account, message, progress) -> request
 *      perform it
 *      judge(account, message, progress, reply) -> judgement
 *      OUTCOME_NEXT: send_progress_add(progress, judgement.ref)
 *   while the outcome is OUTCOME_NEXT
 *
 * The steps before the last one upload files; only the last one (request.is_final) makes the
 * message exist. Every request is built anew, so that a retry starts from the same place. */
#include "arena.h"
#include "err.h"
#include "str.h"

/* --- what to send ----------------------------------------------------------------------------- */

enum send_kind {
    SEND_TEXT,
    SEND_MEDIA,    /* media[], with `text` as the caption where the network has captions */
    SEND_REACTION, /* emoji on target_id; an empty emoji takes ours away */
    SEND_READ,     /* mark as read: target_id, where the provider wants it, and what is before it */
    SEND_TYPING,   /* we are typing (is_off: no more) */
    SEND_TEMPLATE, /* template */
    SEND_CHOICES,  /* text with choices[]: quick replies, buttons or a list */
    SEND_LOCATION, /* location */
    SEND_KINDS
};
const char *send_kind_name(enum send_kind k); /* "text", "media", ... */

/* What `to` names. */
enum send_to {
    TO_CONVERSATION, /* as events name it: event.conversation */
    TO_PERSON,       /* a person, with whom there may be no conversation yet */
    TO_COMMENT,      /* private reply to a comment (Instagram, Messenger) */
};

#define SEND_MEDIA_MAX   10
#define SEND_CHOICES_MAX 13

/* Exactly one of url, ref and file is there. */
struct send_media {
    struct str type; /* image, video, audio, voice, file, sticker: as part.type, and voice */
    struct str url;  /* the provider fetches it */
    struct str ref;  /* the provider has it already: its id of an upload */
    struct str file; /* the caller's name of what it will stream; never read or opened here */
    struct str name, mime;
    int64_t size_bytes; /* 0: unknown */
};

enum choice_style {
    CHOICE_REPLY, /* pressing it sends `payload` back */
    CHOICE_URL,   /* pressing it opens `url` */
};
struct send_choice {
    enum choice_style style;
    struct str title, payload, url;
    struct str description; /* rows of a list have one; absent: none */
};

struct send_template {
    struct str name, language;
    struct str components; /* JSON array as the provider defines it; absent: none */
};

struct send_location {
    struct str latitude, longitude; /* decimal, as given: never through a double */
    struct str name, address;       /* absent: none */
};

struct send_message {
    enum send_kind kind;
    enum send_to to_kind;
    struct str to;
    bool is_group;
    struct str text;
    struct send_media media[SEND_MEDIA_MAX];
    size_t n_media;
    struct send_choice choices[SEND_CHOICES_MAX];
    size_t n_choices;
    struct str choices_title; /* what opens a list; absent: buttons, as long as they suffice */
    struct send_template template;
    struct send_location location;
    struct str reply_to;  /* external id of the message answered; absent: none */
    struct str target_id; /* reaction, read: external id of the message meant */
    struct str emoji;
    bool is_off;           /* typing: stopped */
    bool is_human_agent;   /* a person answers after the usual window, where the network allows */
    struct str tag;        /* another message tag of the provider; absent: none */
    struct str client_ref; /* our reference: the provider echoes it, or makes it idempotent */
};

/* --- by whom ---------------------------------------------------------------------------------- */

struct send_account {
    struct str external_id; /* the provider's id of our side, as in struct event */
    struct str type;        /* as stored: "instagram", UniPile's "WHATSAPP" */
    struct str login;       /* how the token was given, where there are several ways: Instagram's
                               through a page is "page"; absent: the provider's own */
    struct str parent_id;   /* what it belongs to: WhatsApp's business account, Instagram's page */
    struct str token;       /* secret */
    struct str base_url;    /* absent: the provider's own host; "http://127.0.0.1:9000" in tests */
    struct str api_version; /* absent: the version the adapter was written for */
};

/* --- the request ------------------------------------------------------------------------------ */

enum send_method { METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_PUT, METHOD_DELETE };
const char *send_method_name(enum send_method m);

/* What is secret is a copy of the token in the arena and nowhere else: send_request_wipe() erases
 * it. A header is sent as given; the value never holds a line break. */
struct send_header {
    const char *name;
    struct str value;
    bool is_secret;
};

/* One part of a multipart form: text, or a file of the caller. */
struct send_part {
    const char *name;
    struct str value; /* absent: a file */
    struct str file;  /* send_media.file */
    struct str fetch; /* a file that the caller fetches from here first: send_media.url, where the
                       * provider does not fetch itself */
    int64_t from, length; /* the piece of the file that this request carries; length 0: all of it */
    struct str filename, mime; /* never absent for a file; mime: application/octet-stream */
    const char *value_mime;    /* of a text part; NULL: none is given */
};

enum send_body { BODY_NONE, BODY_JSON, BODY_FORM, BODY_MULTIPART };

#define SEND_HEADERS_MAX 8
#define SEND_PARTS_MAX   24

struct send_request {
    enum send_method method;
    bool is_final;      /* its success makes the message exist, and an unknown outcome matters */
    bool url_is_secret; /* Telegram has the token in it */
    struct str url;
    struct str url_shown; /* for logs and for a circuit breaker's name: without anything secret */
    struct send_header headers[SEND_HEADERS_MAX];
    size_t n_headers; /* Content-Type of JSON and form bodies included, multipart's not */
    enum send_body body_kind;
    struct str body;     /* JSON text, or an encoded form */
    bool body_is_secret; /* a webhook's secret is in it: not for logs */
    struct send_part parts[SEND_PARTS_MAX];
    size_t n_parts;
};

/* Erase the token from the request's headers and URL, once it was handed over. */
void send_request_wipe(struct send_request *r);

/* What the steps so far gave: refs[i] is the ref of step i. */
#define SEND_STEPS_MAX 64
struct send_progress {
    struct str refs[SEND_STEPS_MAX];
    size_t n;
};
/* `ref` must outlive the progress: it lives in the arena of its judgement. False: too many steps.
 */
bool send_progress_add(struct send_progress *p, struct str ref) NODISCARD;

/* --- the answer ------------------------------------------------------------------------------- */

/* Where it ended. Without an answer the provider may have acted or not. */
enum reply_fault {
    REPLY_WHOLE,   /* status, headers and body are there */
    REPLY_UNSENT,  /* nothing of the request left us: name, connection or TLS failed */
    REPLY_UNKNOWN, /* it left, in part or whole, and no whole answer came */
};

struct send_reply {
    enum reply_fault fault;
    int status;
    struct str body;
    struct str (*header)(const void *http, const char *name); /* absent: STR_NONE; NULL: none */
    const void *http;
    int64_t at_ms;    /* when it came, UTC: the caller's clock */
    unsigned attempt; /* of this message, from 1 */
};
/* A header of the reply; absent when there is none, or no lookup. */
struct str send_reply_header(const struct send_reply *r, const char *name);

enum outcome {
    OUTCOME_SENT,         /* accepted: external_id, except for read marks and typing */
    OUTCOME_NEXT,         /* this step is done, `ref` goes into the progress: build the next one */
    OUTCOME_RATE_LIMITED, /* wait_ms; `scope` says what has to wait */
    OUTCOME_RETRY,        /* the same again, after a backoff */
    OUTCOME_AUTH,         /* no more calls with this token (scope) until somebody acted */
    OUTCOME_WINDOW,       /* the network's window for free messages is closed */
    OUTCOME_PERMANENT,    /* this message can never be sent so */
    OUTCOME_AMBIGUOUS,    /* may have been sent: settle it first, never resend blindly */
};
const char *outcome_name(enum outcome o); /* "sent", "rate_limited", ... */

enum send_scope {
    SEND_SCOPE_NONE,
    SEND_SCOPE_PAIR,    /* this conversation of this account */
    SEND_SCOPE_ACCOUNT, /* this account */
    SEND_SCOPE_APP,     /* every account behind the same credentials of ours */
};
const char *send_scope_name(enum send_scope s); /* "none", "pair", ... */

/* What the provider said about how much of a limit is used. */
struct send_pace {
    int used_percent; /* the highest; -1: not said, which is not zero */
    int64_t wait_ms;  /* until calls are taken again; 0: not said */
    enum send_scope scope;
};

struct judgement {
    enum outcome outcome;
    struct str external_id;  /* sent: as the echo and the receipts will name it */
    struct str conversation; /* sent: the conversation it went into, where the answer names it */
    struct str moved_to;     /* retry: the conversation has this id now; store it */
    struct str ref;          /* next: for the progress */
    int64_t wait_ms;         /* next, rate limited, retry: at least; 0: the provider names none */
    unsigned attempts_max;   /* retry: no more than so many in all; 0: as the sender likes */
    enum send_scope scope;   /* rate limited, auth */
    bool is_expired;   /* auth: the time of the token is over, as said; else it was withdrawn */
    struct str code;   /* the provider's, "190/463"; absent: none */
    struct str reason; /* not sent: one sentence for the person who wrote the message */
    struct str detail; /* the provider's own words and trace id, for the log; absent: none */
    struct send_pace pace;
};

/* What build and judge are given. */
struct send_call {
    const struct send_account *account;
    const struct send_message *message;
    const struct send_progress *progress;
    bool is_final; /* judge: the request's */
};

/* For build: the first or next request. ERR_INVALID: this provider cannot send it; the message is
 * for the person who wrote it. */
typedef bool send_build_fn(struct arena *a, const struct send_call *call, struct send_request *out,
                           struct err *err);
/* Total: every reply has a judgement. Code, reason and detail never hold the token. */
typedef void send_judge_fn(struct arena *a, const struct send_call *call,
                           const struct send_reply *reply, struct judgement *out);

/* --- accounts --------------------------------------------------------------------------------- */

enum discover_what {
    DISCOVER_LIST,     /* the accounts that account.token (and parent_id) gives access to */
    DISCOVER_VALIDATE, /* is account.external_id there, does the token work for it? */
};

struct found_account {
    struct str external_id, type, name, username; /* username: or phone number; absent: none */
    struct str status;                            /* as event.status: ok, auth_required, error... */
    struct str provider_status;                   /* the provider's word; absent: none */
    struct str parent_id; /* for send_account: the page of an Instagram account; absent: none */
    struct str token;     /* secret: its own token, where the list gives one (pages) */
};
struct found_accounts {
    struct found_account *items;
    size_t n;
    struct str cursor; /* there is more: for the next request; absent: that was all */
};

struct send_discover {
    bool (*build)(struct arena *a, enum discover_what what, const struct send_account *account,
                  struct str cursor, struct send_request *out, struct err *err);
    /* True: *out holds what was found; validate gives one, which is the account asked for. False:
     * *why says what to do, with outcome rate_limited, retry, auth or permanent. */
    bool (*read)(struct arena *a, enum discover_what what, const struct send_account *account,
                 const struct send_reply *reply, struct found_accounts *out, struct judgement *why);
};

/* --- what a conversation has ---------------------------------------------------------------- */

/* Which messages the provider has in a conversation, newest first, a page at a time: how a message
 * is settled of which nobody knows whether it was taken. No provider gives our own reference back
 * here, so a message is recognized by what is in it. */
#define SENT_LIST_MAX 100

struct sent_ask {
    enum send_to to_kind;
    struct str to; /* as send_message.to */
    bool is_group;
    struct str cursor; /* absent: the newest */
};
struct sent_message {
    struct str external_id; /* as a send's answer and its echo name it */
    struct str text;        /* absent: none */
    int64_t at_ms;          /* by the provider's clock; 0: it does not say */
    size_t n_media;
    bool is_ours; /* our side wrote it, by us or by hand */
};
struct sent_list {
    struct sent_message *items;
    size_t n;
    struct str cursor; /* of the next, older page; absent: none that can be had */
    bool is_all;       /* there are none older than these */
};
struct send_list {
    bool rewrites_links; /* addresses in texts are other ones in the list */
    /* ERR_INVALID: such a conversation cannot be listed. */
    bool (*build)(struct arena *a, const struct sent_ask *ask, const struct send_account *account,
                  struct send_request *out, struct err *err);
    /* As send_discover.read. */
    bool (*read)(struct arena *a, const struct sent_ask *ask, const struct send_account *account,
                 const struct send_reply *reply, struct sent_list *out, struct judgement *why);
};

/* --- webhooks --------------------------------------------------------------------------------- */

enum webhook_what {
    WEBHOOK_CREATE,   /* tell the provider to deliver to url */
    WEBHOOK_CHECK,    /* does it deliver to url? */
    WEBHOOK_VALIDATE, /* have it ask our address again at once, after a failure (id) */
};

struct webhook_ask {
    enum webhook_what what;
    size_t part;       /* of n_parts: UniPile has a webhook for each source */
    struct str url;    /* ours, without a secret in it */
    struct str secret; /* what proves the deliveries; of an app's part the verify token, absent
                        * where there is none */
    struct str id;     /* validate, and an account's part: what was found of the app's part */
    struct str app_id; /* ours at the provider; absent: it is not needed (all but Meta) */
};
struct webhook_found {
    bool is_there, is_working; /* it delivers to url; and the provider has no complaint */
    struct str id;             /* absent: it has none */
    struct str complaint;      /* the provider's words about the last failure; absent: none */
};

/* Of the parts the first n_app_parts are the app's: made once for all accounts, and account.token
 * is then the app's own. Those that follow are each account's, by the token that it sends with. */
struct send_webhook {
    size_t n_parts;
    bool (*build)(struct arena *a, const struct webhook_ask *ask,
                  const struct send_account *account, struct send_request *out, struct err *err);
    /* As send_discover.read. */
    bool (*read)(struct arena *a, const struct webhook_ask *ask, const struct send_account *account,
                 const struct send_reply *reply, struct webhook_found *out, struct judgement *why);
    size_t n_app_parts;
};

/* --- for the adapters ------------------------------------------------------------------------- */

/* What a text may have. */
enum text_unit { TEXT_BYTES, TEXT_CHARACTERS, TEXT_UTF16 };
struct text_limit {
    const char *network; /* "Instagram": begins the sentence */
    const char *what;    /* "a message", "a caption" */
    size_t max;
    enum text_unit unit;
};
size_t text_size(struct str text, enum text_unit unit);
/* ERR_INVALID with a sentence for the person when the text is longer. */
bool text_fits(struct str text, const struct text_limit *limit, struct err *err) NODISCARD;

/* Appends a header. A secret is copied as "<prefix><secret>"; ERR_INVALID when it is absent or has
 * a control character in it, which no header may have. */
bool send_header_add(struct send_request *r, const char *name, struct str value,
                     struct err *err) NODISCARD;
bool send_secret_add(struct arena *a, struct send_request *r, const char *name, const char *prefix,
                     struct str secret, struct err *err) NODISCARD;
void send_part_text(struct send_request *r, const char *name, struct str value);
void send_part_file(struct send_request *r, const char *name, const struct send_media *m);
/* `s` percent-encoded for a path segment or a query value. Lives in a. */
struct str url_encode(struct arena *a, struct str s);
/* `text` without the secret, wherever it stands in it: providers may quote what they were sent. */
struct str send_scrub(struct arena *a, struct str text, struct str secret);
/* Base URL of the account, else `host`, without a slash at its end. ERR_INVALID: one with blanks or
 * control characters, which no request line has. */
bool send_base(const struct send_account *account, const char *host, struct str *base,
               struct err *err) NODISCARD;

/* The judgement where no whole answer came: unsent is retried; unknown is ambiguous for a final
 * step that makes a message exist, and is retried for the rest. False: an answer came, judge it. */
bool judge_fault(const struct send_call *call, const struct send_reply *reply,
                 struct judgement *out);
/* By the HTTP status alone, for codes nobody knows: 401 and 403 auth, 408, 425 and 5xx retry, 429
 * rate limited (Retry-After), others permanent. Fills in the reason too. */
void judge_status(const struct send_call *call, const struct send_reply *reply,
                  struct judgement *out);
/* A failure becomes ambiguous where the provider may have acted: final steps of messages. */
void judge_may_have_acted(const struct send_call *call, struct judgement *out);
/* Does a message come to exist by it? Then sending it twice shows. Read marks, typing and reactions
 * only set a state. */
bool send_makes_message(enum send_kind kind);
/* Retry-After in seconds as milliseconds; 0: none. */
int64_t reply_retry_after_ms(const struct send_reply *reply);
/* The sentence that an outcome has where the provider's code says nothing better. */
const char *outcome_reason(enum outcome o);

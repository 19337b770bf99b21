/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One messaging provider as pure functions: no sockets, no clock, no globals.
 *
 * ingest calls verify, handshake and split; the router parse; the sender build and judge, whose
 * shapes are in outgoing.h. Results live in `a` and may point
 * into the input, so the input must outlive them. Each provider is one adapter (<name>*.c) and one
 * row in registry.c; nothing else in the tree compares provider names. docs/providers.md has the
 * source of each provider's facts. */
#include "arena.h"
#include "crypto.h"
#include "err.h"
#include "json.h"

/* An arena with this maximum holds all that split or parse of a body makes, whatever is in it: JSON
 * nodes take up to 24 times the body and grow by doubling, texts up to three times, and the number
 * of items and of parts is bounded. In a smaller one split and parse may end in ERR_LIMITED, never
 * in events that are missing. A body of a thousand bytes usually takes ten thousand. */
#define PROVIDER_ARENA_MAX(body_bytes) ((size_t)(body_bytes)*128 + ((size_t)16 << 20))

/* --- what ingest gives ------------------------------------------------------------------------ */

/* How the webhook's path and secret are made. */
enum provider_scope {
    SCOPE_APP,    /* one endpoint for all tenants, app secrets: /webhooks/<name> */
    SCOPE_TENANT, /* /webhooks/<name>/{tenant_id}[/...], secret derived per tenant */
};

struct webhook {
    struct str body;
    struct str tenant_id; /* from the path; absent for SCOPE_APP */
    struct str
        path_rest; /* what follows the tenant in the path (Telegram's bot id); absent: none */
    /* Header and query lookups, answered by the HTTP side. Absent: STR_NONE. */
    struct str (*header)(const void *http, const char *name);
    struct str (*query)(const void *http, const char *name);
    const void *http;
};

/* The secrets that are active for this webhook, several at once while one is rotated. */
struct secrets {
    struct hmac *const *keys; /* SCOPE_APP: keyed with each app secret */
    const struct str *plain;  /* SCOPE_TENANT: each derived secret; handshake: each verify token */
    size_t n_keys, n_plain;
};

/* One unit: the events of one conversation of one account in a webhook body. */
struct unit {
    struct str account;      /* the provider's id of our side */
    struct str account_type; /* as the webhook says it; absent: it does not */
    struct str conversation; /* absent: account-level */
    struct str
        body; /* JSON that parse understands by itself; the raw body where it is the only unit */
};
struct units {
    struct unit *items;
    size_t n;
};

/* --- what the router gets --------------------------------------------------------------------- */

enum event_kind {
    EVENT_MESSAGE,  /* in, or out (echo of what our side sent) */
    EVENT_EDITED,   /* target_id has new text */
    EVENT_DELETED,  /* target_id was removed */
    EVENT_REACTION, /* on target_id; empty emoji: taken away */
    EVENT_SENT,     /* receipts of target_id, or of all up to watermark_at_ms */
    EVENT_DELIVERED,
    EVENT_READ,
    EVENT_PLAYED,
    EVENT_FAILED,
    EVENT_POSTBACK, /* a button was pressed: kept as a message of kind postback */
    EVENT_REFERRAL,
    EVENT_OPTIN,
    EVENT_TYPING,
    EVENT_COMMENT,
    EVENT_HANDOVER,
    EVENT_SYSTEM, /* service message: kept as a message of kind system */
    EVENT_ACCOUNT_STATUS,
    EVENT_UNKNOWN, /* valid, but nothing we know: the router quarantines it whole */
};
const char *event_kind_name(enum event_kind k); /* "message", ... */

enum direction { DIR_NONE, DIR_IN, DIR_OUT };

/* A part of a message's content, in the provider's order. */
struct part {
    struct str type; /* text, image, video, audio, file, sticker, location, contact, share,
                        story_mention, order, template, unsupported */
    struct str text, url, provider_ref, mime, name; /* provider_ref: id to download by */
    int64_t size_bytes;                             /* 0: unknown */
    struct str extra; /* JSON of what has no column here (coordinates, contacts, durations); absent:
                         none */
};

struct event {
    enum event_kind kind;
    enum direction direction;
    struct str key;   /* unique per event within (provider, account): see event_key() */
    bool key_is_weak; /* the provider gives neither id nor time, so that the key cannot tell a
                       * new occurrence from a duplicate. Only for events that set a state, which
                       * may be set again: the record's position is to be part of what is unique */
    struct str account;
    struct str account_type; /* absent: the webhook does not say */
    struct str parent; /* what the account belongs to, where the webhook says it: an account_status
                        * may name that as its account, and is about each that belongs to it */
    struct str conversation;       /* provider's id of the thread; absent: account-level */
    struct str conversation_alias; /* the network's own id of the same thread; absent: none */
    struct str conversation_name;  /* group subject; absent: none */
    bool is_group;
    struct str sender, sender_name;   /* who acted */
    struct str contact, contact_name; /* the other side of a 1:1 conversation; absent in groups */
    struct str recipient;
    struct str external_id;    /* the provider's id of the thing itself */
    struct str external_alias; /* the network's own id of the same thing; absent: none */
    struct str client_ref;     /* our own reference, where the provider echoes it */
    struct str target_id;      /* what a receipt, reaction, edit or delete is about */
    int64_t watermark_at_ms;   /* receipts of all up to then; 0: none */
    int64_t at_ms;      /* provider's time, UTC; 0: it gave none, the time of receipt counts */
    struct str text;    /* message, edit: the text; reaction: the emoji */
    struct part *parts; /* message: content without plain text of its own */
    size_t n_parts;
    struct str reply_to; /* external id, or alias, of the message replied to */
    struct str payload;  /* postback, quick reply */
    struct str referral; /* ref of an ad or link */
    struct str status;   /* account_status: ok, connecting, created, auth_required, error, stopped,
                            deleted */
    struct str provider_status;
    struct str reason; /* failed: for people; unknown: the name of what we do not know */
    struct str extra;  /* JSON object of the rest worth keeping; absent: none */
};
struct events {
    struct event *items;
    size_t n;
};

/* How fast a provider takes messages: `burst` at once, then one each `step_us`. step_us 0: no limit
 * that is published. */
struct send_rate {
    int64_t step_us;
    int burst;
};

/* As published (docs/providers.md); a channel's settings may say otherwise. Whoever sends learns
 * the rest from the answers. */
struct send_limits {
    struct send_rate account;
    struct send_rate pair;  /* to one conversation */
    struct send_rate group; /* to one conversation that is a group */
    int slow_from_percent;  /* used of a limit, by the answers, where slowing down begins; 0: they
                               count single messages, there is nothing to be careful about */
};

/* The outbound side; outgoing.h has the shapes. Only who sends includes it. */
struct send_call;
struct send_request;
struct send_reply;
struct judgement;
struct send_discover;
struct send_webhook;
struct send_list;

struct provider {
    const char *name; /* as in paths, config, topics and logs: "unipile" */
    enum provider_scope scope;
    const char *default_account_type; /* "instagram"; NULL: the account names its type (UniPile) */
    const char *app; /* SCOPE_APP: whose app secrets and verify tokens prove it: "meta", "x" */
    const char *secret_header; /* SCOPE_TENANT: where deliveries carry the derived secret */
    bool path_names_account;   /* no delivery says whose it is, so the webhook's path does */
    /* Is the body from the provider? Constant time, over raw bytes, before anything is parsed.
     * ERR_UNPROVEN: no proof given; ERR_DENIED: a wrong one; ERR_ABSENT: a right one, and a path
     * that names no account. */
    bool (*verify)(const struct webhook *in, const struct secrets *s, struct err *err);
    /* Answer to a GET; NULL: the provider has no handshake. ERR_INVALID: not a handshake query. */
    bool (*handshake)(struct arena *a, const struct webhook *in, const struct secrets *s,
                      struct str *answer, const char **content_type, struct err *err);
    /* Cut a verified body into units. n == 0: nothing in it, acknowledge. ERR_INVALID: not
     * understood, ERR_LIMITED: too large for us; quarantine whole. */
    bool (*split)(struct arena *a, const struct webhook *in, struct units *out, struct err *err);
    /* Events of one unit. Pure function of unit->body. n == 0: known, and of no use to an inbox. Of
     * the units of a body together come exactly the events of the body. */
    bool (*parse)(struct arena *a, const struct unit *unit, struct events *out, struct err *err);
    /* What people call the network behind this account: "whatsapp". Constant. */
    const char *(*platform)(struct str account_type);
    /* The account type as stored and compared: UniPile's X_TWITTER is TWITTER. Returns its input
     * where there is nothing to change. */
    struct str (*normal_type)(struct str account_type);
    /* As send_build_fn and send_judge_fn. NULL, as the next two: not there. */
    bool (*build)(struct arena *a, const struct send_call *call, struct send_request *out,
                  struct err *err);
    void (*judge)(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                  struct judgement *out);
    const struct send_discover *discover;
    const struct send_webhook *webhook; /* NULL: made by hand at the provider */
    const struct send_list *list;       /* NULL: it does not tell what a conversation has */
    /* For an account of this type, as stored. Constant. */
    const struct send_limits *(*limits)(struct str account_type);
};

const struct provider *provider_find(struct str name); /* NULL: no such provider */
const struct provider *provider_at(size_t i);          /* NULL: past the end */

/* Where the provider delivers: "<base>/webhooks/<name>", and behind it the tenant and the account
 * where the path has to say them. `base` without a slash at its end. Lives in a. */
struct str provider_webhook_url(struct arena *a, const struct provider *p, struct str base,
                                struct str tenant_id, struct str account);

/* Where an operator says that its API is: "name=url,name=url"; absent: he does not. */
struct str provider_url(const struct provider *p, struct str urls);

/* "kind:part:part..." of what identifies an event; absent parts are skipped; past 96 bytes the tail
 * is replaced by its SHA-256, so that keys stay short. Lives in a. */
struct str event_key(struct arena *a, const char *kind, const struct str *parts, size_t n);
/* Key where the provider gives nothing to identify the event by: SHA-256 of the unit and its index.
 */
struct str event_key_of_bytes(struct arena *a, struct str unit, size_t index);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What Instagram, Messenger and WhatsApp share: signature and handshake, the walk through
 * entry[] and its lists, cutting a batch into units, and the items of Instagram and Messenger.
 *
 * A body is {"object": O, "entry": [{"id", "time", "messaging": [...], "standby": [...],
 * "changes": [{"field", "value"}]}]}. WhatsApp has lists of items once more within a value. */
#include "fields.h"

/* X-Hub-Signature-256 over the raw body, by any of the active app secrets. */
bool meta_verify(const struct webhook *in, const struct secrets *s, struct err *err);
/* hub.challenge, when hub.verify_token is one of ours. */
bool meta_handshake(struct arena *a, const struct webhook *in, const struct secrets *s,
                    struct str *answer, const char **content_type, struct err *err);

enum meta_list {
    META_MESSAGING,
    META_STANDBY, /* another app owns the thread */
    META_CHANGES,
    META_OTHER,  /* a member of an entry that is none of these lists: the item is its value */
    META_NESTED, /* an element of a list in the value of a change (WhatsApp) */
};

/* One element of one list of one entry. */
struct meta_item {
    const struct json *entry;
    struct str account; /* entry.id; "" where it has none; WhatsApp: the number's id before it */
    enum meta_list list;
    const struct json *value; /* of META_OTHER, json_key(value) is the member's name */
    /* Of META_NESTED: */
    const struct json *change;  /* the element of changes that it stands in */
    size_t nest;                /* which list of its value: an index into the dialect's nests */
    const struct json *contact; /* the element of value.contacts that tells who it is about */
};
struct meta_items {
    struct meta_item *items;
    size_t n;
};

/* One item of messaging or standby while it is read. */
struct meta_reading {
    struct arena *a;
    const struct meta_dialect *dialect;
    const struct meta_item *item;
    const struct json *value; /* {sender, recipient, timestamp, <what>} */
    const struct json *what;  /* message, reaction, ... */
    struct event *ev;         /* room for the dialect's max_events() of this item */
    size_t n_events;          /* 1, unless the reader says more; those share extra */
    struct extra *extra;
    struct err *err;
};

/* What an item is follows from the member that it has. */
struct meta_kind {
    const char *member;
    bool (*read)(struct meta_reading *r);
    bool needs_contact; /* without one there is no conversation to put it into */
};

/* An attachment's type as sent, as a part's type, and the member of payload that names the thing.
 */
struct meta_attachment_type {
    const char *sent, *type, *id; /* id NULL: nothing does */
};

/* What differs between the providers. */
struct meta_dialect {
    const char *object; /* "instagram": also the account's type */
    /* The conversation of an item; absent: account-level. All its events have the same. */
    struct str (*conversation)(struct arena *a, const struct meta_item *item);
    /* Events of an item: `ev` comes with account and type filled in and room for max_events(); *n
     * comes as 1. 0: known, and nothing for an inbox. */
    bool (*parse)(struct arena *a, const struct meta_item *item, struct event *ev, size_t *n,
                  struct err *err);
    size_t (*max_events)(const struct meta_item *item); /* NULL: always one */
    /* Replace each change that holds lists of items by these; NULL: a change is one item. */
    bool (*expand)(struct arena *a, const struct meta_items *in, struct meta_items *out,
                   struct err *err);
    const char *const *nests;  /* names of the lists that expand() looks for */
    const char *const *shared; /* members of a value that each of its items needs; ends in NULL */

    /* For meta_parse_messaging: kinds looked for before those that Instagram and Messenger share,
     * and one attachment of a message: `p` comes zeroed; what is not known is of type unsupported.
     */
    const struct meta_kind *kinds;
    size_t n_kinds;
    bool (*attachment)(struct arena *a, const struct json *message, const struct json *attachment,
                       struct part *p, struct err *err);
};

/* All items in the order of the body: entry by entry, messaging, standby, changes, others. No
 * items: n == 0, also when the body is of another object and empty. ERR_INVALID: not such a body.
 */
bool meta_items(struct arena *a, const struct json *root, const struct meta_dialect *d,
                struct meta_items *out, struct err *err) NODISCARD;

/* One unit per (account, conversation), of a body that again is a webhook body: the items' bytes
 * under the members of their entries, in order. One conversation: the body itself. */
bool meta_split(struct arena *a, struct str body, const struct meta_dialect *d, struct units *out,
                struct err *err) NODISCARD;
/* The events of all items. */
bool meta_parse(struct arena *a, struct str body, const struct meta_dialect *d, struct events *out,
                struct err *err) NODISCARD;
/* Make an EVENT_UNKNOWN that names the field of the change, or the member of the entry. */
void meta_set_unknown(struct arena *a, const struct meta_item *item, struct event *ev);

/* Of sender.id and recipient.id the one that is not the account, wherever it stands; absent: the
 * item names nobody. */
struct str meta_contact(struct arena *a, struct str account, const struct json *value);
/* Does the value of a change look like an item of messaging? The dashboard's test button does. */
bool meta_is_messaging(const struct json *value);

/* One item of messaging or standby. `ev` comes with account and type filled in, *n as 1. */
bool meta_parse_messaging(struct arena *a, const struct meta_dialect *d,
                          const struct meta_item *item, const struct json *value, struct event *ev,
                          size_t *n, struct err *err) NODISCARD;
/* For readers of kinds. Fills in who acted, and the conversation. */
void meta_people_set(struct meta_reading *r, enum direction dir);
bool meta_unknown(struct meta_reading *r, const char *what, struct str name); /* true */
/* Type by the table, else unsupported; address, title, and the id that the table names. */
void meta_attachment_read(struct arena *a, const struct json *attachment,
                          const struct meta_attachment_type *types, size_t n, struct part *p);

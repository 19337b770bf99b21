/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside of the X adapter: what a body holds and how it is cut (x_body.c), and the event that each
 * item is (x_event.c).
 *
 * Two products send. Account Activity: {"for_user_id", "direct_message_events": [...], "users":
 * {...}}. X Activity: {"data": {"filter": {"user_id"}, "event_type", "payload"}}, where the payload
 * of dm.* events has the same lists and users. */
#include "fields.h"

enum x_list {
    X_MESSAGES,
    X_TYPING,
    X_READS,
    X_CHAT,   /* the payload of an encrypted chat's event */
    X_REVOKE, /* an authorisation that is no more */
    X_OTHER,  /* a member or an event type that we do not know */
};
#define X_LISTS X_CHAT /* those before it stand in arrays of their name */

struct x_item {
    enum x_list list;
    uint32_t index; /* in the order in which events are told */
    const struct json *value;
    struct str sender, recipient, conversation; /* conversation absent: account-level */
};

struct x_user {
    struct str id;
    const struct json *value; /* NULL: a free slot */
};

struct x_body {
    const struct json *root;
    const struct json *data;   /* X Activity; NULL: Account Activity */
    const struct json *holder; /* of the lists */
    const struct json *owner;  /* what names the account */
    struct str account, type;  /* type: X Activity's event_type */
    struct x_item *items;
    size_t n;
    struct x_user *users; /* a table of "users", by id */
    size_t users_mask;    /* its slots less one; 0: no users */
};

/* ERR_INVALID: not such a body. */
bool x_body_read(struct arena *a, const struct json *root, struct x_body *b,
                 struct err *err) NODISCARD;
/* One unit per conversation: the items' bytes in a body of the same form, with the users that they
 * name. One conversation: the body itself. */
bool x_body_split(struct arena *a, struct x_body *b, struct str body, struct units *out,
                  struct err *err) NODISCARD;
/* What the body says about a user; NULL: nothing. Its key stands before it. */
const struct json *x_body_user(const struct x_body *b, struct str id);

/* `ev` comes with account, type and conversation filled in. */
bool x_event_read(struct arena *a, const struct x_body *b, const struct x_item *item,
                  struct event *ev, struct err *err) NODISCARD;
/* Text comes with three characters written as in HTML; each is read once: "&amp;lt;" is "&lt;". */
struct str x_text(struct arena *a, struct str text);

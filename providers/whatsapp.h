/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of the WhatsApp adapter. A value holds lists of items:
 *
 *   {"metadata": {"phone_number_id", ...}, "contacts": [{"wa_id", "user_id", "profile"}],
 *    "messages": [...], "statuses": [...]}
 *
 * so that a change becomes as many items as its lists hold; a change without lists is one item. */
#include "meta.h"

enum whatsapp_nest {
    WHATSAPP_MESSAGES,
    WHATSAPP_ECHOES,
    WHATSAPP_STATUSES,
    WHATSAPP_ERRORS,
    WHATSAPP_PREFERENCES,
    WHATSAPP_NESTS,
};
extern const char *const whatsapp_nests[WHATSAPP_NESTS];

/* See struct meta_dialect. */
bool whatsapp_expand(struct arena *a, const struct meta_items *in, struct meta_items *out,
                     struct err *err);

/* Who stands at the other side of an item, as the item itself says. */
struct whatsapp_person {
    struct str number;  /* wa_id: digits; absent: hidden behind a username */
    struct str user_id; /* business-scoped: "US.1349..." */
    struct str parent_user_id;
    struct str group; /* absent: not in a group */
};
struct whatsapp_person whatsapp_person_of(struct arena *a, enum whatsapp_nest nest,
                                          const struct json *value);
/* The group, else the number, else the business-scoped id. */
struct str whatsapp_conversation_of(const struct whatsapp_person *p);

/* One item of a list. `ev` comes with account and type filled in. */
bool whatsapp_parse_message(struct arena *a, const struct meta_item *item, struct event *ev,
                            struct err *err) NODISCARD;
bool whatsapp_parse_status(struct arena *a, const struct meta_item *item, struct event *ev,
                           struct err *err) NODISCARD;
/* Conversation, contact, and who acted; extra gets the numbers. False: the item names nobody. */
bool whatsapp_people_set(struct arena *a, const struct meta_item *item, enum direction dir,
                         struct event *ev, struct extra *x);
/* Code and text of the first of `errors`. */
void whatsapp_error_read(struct arena *a, const struct json *errors, struct str *code,
                         struct str *text);

/* What a message says: text, parts, payload and the rest, from {"type": T, T: {...}}. */
bool whatsapp_content_read(struct arena *a, const struct json *message, struct event *ev,
                           struct extra *x, struct err *err) NODISCARD;

/* A change without lists: what happens to an account. *n 0: nothing for an inbox. */
bool whatsapp_parse_account(struct arena *a, const struct meta_item *item, struct event *ev,
                            size_t *n, struct err *err) NODISCARD;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside of the Telegram adapter: updates (telegram.c) and the message in most of them
 * (telegram_message.c).
 *
 * Ids are integers of up to 64 bits. A message's id is unique in its chat alone, so ours is
 * "chat:message"; in a business account's chat, which may share its id with a chat of the bot's
 * own, "connection:chat:message". */
#include "fields.h"

/* Where something happened. */
struct telegram_place {
    const struct json *chat;
    struct str connection;            /* the business account; absent: a chat of the bot's own */
    struct str chat_id, conversation; /* absent: nowhere */
    bool is_group;                    /* group or channel */
};

/* One event of an update while it is read. */
struct telegram_reading {
    struct arena *a;
    struct str bot, update_id;
    const struct json *what; /* the member that says what happened */
    const struct json *item; /* of the list of an update that has several events */
    struct telegram_place place;
    struct event *ev; /* comes with account, type and conversation filled in */
    struct extra *extra;
    struct err *err;
};

struct telegram_kind {
    const char *name;
    bool (*read)(struct telegram_reading *r); /* NULL: known, and nothing for an inbox */
    const char *list; /* the member that has an item for each event; NULL: one event */
};

struct telegram_update {
    struct str id, name;              /* name: what it calls itself; absent: nothing */
    const struct telegram_kind *kind; /* NULL: none that we know */
    const struct json *what;
    struct telegram_place place; /* of a kind that we know */
};

/* ERR_INVALID: not an update. */
bool telegram_update_read(struct arena *a, const struct json *root, struct telegram_update *u,
                          struct err *err) NODISCARD;
/* Its list, of which each item is an event; NULL: it has none, and is one event itself. */
const struct json *telegram_update_list(const struct telegram_update *u);
/* Make the event of an update of no known kind. */
void telegram_update_unknown(const struct telegram_update *u, struct str body,
                             struct telegram_reading *r);

/* Digits of an id; absent: not an integer. */
struct str telegram_id(struct arena *a, const struct json *obj, const char *key);
/* Our id of message `id` in a place; absent: `id` is absent or 0, which names nothing. */
struct str telegram_message_id(struct arena *a, const struct telegram_place *place, struct str id);
/* What a user or chat is called; absent: nothing. */
struct str telegram_name(struct arena *a, const struct json *who);
/* Who acted, and where. `who` is a user or chat. */
void telegram_people(struct telegram_reading *r, const struct json *who, enum direction dir);

/* The content of message r->what into r->ev: text, parts, or (not is_edit) what happened to the
 * chat. */
bool telegram_parse_content(struct telegram_reading *r, bool is_edit) NODISCARD;

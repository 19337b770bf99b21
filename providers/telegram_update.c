/* SPDX-License-Identifier: Apache-2.0 */
#include "telegram.h"

#define REACTIONS_MAX 100 /* of one person on one message; Telegram allows three */

/* --- ids and people --------------------------------------------------------------------------- */

struct str telegram_id(struct arena *a, const struct json *obj, const char *key)
{
    int64_t n = 0;
    const struct json *v = json_get(obj, key);
    return json_i64(v, &n) ? json_text(a, v) : STR_NONE;
}

struct str telegram_message_id(struct arena *a, const struct telegram_place *place, struct str id)
{
    if (!place->chat_id.ptr || !id.ptr || str_eq_c(id, "0"))
        return STR_NONE;
    return str_fmt(a, "%.*s:%.*s", STR_ARG(place->conversation), STR_ARG(id));
}

struct str telegram_name(struct arena *a, const struct json *who)
{
    struct str first = field_id(a, who, "first_name"), last = field_id(a, who, "last_name");
    if (first.ptr && last.ptr)
        return str_fmt(a, "%.*s %.*s", STR_ARG(first), STR_ARG(last));
    struct str name = str_or(first, str_or(last, field_id(a, who, "title")));
    return str_or(name, field_id(a, who, "username"));
}

void telegram_people(struct telegram_reading *r, const struct json *who, enum direction dir)
{
    struct event *ev = r->ev;
    const struct telegram_place *place = &r->place;
    ev->direction = dir;
    ev->sender = telegram_id(r->a, who, "id");
    ev->sender_name = ev->sender.ptr ? telegram_name(r->a, who) : STR_NONE;
    if (place->is_group) {
        ev->conversation_name = telegram_name(r->a, place->chat);
    } else {
        ev->contact = place->chat_id;
        ev->contact_name = telegram_name(r->a, place->chat);
    }
    // A business account's owner is named by the connection's own update only.
    if (dir == DIR_OUT)
        ev->recipient = place->is_group ? STR_NONE : place->chat_id;
    else
        ev->recipient = place->connection.ptr ? STR_NONE : r->bot;
    const struct json *shown = place->is_group ? who : place->chat;
    extra_str(r->extra, place->is_group ? "sender_handle" : "contact_handle",
              field_id(r->a, shown, "username"));
    if (dir == DIR_IN)
        extra_str(r->extra, "language", field_id(r->a, who, "language_code"));
}

/* --- the update ------------------------------------------------------------------------------- */

static bool unknown(struct telegram_reading *r, const char *what, struct str name)
{
    event_set_unknown(r->a, r->ev, r->what->span, what, name);
    return true;
}

/* Who wrote a message. In the name of a chat a user stands there that is none. */
static const struct json *author_of(const struct telegram_reading *r)
{
    const struct json *as = json_get(r->what, "sender_chat"), *from = json_get(r->what, "from");
    return as ? as : from ? from : r->place.chat;
}

/* In a business account's chat write two: whose id the chat has, and the owner. */
static enum direction direction_of(const struct telegram_reading *r)
{
    struct str from = telegram_id(r->a, json_get(r->what, "from"), "id");
    if (!from.ptr)
        return DIR_IN;
    bool ours = str_eq(from, r->bot) ||
                (r->place.connection.ptr && !r->place.is_group && !str_eq(from, r->place.chat_id));
    return ours ? DIR_OUT : DIR_IN;
}

static bool message_read(struct telegram_reading *r, bool is_edit)
{
    struct event *ev = r->ev;
    struct str id = telegram_message_id(r->a, &r->place, telegram_id(r->a, r->what, "message_id"));
    if (!id.ptr)
        return unknown(r,
                       ev->conversation.ptr ? "message without message_id" : "message without chat",
                       STR_NONE);
    telegram_people(r, author_of(r), direction_of(r));
    const struct json *edited = is_edit ? json_get(r->what, "edit_date") : NULL;
    ev->at_ms = field_time(r->a, edited ? edited : json_get(r->what, "date"));
    if (is_edit) {
        ev->kind = EVENT_EDITED;
        ev->target_id = id;
        struct str parts[] = {id, key_time(r->a, ev), r->update_id};
        ev->key = event_key(r->a, "edited", parts, ARRAY_LEN(parts));
    } else {
        // The same under any update_id: a message is one however it is delivered.
        ev->kind = EVENT_MESSAGE;
        ev->external_id = id;
        ev->key = event_key(r->a, "message", &id, 1);
    }
    return telegram_parse_content(r, is_edit);
}

static bool on_message(struct telegram_reading *r)
{
    return message_read(r, false);
}

static bool on_edited(struct telegram_reading *r)
{
    return message_read(r, true);
}

/* Messages of a business account were deleted. Who did it is not said. */
static bool on_deleted(struct telegram_reading *r)
{
    struct event *ev = r->ev;
    int64_t n = 0;
    struct str target = json_i64(r->item, &n)
                            ? telegram_message_id(r->a, &r->place, json_text(r->a, r->item))
                            : STR_NONE;
    if (!target.ptr)
        return unknown(r, "deleted_business_messages without chat or message", STR_NONE);
    telegram_people(r, NULL, DIR_IN);
    ev->recipient = STR_NONE;
    ev->kind = EVENT_DELETED;
    ev->target_id = target;
    ev->key = event_key(r->a, "deleted", &target, 1);
    return true;
}

/* A button under a message was pressed. Under one that was sent through inline mode, elsewhere,
 * only the user is known, whose id is that of the private chat with them too. */
static bool on_callback(struct telegram_reading *r)
{
    struct event *ev = r->ev;
    struct str id = field_id(r->a, r->what, "id");
    if (!id.ptr || !ev->conversation.ptr)
        return unknown(r,
                       id.ptr ? "callback_query without chat or user" : "callback_query without id",
                       STR_NONE);
    const struct json *message = json_get(r->what, "message");
    telegram_people(r, json_get(r->what, "from"), DIR_IN);
    if (!r->place.chat) {
        ev->contact = ev->sender;
        ev->contact_name = ev->sender_name;
    }
    ev->kind = EVENT_POSTBACK;
    ev->external_id = id;
    ev->key = event_key(r->a, "postback", &id, 1);
    ev->payload =
        str_or(field_text(r->a, r->what, "data"), field_text(r->a, r->what, "game_short_name"));
    ev->reply_to = telegram_message_id(r->a, &r->place, telegram_id(r->a, message, "message_id"));
    extra_str(r->extra, "inline_message_id", field_id(r->a, r->what, "inline_message_id"));

    const struct json *markup = json_get(message, "reply_markup");
    const struct json *rows = json_get(markup, "inline_keyboard");
    for (const struct json *row = json_first(rows); row; row = json_next(rows, row)) {
        for (const struct json *b = json_first(row); b; b = json_next(row, b)) {
            struct str data = field_text(r->a, b, "callback_data");
            if (data.ptr && str_eq(data, ev->payload))
                ev->text = field_id(r->a, b, "text");
        }
    }
    return true;
}

/* --- reactions -------------------------------------------------------------------------------- */

/* What is shown of a reaction: premium's own emojis have no character. */
static struct str reaction_text(struct arena *a, const struct json *reaction)
{
    if (str_eq_c(field_text(a, reaction, "type"), "paid"))
        return STR("⭐");
    return str_or(field_id(a, reaction, "emoji"), STR("other"));
}

static struct str reaction_id(struct arena *a, const struct json *reaction)
{
    struct str custom = field_id(a, reaction, "custom_emoji_id");
    return str_or(custom, reaction_text(a, reaction));
}

static bool has_reaction(struct arena *a, const struct json *list, struct str id)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (str_eq(reaction_id(a, v), id))
            return true;
    }
    return false;
}

/* Of several reactions by one person the one that is new stands for all: a person has one here. */
static const struct json *reaction_now(struct arena *a, const struct json *old,
                                       const struct json *now)
{
    const struct json *shown = NULL;
    for (const struct json *v = json_first(now); v; v = json_next(now, v)) {
        if (!shown || !has_reaction(a, old, reaction_id(a, v)))
            shown = v;
    }
    return shown;
}

static bool on_reaction(struct telegram_reading *r)
{
    struct event *ev = r->ev;
    const struct json *user = json_get(r->what, "user"), *chat = json_get(r->what, "actor_chat");
    const struct json *who = user ? user : chat;
    const struct json *old = json_get(r->what, "old_reaction");
    const struct json *now = json_get(r->what, "new_reaction");
    ev->target_id = telegram_message_id(r->a, &r->place, telegram_id(r->a, r->what, "message_id"));
    if (!ev->target_id.ptr || !json_is(now, JSON_ARRAY) || now->n > REACTIONS_MAX ||
        (old && old->n > REACTIONS_MAX)) {
        ev->target_id = STR_NONE;
        return unknown(r, "message_reaction without message or reactions", STR_NONE);
    }
    ev->at_ms = field_time(r->a, json_get(r->what, "date"));
    struct str actor = telegram_id(r->a, who, "id");
    telegram_people(r, who, str_eq(actor, r->bot) ? DIR_OUT : DIR_IN);
    ev->kind = EVENT_REACTION;
    const struct json *shown = reaction_now(r->a, old, now);
    if (shown) {
        ev->text = reaction_text(r->a, shown);
        extra_str(r->extra, "custom_emoji_id", field_id(r->a, shown, "custom_emoji_id"));
    }
    struct str parts[] = {ev->target_id, ev->sender, r->update_id};
    ev->key = event_key(r->a, "reaction", parts, ARRAY_LEN(parts));
    return true;
}

/* --- the bot in a chat, and in a business account --------------------------------------------- */

static const struct {
    const char *status;
    bool is_in;
} member_statuses[] = {
    {"creator", true},    {"administrator", true}, {"member", true},
    {"restricted", true}, {"left", false},         {"kicked", false},
};

/* -1: no status that we know. */
static int is_member(struct arena *a, const struct json *member)
{
    struct str status = field_text(a, member, "status");
    for (size_t i = 0; i < ARRAY_LEN(member_statuses); i++) {
        if (str_eq_c(status, member_statuses[i].status))
            return member_statuses[i].is_in;
    }
    return -1;
}

/* What became of the bot's own membership: in a private chat, that the contact blocked it. */
static bool on_membership(struct telegram_reading *r)
{
    struct event *ev = r->ev;
    const struct json *now = json_get(r->what, "new_chat_member");
    int was_in = is_member(r->a, json_get(r->what, "old_chat_member"));
    int is_in = is_member(r->a, now);
    if (!ev->conversation.ptr || is_in < 0)
        return unknown(r, "my_chat_member without chat or status", STR_NONE);
    static const char *const private[] = {"contact_blocked", "contact_unblocked"};
    static const char *const group[] = {"bot_removed", "bot_added"};
    const char *what = r->place.is_group ? group[is_in] : private[is_in];
    if (was_in == is_in)
        what = "bot_rights_changed";
    ev->at_ms = field_time(r->a, json_get(r->what, "date"));
    telegram_people(r, json_get(r->what, "from"), DIR_IN);
    ev->kind = EVENT_SYSTEM;
    extra_str(r->extra, "system", str_of(what));
    extra_str(r->extra, "bot_status", field_text(r->a, now, "status"));
    struct str parts[] = {r->place.conversation, key_time(r->a, ev), r->update_id};
    ev->key = event_key(r->a, "membership", parts, ARRAY_LEN(parts));
    return true;
}

static bool on_connection(struct telegram_reading *r)
{
    struct event *ev = r->ev;
    const struct json *owner = json_get(r->what, "user");
    const struct json *rights = json_get(r->what, "rights");
    struct str id = field_id(r->a, r->what, "id");
    if (!id.ptr)
        return unknown(r, "business_connection without id", STR_NONE);
    bool enabled = json_truthy(json_get(r->what, "is_enabled"));
    ev->kind = EVENT_ACCOUNT_STATUS;
    ev->at_ms = field_time(r->a, json_get(r->what, "date"));
    ev->status = enabled ? STR("ok") : STR("stopped");
    ev->provider_status = enabled ? STR("enabled") : STR("disabled");
    extra_str(r->extra, "business_connection_id", id);
    extra_str(r->extra, "owner_id", telegram_id(r->a, owner, "id"));
    extra_str(r->extra, "owner_name", telegram_name(r->a, owner));
    extra_true(r->extra, "can_reply",
               json_truthy(json_get(rights ? rights : r->what, "can_reply")));
    struct str parts[] = {id, r->update_id};
    ev->key = event_key(r->a, "account_status", parts, ARRAY_LEN(parts));
    return true;
}

/* --- kinds ------------------------------------------------------------------------------------ */

static const struct telegram_kind kinds[] = {
    {"message", on_message, NULL},
    {"edited_message", on_edited, NULL},
    {"channel_post", on_message, NULL},
    {"edited_channel_post", on_edited, NULL},
    {"business_message", on_message, NULL},
    {"edited_business_message", on_edited, NULL},
    {"deleted_business_messages", on_deleted, "message_ids"},
    {"business_connection", on_connection, NULL},
    {"callback_query", on_callback, NULL},
    {"message_reaction", on_reaction, NULL},
    {"my_chat_member", on_membership, NULL},
    {"message_reaction_count", NULL, NULL},
    {"inline_query", NULL, NULL},
    {"chosen_inline_result", NULL, NULL},
    {"shipping_query", NULL, NULL},
    {"pre_checkout_query", NULL, NULL},
    {"purchased_paid_media", NULL, NULL},
    {"poll", NULL, NULL},
    {"poll_answer", NULL, NULL},
    {"chat_member", NULL, NULL},
    {"chat_join_request", NULL, NULL},
    {"chat_boost", NULL, NULL},
    {"removed_chat_boost", NULL, NULL},
    {"managed_bot", NULL, NULL},
    {"subscription", NULL, NULL},
};

const struct json *telegram_update_list(const struct telegram_update *u)
{
    const struct json *list = u->kind && u->kind->list ? json_get(u->what, u->kind->list) : NULL;
    return json_is(list, JSON_ARRAY) ? list : NULL;
}

static void place_find(struct arena *a, struct telegram_update *u)
{
    bool is_callback = u->kind->read == on_callback;
    const struct json *holder = is_callback ? json_get(u->what, "message") : u->what;
    struct telegram_place *p = &u->place;
    p->chat = json_get(holder, "chat");
    p->chat_id = telegram_id(a, p->chat, "id");
    p->connection = field_id(a, holder, "business_connection_id");
    if (!p->chat_id.ptr) {
        p->chat = NULL;
        // A button that was pressed elsewhere: the private chat with who pressed it.
        if (is_callback)
            p->conversation = telegram_id(a, json_get(u->what, "from"), "id");
        return;
    }
    p->conversation = p->connection.ptr
                          ? str_fmt(a, "%.*s:%.*s", STR_ARG(p->connection), STR_ARG(p->chat_id))
                          : p->chat_id;
    struct str type = field_id(a, p->chat, "type");
    p->is_group = type.ptr ? !str_eq_c(type, "private") : p->chat_id.ptr[0] == '-';
}

bool telegram_update_read(struct arena *a, const struct json *root, struct telegram_update *u,
                          struct err *err)
{
    *u = (struct telegram_update){.id = telegram_id(a, root, "update_id")};
    if (!u->id.ptr)
        return err_set(err, ERR_INVALID, "body is no update: it has no update_id");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        u->what = json_get(root, kinds[i].name);
        if (!json_is(u->what, JSON_OBJECT))
            continue;
        u->kind = &kinds[i];
        u->name = str_of(kinds[i].name);
        place_find(a, u);
        return true;
    }
    u->what = root;
    for (const struct json *v = json_first(root); v && !u->name.ptr; v = json_next(root, v)) {
        struct str key = json_text(a, json_key(v));
        if (!str_eq_c(key, "update_id"))
            u->name = key;
    }
    return true;
}

void telegram_update_unknown(const struct telegram_update *u, struct str body,
                             struct telegram_reading *r)
{
    event_set_unknown(r->a, r->ev, body, "update", str_or(u->name, STR("without content")));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "x.h"

static const char *const list_names[X_LISTS] = {
    [X_MESSAGES] = "direct_message_events",
    [X_TYPING] = "direct_message_indicate_typing_events",
    [X_READS] = "direct_message_mark_read_events",
};

/* --- users ------------------------------------------------------------------------------------ */

#define USERS_MAX 100000

static struct x_user *user_slot(const struct x_body *b, struct str id)
{
    size_t i = str_hash(id) & b->users_mask;
    while (b->users[i].value && !str_eq(b->users[i].id, id))
        i = (i + 1) & b->users_mask;
    return &b->users[i];
}

/* Looked up twice for each item, so by hash: a body may name many. */
static bool users_index(struct arena *a, struct x_body *b, struct err *err)
{
    const struct json *users = json_get(b->holder, "users");
    if (!json_is(users, JSON_OBJECT) || !users->n)
        return true;
    size_t slots = 4;
    while (slots < 2 * (size_t)users->n)
        slots *= 2;
    b->users = unit_array(a, slots, 4 * USERS_MAX, sizeof *b->users, "users", err);
    if (!b->users)
        return false;
    b->users_mask = slots - 1;
    for (const struct json *v = json_first(users); v; v = json_next(users, v)) {
        struct str id = json_text(a, json_key(v));
        // Of duplicates the last counts.
        *user_slot(b, id) = (struct x_user){id, v};
    }
    return true;
}

const struct json *x_body_user(const struct x_body *b, struct str id)
{
    return id.ptr && b->users_mask ? user_slot(b, id)->value : NULL;
}

/* --- what a body holds ------------------------------------------------------------------------ */

/* What happens to posts and people, and is nothing for an inbox. */
static const char *const useless_members[] = {
    "tweet_create_events", "tweet_delete_events", "favorite_events", "follow_events",
    "unfollow_events",     "block_events",        "unblock_events",  "mute_events",
    "unmute_events",       "for_user_id",         "users",           "apps",
    "is_blocked_by",       "user_has_blocked",
};
static const char *const useless_families[] = {
    "post.", "like.", "follow.", "profile.", "mute.", "block.", "news.", "spaces.", "broadcast.",
};

static bool is_useless_member(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(useless_members); i++) {
        if (str_eq_c(name, useless_members[i]))
            return true;
    }
    return false;
}

static bool is_useless_type(struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(useless_families); i++) {
        if (str_starts(type, str_of(useless_families[i])))
            return true;
    }
    return false;
}

static const struct json *list_of(const struct x_body *b, size_t list)
{
    const struct json *v = json_get(b->holder, list_names[list]);
    return json_is(v, JSON_ARRAY) ? v : NULL;
}

static size_t count_items(const struct x_body *b)
{
    size_t n = 1; // of X Activity: its payload
    for (size_t i = 0; i < X_LISTS; i++)
        n += list_of(b, i) ? list_of(b, i)->n : 0;
    return n + (b->data ? 0 : b->root->n);
}

static bool is_number(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return s.len > 0;
}

/* Ids are decimal numbers of any length: the shorter one is the smaller. */
static bool is_less(struct str a, struct str b)
{
    return a.len != b.len ? a.len < b.len : memcmp(a.ptr, b.ptr, a.len) < 0;
}

static struct str pair_of(struct arena *a, struct str one, struct str two)
{
    if (!is_number(one) || !is_number(two))
        return STR_NONE;
    bool in_order = is_less(one, two);
    struct str first = in_order ? one : two, second = in_order ? two : one;
    return str_fmt(a, "%.*s-%.*s", STR_ARG(first), STR_ARG(second));
}

/* Encrypted chats name their conversation: "a:b" is that of two users, in any order. */
static void chat_place(struct arena *a, struct x_item *item)
{
    struct str id = field_id(a, item->value, "conversation_id"), one, two;
    item->conversation = id;
    if (!str_cut(id, ':', &one, &two) || !is_number(one) || !is_number(two))
        return; // of a group
    item->conversation = pair_of(a, one, two);
    item->recipient = str_eq(item->sender, one) ? two : one;
}

static void item_place(struct arena *a, struct x_item *item)
{
    const struct json *v = item->value;
    if (item->list == X_REVOKE || item->list == X_OTHER)
        return;
    const struct json *inner = item->list == X_MESSAGES ? json_get(v, "message_create") : v;
    item->sender = field_id(a, inner, "sender_id");
    if (item->list == X_CHAT) {
        chat_place(a, item);
        return;
    }
    item->recipient = field_id(a, json_get(inner, "target"), "recipient_id");
    item->conversation = pair_of(a, item->sender, item->recipient);
}

static void item_add(struct arena *a, struct x_body *b, enum x_list list, const struct json *value)
{
    struct x_item *item = &b->items[b->n];
    *item = (struct x_item){.list = list, .index = (uint32_t)b->n, .value = value};
    item_place(a, item);
    b->n++;
}

static void lists_add(struct arena *a, struct x_body *b)
{
    for (size_t i = 0; i < X_LISTS; i++) {
        const struct json *list = list_of(b, i);
        for (const struct json *v = json_first(list); v; v = json_next(list, v))
            item_add(a, b, (enum x_list)i, v);
    }
}

/* A list, or what stands where one should, of which a later one of that name takes the place. */
static bool is_list(const struct x_body *b, const struct json *v, struct str name)
{
    for (size_t i = 0; i < X_LISTS; i++) {
        if (str_eq_c(name, list_names[i]))
            return v->type == JSON_ARRAY || json_get(b->holder, list_names[i]) != v;
    }
    return false;
}

/* Members of Account Activity other than its lists of messages. */
static void members_add(struct arena *a, struct x_body *b)
{
    for (const struct json *v = json_first(b->root); v; v = json_next(b->root, v)) {
        struct str name = json_text(a, json_key(v));
        if (is_list(b, v, name) || v->type == JSON_NULL || is_useless_member(name))
            continue;
        bool revoked = str_eq_c(name, "user_event") && json_get(v, "revoke");
        item_add(a, b, revoked ? X_REVOKE : X_OTHER, v);
    }
}

static enum x_list payload_list(const struct x_body *b)
{
    static const char *const chats[] = {"chat.received", "chat.sent", "chat.conversation_join"};
    for (size_t i = 0; i < ARRAY_LEN(chats); i++) {
        if (str_eq_c(b->type, chats[i]))
            return X_CHAT;
    }
    return str_eq_c(b->type, "oauth.revoke") ? X_REVOKE : X_OTHER;
}

/* The payload of X Activity: lists of messages, or one thing. */
static void payload_add(struct arena *a, struct x_body *b)
{
    bool is_object = json_is(b->holder, JSON_OBJECT);
    enum x_list list = is_object ? payload_list(b) : X_OTHER;
    if (list != X_OTHER)
        item_add(a, b, list, b->holder);
    else if (str_starts(b->type, STR("dm.")))
        lists_add(a, b);
    if (!b->n && !is_useless_type(b->type))
        item_add(a, b, X_OTHER, b->data);
}

static void owner_find(struct arena *a, struct x_body *b)
{
    const struct json *revoke = json_get(json_get(b->root, "user_event"), "revoke");
    // Who takes an authorisation back is not named where the others are.
    const struct json *owners[] = {
        b->data ? json_get(json_get(b->data, "filter"), "user_id")
                : json_get(b->root, "for_user_id"),
        b->data ? json_get(b->holder, "user_id") : json_get(json_get(revoke, "source"), "user_id"),
    };
    for (size_t i = 0; i < ARRAY_LEN(owners) && !b->account.len; i++) {
        b->owner = owners[i];
        b->account = json_text(a, owners[i]);
    }
}

bool x_body_read(struct arena *a, const struct json *root, struct x_body *b, struct err *err)
{
    *b = (struct x_body){.root = root, .holder = root};
    if (!json_is(root, JSON_OBJECT))
        return err_set(err, ERR_INVALID, "body is not a JSON object");
    const struct json *data = json_get(root, "data");
    if (!json_get(root, "for_user_id") && json_is(data, JSON_OBJECT)) {
        b->data = data;
        b->holder = json_get(data, "payload");
        b->type = field_id(a, data, "event_type");
        if (!b->type.ptr)
            return err_set(err, ERR_INVALID, "data without event_type");
    }
    b->items = unit_array(a, count_items(b), UNIT_ITEMS_MAX, sizeof *b->items, "items", err);
    if (!b->items || !users_index(a, b, err))
        return false;
    if (b->data) {
        payload_add(a, b);
    } else {
        lists_add(a, b);
        members_add(a, b);
    }
    owner_find(a, b);
    return b->account.len || !b->n ||
           err_set(err, ERR_INVALID, "body names no user: neither for_user_id nor filter.user_id");
}

/* --- units ------------------------------------------------------------------------------------ */

static int by_conversation(const void *one, const void *two)
{
    const struct x_item *x = one, *y = two;
    if (!x->conversation.ptr != !y->conversation.ptr)
        return x->conversation.ptr ? 1 : -1;
    int order = str_cmp(x->conversation, y->conversation);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static bool is_same(const struct x_item *x, const struct x_item *y)
{
    return !x->conversation.ptr == !y->conversation.ptr && str_eq(x->conversation, y->conversation);
}

/* Bytes written, or only counted while `to` is NULL. */
struct writer {
    char *to;
    size_t len;
    bool comma;
};

static void put(struct writer *w, struct str s)
{
    if (w->to)
        memcpy(w->to + w->len, s.ptr, s.len);
    w->len += s.len;
}

static void put_key(struct writer *w, const char *name)
{
    put(w, w->comma ? STR(",\"") : STR("\""));
    put(w, str_of(name));
    put(w, STR("\":"));
    w->comma = true;
}

static void put_open(struct writer *w, const char *name)
{
    put_key(w, name);
    put(w, STR("{"));
    w->comma = false;
}

static void put_close(struct writer *w)
{
    put(w, STR("}"));
    w->comma = true;
}

/* A member as it stands. */
static void put_member(struct writer *w, const struct json *v)
{
    if (!v)
        return;
    if (w->comma)
        put(w, STR(","));
    put(w, json_key(v)->span);
    put(w, STR(":"));
    put(w, v->span);
    w->comma = true;
}

static void put_list(struct writer *w, const struct x_item *items, size_t n)
{
    put_key(w, list_names[items->list]);
    for (size_t i = 0; i < n; i++) {
        put(w, i ? STR(",") : STR("["));
        put(w, items[i].value->span);
    }
    put(w, STR("]"));
}

/* Items of one conversation: members as they stood, lists, and the users that they name, who are
 * the same two. */
static void put_items(struct writer *w, const struct x_body *b, const struct x_item *items,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i].list >= X_LISTS)
            put_member(w, items[i].value);
    }
    for (size_t i = 0, run; i < n && items[i].list < X_LISTS; i += run) {
        for (run = 1; i + run < n && items[i + run].list == items[i].list;)
            run++;
        put_list(w, items + i, run);
    }
    const struct json *one = x_body_user(b, items->sender);
    const struct json *two = x_body_user(b, items->recipient);
    if (!one && !two)
        return;
    put_open(w, "users");
    put_member(w, one);
    put_member(w, two != one ? two : NULL);
    put_close(w);
}

static void put_body(struct writer *w, const struct x_body *b, const struct x_item *items, size_t n)
{
    put(w, STR("{"));
    if (!b->data) {
        put_key(w, "for_user_id");
        put(w, b->owner->span);
        put_items(w, b, items, n);
    } else {
        put_open(w, "data");
        put_member(w, json_get(b->data, "event_uuid"));
        put_member(w, json_get(b->data, "filter"));
        put_member(w, json_get(b->data, "event_type"));
        put_open(w, "payload");
        put_member(w, json_get(b->holder, "user_id"));
        put_items(w, b, items, n);
        put_close(w);
        put_close(w);
    }
    put(w, STR("}"));
}

static bool body_write(struct arena *a, const struct x_body *b, const struct x_item *items,
                       size_t n, struct str *out, struct err *err)
{
    struct writer w = {0};
    put_body(&w, b, items, n);
    w = (struct writer){.to = arena_try(a, w.len)};
    if (!w.to)
        return err_set(err, ERR_LIMITED, "no room for the units of this body");
    put_body(&w, b, items, n);
    *out = (struct str){w.to, w.len};
    return true;
}

bool x_body_split(struct arena *a, struct x_body *b, struct str body, struct units *out,
                  struct err *err)
{
    *out = (struct units){0};
    if (!b->n)
        return true;
    qsort(b->items, b->n, sizeof *b->items, by_conversation);
    bool is_one = is_same(&b->items[0], &b->items[b->n - 1]);
    struct unit *units = unit_array(a, b->n, UNIT_ITEMS_MAX, sizeof *units, "units", err);
    if (!units)
        return false;
    size_t n_units = 0;
    for (size_t i = 0, run; i < b->n; i += run) {
        for (run = 1; i + run < b->n && is_same(&b->items[i], &b->items[i + run]);)
            run++;
        struct unit *unit = &units[n_units++];
        *unit = (struct unit){b->account, STR("user"), b->items[i].conversation, body};
        if (!is_one && !body_write(a, b, b->items + i, run, &unit->body, err))
            return false;
    }
    *out = (struct units){units, n_units};
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "whatsapp.h"

const char *const whatsapp_nests[WHATSAPP_NESTS] = {
    [WHATSAPP_MESSAGES] = "messages",
    [WHATSAPP_ECHOES] = "message_echoes",
    [WHATSAPP_STATUSES] = "statuses",
    [WHATSAPP_ERRORS] = "errors",
    [WHATSAPP_PREFERENCES] = "user_preferences",
};

/* --- persons ---------------------------------------------------------------------------------- */

/* Which members say who. */
static const struct {
    const char *number, *user_id, *parent_user_id;
} members[WHATSAPP_NESTS] = {
    [WHATSAPP_MESSAGES] = {"from", "from_user_id", "from_parent_user_id"},
    [WHATSAPP_ECHOES] = {"to", "to_user_id", "to_parent_user_id"},
    [WHATSAPP_STATUSES] = {"recipient_id", "recipient_user_id", "recipient_parent_user_id"},
    [WHATSAPP_ERRORS] = {NULL, NULL, NULL},
    [WHATSAPP_PREFERENCES] = {"wa_id", "user_id", "parent_user_id"},
};

struct whatsapp_person whatsapp_person_of(struct arena *a, enum whatsapp_nest nest,
                                          const struct json *value)
{
    struct whatsapp_person p = {STR_NONE, STR_NONE, STR_NONE, STR_NONE};
    if (!members[nest].number)
        return p;
    p.number = field_id(a, value, members[nest].number);
    p.user_id = field_id(a, value, members[nest].user_id);
    p.parent_user_id = field_id(a, value, members[nest].parent_user_id);
    p.group = field_id(a, value, "group_id");
    if (nest != WHATSAPP_STATUSES || !str_eq_c(field_text(a, value, "recipient_type"), "group"))
        return p;
    // Of a group's receipts recipient_id is the group, and who received it is a participant.
    return (struct whatsapp_person){
        .number = field_id(a, value, "recipient_participant_id"),
        .user_id = field_id(a, value, "recipient_participant_user_id"),
        .parent_user_id = field_id(a, value, "recipient_participant_parent_user_id"),
        .group = str_or(p.group, p.number),
    };
}

struct str whatsapp_conversation_of(const struct whatsapp_person *p)
{
    return str_or(p->group, str_or(p->number, p->user_id));
}

/* --- contacts --------------------------------------------------------------------------------- */

/* The contacts of a value by each of their ids. */
struct known {
    struct str id;
    const struct json *contact; /* all in one array: the lesser stands before the greater */
};
struct contacts {
    struct known *items;
    size_t n;
};

static int known_cmp(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    int by_id = str_cmp(x->id, y->id);
    return by_id ? by_id : (x->contact > y->contact) - (x->contact < y->contact);
}

static bool contacts_read(struct arena *a, const struct json *value, struct contacts *out,
                          struct err *err)
{
    const struct json *list = json_get(value, "contacts");
    *out = (struct contacts){0};
    if (!json_is(list, JSON_ARRAY) || !list->n)
        return true;
    out->items = unit_array(a, 2 * (size_t)list->n, 2 * UNIT_ITEMS_MAX, sizeof *out->items,
                            "ids of contacts", err);
    if (!out->items)
        return false;
    for (const struct json *c = json_first(list); c; c = json_next(list, c)) {
        struct str ids[] = {field_id(a, c, "wa_id"), field_id(a, c, "user_id")};
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
            if (ids[i].ptr)
                out->items[out->n++] = (struct known){ids[i], c};
        }
    }
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, known_cmp);
    return true;
}

/* The first contact of that id; NULL: none. */
static const struct json *contacts_find(const struct contacts *contacts, struct str id)
{
    size_t low = 0, high = id.ptr ? contacts->n : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(contacts->items[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = id.ptr && low < contacts->n && str_eq(contacts->items[low].id, id);
    return found ? contacts->items[low].contact : NULL;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* The fields whose values hold lists of items. In others such lists mean something else (history).
 */
static bool has_nests(struct arena *a, const struct json *change)
{
    static const char *const fields[] = {"messages", "smb_message_echoes", "message_echoes",
                                         "user_preferences"};
    struct str field = field_text(a, change, "field");
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        known |= str_eq_c(field, fields[i]);
    if (!known)
        return false;
    // A list that is none makes the whole change one that we do not know.
    size_t n = 0;
    for (size_t i = 0; i < WHATSAPP_NESTS; i++) {
        const struct json *list = json_get(json_get(change, "value"), whatsapp_nests[i]);
        if (list && !json_is(list, JSON_ARRAY))
            return false;
        n += list != NULL;
    }
    return n > 0;
}

static size_t count_nested(const struct json *change)
{
    size_t n = 0;
    for (size_t i = 0; i < WHATSAPP_NESTS; i++) {
        const struct json *list = json_get(json_get(change, "value"), whatsapp_nests[i]);
        n += list ? list->n : 0;
    }
    return n;
}

static bool add_nested(struct arena *a, struct meta_item item, struct meta_items *out,
                       struct err *err)
{
    const struct json *value = json_get(item.value, "value");
    struct contacts contacts;
    if (!contacts_read(a, value, &contacts, err))
        return false;
    item.list = META_NESTED;
    item.change = item.value;
    for (size_t i = 0; i < WHATSAPP_NESTS; i++) {
        const struct json *list = json_get(value, whatsapp_nests[i]);
        item.nest = i;
        for (item.value = json_first(list); item.value; item.value = json_next(list, item.value)) {
            struct whatsapp_person p = whatsapp_person_of(a, (enum whatsapp_nest)i, item.value);
            item.contact = contacts_find(&contacts, p.number);
            if (!item.contact)
                item.contact = contacts_find(&contacts, p.user_id);
            out->items[out->n++] = item;
        }
    }
    return true;
}

/* The number that a change is about; what is about the whole business account has that id. */
static void account_set(struct arena *a, struct meta_item *item)
{
    const struct json *metadata = json_get(json_get(item->value, "value"), "metadata");
    item->account = str_or(field_id(a, metadata, "phone_number_id"), item->account);
}

bool whatsapp_expand(struct arena *a, const struct meta_items *in, struct meta_items *out,
                     struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < in->n; i++) {
        const struct meta_item *item = &in->items[i];
        bool nested = item->list == META_CHANGES && has_nests(a, item->value);
        n += nested ? count_nested(item->value) : 1;
    }
    *out = (struct meta_items){0};
    out->items = unit_array(a, n, UNIT_ITEMS_MAX, sizeof *out->items, "items", err);
    if (!out->items)
        return false;
    for (size_t i = 0; i < in->n; i++) {
        struct meta_item item = in->items[i];
        if (item.list == META_CHANGES)
            account_set(a, &item);
        if (item.list != META_CHANGES || !has_nests(a, item.value))
            out->items[out->n++] = item;
        else if (!add_nested(a, item, out, err))
            return false;
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "whatsapp.h"

/* --- people ----------------------------------------------------------------------------------- */

bool whatsapp_people_set(struct arena *a, const struct meta_item *item, enum direction dir,
                         struct event *ev, struct extra *x)
{
    struct whatsapp_person p = whatsapp_person_of(a, (enum whatsapp_nest)item->nest, item->value);
    const struct json *profile = json_get(item->contact, "profile");
    struct str name = field_id(a, profile, "name");
    struct str self = item->account, other = str_or(p.number, p.user_id);
    ev->conversation = whatsapp_conversation_of(&p);
    if (!ev->conversation.ptr)
        return false;
    ev->direction = dir;
    ev->is_group = p.group.ptr != NULL;
    ev->sender = dir == DIR_OUT ? self : other;
    ev->sender_name = dir == DIR_OUT ? STR_NONE : name;
    ev->recipient = dir == DIR_OUT ? ev->conversation : self;

    struct str number = str_or(p.number, field_id(a, item->contact, "wa_id"));
    struct str user_id = str_or(p.user_id, field_id(a, item->contact, "user_id"));
    struct str phone = phone_e164(a, number);
    struct str handle = field_id(a, profile, "username");
    if (ev->is_group && dir == DIR_OUT)
        return true; // to all of them
    if (ev->is_group) {
        extra_str(x, "sender_phone", phone);
        extra_str(x, "sender_handle", handle);
        extra_str(x, "sender_user_id", p.number.ptr ? user_id : STR_NONE);
        return true;
    }
    ev->contact = other;
    ev->contact_name = name;
    // A user who is known by the number today may come with the other id alone tomorrow.
    ev->conversation_alias = p.number.ptr ? user_id : number;
    extra_str(x, "contact_phone", phone);
    extra_str(x, "contact_handle", handle);
    extra_str(x, "contact_parent_user_id",
              str_or(p.parent_user_id, field_id(a, item->contact, "parent_user_id")));
    return true;
}

static bool unknown(struct arena *a, const struct meta_item *item, struct event *ev,
                    const char *what, struct str name)
{
    event_set_unknown(a, ev, item->value->span, what, name);
    return true;
}

/* --- messages --------------------------------------------------------------------------------- */

/* What the message answers or passes on. */
static void context_read(struct arena *a, const struct json *message, struct event *ev,
                         struct extra *x)
{
    const struct json *context = json_get(message, "context");
    const struct json *product = json_get(context, "referred_product");
    ev->reply_to = field_id(a, context, "id");
    if (ev->reply_to.ptr)
        extra_str(x, "quoted_sender",
                  str_or(field_id(a, context, "from"), field_id(a, context, "from_user_id")));
    extra_true(x, "forwarded",
               json_truthy(json_get(context, "forwarded")) ||
                   json_truthy(json_get(context, "frequently_forwarded")));
    extra_true(x, "frequently_forwarded", json_truthy(json_get(context, "frequently_forwarded")));
    extra_str(x, "catalog_id", field_id(a, product, "catalog_id"));
    extra_str(x, "product_id", field_id(a, product, "product_retailer_id"));
}

/* The ad that the person came through. */
static void referral_read(struct arena *a, const struct json *message, struct event *ev,
                          struct extra *x)
{
    static const struct {
        const char *sent, *name;
    } members[] = {
        {"source_type", "referral_source"}, {"source_url", "referral_url"},
        {"headline", "ad_title"},           {"body", "ad_text"},
        {"image_url", "ad_photo_url"},      {"video_url", "ad_video_url"},
        {"ctwa_clid", "ctwa_clid"},
    };
    const struct json *referral = json_get(message, "referral");
    ev->referral = str_or(field_id(a, referral, "source_id"), field_id(a, referral, "source_url"));
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        extra_str(x, members[i].name, field_id(a, referral, members[i].sent));
}

static bool read_reaction(struct arena *a, const struct meta_item *item, struct event *ev,
                          struct extra *x, struct err *err)
{
    (void)x;
    (void)err;
    const struct json *reaction = json_get(item->value, "reaction");
    ev->target_id = field_id(a, reaction, "message_id");
    if (!ev->target_id.ptr)
        return unknown(a, item, ev, "reaction without message_id", STR_NONE);
    ev->kind = EVENT_REACTION;
    ev->text = field_id(a, reaction, "emoji"); // "" and absent: taken away
    ev->key = event_key(a, "reaction", &ev->external_id, 1);
    return true;
}

static bool read_edit(struct arena *a, const struct meta_item *item, struct event *ev,
                      struct extra *x, struct err *err)
{
    const struct json *edit = json_get(item->value, "edit");
    const struct json *message = json_get(edit, "message");
    ev->target_id = field_id(a, edit, "original_message_id");
    if (!ev->target_id.ptr)
        return unknown(a, item, ev, "edit without original_message_id", STR_NONE);
    context_read(a, message, ev, x);
    if (!whatsapp_content_read(a, message, ev, x, err))
        return false;
    ev->kind = EVENT_EDITED; // last: content may have said that it is a system message
    ev->key = event_key(a, "edited", &ev->external_id, 1);
    return true;
}

static bool read_revoke(struct arena *a, const struct meta_item *item, struct event *ev,
                        struct extra *x, struct err *err)
{
    (void)x;
    (void)err;
    const struct json *revoke = json_get(item->value, "revoke");
    ev->target_id = field_id(a, revoke, "original_message_id");
    if (!ev->target_id.ptr)
        return unknown(a, item, ev, "revoke without original_message_id", STR_NONE);
    ev->kind = EVENT_DELETED;
    ev->key = event_key(a, "deleted", &ev->external_id, 1);
    return true;
}

static bool read_message(struct arena *a, const struct meta_item *item, struct event *ev,
                         struct extra *x, struct err *err)
{
    ev->kind = EVENT_MESSAGE;
    context_read(a, item->value, ev, x);
    referral_read(a, item->value, ev, x);
    if (!whatsapp_content_read(a, item->value, ev, x, err))
        return false;
    ev->key = event_key(a, event_kind_name(ev->kind), &ev->external_id, 1);
    return true;
}

/* Types that change another message. */
static const struct {
    const char *type;
    bool (*read)(struct arena *a, const struct meta_item *item, struct event *ev, struct extra *x,
                 struct err *err);
} changes[] = {
    {"reaction", read_reaction},
    {"edit", read_edit},
    {"revoke", read_revoke},
};

static bool message_read(struct arena *a, const struct meta_item *item, struct event *ev,
                         struct extra *x, struct err *err)
{
    ev->external_id = field_id(a, item->value, "id");
    if (!whatsapp_people_set(a, item, item->nest == WHATSAPP_ECHOES ? DIR_OUT : DIR_IN, ev, x))
        return unknown(a, item, ev, "message that names nobody", STR_NONE);
    if (!ev->external_id.ptr)
        return unknown(a, item, ev, "message without id", STR_NONE);
    struct str type = field_id(a, item->value, "type");
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        if (str_eq_c(type, changes[i].type))
            return changes[i].read(a, item, ev, x, err);
    }
    return read_message(a, item, ev, x, err);
}

bool whatsapp_parse_message(struct arena *a, const struct meta_item *item, struct event *ev,
                            struct err *err)
{
    struct extra x;
    extra_init(&x);
    ev->at_ms = field_time(a, json_get(item->value, "timestamp"));
    bool ok = message_read(a, item, ev, &x, err);
    return extra_done(&x, a, &ev->extra, err) && ok;
}

/* --- statuses --------------------------------------------------------------------------------- */

void whatsapp_error_read(struct arena *a, const struct json *errors, struct str *code,
                         struct str *text)
{
    const struct json *first = json_is(errors, JSON_ARRAY) ? json_first(errors) : errors;
    struct str details = field_id(a, json_get(first, "error_data"), "details");
    *code = field_id(a, first, "code");
    *text = str_or(details, str_or(field_id(a, first, "message"), field_id(a, first, "title")));
}

static const struct {
    const char *name;
    enum event_kind kind;
} statuses[] = {
    {"sent", EVENT_SENT},     {"delivered", EVENT_DELIVERED}, {"read", EVENT_READ},
    {"played", EVENT_PLAYED}, {"failed", EVENT_FAILED},       {"deleted", EVENT_DELETED},
    {"warning", EVENT_SENT}, // it went out, and something about it is odd: the error says what
};

static bool status_read(struct arena *a, const struct meta_item *item, struct event *ev,
                        struct extra *x)
{
    const struct json *value = item->value;
    struct str status = field_id(a, value, "status");
    if (!whatsapp_people_set(a, item, DIR_IN, ev, x))
        return unknown(a, item, ev, "status that names nobody", STR_NONE);
    ev->target_id = field_id(a, value, "id");
    if (!ev->target_id.ptr)
        return unknown(a, item, ev, "status without id", STR_NONE);
    size_t i = 0;
    while (i < ARRAY_LEN(statuses) && !str_eq_c(status, statuses[i].name))
        i++;
    if (i == ARRAY_LEN(statuses))
        return unknown(a, item, ev, "status", str_or(status, STR("that is absent")));

    ev->kind = statuses[i].kind;
    ev->client_ref = field_id(a, value, "biz_opaque_callback_data");
    whatsapp_error_read(a, json_get(value, "errors"), &ev->provider_status, &ev->reason);
    if (ev->kind == EVENT_FAILED && !ev->reason.ptr)
        ev->reason = STR("WhatsApp could not deliver it and says no more");
    const struct json *pricing = json_get(value, "pricing");
    extra_true(x, "warning", str_eq_c(status, "warning"));
    extra_str(x, "pricing_category", field_id(a, pricing, "category"));
    extra_str(x, "pricing_type", field_id(a, pricing, "type"));
    extra_true(x, "billable", json_truthy(json_get(pricing, "billable")));
    struct str parts[] = {ev->target_id, ev->is_group ? ev->sender : STR_NONE};
    ev->key = event_key(a, statuses[i].name, parts, ARRAY_LEN(parts));
    return true;
}

bool whatsapp_parse_status(struct arena *a, const struct meta_item *item, struct event *ev,
                           struct err *err)
{
    struct extra x;
    extra_init(&x);
    ev->at_ms = field_time(a, json_get(item->value, "timestamp"));
    bool ok = status_read(a, item, ev, &x);
    return extra_done(&x, a, &ev->extra, err) && ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "meta.h"

static struct str id_of(const struct meta_reading *r, const char *side)
{
    return field_id(r->a, json_get(r->value, side), "id");
}

/* Who acted. Echoes are found with sender and recipient either way round, so the sides follow from
 * the direction, and the contact is whoever is not the account. */
void meta_people_set(struct meta_reading *r, enum direction dir)
{
    struct event *ev = r->ev;
    struct str contact = meta_contact(r->a, r->item->account, r->value);
    struct str sender = id_of(r, "sender"), recipient = id_of(r, "recipient");
    // In dashboard tests the account is "0" and our side has another id.
    struct str self = str_eq(sender, contact) ? recipient : sender;
    if (!self.ptr)
        self = r->item->account;
    ev->direction = dir;
    ev->conversation = ev->contact = contact;
    ev->sender = dir == DIR_OUT ? self : contact;
    ev->recipient = dir == DIR_OUT ? contact : self;
}

/* Of items other than messages: there is no echo mark, the sender is who acted. */
static enum direction acted(const struct meta_reading *r)
{
    return str_eq(id_of(r, "sender"), r->item->account) &&
                   !str_eq(id_of(r, "recipient"), r->item->account)
               ? DIR_OUT
               : DIR_IN;
}

bool meta_unknown(struct meta_reading *r, const char *what, struct str name)
{
    meta_people_set(r, DIR_IN);
    event_set_unknown(r->a, r->ev, r->item->value->span, what, name);
    return true;
}

static void referral_read(struct meta_reading *r, const struct json *referral)
{
    if (!referral)
        return;
    r->ev->referral = field_id(r->a, referral, "ref");
    const struct json *ad = json_get(referral, "ads_context_data");
    extra_str(r->extra, "referral_source", field_text(r->a, referral, "source"));
    extra_str(r->extra, "referral_type", field_text(r->a, referral, "type"));
    extra_str(r->extra, "ad_id", field_id(r->a, referral, "ad_id"));
    extra_str(r->extra, "ad_title", field_text(r->a, ad, "ad_title"));
    extra_str(r->extra, "ad_photo_url", field_text(r->a, ad, "photo_url"));
    extra_str(r->extra, "ad_video_url", field_text(r->a, ad, "video_url"));
    extra_str(r->extra, "product_id", field_id(r->a, json_get(referral, "product"), "id"));
}

/* --- message ---------------------------------------------------------------------------------- */

void meta_attachment_read(struct arena *a, const struct json *attachment,
                          const struct meta_attachment_type *types, size_t n, struct part *p)
{
    struct str sent = field_text(a, attachment, "type");
    const struct json *payload = json_get(attachment, "payload");
    p->type = STR("unsupported");
    p->url = field_id(a, payload, "url");
    p->text = field_id(a, payload, "title");
    for (size_t i = 0; i < n; i++) {
        if (!str_eq_c(sent, types[i].sent))
            continue;
        p->type = str_of(types[i].type);
        if (types[i].id)
            p->provider_ref = field_id(a, payload, types[i].id);
        break;
    }
}

static bool parts_read(struct meta_reading *r)
{
    const struct json *list = json_get(r->what, "attachments");
    bool unsupported = json_truthy(json_get(r->what, "is_unsupported"));
    size_t n = json_is(list, JSON_ARRAY) ? list->n : 0;
    // A message without content is one that the provider does not carry over.
    if (!n && (unsupported || !r->ev->text.ptr)) {
        r->ev->parts = ARENA_NEW(r->a, struct part);
        r->ev->parts->type = STR("unsupported");
        r->ev->n_parts = 1;
    }
    if (!n)
        return true;
    struct part *parts = unit_array(r->a, n, UNIT_PARTS_MAX, sizeof *parts, "attachments", r->err);
    if (!parts)
        return false;
    size_t i = 0;
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!r->dialect->attachment(r->a, r->what, v, &parts[i++], r->err))
            return false;
    }
    r->ev->parts = parts;
    r->ev->n_parts = n;
    return true;
}

static bool on_message(struct meta_reading *r)
{
    struct event *ev = r->ev;
    struct str mid = field_id(r->a, r->what, "mid");
    if (!mid.ptr)
        return meta_unknown(r, "message without mid", STR_NONE);
    bool is_echo = json_truthy(json_get(r->what, "is_echo"));
    meta_people_set(r, is_echo ? DIR_OUT : DIR_IN);
    if (json_truthy(json_get(r->what, "is_deleted"))) {
        ev->kind = EVENT_DELETED;
        ev->target_id = mid;
        ev->key = event_key(r->a, "deleted", &mid, 1);
        return true;
    }
    ev->kind = EVENT_MESSAGE;
    ev->external_id = mid;
    ev->key = event_key(r->a, "message", &mid, 1);
    ev->text = field_id(r->a, r->what, "text");
    ev->payload = field_text(r->a, json_get(r->what, "quick_reply"), "payload");
    referral_read(r, json_get(r->what, "referral"));
    if (is_echo) {
        ev->client_ref = field_id(r->a, r->what, "metadata");
        extra_str(r->extra, "app_id", field_id(r->a, r->what, "app_id"));
    }
    const struct json *reply = json_get(r->what, "reply_to");
    const struct json *story = json_get(reply, "story");
    ev->reply_to = field_id(r->a, reply, "mid");
    extra_str(r->extra, "story_id", field_id(r->a, story, "id"));
    extra_str(r->extra, "story_url", field_text(r->a, story, "url"));
    return parts_read(r);
}

/* --- what happens to messages ----------------------------------------------------------------- */

static const struct {
    const char *name, *emoji;
} reactions[] = {
    {"love", "❤"}, {"like", "👍"}, {"dislike", "👎"}, {"smile", "😆"},
    {"wow", "😮"},  {"sad", "😢"},  {"angry", "😠"},
};

static struct str emoji_of(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(reactions); i++) {
        if (str_eq_c(name, reactions[i].name))
            return str_of(reactions[i].emoji);
    }
    return name.len ? name : STR("other");
}

static bool on_reaction(struct meta_reading *r)
{
    struct event *ev = r->ev;
    struct str mid = field_id(r->a, r->what, "mid");
    struct str action = field_text(r->a, r->what, "action");
    struct str name = field_text(r->a, r->what, "reaction");
    struct str emoji = field_id(r->a, r->what, "emoji");
    bool removed = str_eq_c(action, "unreact");
    if (!mid.ptr || (!removed && !str_eq_c(action, "react")))
        return mid.ptr ? meta_unknown(r, "reaction action", str_or(action, STR("that is absent")))
                       : meta_unknown(r, "reaction without mid", STR_NONE);
    meta_people_set(r, acted(r));
    ev->kind = EVENT_REACTION;
    ev->target_id = mid;
    if (!removed)
        ev->text = emoji.ptr ? emoji : emoji_of(name);
    extra_str(r->extra, "reaction", name);
    struct str parts[] = {mid, ev->sender, removed ? STR("-") : ev->text, key_time(r->a, ev)};
    ev->key = event_key(r->a, "reaction", parts, ARRAY_LEN(parts));
    ev->key_is_weak = ev->at_ms == 0;
    return true;
}

/* One message is named, or a time up to which all are read. */
static bool on_read(struct meta_reading *r)
{
    struct event *ev = r->ev;
    struct str mid = field_id(r->a, r->what, "mid");
    int64_t watermark = field_time(r->a, json_get(r->what, "watermark"));
    if (!mid.ptr && !watermark)
        return meta_unknown(r, "read without mid or watermark", STR_NONE);
    meta_people_set(r, acted(r));
    ev->kind = EVENT_READ;
    ev->target_id = mid;
    ev->watermark_at_ms = watermark;
    struct str parts[] = {ev->sender, mid.ptr ? mid : field_text(r->a, r->what, "watermark")};
    ev->key = event_key(r->a, "read", parts, ARRAY_LEN(parts));
    return true;
}

static bool on_edit(struct meta_reading *r)
{
    struct event *ev = r->ev;
    struct str mid = field_id(r->a, r->what, "mid");
    if (!mid.ptr)
        return meta_unknown(r, "message_edit without mid", STR_NONE);
    meta_people_set(r, acted(r));
    ev->kind = EVENT_EDITED;
    ev->target_id = mid;
    ev->text = field_id(r->a, r->what, "text");
    struct str number = field_id(r->a, r->what, "num_edit");
    struct str parts[] = {mid, number.ptr ? number : key_time(r->a, ev)};
    ev->key = event_key(r->a, "edited", parts, ARRAY_LEN(parts));
    ev->key_is_weak = !number.ptr && ev->at_ms == 0;
    extra_int(r->extra, "num_edit", json_get(r->what, "num_edit"));
    return true;
}

/* --- what people do besides writing ----------------------------------------------------------- */

static bool on_postback(struct meta_reading *r)
{
    struct event *ev = r->ev;
    meta_people_set(r, acted(r));
    ev->kind = EVENT_POSTBACK;
    ev->external_id = field_id(r->a, r->what, "mid");
    ev->text = field_id(r->a, r->what, "title");
    ev->payload = field_text(r->a, r->what, "payload");
    referral_read(r, json_get(r->what, "referral"));
    struct str parts[] = {ev->sender, ev->payload, key_time(r->a, ev)};
    ev->key = ev->external_id.ptr ? event_key(r->a, "postback", &ev->external_id, 1)
                                  : event_key(r->a, "postback", parts, ARRAY_LEN(parts));
    return true;
}

static bool on_referral(struct meta_reading *r)
{
    meta_people_set(r, acted(r));
    r->ev->kind = EVENT_REFERRAL;
    referral_read(r, r->what);
    struct str parts[] = {r->ev->sender, r->ev->referral, key_time(r->a, r->ev)};
    r->ev->key = event_key(r->a, "referral", parts, ARRAY_LEN(parts));
    return true;
}

static bool on_optin(struct meta_reading *r)
{
    meta_people_set(r, acted(r));
    r->ev->kind = EVENT_OPTIN;
    struct str type = field_text(r->a, r->what, "type");
    r->ev->referral = field_id(r->a, r->what, "ref");
    r->ev->payload = field_text(r->a, r->what, "payload");
    extra_str(r->extra, "optin_type", type);
    struct str user_ref = str_or(field_id(r->a, r->what, "user_ref"), // of who has no id yet
                                 field_id(r->a, json_get(r->value, "sender"), "user_ref"));
    extra_str(r->extra, "user_ref", user_ref);
    static const char *const members[] = {"title", "notification_messages_token",
                                          "notification_messages_status", "user_token_status"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        extra_str(r->extra, members[i], field_text(r->a, r->what, members[i]));
    struct str parts[] = {r->ev->sender, type, key_time(r->a, r->ev), user_ref};
    r->ev->key = event_key(r->a, "optin", parts, ARRAY_LEN(parts));
    return true;
}

static bool on_handover(struct meta_reading *r)
{
    meta_people_set(r, acted(r));
    r->ev->kind = EVENT_HANDOVER;
    struct str name = json_text(r->a, json_key(r->what));
    extra_str(r->extra, "handover", name);
    static const char *const members[] = {"previous_owner_app_id", "new_owner_app_id",
                                          "requested_owner_app_id", "metadata"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        extra_str(r->extra, members[i], field_text(r->a, r->what, members[i]));
    struct str parts[] = {name, r->ev->sender, key_time(r->a, r->ev)};
    r->ev->key = event_key(r->a, "handover", parts, ARRAY_LEN(parts));
    return true;
}

/* --- an item ---------------------------------------------------------------------------------- */

/* Of several the first here counts. */
static const struct meta_kind kinds[] = {
    {"message", on_message, true},
    {"reaction", on_reaction, true},
    {"postback", on_postback, true},
    {"read", on_read, true},
    {"message_edit", on_edit, true},
    {"referral", on_referral, true},
    {"optin", on_optin, false},
    {"pass_thread_control", on_handover, false},
    {"take_thread_control", on_handover, false},
    {"request_thread_control", on_handover, false},
};

static bool on_unknown(struct meta_reading *r)
{
    for (const struct json *v = json_first(r->value); v; v = json_next(r->value, v)) {
        struct str key = json_text(r->a, json_key(v));
        if (!str_eq_c(key, "sender") && !str_eq_c(key, "recipient") && !str_eq_c(key, "timestamp"))
            return meta_unknown(r, "item", key);
    }
    return meta_unknown(r, "item without content", STR_NONE);
}

static bool item_read(struct meta_reading *r)
{
    for (size_t i = 0; i < r->dialect->n_kinds + ARRAY_LEN(kinds); i++) {
        const struct meta_kind *kind =
            i < r->dialect->n_kinds ? &r->dialect->kinds[i] : &kinds[i - r->dialect->n_kinds];
        r->what = json_get(r->value, kind->member);
        if (!json_is(r->what, JSON_OBJECT))
            continue;
        if (kind->needs_contact && !meta_contact(r->a, r->item->account, r->value).ptr)
            return meta_unknown(r, "item that names no contact:", str_of(kind->member));
        return kind->read(r);
    }
    return on_unknown(r);
}

bool meta_parse_messaging(struct arena *a, const struct meta_dialect *d,
                          const struct meta_item *item, const struct json *value, struct event *ev,
                          size_t *n, struct err *err)
{
    struct extra x;
    extra_init(&x);
    struct meta_reading r = {.a = a,
                             .dialect = d,
                             .item = item,
                             .value = value,
                             .ev = ev,
                             .n_events = 1,
                             .extra = &x,
                             .err = err};
    ev->at_ms = field_time(a, json_get(value, "timestamp"));
    extra_true(&x, "standby", item->list == META_STANDBY);
    // Only the dashboard's test button sends a messaging item as a change.
    extra_true(&x, "test", item->list == META_CHANGES);
    bool ok = item_read(&r);
    if (!extra_done(&x, a, &ev->extra, err) || !ok)
        return false;
    for (size_t i = 1; i < r.n_events; i++)
        ev[i].extra = ev->extra;
    *n = r.n_events;
    return true;
}

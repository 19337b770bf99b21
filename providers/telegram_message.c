/* SPDX-License-Identifier: Apache-2.0 */
#include "telegram.h"

#define START_MAX 64 /* characters of a link's parameter */

/* --- content ---------------------------------------------------------------------------------- */

/* A row's reader: `v` is the member's value. Details go to `x`, which becomes p->extra. A type
 * taken away means that the message's text says it all. */
typedef void content_read(struct telegram_reading *r, const struct json *v, struct part *p,
                          struct extra *x);

static void read_file(struct telegram_reading *r, const struct json *v, struct part *p,
                      struct extra *x)
{
    p->provider_ref = field_id(r->a, v, "file_id");
    p->mime = field_id(r->a, v, "mime_type");
    p->name = field_id(r->a, v, "file_name");
    if (!json_i64(json_get(v, "file_size"), &p->size_bytes) || p->size_bytes < 0)
        p->size_bytes = 0;
    extra_str(x, "file_unique_id", field_id(r->a, v, "file_unique_id"));
    extra_int(x, "width", json_get(v, "width"));
    extra_int(x, "height", json_get(v, "height"));
    extra_ms(x, "duration_ms", field_text(r->a, v, "duration"));
}

static void read_animation(struct telegram_reading *r, const struct json *v, struct part *p,
                           struct extra *x)
{
    read_file(r, v, p, x);
    extra_true(x, "gif", true);
}

static void read_video_note(struct telegram_reading *r, const struct json *v, struct part *p,
                            struct extra *x)
{
    read_file(r, v, p, x);
    extra_int(x, "width", json_get(v, "length"));
    extra_int(x, "height", json_get(v, "length"));
    extra_true(x, "video_note", true);
}

static void read_voice(struct telegram_reading *r, const struct json *v, struct part *p,
                       struct extra *x)
{
    read_file(r, v, p, x);
    extra_true(x, "voice_note", true);
}

static void read_audio(struct telegram_reading *r, const struct json *v, struct part *p,
                       struct extra *x)
{
    read_file(r, v, p, x);
    p->text = field_id(r->a, v, "title");
    extra_str(x, "performer", field_id(r->a, v, "performer"));
}

static int64_t area(const struct json *size)
{
    int64_t width = 0, height = 0;
    bool ok = json_i64(json_get(size, "width"), &width) && width > 0 && width <= INT32_MAX &&
              json_i64(json_get(size, "height"), &height) && height > 0 && height <= INT32_MAX;
    return ok ? width * height : 0;
}

/* One picture in several sizes: the largest. */
static void read_photo(struct telegram_reading *r, const struct json *v, struct part *p,
                       struct extra *x)
{
    const struct json *best = json_first(v);
    for (const struct json *size = best; size; size = json_next(v, size)) {
        if (area(size) > area(best))
            best = size;
    }
    read_file(r, best, p, x);
}

static void read_sticker(struct telegram_reading *r, const struct json *v, struct part *p,
                         struct extra *x)
{
    read_file(r, v, p, x);
    p->text = field_id(r->a, v, "emoji");
    extra_str(x, "set_name", field_id(r->a, v, "set_name"));
    extra_true(x, "animated", json_truthy(json_get(v, "is_animated")));
    extra_true(x, "video", json_truthy(json_get(v, "is_video")));
}

static void read_location(struct telegram_reading *r, const struct json *v, struct part *p,
                          struct extra *x)
{
    (void)p;
    extra_number(x, "latitude", json_get(v, "latitude"));
    extra_number(x, "longitude", json_get(v, "longitude"));
    extra_ms(x, "live_ms", field_text(r->a, v, "live_period"));
}

static void read_venue(struct telegram_reading *r, const struct json *v, struct part *p,
                       struct extra *x)
{
    p->text = field_id(r->a, v, "title");
    read_location(r, json_get(v, "location"), p, x);
    extra_str(x, "address", field_id(r->a, v, "address"));
}

static void read_contact(struct telegram_reading *r, const struct json *v, struct part *p,
                         struct extra *x)
{
    struct str phone = field_id(r->a, v, "phone_number");
    p->text = telegram_name(r->a, v);
    extra_str(x, "phone",
              str_or(str_or(phone_e164(r->a, phone), phone_written(r->a, phone)), phone));
    extra_str(x, "user_id", telegram_id(r->a, v, "user_id"));
    extra_str(x, "vcard", field_id(r->a, v, "vcard"));
}

static void read_poll(struct telegram_reading *r, const struct json *v, struct part *p,
                      struct extra *x)
{
    p->text = field_id(r->a, v, "question");
    extra_str(x, "type", STR("poll"));
    extra_str(x, "poll_id", field_id(r->a, v, "id"));
    extra_copy(x, r->a, "options", json_get(v, "options"));
}

static void read_dice(struct telegram_reading *r, const struct json *v, struct part *p,
                      struct extra *x)
{
    (void)x;
    p->type = STR_NONE;
    r->ev->text = str_or(field_id(r->a, v, "emoji"), STR("🎲"));
    extra_int(r->extra, "dice_value", json_get(v, "value"));
}

/* Things that have a title, and little else that one can do with here. */
static void read_titled(struct telegram_reading *r, const struct json *v, struct part *p,
                        struct extra *x)
{
    p->text = field_id(r->a, v, "title");
    extra_str(x, "type", json_text(r->a, json_key(v)));
}

static void read_story(struct telegram_reading *r, const struct json *v, struct part *p,
                       struct extra *x)
{
    p->provider_ref = telegram_id(r->a, v, "id");
    p->text = telegram_name(r->a, json_get(v, "chat"));
    extra_str(x, "type", STR("story"));
}

/* A message has one of these. An animation is repeated as document, and a venue as location: the
 * first here counts. */
static const struct {
    const char *name, *type;
    content_read *read;
} contents[] = {
    {"photo", "image", read_photo},          {"video", "video", read_file},
    {"voice", "audio", read_voice},          {"audio", "audio", read_audio},
    {"animation", "video", read_animation},  {"live_photo", "video", read_file},
    {"document", "file", read_file},         {"video_note", "video", read_video_note},
    {"sticker", "sticker", read_sticker},    {"venue", "location", read_venue},
    {"location", "location", read_location}, {"contact", "contact", read_contact},
    {"poll", "template", read_poll},         {"dice", "text", read_dice},
    {"game", "template", read_titled},       {"invoice", "template", read_titled},
    {"checklist", "template", read_titled},  {"story", "share", read_story},
};

/* *p has no type: nothing of the kind. */
static bool content_find(struct telegram_reading *r, struct part *p)
{
    *p = (struct part){0};
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        const struct json *v = json_get(r->what, contents[i].name);
        if (!json_is(v, JSON_OBJECT) && !json_is(v, JSON_ARRAY))
            continue;
        struct extra x;
        extra_init(&x);
        p->type = str_of(contents[i].type);
        contents[i].read(r, v, p, &x);
        return extra_done(&x, r->a, &p->extra, r->err);
    }
    return true;
}

/* --- service messages ------------------------------------------------------------------------- */

static void on_members(struct telegram_reading *r, const struct json *v)
{
    extra_copy(r->extra, r->a, "members", v);
}

static void on_left(struct telegram_reading *r, const struct json *v)
{
    extra_copy(r->extra, r->a, "member", v);
}

static void on_title(struct telegram_reading *r, const struct json *v)
{
    extra_str(r->extra, "subject", json_text(r->a, v));
}

static void on_migrated(struct telegram_reading *r, const struct json *v)
{
    int64_t n = 0;
    bool is_new = str_eq_c(json_text(r->a, json_key(v)), "migrate_to_chat_id");
    if (json_i64(v, &n))
        extra_str(r->extra, is_new ? "new_id" : "old_id", json_text(r->a, v));
}

static void on_pinned(struct telegram_reading *r, const struct json *v)
{
    r->ev->reply_to = telegram_message_id(r->a, &r->place, telegram_id(r->a, v, "message_id"));
}

static void on_web_app(struct telegram_reading *r, const struct json *v)
{
    r->ev->text = field_id(r->a, v, "button_text");
    r->ev->payload = field_text(r->a, v, "data");
}

/* What happened to a chat, as UniPile's service messages call it where they have the same. */
static const struct {
    const char *name, *system;
    void (*read)(struct telegram_reading *r, const struct json *v); /* NULL: the name says it */
} services[] = {
    {"new_chat_members", "member_added", on_members},
    {"left_chat_member", "member_left", on_left},
    {"new_chat_title", "subject_changed", on_title},
    {"new_chat_photo", "picture_changed", NULL},
    {"delete_chat_photo", "picture_removed", NULL},
    {"group_chat_created", "group_created", NULL},
    {"supergroup_chat_created", "group_created", NULL},
    {"channel_chat_created", "group_created", NULL},
    {"migrate_to_chat_id", "chat_migrated", on_migrated},
    {"migrate_from_chat_id", "chat_migrated", on_migrated},
    {"pinned_message", "message_pinned", on_pinned},
    {"web_app_data", "web_app_data", on_web_app},
    {"successful_payment", "successful_payment", NULL},
    {"refunded_payment", "refunded_payment", NULL},
    {"message_auto_delete_timer_changed", "message_auto_delete_timer_changed", NULL},
    {"users_shared", "users_shared", NULL},
    {"chat_shared", "chat_shared", NULL},
    {"connected_website", "connected_website", NULL},
    {"write_access_allowed", "write_access_allowed", NULL},
    {"passport_data", "passport_data", NULL},
    {"proximity_alert_triggered", "proximity_alert_triggered", NULL},
    {"boost_added", "boost_added", NULL},
    {"chat_background_set", "chat_background_set", NULL},
    {"chat_owner_left", "chat_owner_left", NULL},
    {"chat_owner_changed", "chat_owner_changed", NULL},
    {"checklist_tasks_done", "checklist_tasks_done", NULL},
    {"checklist_tasks_added", "checklist_tasks_added", NULL},
    {"direct_message_price_changed", "direct_message_price_changed", NULL},
    {"paid_message_price_changed", "paid_message_price_changed", NULL},
    {"forum_topic_created", "forum_topic_created", NULL},
    {"forum_topic_edited", "forum_topic_edited", NULL},
    {"forum_topic_closed", "forum_topic_closed", NULL},
    {"forum_topic_reopened", "forum_topic_reopened", NULL},
    {"general_forum_topic_hidden", "general_forum_topic_hidden", NULL},
    {"general_forum_topic_unhidden", "general_forum_topic_unhidden", NULL},
    {"giveaway_created", "giveaway_created", NULL},
    {"giveaway_completed", "giveaway_completed", NULL},
    {"gift", "gift", NULL},
    {"unique_gift", "unique_gift", NULL},
    {"video_chat_scheduled", "video_chat_scheduled", NULL},
    {"video_chat_started", "video_chat_started", NULL},
    {"video_chat_ended", "video_chat_ended", NULL},
    {"video_chat_participants_invited", "video_chat_participants_invited", NULL},
};

static bool is_author(const struct telegram_reading *r, const struct json *user)
{
    struct str author = telegram_id(r->a, json_get(r->what, "from"), "id");
    return str_eq(telegram_id(r->a, user, "id"), author);
}

static bool service_find(struct telegram_reading *r)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        const struct json *v = json_get(r->what, services[i].name);
        if (!v)
            continue;
        const char *system = services[i].system;
        if (str_eq_c(STR("member_left"), system) && !is_author(r, v))
            system = "member_removed";
        r->ev->kind = EVENT_SYSTEM;
        extra_str(r->extra, "system", str_of(system));
        if (services[i].read)
            services[i].read(r, v);
        return true;
    }
    return false;
}

/* --- what stands around content --------------------------------------------------------------- */

/* Members that are no content. */
static const char *const envelope[] = {
    "message_id",
    "message_thread_id",
    "from",
    "sender_chat",
    "sender_boost_count",
    "sender_tag",
    "sender_business_bot",
    "date",
    "edit_date",
    "chat",
    "business_connection_id",
    "forward_origin",
    "is_topic_message",
    "is_automatic_forward",
    "reply_to_message",
    "external_reply",
    "quote",
    "reply_to_story",
    "reply_to_checklist_task_id",
    "via_bot",
    "has_protected_content",
    "is_from_offline",
    "is_paid_post",
    "media_group_id",
    "author_signature",
    "paid_star_count",
    "text",
    "entities",
    "link_preview_options",
    "effect_id",
    "caption",
    "caption_entities",
    "show_caption_above_media",
    "has_media_spoiler",
    "reply_markup",
    "direct_messages_topic",
    "suggested_post_info",
    "forward_from",
    "forward_from_chat",
    "forward_from_message_id",
    "forward_signature",
    "forward_sender_name",
    "forward_date",
    "new_chat_participant",
    "new_chat_member",
    "left_chat_participant",
};

/* Content that we do not know, by the name of the first such member. */
static void content_unknown(struct telegram_reading *r, struct part *p)
{
    struct str name = STR_NONE;
    for (const struct json *v = json_first(r->what); v && !name.ptr; v = json_next(r->what, v)) {
        name = json_text(r->a, json_key(v));
        for (size_t i = 0; i < ARRAY_LEN(envelope) && name.ptr; i++) {
            if (str_eq_c(name, envelope[i]))
                name = STR_NONE;
        }
    }
    p->type = STR("unsupported");
    extra_str(r->extra, "unsupported", str_shorten(name, 80));
}

/* A reply names its message. The messages of a forum's topic name the topic's first one, too. */
static void reply_read(struct telegram_reading *r)
{
    struct str id = telegram_id(r->a, json_get(r->what, "reply_to_message"), "message_id");
    struct str thread = telegram_id(r->a, r->what, "message_thread_id");
    bool in_topic = json_truthy(json_get(r->what, "is_topic_message"));
    if (in_topic)
        extra_str(r->extra, "thread_id", thread);
    if (!in_topic || !str_eq(id, thread))
        r->ev->reply_to = telegram_message_id(r->a, &r->place, id);
    extra_str(r->extra, "quoted_text", field_id(r->a, json_get(r->what, "quote"), "text"));
}

/* "/start promo42" is what a link t.me/bot?start=promo42 sends. */
static struct str start_parameter(struct str text)
{
    struct str command, name, bot;
    struct str parameter = STR_NONE;
    (void)str_cut(text, ' ', &command, &parameter);
    (void)str_cut(command, '@', &name, &bot);
    if (!str_eq_c(name, "/start") || !parameter.len || parameter.len > START_MAX)
        return STR_NONE;
    for (size_t i = 0; i < parameter.len; i++) {
        char c = parameter.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
        if (!ok)
            return STR_NONE;
    }
    return parameter;
}

static bool was_forwarded(const struct json *message)
{
    return json_get(message, "forward_origin") || json_get(message, "forward_date");
}

bool telegram_parse_content(struct telegram_reading *r, bool is_edit)
{
    struct event *ev = r->ev;
    struct str text = field_id(r->a, r->what, "text");
    ev->text = text.ptr ? text : field_id(r->a, r->what, "caption");
    if (!is_edit && ev->direction == DIR_IN)
        ev->referral = start_parameter(text);
    // Formatting, and addresses that the text does not show; offsets are in UTF-16 units.
    extra_copy(r->extra, r->a, "entities",
               json_get(r->what, text.ptr ? "entities" : "caption_entities"));
    reply_read(r);
    extra_true(r->extra, "forwarded", was_forwarded(r->what));
    extra_str(r->extra, "via_bot", field_id(r->a, json_get(r->what, "via_bot"), "username"));
    extra_str(r->extra, "author_signature", field_id(r->a, r->what, "author_signature"));
    extra_str(r->extra, "media_group_id", field_id(r->a, r->what, "media_group_id"));

    struct part part;
    if (!content_find(r, &part))
        return false;
    if (!part.type.ptr && !ev->text.ptr && (is_edit || !service_find(r)))
        content_unknown(r, &part);
    if (!part.type.ptr)
        return true;
    ev->parts = ARENA_NEW(r->a, struct part);
    ev->parts[0] = part;
    ev->n_parts = 1;
    return true;
}

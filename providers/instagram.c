/* SPDX-License-Identifier: Apache-2.0 */
/* Instagram messaging through Meta's webhooks: object "instagram", account key entry.id (the
 * professional account), conversation the other side's Instagram-scoped id. Comments come as
 * changes; their conversation is the media that they stand under. */
#include "adapters.h"
#include "meta.h"
#include "meta_send.h"

/* --- changes ---------------------------------------------------------------------------------- */

enum change { CHANGE_UNKNOWN, CHANGE_MESSAGING, CHANGE_COMMENT, CHANGE_MENTION, CHANGE_USELESS };

static enum change change_of(struct arena *a, const struct json *item)
{
    struct str field = field_text(a, item, "field");
    if (str_eq_c(field, "comments") || str_eq_c(field, "live_comments"))
        return CHANGE_COMMENT;
    if (str_eq_c(field, "mentions"))
        return CHANGE_MENTION;
    if (str_eq_c(field, "story_insights"))
        return CHANGE_USELESS;
    return meta_is_messaging(json_get(item, "value")) ? CHANGE_MESSAGING : CHANGE_UNKNOWN;
}

static struct str media_of(struct arena *a, const struct json *value)
{
    struct str media = field_id(a, json_get(value, "media"), "id");
    return media.ptr ? media : field_id(a, value, "media_id");
}

static struct str instagram_conversation(struct arena *a, const struct meta_item *item)
{
    const struct json *value = json_get(item->value, "value");
    switch (item->list) {
    case META_MESSAGING:
    case META_STANDBY:
        return meta_contact(a, item->account, item->value);
    case META_CHANGES:
        break;
    case META_OTHER:
    case META_NESTED:
        return STR_NONE;
    }
    switch (change_of(a, item->value)) {
    case CHANGE_COMMENT:
    case CHANGE_MENTION:
        return media_of(a, value);
    case CHANGE_MESSAGING:
        return meta_contact(a, item->account, value);
    default:
        return STR_NONE;
    }
}

/* A comment under one of our media, or (mentions) a comment or caption that names us. */
static bool parse_comment(struct arena *a, const struct meta_item *item, enum change change,
                          struct event *ev, struct err *err)
{
    const struct json *value = json_get(item->value, "value");
    const struct json *from = json_get(value, "from");
    bool is_mention = change == CHANGE_MENTION;
    struct str media = media_of(a, value);
    struct str id = field_id(a, value, is_mention ? "comment_id" : "id");
    ev->conversation = media;
    if (!media.ptr || (!id.ptr && !is_mention)) {
        event_set_unknown(a, ev, item->value->span,
                          media.ptr ? "comment without id" : "comment without media", STR_NONE);
        return true;
    }
    ev->kind = EVENT_COMMENT;
    ev->sender = field_id(a, from, "id");
    ev->sender_name = field_id(a, from, "username");
    ev->direction = str_eq(ev->sender, item->account) ? DIR_OUT : DIR_IN;
    ev->recipient = ev->direction == DIR_IN ? item->account : STR_NONE;
    ev->external_id = id;
    ev->text = field_id(a, value, "text");
    ev->reply_to = field_id(a, value, "parent_id");
    struct str parts[] = {id, id.ptr ? STR_NONE : media};
    ev->key = event_key(a, is_mention ? "mention" : "comment", parts, ARRAY_LEN(parts));

    struct extra x;
    extra_init(&x);
    const struct json *product = json_get(json_get(value, "media"), "media_product_type");
    extra_str(&x, "media_product_type", json_text(a, product));
    extra_true(&x, "mention", is_mention);
    extra_true(&x, "live", str_eq_c(field_text(a, item->value, "field"), "live_comments"));
    return extra_done(&x, a, &ev->extra, err);
}

/* --- attachments ------------------------------------------------------------------------------ */

static const struct meta_attachment_type attachment_types[] = {
    {"image", "image", NULL},
    {"video", "video", NULL},
    {"audio", "audio", NULL},
    {"file", "file", NULL},
    {"like_heart", "sticker", NULL},
    {"sticker", "sticker", "sticker_id"},
    {"share", "share", NULL},
    {"ig_post", "share", "ig_post_media_id"},
    {"ig_reel", "share", "reel_video_id"},
    {"reel", "share", "reel_video_id"},
    {"ig_story", "share", "story_media_id"},
    {"story_mention", "story_mention", "story_media_id"},
    {"template", "template", NULL},
};

static bool instagram_attachment(struct arena *a, const struct json *message,
                                 const struct json *attachment, struct part *p, struct err *err)
{
    (void)message;
    meta_attachment_read(a, attachment, attachment_types, ARRAY_LEN(attachment_types), p);
    if (str_eq_c(p->type, "template") && !p->text.ptr) {
        const struct json *generic = json_get(json_get(attachment, "payload"), "generic");
        const struct json *elements = json_get(generic, "elements");
        p->text = field_id(a, json_is(elements, JSON_ARRAY) ? json_first(elements) : NULL, "title");
    }
    // What it was called says more than our type where several share one.
    struct str sent = field_text(a, attachment, "type");
    struct extra x;
    extra_init(&x);
    if (!str_eq(sent, p->type))
        extra_str(&x, "type", sent);
    return extra_done(&x, a, &p->extra, err);
}

/* --- split and parse -------------------------------------------------------------------------- */

static const struct meta_dialect dialect;

static bool parse_item(struct arena *a, const struct meta_item *item, struct event *ev, size_t *n,
                       struct err *err)
{
    if (item->list == META_MESSAGING || item->list == META_STANDBY)
        return meta_parse_messaging(a, &dialect, item, item->value, ev, n, err);

    // Changes have no time of their own.
    ev->at_ms = field_time(a, json_get(item->entry, "time"));
    enum change change = item->list == META_CHANGES ? change_of(a, item->value) : CHANGE_UNKNOWN;
    switch (change) {
    case CHANGE_COMMENT:
    case CHANGE_MENTION:
        return parse_comment(a, item, change, ev, err);
    case CHANGE_MESSAGING:
        return meta_parse_messaging(a, &dialect, item, json_get(item->value, "value"), ev, n, err);
    case CHANGE_USELESS:
        *n = 0;
        return true;
    case CHANGE_UNKNOWN:
        break;
    }
    meta_set_unknown(a, item, ev);
    return true;
}

static const struct meta_dialect dialect = {
    .object = "instagram",
    .conversation = instagram_conversation,
    .parse = parse_item,
    .attachment = instagram_attachment,
};

static bool instagram_split(struct arena *a, const struct webhook *in, struct units *out,
                            struct err *err)
{
    return meta_split(a, in->body, &dialect, out, err);
}

static bool instagram_parse(struct arena *a, const struct unit *unit, struct events *out,
                            struct err *err)
{
    return meta_parse(a, unit->body, &dialect, out, err);
}

static const char *instagram_platform(struct str account_type)
{
    (void)account_type;
    return "instagram";
}

static struct str instagram_normal_type(struct str account_type)
{
    return str_ieq(account_type, STR("instagram")) ? STR("instagram") : account_type;
}

static const struct send_limits limits = {.account = {1000000 / 300, 1}, .slow_from_percent = 80};

static const struct send_limits *instagram_limits(struct str account_type)
{
    (void)account_type;
    return &limits;
}

const struct provider instagram_provider = {
    .name = "instagram",
    .scope = SCOPE_APP,
    .default_account_type = "instagram",
    .app = "meta",
    .verify = meta_verify,
    .handshake = meta_handshake,
    .split = instagram_split,
    .parse = instagram_parse,
    .platform = instagram_platform,
    .normal_type = instagram_normal_type,
    .build = instagram_build,
    .judge = messenger_judge,
    .discover = &instagram_discover,
    .webhook = &instagram_webhook,
    .list = &instagram_list,
    .limits = instagram_limits,
};

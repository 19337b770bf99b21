/* SPDX-License-Identifier: Apache-2.0 */
/* Facebook Messenger through Meta's webhooks: object "page", account key entry.id (the page),
 * conversation the other side's page-scoped id. */
#include "adapters.h"
#include "meta.h"
#include "meta_send.h"

/* --- items that Instagram does not have ------------------------------------------------------- */

static size_t n_mids(const struct json *delivery)
{
    const struct json *mids = json_get(delivery, "mids");
    return json_is(mids, JSON_ARRAY) ? mids->n : 0;
}

/* The page's message ids are told one by one, or all up to a time. */
static bool on_delivery(struct meta_reading *r)
{
    const struct json *mids = json_get(r->what, "mids");
    const struct json *watermark = json_get(r->what, "watermark");
    int64_t at_ms = field_time(r->a, watermark);
    size_t n = 0;
    meta_people_set(r, DIR_IN);
    r->ev->kind = EVENT_DELIVERED;
    r->ev->at_ms = at_ms ? at_ms : r->ev->at_ms;
    const struct event common = *r->ev;
    const struct json *v = n_mids(r->what) ? json_first(mids) : NULL;
    for (; v; v = json_next(mids, v)) {
        struct str mid = json_text(r->a, v);
        if (!mid.len)
            continue;
        r->ev[n] = common;
        r->ev[n].target_id = mid;
        r->ev[n++].key = event_key(r->a, "delivered", &mid, 1);
    }
    if (!n && !at_ms)
        return meta_unknown(r, "delivery without mids or watermark", STR_NONE);
    if (n) {
        r->n_events = n;
        return true;
    }
    r->ev->watermark_at_ms = at_ms;
    struct str parts[] = {r->ev->sender, json_text(r->a, watermark)};
    r->ev->key = event_key(r->a, "delivered", parts, ARRAY_LEN(parts));
    return true;
}

/* The page is blocked, or no longer. A warning changes nothing yet. */
static bool on_policy(struct meta_reading *r)
{
    struct event *ev = r->ev;
    struct str action = field_id(r->a, r->what, "action");
    if (!action.ptr) {
        event_set_unknown(r->a, ev, r->value->span, "policy_enforcement without action", STR_NONE);
        return true;
    }
    ev->kind = EVENT_ACCOUNT_STATUS;
    ev->recipient = field_id(r->a, json_get(r->value, "recipient"), "id");
    ev->provider_status = action;
    ev->reason = field_id(r->a, r->what, "reason");
    if (str_eq_c(action, "block"))
        ev->status = STR("error");
    else if (str_eq_c(action, "unblock"))
        ev->status = STR("ok");
    struct str parts[] = {action, key_time(r->a, ev)};
    ev->key = event_key(r->a, "account_status", parts, ARRAY_LEN(parts));
    ev->key_is_weak = ev->at_ms == 0;
    return true;
}

/* Which app may write to whom: {"<app id>": ["primary_receiver"]}. */
static bool on_app_roles(struct meta_reading *r)
{
    meta_people_set(r, DIR_IN);
    r->ev->kind = EVENT_HANDOVER;
    extra_str(r->extra, "handover", STR("app_roles"));
    extra_copy(r->extra, r->a, "app_roles", r->what);
    struct str parts[] = {STR("app_roles"), r->ev->sender, key_time(r->a, r->ev)};
    r->ev->key = event_key(r->a, "handover", parts, ARRAY_LEN(parts));
    return true;
}

static const struct meta_kind kinds[] = {
    {"policy_enforcement", on_policy, false},
    {"policy-enforcement", on_policy, false},
    {"delivery", on_delivery, true},
    {"app_roles", on_app_roles, false},
};

/* --- attachments ------------------------------------------------------------------------------ */

static const struct meta_attachment_type attachment_types[] = {
    {"image", "image", NULL},
    {"video", "video", NULL},
    {"audio", "audio", NULL},
    {"file", "file", NULL},
    {"sticker", "sticker", "sticker_id"},
    {"location", "location", NULL},
    {"fallback", "share", NULL},
    {"post", "share", "id"},
    {"reel", "share", "reel_video_id"},
    {"ig_post", "share", "ig_post_media_id"},
    {"ig_reel", "share", "reel_video_id"},
    {"template", "template", NULL},
    {"appointment_booking", "template", NULL},
};

/* The first title of a carousel, or what a template with buttons says. */
static struct str template_title(struct arena *a, const struct json *payload)
{
    const struct json *elements = json_get(payload, "elements");
    if (!elements)
        elements = json_get(json_get(payload, "product"), "elements");
    struct str title =
        field_id(a, json_is(elements, JSON_ARRAY) ? json_first(elements) : NULL, "title");
    return str_or(title, field_id(a, payload, "text"));
}

static bool messenger_attachment(struct arena *a, const struct json *message,
                                 const struct json *attachment, struct part *p, struct err *err)
{
    const struct json *payload = json_get(attachment, "payload");
    meta_attachment_read(a, attachment, attachment_types, ARRAY_LEN(attachment_types), p);
    // Links and places have address and title beside the payload, too.
    p->url = str_or(p->url, field_id(a, attachment, "url"));
    p->text = str_or(p->text, field_id(a, attachment, "title"));
    struct str sticker =
        str_or(field_id(a, payload, "sticker_id"), field_id(a, message, "sticker_id"));
    if (sticker.ptr && (str_eq_c(p->type, "image") || str_eq_c(p->type, "sticker"))) {
        p->type = STR("sticker"); // sent as an image, for the clients of before
        p->provider_ref = sticker;
    }
    if (str_eq_c(p->type, "share") && !p->url.ptr && !p->text.ptr && !p->provider_ref.ptr)
        p->type = STR("unsupported"); // a share that Messenger cannot carry over
    if (str_eq_c(p->type, "template"))
        p->text = str_or(p->text, template_title(a, payload));

    struct str sent = field_text(a, attachment, "type");
    struct extra x;
    extra_init(&x);
    if (!str_eq(sent, p->type))
        extra_str(&x, "type", sent);
    if (str_eq_c(p->type, "location")) {
        const struct json *at = json_get(payload, "coordinates");
        extra_number(&x, "latitude", json_get(at, "lat"));
        extra_number(&x, "longitude", json_get(at, "long"));
    }
    return extra_done(&x, a, &p->extra, err);
}

/* --- split and parse -------------------------------------------------------------------------- */

/* What happens on the page besides messages. */
static bool is_useless(struct arena *a, const struct json *change)
{
    static const char *const fields[] = {"feed",    "mention",     "ratings",
                                         "leadgen", "live_videos", "videos"};
    struct str field = field_text(a, change, "field");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (str_eq_c(field, fields[i]))
            return true;
    }
    return false;
}

/* The messaging item of an item of any list; NULL: it is none. */
static const struct json *messaging_of(struct arena *a, const struct meta_item *item)
{
    const struct json *value = json_get(item->value, "value");
    switch (item->list) {
    case META_MESSAGING:
    case META_STANDBY:
        return item->value;
    case META_CHANGES:
        return !is_useless(a, item->value) && meta_is_messaging(value) ? value : NULL;
    default:
        return NULL;
    }
}

static bool is_about_page(const struct json *value)
{
    return json_is(json_get(value, "policy_enforcement"), JSON_OBJECT) ||
           json_is(json_get(value, "policy-enforcement"), JSON_OBJECT);
}

static struct str messenger_conversation(struct arena *a, const struct meta_item *item)
{
    const struct json *value = messaging_of(a, item);
    return value && !is_about_page(value) ? meta_contact(a, item->account, value) : STR_NONE;
}

static size_t max_events(const struct meta_item *item)
{
    const struct json *value =
        item->list == META_CHANGES ? json_get(item->value, "value") : item->value;
    size_t n = n_mids(json_get(value, "delivery"));
    return n ? n : 1;
}

static const struct meta_dialect dialect;

static bool parse_item(struct arena *a, const struct meta_item *item, struct event *ev, size_t *n,
                       struct err *err)
{
    const struct json *value = messaging_of(a, item);
    if (value)
        return meta_parse_messaging(a, &dialect, item, value, ev, n, err);
    ev->at_ms = field_time(a, json_get(item->entry, "time"));
    if (item->list == META_CHANGES && is_useless(a, item->value))
        *n = 0;
    else
        meta_set_unknown(a, item, ev);
    return true;
}

static const struct meta_dialect dialect = {
    .object = "page",
    .conversation = messenger_conversation,
    .parse = parse_item,
    .max_events = max_events,
    .kinds = kinds,
    .n_kinds = ARRAY_LEN(kinds),
    .attachment = messenger_attachment,
};

static bool messenger_split(struct arena *a, const struct webhook *in, struct units *out,
                            struct err *err)
{
    return meta_split(a, in->body, &dialect, out, err);
}

static bool messenger_parse(struct arena *a, const struct unit *unit, struct events *out,
                            struct err *err)
{
    return meta_parse(a, unit->body, &dialect, out, err);
}

static const char *messenger_platform(struct str account_type)
{
    (void)account_type;
    return "messenger";
}

static struct str messenger_normal_type(struct str account_type)
{
    return str_ieq(account_type, STR("page")) ? STR("page") : account_type;
}

static const struct send_limits limits = {.account = {1000000 / 300, 1}, .slow_from_percent = 80};

static const struct send_limits *messenger_limits(struct str account_type)
{
    (void)account_type;
    return &limits;
}

const struct provider messenger_provider = {
    .name = "messenger",
    .scope = SCOPE_APP,
    .default_account_type = "page",
    .app = "meta",
    .verify = meta_verify,
    .handshake = meta_handshake,
    .split = messenger_split,
    .parse = messenger_parse,
    .platform = messenger_platform,
    .normal_type = messenger_normal_type,
    .build = messenger_build,
    .judge = messenger_judge,
    .discover = &messenger_discover,
    .webhook = &messenger_webhook,
    .list = &messenger_list,
    .limits = messenger_limits,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "x.h"

/* Ids made since 2010 hold their time: milliseconds from this one on, above 22 other bits. */
#define ID_EPOCH_MS 1288834974657LL
#define ID_BITS     22

/* One item while it is read. */
struct reading {
    struct arena *a;
    const struct x_body *body;
    const struct x_item *item;
    struct event *ev;
    struct extra *extra;
    struct err *err;
};

static bool unknown(struct reading *r, const char *what, struct str name)
{
    event_set_unknown(r->a, r->ev, r->item->value->span, what, name);
    return true;
}

/* --- people ----------------------------------------------------------------------------------- */

/* In X Activity what is said about a user stands in "data". */
static const struct json *user_of(const struct reading *r, struct str id)
{
    const struct json *user = x_body_user(r->body, id);
    const struct json *data = json_get(user, "data");
    return json_is(data, JSON_OBJECT) ? data : user;
}

static void people_set(struct reading *r)
{
    struct event *ev = r->ev;
    const struct x_item *item = r->item;
    bool is_out = str_eq(item->sender, r->body->account);
    ev->direction = is_out ? DIR_OUT : DIR_IN;
    ev->sender = item->sender;
    ev->recipient = item->recipient;
    ev->sender_name = field_id(r->a, user_of(r, item->sender), "name");
    if (ev->is_group)
        return;
    ev->contact = is_out ? item->recipient : item->sender;
    const struct json *contact = user_of(r, ev->contact);
    ev->contact_name = field_id(r->a, contact, "name");
    extra_str(r->extra, "contact_handle",
              str_or(field_id(r->a, contact, "screen_name"), field_id(r->a, contact, "username")));
}

/* --- text ------------------------------------------------------------------------------------- */

static const struct {
    struct str escaped;
    char c;
} escapes[] = {{{"&amp;", 5}, '&'}, {{"&lt;", 4}, '<'}, {{"&gt;", 4}, '>'}};

struct str x_text(struct arena *a, struct str text)
{
    if (!text.len || !memchr(text.ptr, '&', text.len))
        return text;
    char *out = arena_alloc(a, text.len);
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        struct str rest = str_skip(text, i);
        size_t k = 0;
        while (k < ARRAY_LEN(escapes) && !str_starts(rest, escapes[k].escaped))
            k++;
        bool found = k < ARRAY_LEN(escapes);
        out[n++] = found ? escapes[k].c : text.ptr[i];
        i += found ? escapes[k].escaped.len : 1;
    }
    return (struct str){out, n};
}

/* The address by which X shows an attachment ends the text; it is no part of what was written. */
static struct str without_link(struct str text, struct str link)
{
    if (!link.len || !str_ends(text, link))
        return text;
    text.len -= link.len;
    return str_trim(text);
}

/* --- attachment ------------------------------------------------------------------------------- */

/* Of a video the file of most bits a second that a browser plays. */
static struct str best_variant(struct arena *a, const struct json *info)
{
    const struct json *variants = json_get(info, "variants");
    struct str best = STR_NONE;
    int64_t best_rate = -1;
    for (const struct json *v = json_first(variants); v; v = json_next(variants, v)) {
        int64_t rate = 0;
        if (!str_eq_c(field_text(a, v, "content_type"), "video/mp4"))
            continue;
        (void)json_i64(json_get(v, "bitrate"), &rate);
        if (rate > best_rate) {
            best = field_id(a, v, "url");
            best_rate = rate;
        }
    }
    return best;
}

static const struct {
    const char *sent, *type;
} media_types[] = {{"photo", "image"}, {"video", "video"}, {"animated_gif", "video"}};

static void read_media(struct reading *r, const struct json *media, struct part *p, struct extra *x)
{
    struct str sent = field_id(r->a, media, "type");
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
        if (str_eq_c(sent, media_types[i].sent))
            p->type = str_of(media_types[i].type);
    }
    if (str_eq_c(p->type, "unsupported"))
        extra_str(x, "type", sent);
    // The number in "id" is the same, which other readers would round.
    p->provider_ref = str_or(field_id(r->a, media, "id_str"), field_id(r->a, media, "id"));
    const struct json *info = json_get(media, "video_info");
    struct str image = field_id(r->a, media, "media_url_https");
    struct str video = best_variant(r->a, info);
    p->url = str_or(video, image);
    if (video.ptr) {
        p->mime = STR("video/mp4");
        extra_str(x, "preview_url", image);
    }
    const struct json *large = json_get(json_get(media, "sizes"), "large");
    extra_int(x, "width", json_get(large, "w"));
    extra_int(x, "height", json_get(large, "h"));
    extra_int(x, "duration_ms", json_get(info, "duration_millis"));
    extra_true(x, "gif", str_eq_c(sent, "animated_gif"));
}

static void read_location(struct reading *r, const struct json *location, struct part *p,
                          struct extra *x)
{
    const struct json *point = json_get(json_get(location, "shared_coordinate"), "coordinates");
    const struct json *place = json_get(json_get(location, "shared_place"), "place");
    const struct json *pair = json_get(point, "coordinates");
    const struct json *longitude = json_is(pair, JSON_ARRAY) ? json_first(pair) : NULL;
    p->type = STR("location");
    p->text = str_or(field_id(r->a, place, "full_name"), field_id(r->a, place, "name"));
    extra_number(x, "latitude", longitude ? json_next(pair, longitude) : NULL);
    extra_number(x, "longitude", longitude);
}

static bool attachment_read(struct reading *r, const struct json *attachment, struct part *p)
{
    struct extra x;
    extra_init(&x);
    struct str type = field_id(r->a, attachment, "type");
    p->type = STR("unsupported");
    if (str_eq_c(type, "media"))
        read_media(r, json_get(attachment, "media"), p, &x);
    else if (str_eq_c(type, "location"))
        read_location(r, json_get(attachment, "location"), p, &x);
    else
        extra_str(&x, "type", type);
    return extra_done(&x, r->a, &p->extra, r->err);
}

/* --- items ------------------------------------------------------------------------------------ */

static bool content_read(struct reading *r, const struct json *data)
{
    struct event *ev = r->ev;
    const struct json *attachment = json_get(data, "attachment");
    struct str link = field_id(r->a, json_get(attachment, "media"), "url");
    struct str text = without_link(field_id(r->a, data, "text"), link);
    ev->text = text.len ? x_text(r->a, text) : STR_NONE;
    ev->payload = field_text(r->a, json_get(data, "quick_reply_response"), "metadata");
    // Addresses stand shortened in the text; here is where they lead.
    extra_copy(r->extra, r->a, "urls", json_get(json_get(data, "entities"), "urls"));
    bool has_attachment = json_is(attachment, JSON_OBJECT);
    if (!has_attachment && ev->text.ptr)
        return true;
    ev->parts = ARENA_NEW(r->a, struct part);
    ev->n_parts = 1;
    ev->parts->type = STR("unsupported"); // neither text nor attachment
    return !has_attachment || attachment_read(r, attachment, ev->parts);
}

static bool on_message(struct reading *r)
{
    struct event *ev = r->ev;
    const struct json *message = json_get(r->item->value, "message_create");
    const struct json *via = json_get(message, "initiated_via");
    struct str id = field_id(r->a, r->item->value, "id");
    struct str type = field_id(r->a, r->item->value, "type");
    if (type.ptr && !str_eq_c(type, "message_create"))
        return unknown(r, "direct message event", type);
    if (!id.ptr || !ev->conversation.ptr)
        return unknown(
            r, id.ptr ? "direct message without sender or recipient" : "direct message without id",
            STR_NONE);
    people_set(r);
    ev->kind = EVENT_MESSAGE;
    ev->external_id = id;
    ev->key = event_key(r->a, "message", &id, 1);
    ev->at_ms = field_time(r->a, json_get(r->item->value, "created_timestamp"));
    extra_str(r->extra, "app_id", field_id(r->a, message, "source_app_id"));
    extra_str(r->extra, "tweet_id", field_id(r->a, via, "tweet_id"));
    extra_str(r->extra, "welcome_message_id", field_id(r->a, via, "welcome_message_id"));
    return content_read(r, json_get(message, "message_data"));
}

/* Typing and reading have a person and a time. */
static bool acted(struct reading *r, enum event_kind kind)
{
    people_set(r);
    r->ev->kind = kind;
    r->ev->at_ms = field_time(r->a, json_get(r->item->value, "created_timestamp"));
    return true;
}

static bool on_typing(struct reading *r)
{
    if (!r->ev->conversation.ptr)
        return unknown(r, "typing without sender or recipient", STR_NONE);
    (void)acted(r, EVENT_TYPING);
    struct str parts[] = {r->item->sender, r->item->recipient, key_time(r->a, r->ev)};
    r->ev->key = event_key(r->a, "typing", parts, ARRAY_LEN(parts));
    r->ev->key_is_weak = r->ev->at_ms == 0;
    return true;
}

/* The time that an id holds; 0: none, or one that is not yet. */
static int64_t time_of_id(struct str id, int64_t now_ms)
{
    int64_t n = 0;
    if (!str_i64(id, &n) || n >> ID_BITS <= 0)
        return 0;
    int64_t at_ms = (n >> ID_BITS) + ID_EPOCH_MS;
    return !now_ms || at_ms <= now_ms ? at_ms : 0;
}

/* Everything up to a message was read: it is named, and the ones before it lie before its time. */
static bool on_read(struct reading *r)
{
    struct event *ev = r->ev;
    struct str id = field_id(r->a, r->item->value, "last_read_event_id");
    if (!id.ptr || !ev->conversation.ptr)
        return unknown(
            r, id.ptr ? "read without sender or recipient" : "read without last_read_event_id",
            STR_NONE);
    (void)acted(r, EVENT_READ);
    ev->target_id = id;
    ev->watermark_at_ms = time_of_id(id, ev->at_ms);
    struct str parts[] = {r->item->sender, id};
    ev->key = event_key(r->a, "read", parts, ARRAY_LEN(parts));
    return true;
}

/* End-to-end encrypted: that there is a message is all that can be known here. */
static bool on_chat(struct reading *r)
{
    struct event *ev = r->ev;
    struct str id = field_id(r->a, r->item->value, "id");
    if (!id.ptr || !ev->conversation.ptr)
        return unknown(r, id.ptr ? "chat event without conversation_id" : "chat event without id",
                       STR_NONE);
    ev->is_group = !r->item->recipient.ptr;
    people_set(r);
    ev->external_id = id;
    ev->key = event_key(r->a, "message", &id, 1);
    ev->at_ms = field_time(r->a, json_get(r->item->value, "created_at_msec"));
    extra_true(r->extra, "encrypted", true);
    if (str_eq_c(r->body->type, "chat.conversation_join")) {
        ev->kind = EVENT_SYSTEM;
        extra_str(r->extra, "system", STR("member_added"));
        return true;
    }
    ev->kind = EVENT_MESSAGE;
    ev->parts = ARENA_NEW(r->a, struct part);
    ev->parts->type = STR("unsupported");
    ev->n_parts = 1;
    return true;
}

static bool on_revoke(struct reading *r)
{
    struct event *ev = r->ev;
    const struct json *revoke = json_get(r->item->value, "revoke");
    const struct json *what = revoke ? revoke : r->item->value;
    const struct json *target = json_get(what, "target");
    ev->kind = EVENT_ACCOUNT_STATUS;
    ev->status = STR("auth_required");
    ev->provider_status = STR("revoke");
    ev->at_ms = field_time(r->a, json_get(what, "date_time"));
    struct str app = field_id(r->a, target ? target : what, "app_id");
    extra_str(r->extra, "app_id", app);
    struct str parts[] = {STR("revoke"), app, key_time(r->a, ev)};
    ev->key = event_key(r->a, "account_status", parts, ARRAY_LEN(parts));
    ev->key_is_weak = ev->at_ms == 0;
    return true;
}

static bool on_other(struct reading *r)
{
    const struct x_body *b = r->body;
    return b->data ? unknown(r, "event", b->type)
                   : unknown(r, "member", json_text(r->a, json_key(r->item->value)));
}

bool x_event_read(struct arena *a, const struct x_body *b, const struct x_item *item,
                  struct event *ev, struct err *err)
{
    static bool (*const readers[])(struct reading * r) = {
        [X_MESSAGES] = on_message, [X_TYPING] = on_typing, [X_READS] = on_read,
        [X_CHAT] = on_chat,        [X_REVOKE] = on_revoke, [X_OTHER] = on_other,
    };
    struct extra x;
    extra_init(&x);
    struct reading r = {a, b, item, ev, &x, err};
    bool ok = readers[item->list](&r);
    return extra_done(&x, a, &ev->extra, err) && ok;
}

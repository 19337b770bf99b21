/* SPDX-License-Identifier: Apache-2.0 */
#include "unipile.h"

/* One member of a chat, as `sender`, `reaction_sender` and `attendees[]` describe it. */
struct attendee {
    struct str id; /* at the network */
    struct str name, handle, phone;
    struct str picture;
};

/* What a body says about its chat. */
struct chat {
    struct str self; /* our own id at the network; absent in receipts */
    bool is_group;
    struct attendee sender, contact;
};

/* --- people ----------------------------------------------------------------------------------- */

/* WhatsApp ids are <digits>@s.whatsapp.net; privacy ids (@lid) have digits that are no number.
 * There the number may stand in the specifics, which can read "hidden", or be the public
 * identifier. */
static struct str whatsapp_phone(struct arena *a, struct str id, struct str specific,
                                 struct str handle)
{
    struct str user, host, device;
    if (str_cut(id, '@', &user, &host) && str_eq_c(host, "s.whatsapp.net")) {
        (void)str_cut(user, ':', &user, &device);
        return phone_e164(a, user);
    }
    return str_or(phone_e164(a, specific), phone_e164(a, handle));
}

static struct attendee attendee_read(struct arena *a, const struct json *v, struct str type)
{
    struct attendee p = {
        .id = field_id(a, v, "attendee_provider_id"),
        .name = field_id(a, v, "attendee_name"),
        .handle = field_id(a, v, "attendee_public_identifier"),
        .picture = field_id(a, v, "attendee_profile_url"),
    };
    if (p.id.ptr && str_eq_c(type, "WHATSAPP"))
        p.phone = whatsapp_phone(
            a, p.id, field_id(a, json_get(v, "attendee_specifics"), "phone_number"), p.handle);
    return p;
}

/* attendees[] holds the others: in a 1:1 chat the contact. Ourselves are skipped, should we be in.
 */
static struct attendee first_other(struct arena *a, const struct json *attendees,
                                   const struct chat *c, struct str type)
{
    if (json_is(attendees, JSON_ARRAY)) {
        for (const struct json *v = json_first(attendees); v; v = json_next(attendees, v)) {
            struct attendee p = attendee_read(a, v, type);
            if (p.id.ptr && !str_eq(p.id, c->self))
                return p;
        }
    }
    return (struct attendee){0};
}

static bool is_self(const struct chat *c, struct str id)
{
    return c->self.ptr && str_eq(id, c->self);
}

static struct chat chat_read(struct arena *a, const struct unipile_envelope *e)
{
    const struct json *root = e->root;
    const struct json *attendees = json_get(root, "attendees");
    struct chat c = {
        .self = field_id(a, json_get(root, "account_info"), "user_id"),
        .sender = attendee_read(a, json_get(root, "sender"), e->account_type),
    };
    const struct json *group = json_get(root, "is_group");
    c.is_group = group ? json_truthy(group)
                       : str_ends(field_id(a, root, "provider_chat_id"), STR("@g.us")) ||
                             (json_is(attendees, JSON_ARRAY) && attendees->n > 1);
    if (!c.is_group)
        c.contact = first_other(a, attendees, &c, e->account_type);
    return c;
}

/* Own messages, sent by API or phone, come under the same event name as the contact's. */
static enum direction direction_of(const struct chat *c, const struct json *root)
{
    return is_self(c, c->sender.id) || json_truthy(json_get(root, "is_sender")) ? DIR_OUT : DIR_IN;
}

/* Who acted, and towards whom. */
static void people_set(struct event *ev, struct chat *c, enum direction dir,
                       const struct attendee *actor)
{
    ev->direction = dir;
    ev->is_group = c->is_group;
    ev->sender = actor->id;
    ev->sender_name = actor->name;
    if (!c->is_group && !c->contact.id.ptr && dir == DIR_IN && !is_self(c, actor->id))
        c->contact = *actor;
    ev->contact = c->contact.id;
    ev->contact_name = c->contact.name;
    if (actor->id.ptr)
        ev->recipient = dir == DIR_IN ? c->self : c->contact.id;
}

static void people_extra(struct extra *x, const struct chat *c, const struct attendee *actor)
{
    const struct attendee *p = c->is_group ? actor : &c->contact;
    if (!p->id.ptr || is_self(c, p->id))
        return;
    // The handle at WhatsApp is the number again.
    bool is_phone = p->phone.ptr && str_eq(str_skip(p->phone, 1), p->handle);
    extra_str(x, c->is_group ? "sender_phone" : "contact_phone", p->phone);
    extra_str(x, c->is_group ? "sender_handle" : "contact_handle", is_phone ? STR_NONE : p->handle);
    extra_str(x, c->is_group ? "sender_picture" : "contact_picture", p->picture);
}

/* --- content ---------------------------------------------------------------------------------- */

static const struct {
    const char *sent, *type;
} part_types[] = {
    {"img", "image"}, {"video", "video"},         {"audio", "audio"},
    {"file", "file"}, {"linkedin_post", "share"},
};

static struct str part_type(struct str sent, bool sticker)
{
    for (size_t i = 0; i < ARRAY_LEN(part_types); i++) {
        if (str_eq_c(sent, part_types[i].sent))
            return str_of(i == 0 && sticker ? "sticker" : part_types[i].type);
    }
    return STR("unsupported");
}

/* Numbers and booleans are strings in some webhooks: the field readers take both. */
static bool part_read(struct arena *a, const struct json *v, struct part *p, struct err *err)
{
    struct str sent = field_id(a, v, "type");
    struct str url = field_id(a, v, "url");
    *p = (struct part){
        .type = part_type(sent, json_truthy(json_get(v, "sticker"))),
        // att://... is no address: such files are fetched from UniPile by provider_ref.
        .url = is_http_url(url) ? url : STR_NONE,
        .provider_ref = field_id(a, v, "id"),
        .mime = field_id(a, v, "mimetype"),
        .name = field_id(a, v, "file_name"),
    };
    if (!json_i64(json_get(v, "file_size"), &p->size_bytes) || p->size_bytes < 0)
        p->size_bytes = 0;

    struct extra x;
    extra_init(&x);
    if (str_eq_c(p->type, "unsupported"))
        extra_str(&x, "type", sent);
    const struct json *size = json_get(v, "size");
    extra_int(&x, "width", json_get(size, "width"));
    extra_int(&x, "height", json_get(size, "height"));
    extra_ms(&x, "duration_ms", field_text(a, v, "duration"));
    extra_true(&x, "voice_note", json_truthy(json_get(v, "voice_note")));
    extra_true(&x, "gif", json_truthy(json_get(v, "gif")));
    extra_true(&x, "unavailable", json_truthy(json_get(v, "unavailable")));
    if (p->url.ptr)
        extra_str(&x, "url_expires_at", field_id(a, v, "url_expires_at"));
    return extra_done(&x, a, &p->extra, err);
}

/* attachments is an array, and in an older form one object. */
static bool parts_read(struct arena *a, const struct json *attachments, struct event *ev,
                       struct err *err)
{
    bool is_array = json_is(attachments, JSON_ARRAY);
    size_t n = is_array ? attachments->n : json_is(attachments, JSON_OBJECT) && attachments->n;
    if (!n)
        return true;
    struct part *parts = unit_array(a, n, UNIT_PARTS_MAX, sizeof *parts, "attachments", err);
    if (!parts)
        return false;
    const struct json *v = is_array ? json_first(attachments) : attachments;
    for (size_t i = 0; i < n; i++) {
        if (!part_read(a, v, &parts[i], err))
            return false;
        v = is_array ? json_next(attachments, v) : NULL;
    }
    ev->parts = parts;
    ev->n_parts = n;
    return true;
}

/* The message that this one answers. UniPile names it by the network's id, as REST does; its own id
 * is taken where given. */
static void quoted_read(struct arena *a, const struct json *root, struct event *ev, struct extra *x)
{
    const struct json *q = json_get(root, "quoted");
    const struct json *r = json_get(root, "reply_to");
    const struct json *from = json_is(q, JSON_OBJECT) ? q : r;
    if (json_is(from, JSON_OBJECT)) {
        ev->reply_to = str_or(field_id(a, from, "message_id"),
                              str_or(field_id(a, from, "id"), field_id(a, from, "provider_id")));
        extra_str(x, "quoted_sender", field_id(a, from, "sender_id"));
        extra_str(x, "quoted_text", field_text(a, from, "text"));
    }
    if (!ev->reply_to.ptr && json_text(a, r).len)
        ev->reply_to = json_text(a, r);
}

static const char *const system_names[] = {
    "unknown",      "reaction",       "reaction_to_us", "group_created",     "subject_changed",
    "member_added", "member_removed", "member_left",    "missed_voice_call", "missed_video_call",
};

static void system_read(const struct json *root, struct event *ev, struct extra *x)
{
    if (!json_truthy(json_get(root, "is_event")))
        return;
    const struct json *type = json_get(root, "event_type");
    int64_t code = 0;
    bool known = json_i64(type, &code) && code >= 0 && code < (int64_t)ARRAY_LEN(system_names);
    ev->kind = EVENT_SYSTEM;
    extra_str(x, "system", str_of(system_names[known ? code : 0]));
    if (!known)
        extra_int(x, "system_code", type);
}

/* --- events ----------------------------------------------------------------------------------- */

static bool parse_message(struct arena *a, const struct unipile_envelope *e, struct str id,
                          struct event *ev, struct err *err)
{
    const struct json *root = e->root;
    struct chat c = chat_read(a, e);
    people_set(ev, &c, direction_of(&c, root), &c.sender);
    if (ev->kind == EVENT_MESSAGE) {
        ev->external_id = id;
        ev->external_alias = field_id(a, root, "provider_message_id");
        ev->key = event_key(a, "message", &id, 1);
    } else {
        ev->target_id = id;
        struct str parts[] = {id, key_time(a, ev)};
        ev->key = event_key(a, "edited", parts, ARRAY_LEN(parts));
        ev->key_is_weak = ev->at_ms == 0;
    }
    ev->text = field_id(a, root, "message");
    if (!parts_read(a, json_get(root, "attachments"), ev, err))
        return false;

    struct str subject = field_id(a, root, "subject");
    struct extra x;
    extra_init(&x);
    people_extra(&x, &c, &c.sender);
    quoted_read(a, root, ev, &x);
    if (ev->kind == EVENT_MESSAGE)
        system_read(root, ev, &x);
    extra_true(&x, "forwarded", json_truthy(json_get(root, "is_forwarded")));
    if (c.is_group)
        ev->conversation_name = subject;
    else
        extra_str(&x, "subject", subject);
    struct str message_type = field_id(a, root, "message_type");
    if (!str_eq_c(message_type, "MESSAGE"))
        extra_str(&x, "message_type", message_type);
    if (!extra_done(&x, a, &ev->extra, err))
        return false;

    // Neither text nor attachment: a kind of message that UniPile does not carry over.
    if (ev->kind == EVENT_MESSAGE && !ev->text.ptr && !ev->n_parts) {
        ev->parts = ARENA_NEW(a, struct part);
        ev->parts->type = STR("unsupported");
        ev->n_parts = 1;
    }
    return true;
}

static bool parse_deleted(struct arena *a, const struct unipile_envelope *e, struct str id,
                          struct event *ev, struct err *err)
{
    (void)err;
    struct chat c = chat_read(a, e);
    people_set(ev, &c, direction_of(&c, e->root), &c.sender);
    ev->target_id = id;
    ev->key = event_key(a, "deleted", &id, 1);
    return true;
}

/* message_id, sender and is_sender describe the message reacted to; who reacted is
 * reaction_sender. An empty reaction takes it away. */
static bool parse_reaction(struct arena *a, const struct unipile_envelope *e, struct str id,
                           struct event *ev, struct err *err)
{
    struct chat c = chat_read(a, e);
    struct attendee who = attendee_read(a, json_get(e->root, "reaction_sender"), e->account_type);
    people_set(ev, &c, is_self(&c, who.id) ? DIR_OUT : DIR_IN, &who);
    ev->target_id = id;
    ev->text = field_id(a, e->root, "reaction");
    struct str parts[] = {id, who.id, str_or(ev->text, STR("-")), key_time(a, ev)};
    ev->key = event_key(a, "reaction", parts, ARRAY_LEN(parts));
    ev->key_is_weak = ev->at_ms == 0;

    struct extra x;
    extra_init(&x);
    people_extra(&x, &c, &who);
    return extra_done(&x, a, &ev->extra, err);
}

/* Receipts are small: often neither sender nor account_info. */
static bool parse_receipt(struct arena *a, const struct unipile_envelope *e, struct str id,
                          struct event *ev, struct err *err)
{
    (void)err;
    struct chat c = chat_read(a, e);
    bool we_read = ev->kind == EVENT_READ && is_self(&c, c.sender.id);
    people_set(ev, &c, we_read ? DIR_OUT : DIR_IN, &c.sender);
    ev->target_id = id;
    if (ev->kind == EVENT_FAILED) {
        const struct json *why = json_get(e->root, "error");
        ev->reason = str_or(json_text(a, why),
                            str_or(field_id(a, why, "detail"), field_id(a, why, "title")));
        if (!ev->reason.len)
            ev->reason = STR("UniPile could not deliver it and says no more");
    }
    struct str parts[] = {id, c.sender.id};
    ev->key = event_key(a, event_kind_name(ev->kind), parts, ARRAY_LEN(parts));
    return true;
}

static const struct {
    const char *name;
    enum event_kind kind;
    bool (*parse)(struct arena *a, const struct unipile_envelope *e, struct str id,
                  struct event *ev, struct err *err);
} events[] = {
    {"message_received", EVENT_MESSAGE, parse_message},
    {"message_read", EVENT_READ, parse_receipt},
    {"message_delivered", EVENT_DELIVERED, parse_receipt},
    {"message_reaction", EVENT_REACTION, parse_reaction},
    {"message_edited", EVENT_EDITED, parse_message},
    {"message_deleted", EVENT_DELETED, parse_deleted},
    {"message_sent", EVENT_SENT, parse_receipt},
    {"message_failed", EVENT_FAILED, parse_receipt},
};

bool unipile_parse_event(struct arena *a, const struct unipile_envelope *e, struct str body,
                         struct event *ev, struct err *err)
{
    ev->conversation = e->chat;
    ev->conversation_alias = field_id(a, e->root, "provider_chat_id");
    ev->at_ms = field_time(a, json_get(e->root, "timestamp"));
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (!str_eq_c(e->event, events[i].name))
            continue;
        struct str id = field_id(a, e->root, "message_id");
        if (!id.ptr || !e->chat.ptr) {
            event_set_unknown(
                a, ev, body,
                id.ptr ? "event without chat_id:" : "event without message_id:", e->event);
            return true;
        }
        ev->kind = events[i].kind;
        return events[i].parse(a, e, id, ev, err);
    }
    event_set_unknown(a, ev, body, "event", e->event);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "whatsapp.h"

/* One message's content while it is read: {"type": T, T: body}. */
struct content {
    struct arena *a;
    struct str type;
    const struct json *body; /* the member of that name */
    struct event *ev;
    struct extra *x;
    struct err *err;
};

static struct part *part_add(struct content *c, size_t n)
{
    struct part *parts = unit_array(c->a, n, UNIT_PARTS_MAX, sizeof *parts, "parts", c->err);
    if (!parts)
        return NULL;
    c->ev->parts = parts;
    c->ev->n_parts = n;
    return parts;
}

static bool on_text(struct content *c, const char *type)
{
    (void)type;
    c->ev->text = field_id(c->a, c->body, "body");
    return true;
}

/* The caption is the message's text. */
static bool on_media(struct content *c, const char *type)
{
    struct part *p = part_add(c, 1);
    if (!p)
        return false;
    c->ev->text = field_id(c->a, c->body, "caption");
    p->type = str_of(type);
    p->provider_ref = field_id(c->a, c->body, "id");
    p->mime = field_id(c->a, c->body, "mime_type");
    p->name = field_id(c->a, c->body, "filename");
    struct str url = field_id(c->a, c->body, "url");
    p->url = is_http_url(url) ? url : STR_NONE;
    struct extra x;
    extra_init(&x);
    extra_str(&x, "sha256", field_id(c->a, c->body, "sha256"));
    bool voice = str_eq_c(c->type, "voice") || json_truthy(json_get(c->body, "voice"));
    extra_true(&x, "voice_note", voice);
    extra_true(&x, "animated", json_truthy(json_get(c->body, "animated")));
    return extra_done(&x, c->a, &p->extra, c->err);
}

static bool on_location(struct content *c, const char *type)
{
    struct part *p = part_add(c, 1);
    if (!p)
        return false;
    p->type = str_of(type);
    p->text = field_id(c->a, c->body, "name");
    struct str url = field_id(c->a, c->body, "url");
    p->url = is_http_url(url) ? url : STR_NONE;
    struct extra x;
    extra_init(&x);
    extra_number(&x, "latitude", json_get(c->body, "latitude"));
    extra_number(&x, "longitude", json_get(c->body, "longitude"));
    extra_str(&x, "address", field_id(c->a, c->body, "address"));
    return extra_done(&x, c->a, &p->extra, c->err);
}

static bool contact_read(struct content *c, const struct json *v, struct part *p)
{
    const struct json *phones = json_get(v, "phones");
    const struct json *first = json_is(phones, JSON_ARRAY) ? json_first(phones) : NULL;
    p->type = STR("contact");
    p->text = field_id(c->a, json_get(v, "name"), "formatted_name");
    struct extra x;
    extra_init(&x);
    extra_str(&x, "phone",
              str_or(phone_e164(c->a, field_id(c->a, first, "wa_id")),
                     phone_written(c->a, field_id(c->a, first, "phone"))));
    extra_copy(&x, c->a, "contact", json_is(v, JSON_OBJECT) ? v : NULL);
    return extra_done(&x, c->a, &p->extra, c->err);
}

static bool on_contacts(struct content *c, const char *type)
{
    (void)type;
    if (!json_is(c->body, JSON_ARRAY) || !c->body->n)
        return true;
    struct part *p = part_add(c, c->body->n);
    if (!p)
        return false;
    for (const struct json *v = json_first(c->body); v; v = json_next(c->body, v)) {
        if (!contact_read(c, v, p++))
            return false;
    }
    return true;
}

/* The answer to a template's button. */
static bool on_button(struct content *c, const char *type)
{
    (void)type;
    c->ev->payload = field_id(c->a, c->body, "payload");
    c->ev->text = str_or(field_id(c->a, c->body, "text"), c->ev->payload);
    return true;
}

/* The answer to buttons, a list, or a form (whose answers are JSON in a string). */
static bool on_interactive(struct content *c, const char *type)
{
    (void)type;
    struct str kind = field_id(c->a, c->body, "type");
    const struct json *reply = NULL;
    extra_str(c->x, "interactive", kind);
    if (str_eq_c(kind, "nfm_reply")) {
        reply = json_get(c->body, "nfm_reply");
        struct str name = field_id(c->a, reply, "name");
        c->ev->text = str_or(field_id(c->a, reply, "body"), name);
        c->ev->payload = field_id(c->a, reply, "response_json");
        extra_str(c->x, "flow", name);
        return true;
    }
    if (str_eq_c(kind, "button_reply") || str_eq_c(kind, "list_reply"))
        reply = json_get(c->body, str_c(c->a, kind));
    c->ev->text = field_id(c->a, reply, "title");
    c->ev->payload = field_id(c->a, reply, "id");
    extra_str(c->x, "description", field_id(c->a, reply, "description"));
    return true;
}

static bool on_order(struct content *c, const char *type)
{
    struct part *p = part_add(c, 1);
    if (!p)
        return false;
    p->type = str_of(type);
    p->text = field_id(c->a, c->body, "text");
    struct extra x;
    extra_init(&x);
    extra_str(&x, "catalog_id", field_id(c->a, c->body, "catalog_id"));
    extra_copy(&x, c->a, "product_items", json_get(c->body, "product_items"));
    return extra_done(&x, c->a, &p->extra, c->err);
}

/* A user changed the number or the keys. The thread goes on under the new id. */
static bool on_system(struct content *c, const char *type)
{
    (void)type;
    c->ev->kind = EVENT_SYSTEM;
    c->ev->text = field_id(c->a, c->body, "body");
    struct str number =
        str_or(field_id(c->a, c->body, "wa_id"), field_id(c->a, c->body, "new_wa_id"));
    extra_str(c->x, "system", str_or(field_id(c->a, c->body, "type"), STR("unknown")));
    extra_str(c->x, "new_id", number);
    extra_str(c->x, "new_phone", phone_e164(c->a, number));
    extra_str(c->x, "new_user_id", field_id(c->a, c->body, "user_id"));
    return true;
}

/* Someone opened the chat for the first time, without a word. */
static bool on_welcome(struct content *c, const char *type)
{
    c->ev->kind = EVENT_SYSTEM;
    extra_str(c->x, "system", str_of(type));
    return true;
}

static const struct {
    const char *sent, *type; /* a part's type, or what the reader is told */
    bool (*read)(struct content *c, const char *type);
} types[] = {
    {"text", NULL, on_text},
    {"image", "image", on_media},
    {"video", "video", on_media},
    {"audio", "audio", on_media},
    {"voice", "audio", on_media},
    {"document", "file", on_media},
    {"sticker", "sticker", on_media},
    {"location", "location", on_location},
    {"contacts", "contact", on_contacts},
    {"button", NULL, on_button},
    {"interactive", NULL, on_interactive},
    {"order", "order", on_order},
    {"system", NULL, on_system},
    {"request_welcome", "request_welcome", on_welcome},
};

/* A message of which nothing came over: the type, or WhatsApp's own error, says what. */
static bool unsupported_set(struct content *c, const struct json *message)
{
    struct part *p = part_add(c, 1);
    if (!p)
        return false;
    struct str code, text;
    whatsapp_error_read(c->a, json_get(message, "errors"), &code, &text);
    p->type = STR("unsupported");
    struct extra x;
    extra_init(&x);
    if (!str_eq(c->type, p->type))
        extra_str(&x, "type", c->type);
    const struct json *inner = json_get(message, "unsupported");
    extra_str(&x, "unsupported_type", field_id(c->a, inner, "type"));
    extra_str(&x, "error_code", code);
    extra_str(&x, "error", text);
    return extra_done(&x, c->a, &p->extra, c->err);
}

bool whatsapp_content_read(struct arena *a, const struct json *message, struct event *ev,
                           struct extra *x, struct err *err)
{
    struct content c = {a, field_id(a, message, "type"), NULL, ev, x, err};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_eq_c(c.type, types[i].sent))
            continue;
        c.body = json_get(message, types[i].sent);
        if (!types[i].read(&c, types[i].type))
            return false;
        break;
    }
    if (ev->kind == EVENT_SYSTEM || ev->text.ptr || ev->n_parts)
        return true;
    return unsupported_set(&c, message);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "content.h"

#include <string.h>

#define CONTENT_MAX (4u << 20)

bool router_content_is_message(const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_MESSAGE:
    case EVENT_POSTBACK:
    case EVENT_SYSTEM:
    case EVENT_COMMENT:
        return true;
    case EVENT_REFERRAL:
    case EVENT_OPTIN:
        return ev->text.len || ev->n_parts || ev->referral.len || ev->payload.len;
    default:
        return false;
    }
}

static struct str kind_of(const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_POSTBACK:
        return STR("postback");
    case EVENT_COMMENT:
        return STR("comment");
    case EVENT_SYSTEM:
    case EVENT_REFERRAL:
    case EVENT_OPTIN:
        return STR("system");
    default:
        break;
    }
    for (size_t i = 0; i < ev->n_parts; i++)
        if (!str_eq_c(ev->parts[i].type, "text"))
            return ev->parts[i].type;
    return STR("text");
}

static struct str body_of(const struct event *ev)
{
    if (ev->text.len)
        return ev->text;
    for (size_t i = 0; i < ev->n_parts; i++)
        if (str_eq_c(ev->parts[i].type, "text") && ev->parts[i].text.len)
            return ev->parts[i].text;
    return STR_NONE;
}

static struct str content_of(struct arena *a, const struct event *ev)
{
    if (!ev->payload.len && !ev->referral.len && !ev->extra.len)
        return STR_NONE;
    struct buf b;
    buf_init(&b, CONTENT_MAX);
    struct json_out o = {.buf = &b};
    json_open(&o, '{');
    if (ev->payload.len)
        json_put_str(&o, "payload", ev->payload);
    if (ev->referral.len)
        json_put_str(&o, "referral", ev->referral);
    if (ev->extra.len)
        json_put_raw(&o, "extra", json_storable(a, ev->extra));
    json_close(&o, '}');
    struct str content = b.overflow ? STR_NONE : str_dup(a, buf_str(&b));
    buf_done(&b);
    return content;
}

static void fill_attachments(struct arena *a, const struct event *ev, struct message *out)
{
    if (!ev->n_parts)
        return;
    out->attachments = ARENA_ARRAY(a, struct object_attachment, ev->n_parts);
    for (size_t i = 0; i < ev->n_parts; i++) {
        const struct part *p = &ev->parts[i];
        if (str_eq_c(p->type, "text") && !p->url.len && !p->provider_ref.len)
            continue;
        out->attachments[out->n_attachments++] = (struct object_attachment){
            .type = p->type,
            .url = p->url,
            .provider_ref = p->provider_ref,
            .mime = p->mime,
            .name = p->name,
            .text = p->text,
            .extra = json_storable(a, p->extra),
            .size_bytes = p->size_bytes,
        };
    }
}

void router_content_fill(struct arena *a, const struct event *ev, struct message *out)
{
    out->kind = kind_of(ev);
    out->body = body_of(ev);
    out->content = content_of(a, ev);
    out->reply_to = ev->reply_to;
    out->sender_id = ev->sender;
    out->sender_name = ev->sender_name;
    out->attachments = NULL;
    out->attachments_json = STR_NONE;
    out->n_attachments = 0;
    fill_attachments(a, ev, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Units and events as text, one field a line, absent fields left out: what golden files hold and
 * what properties are compared by. */
#include "provider.h"

/* What follows the tenant in the path of every golden body: the id of Telegram's bot, which no body
 * names. Other adapters do not look at it. */
#define PATH_REST STR("8000000001")

static inline void dump_indent(struct buf *b, int depth)
{
    for (int i = 0; i < depth; i++)
        buf_put_c(b, "  ");
}

static inline void dump_quoted(struct buf *b, struct str v)
{
    struct json_out out = {.buf = b};
    json_str(&out, v);
}

/* Begins a member; the comma of the one before ends that line. */
static inline void dump_key(struct buf *b, int depth, const char *key)
{
    char last = b->len ? b->ptr[b->len - 1] : '{';
    buf_put_c(b, last == '{' || last == '[' ? "\n" : ",\n");
    dump_indent(b, depth);
    if (key)
        buf_putf(b, "\"%s\": ", key);
}

static inline void dump_close(struct buf *b, int depth, char bracket)
{
    buf_putc(b, '\n');
    dump_indent(b, depth);
    buf_putc(b, bracket);
}

static inline void dump_str(struct buf *b, int depth, const char *key, struct str v)
{
    if (!v.ptr)
        return;
    dump_key(b, depth, key);
    dump_quoted(b, v);
}

static inline void dump_int(struct buf *b, int depth, const char *key, int64_t v)
{
    if (!v)
        return;
    dump_key(b, depth, key);
    buf_putf(b, "%lld", (long long)v);
}

static inline void dump_true(struct buf *b, int depth, const char *key, bool v)
{
    if (!v)
        return;
    dump_key(b, depth, key);
    buf_put_c(b, "true");
}

static inline void dump_json(struct buf *b, int depth, const char *key, struct str v)
{
    if (!v.ptr)
        return;
    dump_key(b, depth, key);
    buf_put_str(b, v);
}

static inline void dump_part(struct buf *b, int depth, const struct part *p)
{
    dump_key(b, depth, NULL);
    buf_putc(b, '{');
    depth++;
    dump_str(b, depth, "type", p->type);
    dump_str(b, depth, "text", p->text);
    dump_str(b, depth, "url", p->url);
    dump_str(b, depth, "provider_ref", p->provider_ref);
    dump_str(b, depth, "mime", p->mime);
    dump_str(b, depth, "name", p->name);
    dump_int(b, depth, "size_bytes", p->size_bytes);
    dump_json(b, depth, "extra", p->extra);
    dump_close(b, depth - 1, '}');
}

static inline void dump_event(struct buf *b, int depth, const struct event *e)
{
    static const char *const directions[] = {NULL, "in", "out"};
    dump_key(b, depth, NULL);
    buf_putc(b, '{');
    depth++;
    dump_str(b, depth, "kind", str_of(event_kind_name(e->kind)));
    dump_str(b, depth, "direction", str_of(directions[e->direction]));
    dump_str(b, depth, "key", e->key);
    dump_true(b, depth, "key_is_weak", e->key_is_weak);
    dump_str(b, depth, "account", e->account);
    dump_str(b, depth, "account_type", e->account_type);
    dump_str(b, depth, "conversation", e->conversation);
    dump_str(b, depth, "conversation_alias", e->conversation_alias);
    dump_str(b, depth, "conversation_name", e->conversation_name);
    dump_true(b, depth, "is_group", e->is_group);
    dump_str(b, depth, "sender", e->sender);
    dump_str(b, depth, "sender_name", e->sender_name);
    dump_str(b, depth, "contact", e->contact);
    dump_str(b, depth, "contact_name", e->contact_name);
    dump_str(b, depth, "recipient", e->recipient);
    dump_str(b, depth, "external_id", e->external_id);
    dump_str(b, depth, "external_alias", e->external_alias);
    dump_str(b, depth, "client_ref", e->client_ref);
    dump_str(b, depth, "target_id", e->target_id);
    dump_int(b, depth, "watermark_at_ms", e->watermark_at_ms);
    dump_int(b, depth, "at_ms", e->at_ms);
    dump_str(b, depth, "text", e->text);
    if (e->n_parts) {
        dump_key(b, depth, "parts");
        buf_putc(b, '[');
        for (size_t i = 0; i < e->n_parts; i++)
            dump_part(b, depth + 1, &e->parts[i]);
        dump_close(b, depth, ']');
    }
    dump_str(b, depth, "reply_to", e->reply_to);
    dump_str(b, depth, "payload", e->payload);
    dump_str(b, depth, "referral", e->referral);
    dump_str(b, depth, "status", e->status);
    dump_str(b, depth, "provider_status", e->provider_status);
    dump_str(b, depth, "reason", e->reason);
    dump_json(b, depth, "extra", e->extra);
    dump_close(b, depth - 1, '}');
}

static inline void dump_error(struct buf *b, const struct err *err)
{
    buf_putc(b, '{');
    dump_str(b, 1, "error", str_of(err_kind_name(err->kind)));
    dump_str(b, 1, "message", str_of(err->msg));
    dump_close(b, 0, '}');
    buf_putc(b, '\n');
}

/* A unit's body is "the body itself", or its text. */
static inline bool dump_unit(struct buf *b, const struct provider *p, struct arena *a,
                             const struct unit *u, struct str body, struct err *err)
{
    struct events ev = {0};
    if (!p->parse(a, u, &ev, err))
        return false;
    dump_key(b, 2, NULL);
    buf_putc(b, '{');
    dump_str(b, 3, "account", u->account);
    dump_str(b, 3, "account_type", u->account_type);
    dump_str(b, 3, "conversation", u->conversation);
    if (u->body.ptr == body.ptr && u->body.len == body.len)
        dump_true(b, 3, "body_is_whole", true);
    else
        dump_str(b, 3, "body", str_utf8(a, u->body));
    dump_key(b, 3, "events");
    buf_putc(b, '[');
    for (size_t i = 0; i < ev.n; i++)
        dump_event(b, 4, &ev.items[i]);
    buf_put_c(b, ev.n ? "\n      ]" : "]");
    dump_close(b, 2, '}');
    return true;
}

static inline void dump_body(struct buf *b, const struct provider *p, struct arena *a,
                             struct str body)
{
    struct err err = {0};
    struct units units = {0};
    struct webhook in = {.body = body, .path_rest = PATH_REST};
    if (!p->split(a, &in, &units, &err)) {
        dump_error(b, &err);
        return;
    }
    buf_put_c(b, "{\n  \"units\": [");
    for (size_t i = 0; i < units.n; i++) {
        if (!dump_unit(b, p, a, &units.items[i], body, &err)) {
            buf_clear(b);
            dump_error(b, &err);
            return;
        }
    }
    buf_put_c(b, units.n ? "\n  ]\n}\n" : "]\n}\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol.h"

#include <string.h>

#include "json.h"

#define SMALL_FRAME_MAX 1024

/* --- from the client ---------------------------------------------------------------------- */

bool notifier_protocol_parse(struct arena *a, struct str text, struct message *out, struct err *err)
{
    struct message m = {0};
    const struct json *root = json_parse(a, text, err);
    if (!root)
        return false;
    const struct json *type = json_get(root, "type");
    if (!json_is(root, JSON_OBJECT) || !json_is(type, JSON_STRING))
        return err_set(err, ERR_INVALID, "a message is an object with a 'type'");
    if (str_eq_c(type->raw, "ping")) {
        m.type = MESSAGE_PING;
    } else if (str_eq_c(type->raw, "subscribe")) {
        m.type = MESSAGE_SUBSCRIBE;
        if (!notifier_filter_parse(root, &m.filter, err))
            return false;
    } else if (str_eq_c(type->raw, "auth")) {
        m.type = MESSAGE_AUTH;
        const struct json *token = json_get(root, "token");
        if (!json_is(token, JSON_STRING))
            return err_set(err, ERR_INVALID, "'auth' needs a 'token'");
        m.token = json_text(a, token);
    } else {
        return err_set(err, ERR_INVALID,
                       "unknown type: this stream reads subscribe, auth and ping");
    }
    *out = m;
    return true;
}

/* --- to the client ------------------------------------------------------------------------ */

static void begin(struct json_out *o, struct buf *b, const char *type)
{
    *o = (struct json_out){.buf = b};
    json_open(o, '{');
    json_put_str(o, "type", str_of(type));
}

static void put_cursor(struct json_out *o, struct cursor c)
{
    char text[CURSOR_TEXT];
    size_t n = notifier_cursor_format(c, text);
    json_put_str(o, "cursor", (struct str){text, n});
}

static struct packet *end(struct json_out *o)
{
    json_close(o, '}');
    struct packet *p = notifier_packet_new(WEBSOCKET_TEXT, buf_str(o->buf));
    buf_done(o->buf);
    return p;
}

static struct packet *with_cursor(const char *type, struct cursor c)
{
    struct buf b;
    struct json_out o;
    buf_init(&b, SMALL_FRAME_MAX);
    begin(&o, &b, type);
    put_cursor(&o, c);
    return end(&o);
}

struct packet *notifier_protocol_hello(struct cursor at, int64_t heartbeat_ms)
{
    struct buf b;
    struct json_out o;
    buf_init(&b, SMALL_FRAME_MAX);
    begin(&o, &b, "hello");
    put_cursor(&o, at);
    json_put_int(&o, "heartbeat_s", (heartbeat_ms + 999) / 1000);
    return end(&o);
}

struct packet *notifier_protocol_resync(struct cursor now)
{
    return with_cursor("resync", now);
}

struct packet *notifier_protocol_cursor(struct cursor at)
{
    return with_cursor("cursor", at);
}

struct packet *notifier_protocol_feed_resumed(struct cursor at)
{
    return with_cursor("feed_resumed", at);
}

struct packet *notifier_protocol_authenticated(int64_t expires_at_ms)
{
    struct buf b;
    struct json_out o;
    buf_init(&b, SMALL_FRAME_MAX);
    begin(&o, &b, "authenticated");
    json_put_time(&o, "expires_at", expires_at_ms);
    return end(&o);
}

struct packet *notifier_protocol_pong(void)
{
    struct buf b;
    struct json_out o;
    buf_init(&b, SMALL_FRAME_MAX);
    begin(&o, &b, "pong");
    return end(&o);
}

struct packet *notifier_protocol_error(const char *code, struct str message)
{
    struct buf b;
    struct json_out o;
    buf_init(&b, SMALL_FRAME_MAX);
    begin(&o, &b, "error");
    json_put_str(&o, "code", str_of(code));
    json_put_str(&o, "message", message);
    return end(&o);
}

/* --- updates ------------------------------------------------------------------------------ */

/* An id that is absent or not a UUID stays nil: no list of ids lets it pass. */
static bool fill_subject(const struct update *u, struct subject *s, struct err *err)
{
    if (!uuid_parse(u->tenant_id, &s->tenant))
        return err_set(err, ERR_INVALID, "an update whose tenant_id is not a UUID");
    (void)uuid_parse(u->channel_id, &s->channel);
    (void)uuid_parse(u->conversation_id, &s->conversation);
    if (u->provider.len > 0 && u->provider.len < sizeof s->provider)
        memcpy(s->provider, u->provider.ptr, u->provider.len);
    return true;
}

static void put_update(struct arena *a, struct json_out *o, const struct update *u,
                       struct cursor at, struct str trace_id)
{
    json_put_str(o, "id", str_utf8(a, u->id));
    put_cursor(o, (struct cursor){at.partition, at.offset + 1});
    json_put_str(o, "kind", str_utf8(a, u->kind));
    if (u->provider.len > 0)
        json_put_str(o, "provider", str_utf8(a, u->provider));
    json_put_str(o, "channel_id", str_utf8(a, u->channel_id));
    json_put_str(o, "conversation_id", str_utf8(a, u->conversation_id));
    json_put_time(o, "at", u->at_ms);
    json_put_int(o, "rev", u->rev);
    if (trace_id.len > 0)
        json_put_str(o, "trace", trace_id);
    json_put_raw(o, "data", str_utf8(a, u->data));
}

struct packet *notifier_protocol_update(struct arena *a, const struct update *u, struct cursor at,
                                        int64_t record_at_ms, struct str trace_id, struct err *err)
{
    struct subject subject = {0};
    if (!fill_subject(u, &subject, err))
        return NULL;
    struct buf b;
    struct json_out o;
    buf_init(&b, UPDATE_FRAME_MAX);
    begin(&o, &b, "update");
    put_update(a, &o, u, at, trace_id);
    if (b.overflow) {
        buf_done(&b);
        err_set(err, ERR_LIMITED, "an update of more than %d bytes", UPDATE_FRAME_MAX);
        return NULL;
    }
    struct packet *p = end(&o);
    p->partition = at.partition;
    p->offset = at.offset;
    p->at_ms = record_at_ms;
    p->subject = subject;
    return p;
}

struct packet *notifier_protocol_lost(const struct uuid *tenant, struct cursor at,
                                      int64_t record_at_ms)
{
    struct packet *p = notifier_protocol_resync((struct cursor){at.partition, at.offset + 1});
    p->partition = at.partition;
    p->offset = at.offset;
    p->at_ms = record_at_ms;
    p->subject.tenant = *tenant;
    p->for_all = true;
    return p;
}

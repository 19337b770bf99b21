/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The outbound side as text: a case is a JSON object, its result what adapters make of it.
 *
 *   {"account": {...}, "message": {...}, "progress": ["ref"]}           the request
 *   {..., "is_final": true, "reply": {"status", "headers", "body"}}     the judgement
 *   {"account": {...}, "discover": "list", "cursor": "..."}             the request
 *   {..., "discover": "list", "reply": {...}}                           what was found
 *   {"account": {...}, "list": {"to_kind", "to", "cursor"}}             the request; as discover
 *   {"account": {...}, "webhook": {"what": "create", "url", "secret"}}  the request; as discover
 *
 * Members are named as in outgoing.h; names as send_kind_name() has them. "expect" in a case is not
 * read here: it is what an oracle says. */
#include <assert.h>
#include <string.h>

#include "golden/dump.h"
#include "outgoing.h"

#define SEND_TOKEN STR("secret-token")

struct send_case {
    struct send_account account;
    struct send_message message;
    struct send_progress progress;
    bool is_final, has_reply, is_discover;
    enum discover_what what;
    struct str cursor;
    bool is_webhook;
    struct webhook_ask ask;
    bool is_list;
    struct sent_ask list;
    struct send_reply reply;
    struct send_case_headers {
        struct arena *a;
        const struct json *object;
    } headers;
};

static inline struct str case_header(const void *http, const char *name)
{
    const struct send_case_headers *h = http;
    for (const struct json *v = json_first(h->object); v; v = json_next(h->object, v)) {
        if (str_ieq(json_text(h->a, json_key(v)), str_of(name)))
            return json_text(h->a, v);
    }
    return STR_NONE;
}

static inline void case_account(struct arena *a, const struct json *v, struct send_account *out)
{
    *out = (struct send_account){
        .external_id = json_text(a, json_get(v, "external_id")),
        .type = json_text(a, json_get(v, "type")),
        .login = json_text(a, json_get(v, "login")),
        .parent_id = json_text(a, json_get(v, "parent_id")),
        .token = json_get(v, "token") ? json_text(a, json_get(v, "token")) : SEND_TOKEN,
        .base_url = json_text(a, json_get(v, "base_url")),
        .api_version = json_text(a, json_get(v, "api_version")),
    };
}

static inline struct send_media case_media(struct arena *a, const struct json *v)
{
    struct send_media m = {
        .type = json_text(a, json_get(v, "type")),
        .url = json_text(a, json_get(v, "url")),
        .ref = json_text(a, json_get(v, "ref")),
        .file = json_text(a, json_get(v, "file")),
        .name = json_text(a, json_get(v, "name")),
        .mime = json_text(a, json_get(v, "mime")),
    };
    (void)json_i64(json_get(v, "size_bytes"), &m.size_bytes);
    return m;
}

static inline void case_choices(struct arena *a, const struct json *list, struct send_message *m)
{
    for (const struct json *v = json_first(list); v && m->n_choices < SEND_CHOICES_MAX;
         v = json_next(list, v))
        m->choices[m->n_choices++] = (struct send_choice){
            .style = json_get(v, "url") ? CHOICE_URL : CHOICE_REPLY,
            .title = json_text(a, json_get(v, "title")),
            .payload = json_text(a, json_get(v, "payload")),
            .url = json_text(a, json_get(v, "url")),
            .description = json_text(a, json_get(v, "description")),
        };
}

static inline enum send_kind case_kind(struct str name)
{
    for (int k = 0; k < SEND_KINDS; k++) {
        if (str_eq_c(name, send_kind_name((enum send_kind)k)))
            return (enum send_kind)k;
    }
    return SEND_TEXT;
}

static inline enum send_to case_to_kind(struct arena *a, const struct json *v)
{
    struct str kind = json_text(a, json_get(v, "to_kind"));
    return str_eq_c(kind, "person")    ? TO_PERSON
           : str_eq_c(kind, "comment") ? TO_COMMENT
                                       : TO_CONVERSATION;
}

static inline void case_message(struct arena *a, const struct json *v, struct send_message *m)
{
    m->kind = case_kind(json_text(a, json_get(v, "kind")));
    m->to_kind = case_to_kind(a, v);
    m->to = json_text(a, json_get(v, "to"));
    m->is_group = json_truthy(json_get(v, "is_group"));
    m->text = json_text(a, json_get(v, "text"));
    const struct json *media = json_get(v, "media");
    for (const struct json *e = json_first(media); e && m->n_media < SEND_MEDIA_MAX;
         e = json_next(media, e))
        m->media[m->n_media++] = case_media(a, e);
    case_choices(a, json_get(v, "choices"), m);
    m->choices_title = json_text(a, json_get(v, "choices_title"));
    const struct json *t = json_get(v, "template"), *l = json_get(v, "location");
    const struct json *components = json_get(t, "components");
    m->template = (struct send_template){json_text(a, json_get(t, "name")),
                                         json_text(a, json_get(t, "language")),
                                         components ? components->span : STR_NONE};
    m->location = (struct send_location){
        json_text(a, json_get(l, "latitude")), json_text(a, json_get(l, "longitude")),
        json_text(a, json_get(l, "name")), json_text(a, json_get(l, "address"))};
    m->reply_to = json_text(a, json_get(v, "reply_to"));
    m->target_id = json_text(a, json_get(v, "target_id"));
    m->emoji = json_text(a, json_get(v, "emoji"));
    m->is_off = json_truthy(json_get(v, "is_off"));
    m->is_human_agent = json_truthy(json_get(v, "is_human_agent"));
    m->tag = json_text(a, json_get(v, "tag"));
    m->client_ref = json_text(a, json_get(v, "client_ref"));
}

static inline void case_reply(struct arena *a, const struct json *v, struct send_case *c)
{
    struct str fault = json_text(a, json_get(v, "fault"));
    const struct json *body = json_get(v, "body");
    int64_t n = 0;
    c->headers = (struct send_case_headers){a, json_get(v, "headers")};
    c->reply = (struct send_reply){
        .fault = str_eq_c(fault, "unsent")    ? REPLY_UNSENT
                 : str_eq_c(fault, "unknown") ? REPLY_UNKNOWN
                                              : REPLY_WHOLE,
        .status = json_i64(json_get(v, "status"), &n) ? (int)n : 0,
        .body = json_is(body, JSON_STRING) ? json_text(a, body)
                : body                     ? body->span
                                           : STR_NONE,
        .header = case_header,
        .http = &c->headers,
        .attempt = json_i64(json_get(v, "attempt"), &n) ? (unsigned)n : 1,
    };
    (void)json_i64(json_get(v, "at_ms"), &c->reply.at_ms);
}

static inline void case_webhook(struct arena *a, const struct json *v, struct send_case *c)
{
    struct str what = json_text(a, json_get(v, "what"));
    int64_t part = 0;
    (void)json_i64(json_get(v, "part"), &part);
    c->is_webhook = v;
    c->ask = (struct webhook_ask){
        .what = str_eq_c(what, "create")  ? WEBHOOK_CREATE
                : str_eq_c(what, "check") ? WEBHOOK_CHECK
                                          : WEBHOOK_VALIDATE,
        .part = (size_t)part,
        .url = json_text(a, json_get(v, "url")),
        .secret = json_text(a, json_get(v, "secret")),
        .id = json_text(a, json_get(v, "id")),
        .app_id = json_text(a, json_get(v, "app_id")),
    };
}

/* `c` holds what reply.http points at, so it stays where it is. */
static inline void send_case_read(struct arena *a, const struct json *root, struct send_case *c)
{
    *c = (struct send_case){0};
    case_account(a, json_get(root, "account"), &c->account);
    case_message(a, json_get(root, "message"), &c->message);
    const struct json *refs = json_get(root, "progress");
    for (const struct json *v = json_first(refs); v; v = json_next(refs, v))
        assert(send_progress_add(&c->progress, json_text(a, v)));
    c->is_final = !json_get(root, "is_final") || json_truthy(json_get(root, "is_final"));
    struct str what = json_text(a, json_get(root, "discover"));
    c->is_discover = what.ptr;
    c->what = str_eq_c(what, "list") ? DISCOVER_LIST : DISCOVER_VALIDATE;
    c->cursor = json_text(a, json_get(root, "cursor"));
    case_webhook(a, json_get(root, "webhook"), c);
    const struct json *list = json_get(root, "list");
    c->is_list = list;
    c->list = (struct sent_ask){.to_kind = case_to_kind(a, list),
                                .to = json_text(a, json_get(list, "to")),
                                .is_group = json_truthy(json_get(list, "is_group")),
                                .cursor = json_text(a, json_get(list, "cursor"))};
    c->has_reply = json_get(root, "reply");
    if (c->has_reply)
        case_reply(a, json_get(root, "reply"), c);
}

/* --- what came of it -------------------------------------------------------------------------- */

/* Everything after the first word of a secret value is shown as ***. */
static inline struct str dump_masked(struct arena *a, struct str value)
{
    struct str scheme, rest;
    return str_cut(value, ' ', &scheme, &rest) ? str_fmt(a, "%.*s ***", STR_ARG(scheme))
                                               : STR("***");
}

static inline void dump_parts(struct buf *b, const struct send_request *r)
{
    dump_key(b, 2, "parts");
    buf_putc(b, '[');
    for (size_t i = 0; i < r->n_parts; i++) {
        const struct send_part *p = &r->parts[i];
        dump_key(b, 3, NULL);
        buf_putc(b, '{');
        dump_str(b, 4, "name", str_of(p->name));
        dump_str(b, 4, "value", p->value);
        dump_str(b, 4, "value_mime", str_of(p->value_mime));
        dump_str(b, 4, "file", p->file);
        dump_str(b, 4, "fetch", p->fetch);
        dump_int(b, 4, "from", p->from);
        dump_int(b, 4, "length", p->length);
        dump_str(b, 4, "filename", p->filename);
        dump_str(b, 4, "mime", p->mime);
        dump_close(b, 3, '}');
    }
    dump_close(b, 2, ']');
}

static inline void dump_request(struct buf *b, struct arena *a, const struct send_request *r)
{
    buf_put_c(b, "{\n  \"request\": {");
    dump_str(b, 2, "method", str_of(send_method_name(r->method)));
    dump_str(b, 2, "url", r->url_is_secret ? r->url_shown : r->url);
    dump_true(b, 2, "url_is_secret", r->url_is_secret);
    dump_true(b, 2, "is_final", r->is_final);
    dump_key(b, 2, "headers");
    buf_putc(b, '{');
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct send_header *h = &r->headers[i];
        dump_str(b, 3, h->name, h->is_secret ? dump_masked(a, h->value) : h->value);
    }
    dump_close(b, 2, '}');
    if (r->body_kind == BODY_JSON)
        dump_json(b, 2, "body", r->body);
    if (r->body_kind == BODY_FORM)
        dump_str(b, 2, "form", r->body);
    if (r->body_kind == BODY_MULTIPART)
        dump_parts(b, r);
    dump_close(b, 1, '}');
    buf_put_c(b, "\n}\n");
}

static inline void dump_judgement(struct buf *b, const struct judgement *j)
{
    buf_put_c(b, "{\n  \"judgement\": {");
    dump_str(b, 2, "outcome", str_of(outcome_name(j->outcome)));
    dump_str(b, 2, "external_id", j->external_id);
    dump_str(b, 2, "conversation", j->conversation);
    dump_str(b, 2, "moved_to", j->moved_to);
    dump_str(b, 2, "ref", j->ref);
    dump_int(b, 2, "wait_ms", j->wait_ms);
    dump_int(b, 2, "attempts_max", j->attempts_max);
    if (j->scope != SEND_SCOPE_NONE)
        dump_str(b, 2, "scope", str_of(send_scope_name(j->scope)));
    dump_true(b, 2, "is_expired", j->is_expired);
    dump_str(b, 2, "code", j->code);
    dump_str(b, 2, "reason", j->reason);
    dump_str(b, 2, "detail", j->detail);
    if (j->pace.used_percent >= 0) {
        dump_key(b, 2, "pace");
        buf_putf(b, "{\"used_percent\": %d, \"wait_ms\": %lld, \"scope\": \"%s\"}",
                 j->pace.used_percent, (long long)j->pace.wait_ms, send_scope_name(j->pace.scope));
    }
    dump_close(b, 1, '}');
    buf_put_c(b, "\n}\n");
}

static inline void dump_found(struct buf *b, const struct found_accounts *f)
{
    buf_put_c(b, "{\n  \"found\": [");
    for (size_t i = 0; i < f->n; i++) {
        const struct found_account *e = &f->items[i];
        dump_key(b, 2, NULL);
        buf_putc(b, '{');
        dump_str(b, 3, "external_id", e->external_id);
        dump_str(b, 3, "type", e->type);
        dump_str(b, 3, "name", e->name);
        dump_str(b, 3, "username", e->username);
        dump_str(b, 3, "status", e->status);
        dump_str(b, 3, "provider_status", e->provider_status);
        dump_str(b, 3, "parent_id", e->parent_id);
        dump_str(b, 3, "token", e->token.ptr ? STR("***") : STR_NONE);
        dump_close(b, 2, '}');
    }
    dump_close(b, 1, ']');
    dump_str(b, 1, "cursor", f->cursor);
    buf_put_c(b, "\n}\n");
}

static inline void dump_webhook(struct buf *b, const struct webhook_found *f)
{
    buf_put_c(b, "{\n  \"webhook\": {");
    dump_true(b, 2, "is_there", f->is_there);
    dump_true(b, 2, "is_working", f->is_working);
    dump_str(b, 2, "id", f->id);
    dump_str(b, 2, "complaint", f->complaint);
    dump_close(b, 1, '}');
    buf_put_c(b, "\n}\n");
}

static inline void dump_sent(struct buf *b, const struct sent_list *l)
{
    buf_put_c(b, "{\n  \"sent\": [");
    for (size_t i = 0; i < l->n; i++) {
        const struct sent_message *e = &l->items[i];
        dump_key(b, 2, NULL);
        buf_putc(b, '{');
        dump_str(b, 3, "external_id", e->external_id);
        dump_str(b, 3, "text", e->text);
        dump_int(b, 3, "at_ms", e->at_ms);
        dump_int(b, 3, "n_media", (int64_t)e->n_media);
        dump_true(b, 3, "is_ours", e->is_ours);
        dump_close(b, 2, '}');
    }
    dump_close(b, 1, ']');
    dump_str(b, 1, "cursor", l->cursor);
    dump_true(b, 1, "is_all", l->is_all);
    buf_put_c(b, "\n}\n");
}

/* Secrets stand where they are marked, and nowhere after they were wiped. */
static inline bool has_secret(struct str in, struct str secret)
{
    return secret.len && in.len && memmem(in.ptr, in.len, secret.ptr, secret.len);
}

static inline void check_secrets(struct send_request *r, struct str token)
{
    assert(r->url.len && r->url_shown.len);
    assert(!has_secret(r->url_shown, token));
    assert(r->url_is_secret || !has_secret(r->url, token));
    assert(!has_secret(r->body, token));
    for (size_t i = 0; i < r->n_headers; i++)
        assert(r->headers[i].is_secret || !has_secret(r->headers[i].value, token));
    send_request_wipe(r);
    assert(!has_secret(r->url, token));
    for (size_t i = 0; i < r->n_headers; i++)
        assert(!has_secret(r->headers[i].value, token));
}

/* What every judgement has. */
static inline void check_judgement(const struct judgement *j)
{
    assert(j->outcome <= OUTCOME_AMBIGUOUS && j->scope <= SEND_SCOPE_APP);
    bool is_good = j->outcome == OUTCOME_SENT || j->outcome == OUTCOME_NEXT;
    assert(is_good || j->reason.len);
    assert(j->wait_ms >= 0 && j->pace.wait_ms >= 0 && j->pace.used_percent >= -1);
    assert(j->scope != SEND_SCOPE_NONE || j->outcome != OUTCOME_RATE_LIMITED);
    assert(!has_secret(j->detail, SEND_TOKEN) && !has_secret(j->reason, SEND_TOKEN));
}

static inline bool case_build(const struct provider *p, struct arena *a, const struct send_case *c,
                              struct send_request *r, struct err *err)
{
    struct send_call call = {&c->account, &c->message, &c->progress, c->is_final};
    return c->is_webhook    ? p->webhook->build(a, &c->ask, &c->account, r, err)
           : c->is_list     ? p->list->build(a, &c->list, &c->account, r, err)
           : c->is_discover ? p->discover->build(a, c->what, &c->account, c->cursor, r, err)
                            : p->build(a, &call, r, err);
}

/* Runs a case; its result is appended to b. */
static inline void dump_send_case(struct buf *b, const struct provider *p, struct arena *a,
                                  const struct send_case *c)
{
    struct send_call call = {&c->account, &c->message, &c->progress, c->is_final};
    struct send_request r = {0};
    struct judgement j = {0};
    struct err err = {0};
    if (c->has_reply && c->is_webhook) {
        struct webhook_found found = {0};
        if (p->webhook->read(a, &c->ask, &c->account, &c->reply, &found, &j)) {
            dump_webhook(b, &found);
            return;
        }
    } else if (c->has_reply && c->is_list) {
        struct sent_list sent = {0};
        if (p->list->read(a, &c->list, &c->account, &c->reply, &sent, &j)) {
            dump_sent(b, &sent);
            return;
        }
    } else if (c->has_reply && c->is_discover) {
        struct found_accounts found = {0};
        if (p->discover->read(a, c->what, &c->account, &c->reply, &found, &j)) {
            dump_found(b, &found);
            return;
        }
    } else if (c->has_reply) {
        p->judge(a, &call, &c->reply, &j);
    } else {
        bool ok = case_build(p, a, c, &r, &err);
        if (!ok) {
            dump_error(b, &err);
            return;
        }
        dump_request(b, a, &r);
        check_secrets(&r, c->account.token);
        return;
    }
    check_judgement(&j);
    dump_judgement(b, &j);
}

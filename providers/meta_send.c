/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the Graph API. */
#include "meta_send.h"

#include "fields.h"

#define BODY_MAX ((size_t)1 << 20)

bool graph_request(struct arena *a, const struct send_account *account, const char *host,
                   enum send_method method, struct str path, struct send_request *out,
                   struct err *err)
{
    *out = (struct send_request){.method = method};
    struct str version = url_encode(a, str_or(account->api_version, STR(GRAPH_VERSION)));
    struct str base;
    if (!send_base(account, host, &base, err))
        return false;
    out->url = str_fmt(a, "%.*s/%.*s/%.*s", STR_ARG(base), STR_ARG(version), STR_ARG(path));
    out->url_shown = out->url;
    return send_secret_add(a, out, "Authorization", "Bearer ", account->token, err);
}

/* --- bodies ----------------------------------------------------------------------------------- */

void graph_body_init(struct graph_body *b, struct arena *a)
{
    *b = (struct graph_body){.a = a};
    buf_init(&b->buf, BODY_MAX);
    b->out.buf = &b->buf;
    json_open(&b->out, '{');
}

bool graph_body_done(struct graph_body *b, struct send_request *r, struct err *err)
{
    json_close(&b->out, '}');
    bool ok = !b->buf.overflow;
    if (ok) {
        r->body_kind = BODY_JSON;
        r->body = str_dup(b->a, buf_str(&b->buf));
    }
    buf_done(&b->buf);
    if (!ok)
        return err_set(err, ERR_INVALID, "the message is larger than %zu bytes: shorten it",
                       BODY_MAX);
    return send_header_add(r, "Content-Type", STR("application/json"), err);
}

void graph_open(struct graph_body *b, const char *key, char bracket)
{
    if (key)
        json_key_out(&b->out, key);
    json_open(&b->out, bracket);
}

void graph_close(struct graph_body *b, char bracket)
{
    json_close(&b->out, bracket);
}

void graph_text(struct graph_body *b, const char *key, struct str v)
{
    if (v.len)
        json_put_str(&b->out, key, str_utf8(b->a, v));
}

/* --- media ------------------------------------------------------------------------------------ */

const struct send_media *graph_next_upload(const struct send_call *call)
{
    size_t done = call->progress->n;
    for (size_t i = 0; i < call->message->n_media; i++) {
        const struct send_media *m = &call->message->media[i];
        if (m->file.len && done-- == 0)
            return m;
    }
    return NULL;
}

struct str graph_media_ref(const struct send_call *call, size_t i)
{
    const struct send_media *media = call->message->media;
    size_t step = 0;
    for (size_t k = 0; k < i; k++)
        step += media[k].file.len > 0;
    if (!media[i].file.len)
        return media[i].ref;
    return step < call->progress->n ? call->progress->refs[step] : STR_NONE;
}

bool graph_media_check(const struct send_message *m, struct err *err)
{
    if (!m->n_media)
        return err_set(err, ERR_INVALID, "a message with media has no media: add one");
    for (size_t i = 0; i < m->n_media; i++) {
        const struct send_media *e = &m->media[i];
        if ((e->url.len > 0) + (e->ref.len > 0) + (e->file.len > 0) != 1)
            return err_set(err, ERR_INVALID,
                           "attachment %zu needs one of address, upload and file, and only one",
                           i + 1);
        if (e->url.len && !is_http_url(e->url))
            return err_set(err, ERR_INVALID,
                           "attachment %zu: the address must begin with http:// or https://",
                           i + 1);
    }
    return true;
}

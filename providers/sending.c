/* SPDX-License-Identifier: Apache-2.0 */
#include "sending.h"

#include <string.h>

#include "fields.h"

#define BODY_MAX    ((size_t)1 << 20)
#define WORDS_MAX   300
#define INTEGER_MAX 20 /* digits; ids have up to 19 */

/* --- JSON bodies ------------------------------------------------------------------------------ */

void send_json_begin(struct send_json *j)
{
    *j = (struct send_json){0};
    buf_init(&j->buf, BODY_MAX);
    j->out.buf = &j->buf;
    json_open(&j->out, '{');
}

void send_json_text(struct send_json *j, struct arena *a, const char *key, struct str v)
{
    if (v.len)
        json_put_str(&j->out, key, str_utf8(a, v));
}

bool send_json_end(struct send_json *j, struct arena *a, struct send_request *r, struct err *err)
{
    json_close(&j->out, '}');
    bool fits = !j->buf.overflow;
    if (fits) {
        r->body_kind = BODY_JSON;
        r->body = str_dup(a, buf_str(&j->buf));
    }
    buf_done(&j->buf);
    if (!fits)
        return err_set(err, ERR_LIMITED, "the message is larger than %zu bytes", BODY_MAX);
    return send_header_add(r, "Content-Type", STR("application/json"), err);
}

bool is_decimal(struct str s)
{
    size_t digits = 0, dots = 0, start = s.len && s.ptr[0] == '-';
    for (size_t i = start; i < s.len; i++) {
        bool is_digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
        bool is_dot = s.ptr[i] == '.' && digits && i + 1 < s.len;
        if (!is_digit && !is_dot)
            return false;
        digits += is_digit;
        dots += is_dot;
    }
    bool leads_zero = s.len > start + 1 && s.ptr[start] == '0' && s.ptr[start + 1] != '.';
    return digits && dots <= 1 && !leads_zero && s.len <= 2 * INTEGER_MAX;
}

bool is_integer(struct str s)
{
    int64_t n = 0;
    return is_decimal(s) && str_i64(s, &n);
}

bool send_media_valid(const struct send_media *m, struct err *err)
{
    int n = (m->url.len > 0) + (m->ref.len > 0) + (m->file.len > 0);
    if (n != 1)
        return err_set(err, ERR_INVALID, "a medium is given by exactly one of url, ref and file");
    if (m->url.len && !is_http_url(m->url))
        return err_set(err, ERR_INVALID, "a medium's url begins with https:// or http://");
    return true;
}

/* --- judging ---------------------------------------------------------------------------------- */

struct judgement judgement_none(void)
{
    return (struct judgement){.pace.used_percent = -1};
}

struct send_call send_call_of_account(const struct send_account *account)
{
    static const struct send_message nothing = {.kind = SEND_READ};
    static const struct send_progress none = {.n = 0};
    return (struct send_call){account, &nothing, &none, false};
}

const struct send_error *send_error_find(const struct send_error *rows, size_t n, struct str name,
                                         int status)
{
    for (size_t i = 0; i < n; i++) {
        const struct send_error *e = &rows[i];
        if ((!e->name || str_eq_c(name, e->name)) && (!e->status || e->status == status))
            return e;
    }
    return NULL;
}

struct str send_error_name(struct str type)
{
    size_t from = type.len;
    while (from > 0 && type.ptr[from - 1] != '/')
        from--;
    return str_skip(type, from);
}

void judge_by(const struct send_error *row, const struct send_call *call,
              const struct send_reply *reply, struct judgement *out)
{
    int64_t told = reply_retry_after_ms(reply);
    out->outcome = row->outcome;
    out->scope = row->scope;
    out->wait_ms = told ? told : row->wait_ms;
    out->attempts_max = row->attempts_more ? reply->attempt + row->attempts_more : 0;
    out->reason = str_of(row->reason ? row->reason : outcome_reason(row->outcome));
    if (!row->may_have_acted)
        return;
    judge_may_have_acted(call, out);
    if (out->outcome == OUTCOME_AMBIGUOUS)
        out->attempts_max = 0;
}

void judge_as_wrong(struct judgement *why, enum outcome outcome, const char *reason)
{
    *why = judgement_none();
    why->outcome = outcome;
    why->scope = outcome == OUTCOME_AUTH ? SEND_SCOPE_ACCOUNT : SEND_SCOPE_NONE;
    why->reason = str_of(reason);
}

struct str send_words(struct arena *a, const struct send_account *account, struct str words)
{
    if (!words.len)
        return STR_NONE;
    // The whole is looked through, so that no half of a token is left where it is cut.
    struct str token = account->token;
    if (token.len && memmem(words.ptr, words.len, token.ptr, token.len))
        return STR("(hidden: it repeats the token)");
    return str_shorten(str_utf8(a, words), WORDS_MAX);
}

const struct json *send_reply_json(struct arena *a, const struct send_reply *reply)
{
    struct err err = {0};
    return reply->body.len ? json_parse(a, reply->body, &err) : NULL;
}

bool send_reply_is_ok(const struct send_reply *reply)
{
    return reply->status >= 200 && reply->status < 300;
}

/* --- lists ------------------------------------------------------------------------------------ */

void sent_list_begin(struct arena *a, struct sent_list *l)
{
    *l = (struct sent_list){.items = ARENA_ARRAY(a, struct sent_message, SENT_LIST_MAX),
                            .is_all = true};
}

void sent_list_add(struct sent_list *l, const struct sent_message *m)
{
    bool is_taken = m->external_id.len && l->n < SENT_LIST_MAX;
    if (is_taken)
        l->items[l->n++] = *m;
    l->is_all &= is_taken;
}

void sent_list_end(struct sent_list *l, struct str cursor)
{
    l->cursor = l->is_all ? cursor : STR_NONE;
    l->is_all &= !cursor.len;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the outbound sides of all adapters share. */
#include "outgoing.h"

#include <string.h>

#include "crypto.h"

#define MS_PER_S 1000

const char *send_kind_name(enum send_kind k)
{
    static const char *const names[] = {"text",   "media",    "reaction", "read",
                                        "typing", "template", "choices",  "location"};
    return (size_t)k < ARRAY_LEN(names) ? names[k] : "?";
}

const char *send_method_name(enum send_method m)
{
    static const char *const names[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};
    return (size_t)m < ARRAY_LEN(names) ? names[m] : "?";
}

const char *outcome_name(enum outcome o)
{
    static const char *const names[] = {"sent", "next",   "rate_limited", "retry",
                                        "auth", "window", "permanent",    "ambiguous"};
    return (size_t)o < ARRAY_LEN(names) ? names[o] : "?";
}

const char *send_scope_name(enum send_scope s)
{
    static const char *const names[] = {"none", "pair", "account", "app"};
    return (size_t)s < ARRAY_LEN(names) ? names[s] : "?";
}

/* --- the request ------------------------------------------------------------------------------ */

void send_request_wipe(struct send_request *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        // Ours alone, by the contract of is_secret.
        if (r->headers[i].is_secret && r->headers[i].value.len)
            crypto_wipe((void *)r->headers[i].value.ptr, r->headers[i].value.len);
    }
    if (r->url_is_secret && r->url.len)
        crypto_wipe((void *)r->url.ptr, r->url.len);
}

bool send_progress_add(struct send_progress *p, struct str ref)
{
    if (p->n == SEND_STEPS_MAX)
        return false;
    p->refs[p->n++] = ref;
    return true;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c == 0x7f)
            return true;
    }
    return false;
}

bool send_header_add(struct send_request *r, const char *name, struct str value, struct err *err)
{
    if (!value.len || has_control(value))
        return err_set(err, ERR_INVALID,
                       "the value of header %s is empty or has control characters", name);
    if (r->n_headers == SEND_HEADERS_MAX)
        return err_set(err, ERR_FAULT, "more than %d headers", SEND_HEADERS_MAX);
    r->headers[r->n_headers++] = (struct send_header){name, value, false};
    return true;
}

bool send_secret_add(struct arena *a, struct send_request *r, const char *name, const char *prefix,
                     struct str secret, struct err *err)
{
    if (!secret.len || has_control(secret))
        return err_set(err, ERR_INVALID,
                       "the channel's token is empty or has control characters: connect it again");
    struct str value = str_fmt(a, "%s%.*s", prefix, STR_ARG(secret));
    if (!send_header_add(r, name, value, err))
        return false;
    r->headers[r->n_headers - 1].is_secret = true;
    return true;
}

static struct send_part *part_add(struct send_request *r)
{
    // Adapters add a handful, and one for each medium.
    struct send_part *p = &r->parts[r->n_parts];
    r->n_parts += r->n_parts + 1 < SEND_PARTS_MAX;
    return p;
}

void send_part_text(struct send_request *r, const char *name, struct str value)
{
    *part_add(r) = (struct send_part){.name = name, .value = value.ptr ? value : STR("")};
}

void send_part_file(struct send_request *r, const char *name, const struct send_media *m)
{
    *part_add(r) = (struct send_part){
        .name = name,
        .file = m->file,
        .fetch = m->url,
        .filename = m->name.len ? m->name : STR("file"),
        .mime = m->mime.len ? m->mime : STR("application/octet-stream"),
    };
}

struct str url_encode(struct arena *a, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(a, s.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c && strchr("-._~", c));
        if (plain) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    return (struct str){out, n};
}

struct str send_scrub(struct arena *a, struct str text, struct str secret)
{
    struct str head = text;
    const char *at = NULL;
    while (secret.len && head.len && (at = memmem(head.ptr, head.len, secret.ptr, secret.len))) {
        size_t before = (size_t)(at - head.ptr);
        struct str after = str_skip(head, before + secret.len);
        head = str_fmt(a, "%.*s***%.*s", (int)before, head.ptr, STR_ARG(after));
        if (memmem("***", 3, secret.ptr, secret.len))
            return STR("***");
    }
    return head;
}

bool send_base(const struct send_account *account, const char *host, struct str *base,
               struct err *err)
{
    *base = account->base_url.len ? account->base_url : str_of(host);
    while (base->len && base->ptr[base->len - 1] == '/')
        base->len--;
    for (size_t i = 0; i < base->len; i++) {
        if ((unsigned char)base->ptr[i] <= ' ' || base->ptr[i] == 0x7f)
            return err_set(err, ERR_INVALID,
                           "the channel's base address has a blank or a control character in it");
    }
    return true;
}

/* --- limits ----------------------------------------------------------------------------------- */

size_t text_size(struct str text, enum text_unit unit)
{
    if (unit == TEXT_BYTES)
        return text.len;
    size_t n = 0;
    while (text.len) {
        uint32_t cp = 0;
        bool valid = false;
        text = str_skip(text, utf8_next(text, &cp, &valid));
        n += unit == TEXT_UTF16 && cp > 0xFFFF ? 2 : 1;
    }
    return n;
}

bool text_fits(struct str text, const struct text_limit *limit, struct err *err)
{
    size_t n = text_size(text, limit->unit);
    if (n <= limit->max)
        return true;
    // For people a UTF-16 unit is a character, too: only emoji are two.
    const char *unit = limit->unit == TEXT_BYTES ? "bytes" : "characters";
    return err_set(
        err, ERR_INVALID,
        "%s takes at most %zu %s in %s, and this has %zu: shorten it or send it in parts",
        limit->network, limit->max, unit, limit->what, n);
}

/* --- the answer ------------------------------------------------------------------------------- */

struct str send_reply_header(const struct send_reply *r, const char *name)
{
    return r->header ? r->header(r->http, name) : STR_NONE;
}

int64_t reply_retry_after_ms(const struct send_reply *reply)
{
    static const int64_t day_s = 86400;
    int64_t s = 0;
    if (!str_i64(str_trim(send_reply_header(reply, "Retry-After")), &s) || s < 0)
        return 0;
    return (s < day_s ? s : day_s) * MS_PER_S;
}

bool send_makes_message(enum send_kind kind)
{
    return kind != SEND_REACTION && kind != SEND_READ && kind != SEND_TYPING;
}

const char *outcome_reason(enum outcome o)
{
    static const char *const reasons[] = {
        [OUTCOME_SENT] = "",
        [OUTCOME_NEXT] = "",
        [OUTCOME_RATE_LIMITED] =
            "The network asks us to slow down; it will be sent a little later.",
        [OUTCOME_RETRY] = "The network has trouble at the moment; it will be tried again.",
        [OUTCOME_AUTH] = "The channel's permission is gone; connect it again.",
        [OUTCOME_WINDOW] =
            "Too long since the person last wrote; the network takes no free message.",
        [OUTCOME_PERMANENT] = "The network does not accept this message.",
        [OUTCOME_AMBIGUOUS] = "The network gave no clear answer; it may have been sent.",
    };
    return (size_t)o < ARRAY_LEN(reasons) ? reasons[o] : "";
}

static void judge_as(struct judgement *out, enum outcome o)
{
    out->outcome = o;
    out->reason = str_of(outcome_reason(o));
}

void judge_may_have_acted(const struct send_call *call, struct judgement *out)
{
    if (call->is_final && send_makes_message(call->message->kind))
        judge_as(out, OUTCOME_AMBIGUOUS);
}

bool judge_fault(const struct send_call *call, const struct send_reply *reply,
                 struct judgement *out)
{
    if (reply->fault == REPLY_WHOLE)
        return false;
    *out = (struct judgement){.pace.used_percent = -1};
    judge_as(out, OUTCOME_RETRY);
    if (reply->fault == REPLY_UNKNOWN)
        judge_may_have_acted(call, out);
    return true;
}

void judge_status(const struct send_call *call, const struct send_reply *reply,
                  struct judgement *out)
{
    int s = reply->status;
    enum outcome o = OUTCOME_PERMANENT;
    if (s == 401 || s == 403)
        o = OUTCOME_AUTH;
    else if (s == 429)
        o = OUTCOME_RATE_LIMITED;
    else if (s == 408 || s == 425 || s >= 500)
        o = OUTCOME_RETRY;
    judge_as(out, o);
    if (o == OUTCOME_AUTH || o == OUTCOME_RATE_LIMITED)
        out->scope = SEND_SCOPE_ACCOUNT;
    out->wait_ms = reply_retry_after_ms(reply);
    // A success that cannot be read: something was done, and nobody knows what.
    if (s >= 200 && s < 300) {
        judge_as(out, OUTCOME_RETRY);
        judge_may_have_acted(call, out);
    }
}

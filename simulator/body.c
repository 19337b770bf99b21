/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include <string.h>

#define BOUNDARY_MAX 70 /* RFC 2046 */
#define HEAD_MAX     4096

/* --- what all kinds share --------------------------------------------------------------------- */

static struct sim_field *field_add(struct sim_body *out, struct err *why)
{
    if (out->n < SIM_FIELDS_MAX)
        return &out->fields[out->n++];
    err_set(why, ERR_LIMITED, "more than %d fields", SIM_FIELDS_MAX);
    return NULL;
}

const struct sim_field *sim_field(const struct sim_body *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++)
        if (str_eq_c(b->fields[i].name, name))
            return &b->fields[i];
    return NULL;
}

struct str sim_field_text(const struct sim_body *b, const char *name)
{
    const struct sim_field *f = sim_field(b, name);
    return f && !f->is_file ? f->value : STR_NONE;
}

size_t sim_field_count(const struct sim_body *b, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += str_eq_c(b->fields[i].name, name);
    return n;
}

const struct sim_field *sim_field_unknown(const struct sim_body *b, const char *const *known)
{
    for (size_t i = 0; i < b->n; i++) {
        size_t k = 0;
        while (known[k] && !str_eq_c(b->fields[i].name, known[k]))
            k++;
        if (!known[k])
            return &b->fields[i];
    }
    return NULL;
}

const struct json *sim_field_json(struct arena *a, const struct sim_field *f)
{
    struct err err = {0};
    if (!f || f->is_file)
        return NULL;
    return f->json ? f->json : json_parse(a, f->value, &err);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static bool read_json(struct arena *a, struct str text, struct sim_body *out, struct err *why)
{
    out->json = json_parse(a, text, why);
    if (!out->json)
        return false;
    if (!json_is(out->json, JSON_OBJECT))
        return true;
    for (const struct json *v = json_first(out->json); v; v = json_next(out->json, v)) {
        struct sim_field *f = field_add(out, why);
        if (!f)
            return false;
        bool is_text = json_is(v, JSON_STRING) || json_is(v, JSON_NUMBER);
        *f = (struct sim_field){.name = json_text(a, json_key(v)),
                                .value = is_text ? json_text(a, v) : v->span,
                                .json = v};
    }
    return true;
}

/* --- urlencoded ------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unescape(struct arena *a, struct str in, struct str *out)
{
    char *to = arena_try(a, in.len + 1);
    size_t n = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '%') {
            to[n++] = in.ptr[i] == '+' ? ' ' : in.ptr[i];
            continue;
        }
        int high = i + 2 < in.len + 0 ? hex_digit(in.ptr[i + 1]) : -1;
        int low = i + 2 < in.len + 0 ? hex_digit(in.ptr[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        to[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *out = (struct str){to, n};
    return true;
}

static bool read_form(struct arena *a, struct str text, struct sim_body *out, struct err *why)
{
    struct str rest = text, pair, name, value;
    while (rest.len) {
        (void)str_cut(rest, '&', &pair, &rest);
        if (!str_cut(pair, '=', &name, &value))
            value = STR("");
        struct sim_field *f = field_add(out, why);
        if (!f)
            return false;
        *f = (struct sim_field){0};
        if (!unescape(a, name, &f->name) || !unescape(a, value, &f->value))
            return err_set(why, ERR_INVALID, "the form is not urlencoded");
    }
    return true;
}

/* --- multipart -------------------------------------------------------------------------------- */

/* name="value" or name=value in a header, after the first semicolon; absent: none. Quoted pairs are
 * taken as they are but for \" and the percent escapes of browsers. */
static struct str parameter(struct str header, const char *name)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i < header.len;) {
        while (i < header.len && header.ptr[i] != ';')
            i++;
        i++;
        while (i < header.len && (header.ptr[i] == ' ' || header.ptr[i] == '\t'))
            i++;
        struct str rest = str_skip(header, i);
        size_t key = 0;
        while (key < rest.len && rest.ptr[key] != '=' && rest.ptr[key] != ';')
            key++;
        bool is_it = key == name_len && strncasecmp(rest.ptr, name, name_len) == 0;
        if (key >= rest.len || rest.ptr[key] != '=') {
            i += key;
            continue;
        }
        struct str value = str_skip(rest, key + 1);
        size_t end = 0, from = 0;
        if (value.len && value.ptr[0] == '"') {
            from = end = 1;
            while (end < value.len && value.ptr[end] != '"')
                end += value.ptr[end] == '\\' ? 2 : 1;
            if (end >= value.len)
                return STR_NONE; // no closing quote
        } else {
            while (end < value.len && value.ptr[end] != ';')
                end++;
        }
        if (is_it)
            return (struct str){value.ptr + from, end - from};
        i += key + 1 + end + (from ? 1 : 0);
    }
    return STR_NONE;
}

static struct str find(struct str in, struct str what)
{
    const char *at = what.len <= in.len ? memmem(in.ptr, in.len, what.ptr, what.len) : NULL;
    return at ? str_skip(in, (size_t)(at - in.ptr)) : STR_NONE;
}

/* Head of a part: Content-Disposition says what it is. */
static bool read_head(struct str head, struct sim_field *f, struct err *why)
{
    bool has_disposition = false;
    while (head.len) {
        struct str end = find(head, STR("\r\n")), name, value;
        struct str line = end.ptr ? (struct str){head.ptr, head.len - end.len} : head;
        head = end.ptr ? str_skip(end, 2) : STR_NONE;
        if (!str_cut(line, ':', &name, &value))
            return err_set(why, ERR_INVALID, "a part's header has no colon");
        value = str_trim(value);
        if (str_ieq(name, STR("Content-Type")))
            f->mime = value;
        if (!str_ieq(name, STR("Content-Disposition")))
            continue;
        has_disposition = str_starts(value, STR("form-data"));
        f->name = parameter(value, "name");
        f->filename = parameter(value, "filename");
        f->is_file = f->filename.ptr != NULL;
    }
    return (has_disposition && f->name.len) ||
           err_set(why, ERR_INVALID, "a part has no Content-Disposition with a name");
}

/* One part: `rest` begins behind its boundary, and then at the next one. */
static bool read_part(struct str *rest, struct str delimiter, struct sim_body *out, struct err *why)
{
    struct sim_field *f = field_add(out, why);
    if (!f)
        return false;
    *f = (struct sim_field){0};
    struct str from = str_skip(*rest, 2), body = find(from, STR("\r\n\r\n"));
    if (!str_starts(*rest, STR("\r\n")) || !body.ptr || from.len - body.len > HEAD_MAX)
        return err_set(why, ERR_INVALID, "a part of the form has no head");
    struct str head = {from.ptr, from.len - body.len};
    body = str_skip(body, 4);
    struct str end = find(body, delimiter);
    if (!end.ptr)
        return err_set(why, ERR_INVALID, "the form does not end with its boundary");
    f->value = (struct str){body.ptr, body.len - end.len};
    *rest = str_skip(end, delimiter.len);
    return read_head(head, f, why);
}

static bool read_multipart(struct arena *a, struct str content_type, struct str text,
                           struct sim_body *out, struct err *why)
{
    struct str boundary = parameter(content_type, "boundary");
    if (!boundary.len || boundary.len > BOUNDARY_MAX)
        return err_set(why, ERR_INVALID, "multipart/form-data without a boundary");
    struct str delimiter = str_fmt(a, "\r\n--%.*s", STR_ARG(boundary));
    struct str first = str_skip(delimiter, 2);
    if (!str_starts(text, first))
        return err_set(why, ERR_INVALID, "the form does not begin with its boundary");
    struct str rest = str_skip(text, first.len);
    while (!str_starts(rest, STR("--")))
        if (!read_part(&rest, delimiter, out, why))
            return false;
    rest = str_skip(rest, 2);
    return str_trim(rest).len == 0 ||
           err_set(why, ERR_INVALID, "there is more behind the form's last boundary");
}

/* --- all -------------------------------------------------------------------------------------- */

static unsigned kind_of(struct str type)
{
    static const struct {
        const char *type;
        enum sim_body_kind kind;
    } kinds[] = {
        {"application/json", SIM_BODY_JSON},
        {"application/x-www-form-urlencoded", SIM_BODY_FORM},
        {"multipart/form-data", SIM_BODY_MULTIPART},
    };
    struct str media, rest;
    (void)str_cut(type, ';', &media, &rest);
    media = str_trim(media);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_ieq(media, str_of(kinds[i].type)))
            return kinds[i].kind;
    return 0;
}

enum sim_body_read sim_body_parse(struct arena *a, struct str content_type, struct str body,
                                  unsigned allowed, struct sim_body *out, struct err *why)
{
    *out = (struct sim_body){.kind = SIM_BODY_NONE};
    unsigned kind = body.len == 0 && !content_type.len ? SIM_BODY_NONE : kind_of(content_type);
    // A form without fields may be sent without a type.
    if (!(kind & allowed)) {
        err_set(why, ERR_INVALID, "content type '%.*s' is not taken here", STR_ARG(content_type));
        return SIM_READ_TYPE;
    }
    bool ok = true;
    out->kind = (enum sim_body_kind)kind;
    if (kind == SIM_BODY_JSON)
        ok = read_json(a, body, out, why);
    else if (kind == SIM_BODY_FORM)
        ok = read_form(a, body, out, why);
    else if (kind == SIM_BODY_MULTIPART)
        ok = read_multipart(a, content_type, body, out, why);
    return ok ? SIM_READ_OK : SIM_READ_MALFORMED;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bulk_rows.h"

#include <string.h>

#define NAME_MAX_BYTES 64
#define HEAD_MAX       ((size_t)256 << 10)
#define VARIABLES_MAX  ((size_t)8 * API_BULK_ROW_MAX)

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str skip_space(struct str s)
{
    while (s.len && is_space(s.ptr[0]))
        s = str_skip(s, 1);
    return s;
}

/* As the texts name it: {{name}}. */
static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return s.len > 0 && s.len <= NAME_MAX_BYTES;
}

static bool check_to(struct str to, struct err *err)
{
    if (!to.len || to.len > API_BULK_TO_MAX)
        return err_set(err, ERR_INVALID, "`to` wants 1 to %d bytes", API_BULK_TO_MAX);
    for (size_t i = 0; i < to.len; i++)
        if ((unsigned char)to.ptr[i] < ' ' || to.ptr[i] == 0x7f)
            return err_set(err, ERR_INVALID, "`to` has a control character in it");
    return true;
}

/* --- CSV, as RFC 4180 has it ------------------------------------------------------------------ */

static bool read_quoted(struct api_bulk_reader *r, struct arena *a, struct str *out,
                        struct err *err)
{
    struct str s = str_skip(r->rest, 1);
    size_t i = 0, n = 0;
    for (; i < s.len && i < API_BULK_ROW_MAX; i++) {
        r->lines += s.ptr[i] == '\n';
        if (s.ptr[i] != '"')
            continue;
        if (i + 1 == s.len || s.ptr[i + 1] != '"')
            break;
        i++;
    }
    if (i >= s.len || s.ptr[i] != '"') {
        r->rest = STR_NONE; // nobody knows where the next row begins
        return err_set(err, ERR_INVALID, "a quoted value does not end");
    }
    char *text = arena_alloc(a, i + 1);
    for (size_t k = 0; k < i; k++) {
        text[n++] = s.ptr[k];
        if (s.ptr[k] == '"')
            k++;
    }
    *out = (struct str){text, n};
    r->rest = str_skip(s, i + 1);
    return true;
}

static bool is_separator(char c)
{
    return c == ',' || c == '\r' || c == '\n';
}

static void read_plain(struct api_bulk_reader *r, struct str *out)
{
    size_t i = 0;
    while (i < r->rest.len && !is_separator(r->rest.ptr[i]))
        i++;
    *out = (struct str){r->rest.ptr, i};
    r->rest = str_skip(r->rest, i);
}

static void end_line(struct api_bulk_reader *r)
{
    if (str_starts(r->rest, STR("\r\n")))
        r->rest = str_skip(r->rest, 2);
    else if (r->rest.len)
        r->rest = str_skip(r->rest, 1);
    r->lines++;
}

static void skip_line(struct api_bulk_reader *r)
{
    while (r->rest.len && r->rest.ptr[0] != '\n' && r->rest.ptr[0] != '\r')
        r->rest = str_skip(r->rest, 1);
    end_line(r);
}

#define FIELDS_MAX (API_BULK_COLUMNS_MAX + 1)

/* A line's fields; -1: err. */
static int read_line(struct api_bulk_reader *r, struct arena *a, struct str fields[FIELDS_MAX],
                     struct err *err)
{
    const char *from = r->rest.ptr;
    for (int n = 0; n < FIELDS_MAX; n++) {
        fields[n] = STR_NONE;
        if (!str_starts(r->rest, STR("\"")))
            read_plain(r, &fields[n]);
        else if (!read_quoted(r, a, &fields[n], err))
            return -1;
        if (r->rest.ptr - from > API_BULK_ROW_MAX) {
            (void)err_set(err, ERR_INVALID, "is longer than %d bytes", API_BULK_ROW_MAX);
            break;
        }
        fields[n] = str_utf8(a, fields[n]);
        if (!r->rest.len || r->rest.ptr[0] == '\n' || r->rest.ptr[0] == '\r') {
            end_line(r);
            return n + 1;
        }
        if (r->rest.ptr[0] != ',') {
            (void)err_set(err, ERR_INVALID, "something stands behind a closing quote");
            break;
        }
        r->rest = str_skip(r->rest, 1);
        if (n + 1 == FIELDS_MAX)
            (void)err_set(err, ERR_INVALID, "has more than %d values", FIELDS_MAX);
    }
    skip_line(r);
    return -1;
}

bool api_bulk_open_csv(struct api_bulk_reader *r, struct arena *a, struct str body, struct err *err)
{
    struct str fields[FIELDS_MAX];
    *r = (struct api_bulk_reader){.is_csv = true, .rest = body};
    if (str_starts(body, STR("\xef\xbb\xbf")))
        r->rest = str_skip(body, 3);
    int n = read_line(r, a, fields, err);
    if (n < 0)
        return err_wrap(err, "line 1");
    if (!str_ieq(str_trim(fields[0]), STR("to")))
        return err_set(
            err, ERR_INVALID,
            "line 1: wants the columns' names, with commas between, the first of them `to`");
    for (int i = 1; i < n; i++) {
        struct str name = str_trim(fields[i]);
        if (!is_name(name))
            return err_set(err, ERR_INVALID,
                           "line 1: the name of column %d wants letters, digits, _, - and .",
                           i + 1);
        for (int k = 0; k < r->n_columns; k++)
            if (str_eq(r->columns[k], name))
                return err_set(err, ERR_INVALID, "line 1: two columns are called %.*s",
                               STR_ARG(name));
        r->columns[r->n_columns++] = name;
    }
    return true;
}

static struct str variables_of(const struct api_bulk_reader *r, struct arena *a,
                               const struct str *values)
{
    struct buf buf;
    struct json_out o = {.buf = &buf};
    if (!r->n_columns)
        return STR_NONE;
    buf_init(&buf, VARIABLES_MAX);
    json_open(&o, '{');
    for (int i = 0; i < r->n_columns; i++)
        json_put_str(&o, str_c(a, r->columns[i]), values[i]);
    json_close(&o, '}');
    struct str json = json_storable(a, str_dup(a, buf_str(&buf)));
    buf_done(&buf);
    return json;
}

static enum api_bulk_step next_csv(struct api_bulk_reader *r, struct arena *a,
                                   struct api_bulk_row *out, struct err *err)
{
    struct str fields[FIELDS_MAX];
    int n = 0;
    do {
        if (!r->rest.len)
            return API_BULK_END;
        r->line = r->lines + 1;
        n = read_line(r, a, fields, err);
    } while (n == 1 && !str_trim(fields[0]).len); // an empty line
    r->n++;
    if (n < 0)
        return API_BULK_BAD;
    if (n != r->n_columns + 1) {
        (void)err_set(err, ERR_INVALID, "has %d values, and the first line names %d", n,
                      r->n_columns + 1);
        return API_BULK_BAD;
    }
    out->to = str_trim(fields[0]);
    if (!check_to(out->to, err))
        return API_BULK_BAD;
    out->variables = variables_of(r, a, fields + 1);
    return API_BULK_ROW;
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* How long the value is that s begins with. Brackets are counted; whether it is JSON, the reader of
 * the piece finds out. */
static bool skip_value(struct str s, size_t *len)
{
    size_t depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        *len = i + 1;
        if (in_text) {
            i += c == '\\';
            in_text = c != '"';
            if (!in_text && !depth)
                return true;
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth) {
            if (!--depth)
                return true;
        } else if (!depth && (is_space(c) || c == ',' || c == ':' || c == '}' || c == ']')) {
            *len = i;
            return i > 0;
        }
    }
    return false;
}

/* Of the object `s` the next member; false: there is none, or it is no JSON. */
static bool next_member(struct str *s, struct str *key, struct str *value)
{
    size_t n = 0;
    *s = skip_space(*s);
    if (str_starts(*s, STR(",")))
        *s = skip_space(str_skip(*s, 1));
    if (!str_starts(*s, STR("\"")) || !skip_value(*s, &n))
        return false;
    *key = (struct str){s->ptr, n};
    *s = skip_space(str_skip(*s, n));
    if (!str_starts(*s, STR(":")))
        return false;
    *s = skip_space(str_skip(*s, 1));
    if (!skip_value(*s, &n))
        return false;
    *value = (struct str){s->ptr, n};
    *s = str_skip(*s, n);
    return true;
}

bool api_bulk_open_json(struct api_bulk_reader *r, struct arena *a, struct str body,
                        struct str *head, struct err *err)
{
    struct str s = skip_space(body), key, value = STR_NONE, first = STR("");
    size_t n = 0;
    *r = (struct api_bulk_reader){0};
    if (!str_starts(s, STR("{")))
        return err_set(err, ERR_INVALID, "want a JSON object");
    s = str_skip(s, 1);
    while (next_member(&s, &key, &value) && !str_eq(key, STR("\"recipients\"")))
        value = STR_NONE;
    struct str before = body, after = STR("");
    if (str_starts(value, STR("["))) {
        before.len = (size_t)(value.ptr - body.ptr);
        after = str_skip(body, before.len + value.len);
        r->rest = skip_space((struct str){value.ptr + 1, value.len - 2});
        if (skip_value(r->rest, &n) && n <= API_BULK_ROW_MAX)
            first = (struct str){r->rest.ptr, n};
    }
    if (before.len + after.len > HEAD_MAX)
        return err_set(err, ERR_INVALID, "is larger than %zu bytes without its recipients",
                       HEAD_MAX);
    *head = r->rest.ptr
                ? str_fmt(a, "%.*s[%.*s]%.*s", STR_ARG(before), STR_ARG(first), STR_ARG(after))
                : before;
    return true;
}

static bool read_object(struct arena *a, struct str text, struct api_bulk_row *out, struct err *err)
{
    const struct json *v = json_parse(a, text, err);
    if (!v)
        return false;
    if (!json_is(v, JSON_OBJECT))
        return err_set(err, ERR_INVALID, "want an object");
    for (const struct json *m = json_first(v); m; m = json_next(v, m)) {
        struct str key = json_text(a, json_key(m));
        if (!str_eq_c(key, "to") && !str_eq_c(key, "variables"))
            return err_set(err, ERR_INVALID, "`%.*s` is not known here", STR_ARG(key));
    }
    const struct json *to = json_get(v, "to"), *variables = json_get(v, "variables");
    *out = (struct api_bulk_row){0};
    if (to && !json_is(to, JSON_STRING))
        return err_set(err, ERR_INVALID, "`to` wants a text");
    out->to = str_trim(json_text(a, to));
    if (!check_to(out->to, err))
        return false;
    if (variables && !json_is(variables, JSON_OBJECT))
        return err_set(err, ERR_INVALID, "`variables` wants an object");
    for (const struct json *m = json_first(variables); m; m = json_next(variables, m)) {
        if (!is_name(json_text(a, json_key(m))))
            return err_set(err, ERR_INVALID,
                           "the name of a variable wants letters, digits, _, - and .");
        if (!json_is(m, JSON_STRING) && !json_is(m, JSON_NUMBER))
            return err_set(err, ERR_INVALID, "a variable wants a text or a number");
    }
    if (variables)
        out->variables = json_storable(a, variables->span);
    return true;
}

static enum api_bulk_step next_json(struct api_bulk_reader *r, struct arena *a,
                                    struct api_bulk_row *out, struct err *err)
{
    size_t n = 0;
    if (!r->rest.len)
        return API_BULK_END;
    r->n++;
    bool ends = skip_value(r->rest, &n);
    struct str one = {r->rest.ptr, n};
    struct str rest = ends ? skip_space(str_skip(r->rest, n)) : STR_NONE;
    bool goes_on = str_starts(rest, STR(","));
    r->rest = goes_on ? skip_space(str_skip(rest, 1)) : STR_NONE;
    if (!ends || (rest.len && !goes_on) || (goes_on && !r->rest.len)) {
        r->rest = STR_NONE;
        (void)err_set(err, ERR_INVALID, "the list is not JSON from here on");
        return API_BULK_BAD;
    }
    if (one.len > API_BULK_ROW_MAX) {
        (void)err_set(err, ERR_INVALID, "is longer than %d bytes", API_BULK_ROW_MAX);
        return API_BULK_BAD;
    }
    return read_object(a, one, out, err) ? API_BULK_ROW : API_BULK_BAD;
}

enum api_bulk_step api_bulk_next(struct api_bulk_reader *r, struct arena *a,
                                 struct api_bulk_row *out, struct err *err)
{
    *out = (struct api_bulk_row){0};
    return r->is_csv ? next_csv(r, a, out, err) : next_json(r, a, out, err);
}

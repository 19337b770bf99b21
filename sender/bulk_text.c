/* SPDX-License-Identifier: Apache-2.0 */
#include "bulk_text.h"

#include <string.h>

#define FILLED_MAX \
    ((size_t)1 << 20) /* a text that grows past it is cut by the network's own limit anyway */
#define NAME_LONGEST 64

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
        if (!ok)
            return false;
    }
    return s.len > 0 && s.len <= NAME_LONGEST;
}

/* "{{name}}" at the start of `s`: its name and length. */
static bool read_slot(struct str s, struct str *name, size_t *len)
{
    if (!str_starts(s, STR("{{")))
        return false;
    const char *end = memmem(s.ptr + 2, s.len - 2, "}}", 2);
    if (!end)
        return false;
    *name = str_trim((struct str){s.ptr + 2, (size_t)(end - s.ptr) - 2});
    *len = (size_t)(end - s.ptr) + 2;
    return is_name(*name);
}

static void put_value(struct arena *a, struct buf *out, const struct json *variables,
                      struct str name, bool is_json)
{
    struct str value = json_text(a, json_get(variables, str_c(a, name)));
    if (!value.len)
        return;
    if (!is_json) {
        buf_put_str(out, value);
        return;
    }
    struct buf quoted;
    buf_init(&quoted, FILLED_MAX);
    struct json_out o = {.buf = &quoted};
    json_str(&o, str_utf8(a, value));
    if (!quoted.overflow && quoted.len >= 2)
        buf_put(out, quoted.ptr + 1, quoted.len - 2);
    buf_done(&quoted);
}

struct str sender_bulk_fill(struct arena *a, struct str text, const struct json *variables,
                            bool is_json)
{
    if (!text.len || !memmem(text.ptr, text.len, "{{", 2))
        return text;
    struct buf out;
    buf_init(&out, FILLED_MAX);
    while (text.len) {
        struct str name;
        size_t len = 1;
        if (read_slot(text, &name, &len)) {
            put_value(a, &out, variables, name, is_json);
        } else {
            len = 1;
            buf_putc(&out, text.ptr[0]);
        }
        text = str_skip(text, len);
    }
    struct str filled = out.overflow ? STR_NONE : str_dup(a, buf_str(&out));
    buf_done(&out);
    return filled;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "json.h"

/* The four hex digits behind a "\u"; -1: not such. */
static int unit_at(struct str s, size_t i)
{
    if (i + 6 > s.len || s.ptr[i] != '\\' || s.ptr[i + 1] != 'u')
        return -1;
    int unit = 0;
    for (size_t k = i + 2; k < i + 6; k++) {
        char c = s.ptr[k];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high(int unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(int unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

struct str json_storable(struct arena *a, struct str json)
{
    json = str_utf8(a, json);
    if (!json.ptr || !memmem(json.ptr, json.len, "\\u", 2))
        return json;
    char *out = arena_alloc(a, json.len);
    memcpy(out, json.ptr, json.len);
    for (size_t i = 0; i + 1 < json.len;) {
        if (out[i] != '\\') {
            i++;
            continue;
        }
        int unit = unit_at(json, i);
        if (is_high(unit) && is_low(unit_at(json, i + 6))) {
            i += 12;
        } else if (unit == 0 || is_high(unit) || is_low(unit)) {
            for (const char *c = "\\ufffd"; *c; c++)
                out[i++] = *c;
        } else {
            i += 2; // an escape; of an escaped backslash the second is no start of one
        }
    }
    return (struct str){out, json.len};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "range.h"

static bool number(struct str s, int64_t *out)
{
    return str_i64(s, out) && *out >= 0;
}

enum api_range api_range_read(struct str header, int64_t size_bytes, int64_t *from, int64_t *length)
{
    struct str first, last;
    int64_t a = 0, b = 0;
    if (!str_starts(header, STR("bytes=")) || !str_cut(str_skip(header, 6), '-', &first, &last))
        return API_RANGE_ALL;
    first = str_trim(first);
    last = str_trim(last);
    bool is_tail = !first.len; // the last b bytes
    if ((!is_tail && !number(first, &a)) || (last.len && !number(last, &b)) ||
        (is_tail && !last.len))
        return API_RANGE_ALL;
    if (is_tail) {
        if (b == 0 || size_bytes == 0)
            return API_RANGE_BAD;
        *from = b < size_bytes ? size_bytes - b : 0;
        *length = size_bytes - *from;
        return API_RANGE_PART;
    }
    if (last.len && b < a)
        return API_RANGE_ALL;
    if (a >= size_bytes)
        return API_RANGE_BAD;
    *from = a;
    *length = (last.len && b < size_bytes ? b + 1 : size_bytes) - a;
    return API_RANGE_PART;
}

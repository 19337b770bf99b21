/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor.h"

#include <assert.h>
#include <string.h>

#include "crypto.h"

#define VERSION STR("1")

struct str api_cursor_join(struct arena *a, const struct str *parts, int n)
{
    struct str all = VERSION;
    for (int i = 0; i < n; i++)
        all = str_fmt(a, "%.*s\x1f%.*s", STR_ARG(all), STR_ARG(parts[i]));
    return base64url_encode(a, all);
}

bool api_cursor_split(struct arena *a, struct str text, struct str *parts, int n)
{
    struct str all, version, rest, found[API_CURSOR_PARTS_MAX];
    assert(n <= API_CURSOR_PARTS_MAX);
    if (!base64_decode(a, text, &all) || !str_eq(str_utf8(a, all), all))
        return false;
    (void)str_cut(all, '\x1f', &version, &rest);
    if (!str_eq(version, VERSION))
        return false;
    for (int i = 0; i < n; i++) {
        struct str tail;
        if (!rest.ptr)
            return false;
        (void)str_cut(rest, '\x1f', &found[i], &tail);
        rest = tail;
    }
    if (rest.ptr)
        return false;
    memcpy(parts, found, (size_t)n * sizeof *parts);
    return true;
}

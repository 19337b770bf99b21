/* SPDX-License-Identifier: Apache-2.0 */
/* The recipients of a bulk: input that begins with "{" is JSON, anything else CSV. However it is
 * read, it ends; a row is within its limits, and its variables are JSON. */
#include <assert.h>
#include <stdint.h>

#include "bulk_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct api_bulk_row *row)
{
    auto_arena a = arena_new((size_t)8 << 20);
    struct err err = {0};
    assert(row->to.len > 0 && row->to.len <= API_BULK_TO_MAX);
    assert(!row->variables.ptr || json_is(json_parse(a, row->variables, &err), JSON_OBJECT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = {(const char *)data, size}, head = STR_NONE;
    struct api_bulk_reader r;
    struct err err = {0};
    if (size > 1 << 18)
        return 0;
    auto_arena kept = arena_new((size_t)64 << 20);
    auto_arena a = arena_new((size_t)8 << 20);
    bool ok = size && data[0] == '{' ? api_bulk_open_json(&r, kept, body, &head, &err)
                                     : api_bulk_open_csv(&r, kept, body, &err);
    assert(ok || err.kind == ERR_INVALID || err.kind == ERR_LIMITED);
    for (size_t n = 0; ok; n++) {
        struct api_bulk_row row = {0};
        arena_reset(a);
        enum api_bulk_step step = api_bulk_next(&r, a, &row, &err);
        assert(n <= size + 1);
        assert(step != API_BULK_BAD || err.kind != ERR_NONE);
        if (step == API_BULK_ROW)
            check_row(&row);
        ok = step != API_BULK_END;
    }
    return 0;
}

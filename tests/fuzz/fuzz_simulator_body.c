/* SPDX-License-Identifier: Apache-2.0 */
/* A request's body as the simulated providers read it: a line that is the content type, the body.
 * Fields lie within what was read, and a form's text is as it was sent or decoded, never longer. */
#include <assert.h>
#include <stdint.h>

#include "body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANY (SIM_BODY_NONE | SIM_BODY_JSON | SIM_BODY_FORM | SIM_BODY_MULTIPART)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sim_body b;
    struct str type, body;
    struct err why = {0};
    if (size > 1 << 16)
        return 0;
    (void)str_cut((struct str){(const char *)data, size}, '\n', &type, &body);
    auto_arena a = arena_new((size_t)64 << 20);
    b = (struct sim_body){0};
    enum sim_body_read r = sim_body_parse(a, type, body, ANY, &b, &why);
    if (r != SIM_READ_OK) {
        assert(r == SIM_READ_TYPE || why.msg[0]);
        return 0;
    }
    assert(b.n <= SIM_FIELDS_MAX && (b.kind != SIM_BODY_JSON || b.json));
    for (size_t i = 0; i < b.n; i++) {
        const struct sim_field *f = &b.fields[i];
        assert(f->json || f->name.len + f->value.len <= body.len);
        assert(sim_field_count(&b, str_c(a, f->name)) > 0 || b.kind == SIM_BODY_JSON ||
               str_of(str_c(a, f->name)).len < f->name.len);
        (void)sim_field_json(a, f);
    }
    return 0;
}

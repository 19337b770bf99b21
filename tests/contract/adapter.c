/* SPDX-License-Identifier: Apache-2.0 */
/* The adapters' outbound side for tests that speak to the simulated APIs: a case on each line of
 * stdin, as in tests/golden/send.h, with a member "provider"; its result, ended by a line of one
 * record separator, on stdout. */
#include <stdio.h>
#include <stdlib.h>

#include "golden/send.h"

#define LINE_BYTES ((size_t)4 << 20)

static bool answer(struct arena *a, struct str line, struct buf *out)
{
    struct err err = {0};
    const struct json *root = json_parse(a, line, &err);
    const struct provider *p = provider_find(json_text(a, json_get(root, "provider")));
    if (!root || !p || !p->build) {
        (void)fprintf(stderr, "contract_adapter: no case of a provider: %s\n", err.msg);
        return false;
    }
    struct send_case c;
    send_case_read(a, root, &c);
    dump_send_case(out, p, a, &c);
    return true;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool ok = true;
    while (ok && (n = getline(&line, &room, stdin)) > 0) {
        auto_arena a = arena_new((size_t)64 << 20);
        struct buf out;
        buf_init(&out, LINE_BYTES);
        ok = answer(a, (struct str){line, (size_t)n}, &out);
        (void)fwrite(out.ptr, 1, out.len, stdout);
        (void)fputs("\x1e\n", stdout);
        (void)fflush(stdout);
        buf_done(&out);
    }
    free(line);
    return ok ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* For an operator: why does this message, or this channel, stand still? The database makes the
 * document, by functions that leave out words, contacts and secrets; each look stands in the audit
 * log of the tenant whose it is. */
#include "handlers.h"

static void looked(struct call *c, struct pg_result *const *results, int n)
{
    (void)results, (void)n;
    const struct str *document = *call_state(c);
    json_raw(call_out(c), *document);
    call_answer(c, 200);
}

static void found(struct call *c, const struct pg_result *r, const char *kind)
{
    if (pg_rows(r) == 0) {
        call_absent(c);
        return;
    }
    struct str *document = ARENA_NEW(call_arena(c), struct str);
    *document = str_dup(call_arena(c), pg_text(r, 0, 1));
    *call_state(c) = document;
    struct str tenant_id = str_dup(call_arena(c), pg_text(r, 0, 0));
    call_audit_of(c, tenant_id, "operator.look", kind, call_path(c, "id"), STR_NONE);
    call_commit(c, looked);
}

static void found_message(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    found(c, results[0], "message");
}

static void found_channel(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    found(c, results[0], "channel");
}

static void debug_message(struct call *c)
{
    static const struct pg_stmt stmt = {"api_debug_message",
                                        "SELECT tenant_id, document FROM debug_message($1::uuid)"};
    const struct str id = call_path(c, "id");
    call_send(c, &stmt, &id, 1);
    call_run(c, found_message);
}

static void debug_channel(struct call *c)
{
    static const struct pg_stmt stmt = {"api_debug_channel",
                                        "SELECT tenant_id, document FROM debug_channel($1::uuid)"};
    const struct str id = call_path(c, "id");
    call_send(c, &stmt, &id, 1);
    call_run(c, found_channel);
}

const struct api_handler api_debug_handlers[] = {
    {"debugMessage", debug_message},
    {"debugChannel", debug_channel},
    {0},
};

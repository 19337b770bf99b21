/* SPDX-License-Identifier: Apache-2.0 */
#include "lattice.h"

#include "mem.h"

int router_out_rank(struct str status)
{
    static const char *const order[] = {"queued", "retry",  "sending",   "uncertain", "cancelled",
                                        "sent",   "failed", "delivered", "read"};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (str_eq_c(status, order[i]))
            return (int)i;
    return -1;
}

bool router_is_later(int64_t at_ms, struct str key, int64_t than_at_ms, struct str than_key)
{
    return at_ms != than_at_ms ? at_ms > than_at_ms : str_cmp(key, than_key) > 0;
}

bool router_raise_out(struct str *status, struct str *code, struct str *text, struct str to)
{
    if (router_out_rank(to) <= router_out_rank(*status))
        return false;
    *status = to;
    *code = STR_NONE;
    *text = STR_NONE;
    return true;
}

/* Of several reasons the greatest counts, so that their order does not. */
bool router_fail_out(struct str *status, struct str *code, struct str *text, struct str with_code,
                     struct str with_text)
{
    int rank = router_out_rank(*status);
    if (rank > ROUTER_RANK_FAILED)
        return false;
    int by_text = str_cmp(with_text, *text);
    if (rank == ROUTER_RANK_FAILED &&
        (by_text < 0 || (by_text == 0 && str_cmp(with_code, *code) <= 0)))
        return false;
    *status = STR("failed");
    *code = with_code;
    *text = with_text;
    return true;
}

int router_receipt_rank(struct str status)
{
    static const char *const order[] = {"sent", "failed", "delivered", "read", "played"};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (str_eq_c(status, order[i]))
            return (int)i;
    return -1;
}

/* The latest name; of two at one time the greater. */
bool router_rename(struct str *name, int64_t *at_ms, struct str to, int64_t to_at_ms)
{
    if (!to.len || (name->ptr && !router_is_later(to_at_ms, to, *at_ms, *name)))
        return false;
    bool differs = !str_eq(*name, to);
    *name = to;
    *at_ms = to_at_ms;
    return differs;
}

bool router_take_greater(struct str *value, struct str other)
{
    if (!other.len || (value->ptr && str_cmp(other, *value) <= 0))
        return false;
    *value = other;
    return true;
}

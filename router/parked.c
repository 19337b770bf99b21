/* SPDX-License-Identifier: Apache-2.0 */
#include "parked.h"

// An entry of a PostgreSQL index has at most 2700 bytes, and this one has two.
#define ID_MAX     1000
#define DETAIL_MAX 1000
#define HEADER_MAX 256
#define WRAP_MAX   16384 /* of a quarantine record: all but body and key */

struct str router_parked_id(struct str id)
{
    return id.len <= ID_MAX ? id : STR_NONE;
}

static struct str text_of(const struct batch *b, struct str raw, size_t max)
{
    if (!raw.ptr)
        return STR("");
    return str_utf8(b->arena, (struct str){raw.ptr, raw.len < max ? raw.len : max});
}

/* The record's own headers, as far as we set such, and what else its webhook said beside the body:
 * what a replay needs to look the same. */
static struct str headers_of(const struct batch *b, const struct item *it)
{
    static const char *const names[] = {"traceparent", "postrider-provider", "postrider-schema"};
    struct buf text;
    buf_init(&text, WRAP_MAX);
    struct json_out o = {.buf = &text};
    json_open(&o, '{');
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = record_header(it->rec, names[i]);
        if (value.ptr)
            json_put_str(&o, names[i], text_of(b, value, HEADER_MAX));
    }
    if (it->event.account_type.ptr)
        json_put_str(&o, "account_type", text_of(b, it->event.account_type, HEADER_MAX));
    if (it->event.conversation.ptr && it->event.conversation.len <= ID_MAX)
        json_put_str(&o, "conversation", text_of(b, it->event.conversation, ID_MAX));
    json_close(&o, '}');
    struct str json = str_dup(b->arena, buf_str(&text));
    buf_done(&text);
    return json;
}

struct quarantined router_parked_of(const struct batch *b, const struct item *it)
{
    const struct record *rec = it->rec;
    bool is_decoded = it->source == SOURCE_INBOUND && it->event.provider.ptr;
    struct str provider =
        is_decoded ? it->event.provider : record_header(rec, "postrider-provider");
    struct quarantined q = {.provider = text_of(b, provider, HEADER_MAX),
                            .tenant_id = it->event.tenant_id,
                            .account = router_parked_id(it->event.account),
                            .reason = str_of(it->reason),
                            .detail = text_of(b, it->detail, DETAIL_MAX),
                            .topic = str_of(rec->topic),
                            .partition = rec->partition,
                            .offset = rec->offset,
                            .received_at_ms =
                                is_decoded ? it->event.received_at_ms : rec->timestamp_at_ms,
                            .key = rec->key.ptr ? rec->key : STR(""),
                            .body = is_decoded ? it->event.body : rec->value};
    if (is_decoded && !q.tenant_id.ptr && it->channel &&
        !it->is_of_parent) // else it may be another's too
        q.tenant_id = it->channel->tenant_id;
    if (it->source == SOURCE_RESULTS)
        q.tenant_id = it->result.tenant_id;
    q.headers = headers_of(b, it);
    return q;
}

/* The key travels twice: as the record's and in the value. */
static size_t size_of(const struct item *it)
{
    return it->rec->value.len + 2 * it->rec->key.len + WRAP_MAX;
}

void router_parked_route(struct batch *b)
{
    for (size_t i = 0; i < b->n_items; i++) {
        struct item *it = &b->items[i];
        if (!it->reason || (it->source != SOURCE_QUARANTINE && size_of(it) <= KAFKA_RECORD_MAX))
            continue;
        it->quarantined = router_parked_of(b, it);
        it->kept_here = true;
    }
}

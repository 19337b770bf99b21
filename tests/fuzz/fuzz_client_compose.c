/* SPDX-License-Identifier: Apache-2.0 */
/* A message's row, as the api stored it, becomes what the adapters send: a byte that chooses the
 * provider, the row as a JSON object {kind, body, reply_to, conversation, contact_id, is_group,
 * outgoing, media}. However odd, the request keeps the token where it is marked secret. */
#include "compose.h"
#include "fuzz/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROVIDERS 6

static struct str span_of(const struct json *v)
{
    return v ? v->span : STR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    struct str text = {(const char *)data + 1, size - 1};
    const struct provider *p = provider_at(data[0] % PROVIDERS);
    auto_arena a = arena_new(PROVIDER_ARENA_MAX(4 * text.len));
    struct err err = {0};
    struct send_message m;
    const struct json *root = json_parse(a, text, &err);
    if (!json_is(root, JSON_OBJECT))
        return 0;
    struct send_row row = {
        .tenant_id = STR("0190c3a8-0000-7000-8000-000000000001"),
        .kind = json_text(a, json_get(root, "kind")),
        .body = json_text(a, json_get(root, "body")),
        .reply_to = json_text(a, json_get(root, "reply_to")),
        .conversation = json_text(a, json_get(root, "conversation")),
        .contact_id = json_text(a, json_get(root, "contact_id")),
        .client_ref = STR("pr-0190c3a800007000800000000000000a"),
        .outgoing = span_of(json_get(root, "outgoing")),
        .media = span_of(json_get(root, "media")),
        .is_group = json_truthy(json_get(root, "is_group")),
    };
    if (!send_compose(a, &row, &m, &err)) {
        assert(err.kind == ERR_INVALID || err.kind == ERR_LIMITED);
        return 0;
    }
    assert(m.n_media <= SEND_MEDIA_MAX && m.n_choices <= SEND_CHOICES_MAX);
    struct send_account account = {.external_id = STR("100"),
                                   .type = STR("WHATSAPP"),
                                   .parent_id = STR("200"),
                                   .token = fuzz_token(a, text)};
    struct send_progress progress = {0};
    struct send_call call = {&account, &m, &progress, false};
    struct send_request r = {0};
    if (p->build(a, &call, &r, &err))
        fuzz_request(&r, account.token);
    else
        assert(err.kind == ERR_INVALID);
    return 0;
}

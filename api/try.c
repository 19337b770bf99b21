/* SPDX-License-Identifier: Apache-2.0 */
#include "try.h"

#include "compose.h"
#include "outgoing.h"
#include "provider.h"

/* What an account has besides its name is not looked at: whether that is right, only the provider
 * knows. */
#define NOBODY  STR("0")
#define NOWHERE STR("https://nobody.invalid")

static bool build(struct call *c, const struct api_try *t, const struct send_row *row,
                  struct err *err)
{
    struct arena *a = call_arena(c);
    const struct provider *p = provider_find(t->provider);
    struct send_account account = {.external_id = t->account,
                                   .type = t->account_type,
                                   .parent_id = NOBODY,
                                   .token = NOBODY,
                                   .base_url = NOWHERE};
    struct send_message *message = ARENA_NEW(a, struct send_message);
    struct send_request *request = ARENA_NEW(a, struct send_request);
    struct send_progress *progress = ARENA_NEW(a, struct send_progress);
    if (!p || !p->build)
        return err_set(err, ERR_INVALID, "Nothing can be sent by this channel.");
    if (!send_compose(a, row, message, err))
        return false;
    struct send_call call = {.account = &account, .message = message, .progress = progress};
    return p->build(a, &call, request, err);
}

bool api_try_build(struct call *c, const struct api_try *t, struct err *err)
{
    struct arena *a = call_arena(c);
    bool begins = !t->conversation.ptr;
    struct send_row row = {.tenant_id = call_who(c)->tenant_id,
                           .kind = str_of(t->message->outgoing_kind),
                           .body = t->message->text,
                           .reply_to = t->message->reply_to_ext,
                           .client_ref = str_fmt(a, "pr-%.*s", STR_ARG(t->id)),
                           .outgoing = api_outgoing_json(c, t->message),
                           .media = api_outgoing_files(c, t->message),
                           .conversation =
                               begins ? str_fmt(a, "to:%.*s", STR_ARG(t->to)) : t->conversation,
                           .contact_id = t->contact_id.ptr ? t->contact_id : t->to,
                           .is_group = t->is_group};
    return build(c, t, &row, err);
}

bool api_try_read(struct call *c, const struct api_try *t, struct str target)
{
    struct err ignored = {0};
    struct send_row row = {.tenant_id = call_who(c)->tenant_id,
                           .kind = STR("read"),
                           .outgoing = send_read_outgoing(call_arena(c), target),
                           .conversation = t->conversation,
                           .contact_id = t->contact_id,
                           .is_group = t->is_group};
    return build(c, t, &row, &ignored);
}

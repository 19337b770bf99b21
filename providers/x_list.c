/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a conversation, newest first. X shortens the addresses in them. */
#include "x.h"
#include "x_send.h"

#define FIELDS "id,event_type,text,created_at,sender_id,attachments"

static bool list_build(struct arena *a, const struct sent_ask *ask,
                       const struct send_account *account, struct send_request *out,
                       struct err *err)
{
    struct str path = STR_NONE;
    *out = (struct send_request){0};
    if (!x_conversation_path(a, ask->to_kind, ask->to, &path, err))
        return false;
    path = str_fmt(a, "%.*s/dm_events?max_results=%d&event_types=MessageCreate&dm_event.fields=%s",
                   STR_ARG(path), SENT_LIST_MAX, FIELDS);
    if (ask->cursor.len)
        path = str_fmt(a, "%.*s&pagination_token=%.*s", STR_ARG(path),
                       STR_ARG(url_encode(a, ask->cursor)));
    return x_request(a, account, METHOD_GET, path, out, err);
}

/* An empty list has no "data" at all. */
static bool list_read(struct arena *a, const struct sent_ask *ask,
                      const struct send_account *account, const struct send_reply *reply,
                      struct sent_list *out, struct judgement *why)
{
    struct send_call call = send_call_of_account(account);
    (void)ask;
    *out = (struct sent_list){0};
    if (judge_fault(&call, reply, why))
        return false;
    *why = judgement_none();
    const struct json *root = send_reply_json(a, reply);
    const struct json *data = json_get(root, "data"), *meta = json_get(root, "meta");
    if (!send_reply_is_ok(reply) || json_get(root, "errors")) {
        x_judge_error(a, &call, reply, root, why);
        return false;
    }
    if (!json_is(meta, JSON_OBJECT) || (data && !json_is(data, JSON_ARRAY))) {
        judge_as_wrong(why, OUTCOME_PERMANENT, X_BAD_ANSWER);
        return false;
    }
    sent_list_begin(a, out);
    for (const struct json *v = json_first(data); v; v = json_next(data, v)) {
        const struct json *media = json_get(json_get(v, "attachments"), "media_keys");
        struct str type = field_id(a, v, "event_type"), text = field_id(a, v, "text");
        if (type.len && !str_eq_c(type, "MessageCreate"))
            continue;
        sent_list_add(out,
                      &(struct sent_message){
                          .external_id = field_id(a, v, "id"),
                          .text = text.len ? x_text(a, text) : STR_NONE,
                          .at_ms = field_time(a, json_get(v, "created_at")),
                          .n_media = json_is(media, JSON_ARRAY) ? media->n : 0,
                          .is_ours = str_eq(field_id(a, v, "sender_id"), account->external_id)});
    }
    sent_list_end(out, field_id(a, meta, "next_token"));
    return true;
}

const struct send_list x_list = {.rewrites_links = true, .build = list_build, .read = list_read};

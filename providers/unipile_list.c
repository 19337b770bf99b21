/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a chat, newest first. */
#include "fields.h"
#include "unipile_send.h"

static bool list_build(struct arena *a, const struct sent_ask *ask,
                       const struct send_account *account, struct send_request *out,
                       struct err *err)
{
    *out = (struct send_request){0};
    // Of a chat that was being begun nobody told us the id.
    if (ask->to_kind != TO_CONVERSATION || !ask->to.len)
        return err_set(err, ERR_INVALID, "UniPile lists the messages of chats only");
    struct str path =
        str_fmt(a, "/chats/%.*s/messages?limit=%d", STR_ARG(url_encode(a, ask->to)), SENT_LIST_MAX);
    if (ask->cursor.len)
        path = str_fmt(a, "%.*s&cursor=%.*s", STR_ARG(path), STR_ARG(url_encode(a, ask->cursor)));
    return unipile_request(a, account, METHOD_GET, path, out, err);
}

static bool list_read(struct arena *a, const struct sent_ask *ask,
                      const struct send_account *account, const struct send_reply *reply,
                      struct sent_list *out, struct judgement *why)
{
    const struct json *root = NULL;
    (void)ask;
    *out = (struct sent_list){0};
    if (!unipile_read(a, account, reply, &root, why))
        return false;
    const struct json *items = json_get(root, "items");
    if (!json_is(items, JSON_ARRAY)) {
        judge_as_wrong(why, OUTCOME_PERMANENT, UNIPILE_BAD_ANSWER);
        return false;
    }
    sent_list_begin(a, out);
    for (const struct json *v = json_first(items); v; v = json_next(items, v)) {
        const struct json *files = json_get(v, "attachments");
        // What happened in the chat is listed too.
        if (json_truthy(json_get(v, "is_event")))
            continue;
        sent_list_add(out,
                      &(struct sent_message){.external_id = field_id(a, v, "id"),
                                             .text = field_id(a, v, "text"),
                                             .at_ms = field_time(a, json_get(v, "timestamp")),
                                             .n_media = json_is(files, JSON_ARRAY) ? files->n : 0,
                                             .is_ours = json_truthy(json_get(v, "is_sender"))});
    }
    sent_list_end(out, field_id(a, root, "cursor"));
    return true;
}

const struct send_list unipile_list = {.build = list_build, .read = list_read};

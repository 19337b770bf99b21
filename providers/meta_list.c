/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a conversation with a person, of Instagram and Messenger, newest first. Of the
 * twenty newest Meta tells what is in them, of older ones only that they are there. */
#include "fields.h"
#include "meta_send.h"
#include "sending.h"

#define NEWEST 20

/* messages.limit(20){...} */
#define FIELDS "messages.limit%%28%d%%29%%7Bid,created_time,from,message,attachments%%7D"

static bool ask_for(struct arena *a, const struct sent_ask *ask, const struct send_account *account,
                    const char *host, struct str node, const char *platform,
                    struct send_request *out, struct err *err)
{
    *out = (struct send_request){0};
    if (ask->to_kind == TO_COMMENT || !ask->to.len)
        return err_set(err, ERR_INVALID, "Meta lists conversations with people only");
    struct str path =
        str_fmt(a, "%.*s/conversations?platform=%s&user_id=%.*s&fields=" FIELDS,
                STR_ARG(url_encode(a, node)), platform, STR_ARG(url_encode(a, ask->to)), NEWEST);
    return graph_request(a, account, host, METHOD_GET, path, out, err);
}

static bool instagram_ask(struct arena *a, const struct sent_ask *ask,
                          const struct send_account *account, struct send_request *out,
                          struct err *err)
{
    bool is_page = str_eq_c(account->login, "page");
    struct str node = str_or(is_page ? account->parent_id : account->external_id, STR("me"));
    return ask_for(a, ask, account, is_page ? GRAPH_HOST : GRAPH_HOST_INSTAGRAM, node, "instagram",
                   out, err);
}

static bool messenger_ask(struct arena *a, const struct sent_ask *ask,
                          const struct send_account *account, struct send_request *out,
                          struct err *err)
{
    struct str node = str_or(account->external_id, STR("me"));
    return ask_for(a, ask, account, GRAPH_HOST, node, "messenger", out, err);
}

static size_t count(const struct json *list)
{
    const struct json *data = json_get(list, "data");
    return json_is(data, JSON_ARRAY) ? data->n : 0;
}

/* What is not from the person is from our side. */
static void read_messages(struct arena *a, const struct json *list, struct str person,
                          struct sent_list *out)
{
    const struct json *data = json_get(list, "data");
    for (const struct json *v = json_first(data); v; v = json_next(data, v)) {
        struct str from = field_id(a, json_get(v, "from"), "id");
        sent_list_add(out,
                      &(struct sent_message){.external_id = field_id(a, v, "id"),
                                             .text = field_id(a, v, "message"),
                                             .at_ms = field_time(a, json_get(v, "created_time")),
                                             .n_media = count(json_get(v, "attachments")),
                                             .is_ours = from.len && !str_eq(from, person)});
    }
}

static bool list_read(struct arena *a, const struct sent_ask *ask,
                      const struct send_account *account, const struct send_reply *reply,
                      struct sent_list *out, struct judgement *why)
{
    struct send_call call = send_call_of_account(account);
    const struct json *root = NULL;
    *out = (struct sent_list){0};
    if (judge_fault(&call, reply, why) || graph_judge_error(a, &call, reply, NULL, &root, why))
        return false;
    const struct json *data = json_get(root, "data");
    if (!json_is(data, JSON_ARRAY)) {
        *why = judgement_none();
        judge_as_wrong(why, OUTCOME_PERMANENT,
                       "Meta's answer is not to be understood: look at the channel's address.");
        return false;
    }
    sent_list_begin(a, out);
    // With one person there is one conversation, or none yet.
    const struct json *messages = json_get(json_first(data), "messages");
    read_messages(a, messages, ask->to, out);
    sent_list_end(out, STR_NONE);
    out->is_all &= data->n <= 1 && !json_get(json_get(messages, "paging"), "next");
    return true;
}

const struct send_list instagram_list = {.build = instagram_ask, .read = list_read};
const struct send_list messenger_list = {.build = messenger_ask, .read = list_read};

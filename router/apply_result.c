/* SPDX-License-Identifier: Apache-2.0 */
#include "apply_parts.h"

/* The echo came first and made a row of its own: its facts go into the api's row. */
static void absorb(struct model *m, struct fact *f, struct message *msg, struct message *echo)
{
    int64_t deleted_at_ms = echo->deleted_at_ms;
    echo->removed = true;
    echo->deleted_at_ms = m->now_at_ms;
    echo->rev++; // its row goes; what is told of it is still news
    echo->changed = true;
    echo->publish = CHANGE_DELETED;
    echo->trace = f->trace;
    struct str external_id = echo->external_id;
    echo->external_id = STR_NONE;
    router_model_name_message(m, msg, external_id);
    router_mark_message(m, f, msg, CHANGE_STATUS);
    if (echo->edited_at_ms)
        router_apply_edit(m, f, msg, echo->edited_at_ms, echo->edit_key, echo->body);
    if (deleted_at_ms)
        router_apply_delete(m, f, msg, deleted_at_ms);
    router_apply_status(m, f, msg, echo->status, echo->error_code, echo->error_message);
    if (msg->conversation && str_eq(msg->conversation->last_message_id, echo->id)) {
        msg->conversation->last_message_id = msg->id;
        router_mark_conversation(f, msg->conversation);
    }
}

static void take_name(struct model *m, struct fact *f, struct message *msg, struct str external_id)
{
    if (msg->external_id.ptr || !external_id.len)
        return;
    struct message *echo = router_model_message(m, msg->channel, external_id);
    if (echo && echo != msg) {
        absorb(m, f, msg, echo);
        return;
    }
    router_model_name_message(m, msg, external_id);
    router_mark_message(m, f, msg, CHANGE_STATUS);
    router_merge_early(m, f, msg);
}

void router_apply_send_result(struct model *m, struct fact *f, struct message *msg,
                              const struct send_result *r)
{
    f->message = msg;
    if (str_eq_c(r->outcome, "sent")) { // a proof, at whatever attempt
        take_name(m, f, msg, r->external_id);
        router_apply_status(m, f, msg, STR("sent"), STR_NONE, STR_NONE);
        return;
    }
    bool is_current = str_eq_c(msg->status, "sending") && msg->attempt == r->attempt;
    if (str_eq_c(r->outcome, "failed")) {
        if (is_current || str_eq_c(msg->status, "uncertain"))
            router_apply_status(m, f, msg, STR("failed"), r->error_code, r->error_message);
        return;
    }
    if (!is_current)
        return;
    bool is_retry = str_eq_c(r->outcome, "retry");
    msg->status = is_retry ? STR("retry") : STR("uncertain");
    msg->next_attempt_at_ms = is_retry ? r->retry_at_ms : 0;
    msg->error_code = r->error_code;
    msg->error_message = r->error_message;
    router_mark_message(m, f, msg, CHANGE_STATUS);
}

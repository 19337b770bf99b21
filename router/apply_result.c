/* SPDX-License-Identifier: Apache-2.0 */
#include "apply_parts.h"
#include "lattice.h"

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
    msg->alias_changed |= router_take_greater(&msg->external_alias, echo->external_alias);
    router_model_name_message(m, msg, external_id);
    router_mark_message(m, f, msg, CHANGE_STATUS);
    if (echo->edited_at_ms)
        router_apply_edit(m, f, msg, echo->edited_at_ms, echo->edit_key, echo->body);
    if (deleted_at_ms)
        router_apply_delete(m, f, msg, deleted_at_ms);
    // What a watermark alone said of it, the watermark says again.
    bool is_told = echo->is_proven || str_eq_c(echo->status, "failed");
    router_apply_status(m, f, msg, is_told ? echo->status : STR("sent"), echo->error_code,
                        echo->error_message);
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

bool router_is_begun_by_us(struct str external_id)
{
    return str_starts(external_id, STR("to:"));
}

static void take_last_message(struct conversation *to, const struct conversation *from)
{
    if (to->last_message_id.ptr &&
        !(from->last_message_id.ptr && from->last_message_at_ms > to->last_message_at_ms))
        return;
    to->last_message_id = from->last_message_id;
    to->last_message_at_ms = from->last_message_at_ms;
    to->last_message_ext = from->last_message_ext;
}

/* The provider says where it went. */
static void take_place(struct model *m, struct fact *f)
{
    struct conversation *from = f->conversation, *to = f->place;
    if (!from || !to || from == to || from->merged_into ||
        !router_is_begun_by_us(from->external_id))
        return;
    if (!to->is_there) {
        router_model_rename(m, from, to->external_id);
        router_mark_conversation(f, from);
        return;
    }
    from->merged_into = to;
    from->rev++; // its row goes; what is told of it is still news
    from->publish = CHANGE_DELETED;
    from->trace = f->trace;
    router_model_move(from, to);
    take_last_message(to, from);
    f->conversation = to;
    router_mark_conversation(f, to);
    for (struct message *msg = to->open; msg; msg = msg->next_open) {
        if (!msg->is_moved)
            continue;
        msg->is_moved = false;
        router_mark_message(m, f, msg, CHANGE_UPDATED);
        router_apply_watermarks(m, f, msg);
    }
}

void router_apply_send_result(struct model *m, struct fact *f, struct message *msg,
                              const struct send_result *r)
{
    f->message = msg;
    take_place(m, f);
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

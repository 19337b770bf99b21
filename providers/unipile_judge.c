/* SPDX-License-Identifier: Apache-2.0 */
/* What UniPile answers. An error is {"title", "type": "errors/<name>", "status", "detail"}; v2 puts
 * "api/" or "provider/" before the name. The name decides, else the status. */
#include "unipile_send.h"

#define HOUR_MS (INT64_C(3600) * 1000)

#define KEY        "UniPile refuses our key: the operator has to renew it."
#define LOST       "The account is no longer connected: connect it again."
#define HELD       "The network wants something done in the account itself: open it there."
#define NOT_PART   "UniPile's subscription or this account does not allow it: ask the operator."
#define NOBODY     "The person cannot be written to."
#define GONE       "The conversation or message is not there any more."
#define TAKES_NOT  "The network does not accept this message."
#define TOO_MANY   "The account has sent as much as the network allows for now."
#define ONE_AUTH   OUTCOME_AUTH, SEND_SCOPE_ACCOUNT, false, 0, 0
#define APP_AUTH   OUTCOME_AUTH, SEND_SCOPE_APP, false, 0, 0
#define REFUSED    OUTCOME_PERMANENT, SEND_SCOPE_NONE, false, 0, 0
#define AGAIN      OUTCOME_RETRY, SEND_SCOPE_NONE, false, 0, 0
#define PERHAPS    OUTCOME_RETRY, SEND_SCOPE_NONE, true, 0, 0
#define SLOWER(ms) OUTCOME_RATE_LIMITED, SEND_SCOPE_ACCOUNT, false, 0, (ms)

static const struct send_error errors[] = {
    {"missing_credentials", 0, APP_AUTH, KEY},
    {"insufficient_privileges", 0, APP_AUTH, KEY},

    {"disconnected_account", 0, ONE_AUTH, LOST},
    {"disconnected_feature", 0, ONE_AUTH, LOST},
    {"invalid_credentials", 0, ONE_AUTH, LOST},
    {"invalid_authorization", 0, ONE_AUTH, LOST},
    {"expired_credentials", 0, ONE_AUTH, LOST},
    {"multiple_sessions", 0, ONE_AUTH, LOST},
    {"wrong_account", 0, ONE_AUTH, LOST},
    {"checkpoint_error", 0, ONE_AUTH, HELD},
    {"invalid_checkpoint_solution", 0, ONE_AUTH, HELD},
    {"captcha_not_supported", 0, ONE_AUTH, HELD},
    {"expired_link", 0, ONE_AUTH, LOST},
    {"invalid_proxy_credentials", 0, ONE_AUTH, LOST},
    {"invalid_imap_configuration", 0, ONE_AUTH, LOST},
    {"invalid_smtp_configuration", 0, ONE_AUTH, LOST},
    {"invalid_credentials_but_valid_account_imap", 0, ONE_AUTH, LOST},
    {"account_restricted", 0, ONE_AUTH, HELD},
    {"account_mismatch", 0, ONE_AUTH, LOST},
    {"session_mismatch", 0, ONE_AUTH, LOST},
    {"unknown_authentication_context", 0, ONE_AUTH, LOST},
    {"action_required", 0, ONE_AUTH, HELD},
    {"invalid_account", 0, ONE_AUTH, LOST},
    {"account_configuration_error", 0, ONE_AUTH, LOST},

    {"insufficient_permissions", 0, REFUSED, NOT_PART},
    {"feature_not_subscribed", 0, REFUSED, NOT_PART},
    {"subscription_required", 0, REFUSED, NOT_PART},
    {"resource_access_restricted", 0, REFUSED, NOT_PART},
    {"resource_not_found", 0, REFUSED, GONE},
    {"invalid_resource_identifier", 0, REFUSED, GONE},

    {"invalid_recipient", 0, REFUSED, NOBODY},
    {"no_connection_with_recipient", 0, REFUSED,
     "The network delivers only to your contacts there, and this person is none."},
    {"blocked_recipient", 0, REFUSED, NOBODY},
    {"user_unreachable", 0, REFUSED, NOBODY},
    {"recipient_rejected", 0, REFUSED, NOBODY},
    {"invalid_message", 0, REFUSED, TAKES_NOT},
    {"unprocessable_entity", 0, REFUSED, TAKES_NOT},
    {"cant_send_message", 0, REFUSED, TAKES_NOT},
    {"not_allowed_inmail", 0, REFUSED, TAKES_NOT},
    {"insufficient_credits", 0, REFUSED,
     "The account has no credits left for this at the network."},
    {"sender_rejected", 0, REFUSED, TAKES_NOT},
    {"parent_mail_not_found", 0, REFUSED, GONE},
    {"invalid_thread", 0, REFUSED, GONE},
    {"invalid_headers", 0, REFUSED, TAKES_NOT},
    {"invalid_reply_subject", 0, REFUSED, TAKES_NOT},
    {"send_as_denied", 0, REFUSED, TAKES_NOT},
    {"invalid_folder", 0, REFUSED, TAKES_NOT},
    {"action_already_performed", 0, REFUSED, "It has been done already."},
    {"limit_too_high", 0, REFUSED, TAKES_NOT},
    {"unauthorized", 422, REFUSED, TAKES_NOT},
    {"cannot_invite_attendee", 0, REFUSED, NOBODY},
    {"already_invited_recently", 0, REFUSED, NOBODY},

    {"cannot_resend_yet", 0, SLOWER(HOUR_MS), TOO_MANY},
    {"cannot_resend_within_24hrs", 0, SLOWER(24 * HOUR_MS), TOO_MANY},
    {"limit_exceeded", 0, SLOWER(HOUR_MS), TOO_MANY},
    {"too_many_requests", 0, SLOWER(30000), NULL},

    {"provider_unreachable", 0, AGAIN, NULL},
    {"ip_rejected_by_server", 0, AGAIN, NULL},
    {"realtime_client_not_initialized", 0, AGAIN, NULL},
    {"no_client_session", 0, AGAIN, NULL},
    {"no_channel", 0, AGAIN, NULL},
    {"no_handler", 0, AGAIN, NULL},
    {"network_down", 0, AGAIN, NULL},
    {"service_unavailable", 0, AGAIN, NULL},

    {"unexpected_error", 0, PERHAPS, NULL},
    {"provider_error", 0, PERHAPS, NULL},
    {"authentication_intent_error", 0, PERHAPS, NULL},
    {"request_timeout", 0, PERHAPS, NULL},
    {"feature_not_implemented", 0, REFUSED, "The network or UniPile has no such thing."},

    // No name that we know.
    {NULL, 401, ONE_AUTH, LOST},
    {NULL, 403, ONE_AUTH, HELD},
    {NULL, 429, SLOWER(30000), NULL},
    {NULL, 408, PERHAPS, NULL},
    {NULL, 501, REFUSED, "The network or UniPile has no such thing."},
    {NULL, 503, AGAIN, NULL},
};

void unipile_judge_error(struct arena *a, const struct send_call *call,
                         const struct send_reply *reply, const struct json *root,
                         struct judgement *out)
{
    struct str name = send_error_name(json_text(a, json_get(root, "type")));
    struct str title = json_text(a, json_get(root, "title"));
    struct str detail = json_text(a, json_get(root, "detail"));
    const struct send_error *e = send_error_find(errors, ARRAY_LEN(errors), name, reply->status);
    if (name.len)
        out->code = send_words(a, call->account, name);
    out->detail = send_words(a, call->account, detail.len ? detail : title);
    if (e) {
        judge_by(e, call, reply, out);
        out->is_expired = out->outcome == OUTCOME_AUTH && str_starts(name, STR("expired_"));
        return;
    }
    judge_status(call, reply, out);
    if (reply->status >= 500)
        judge_may_have_acted(call, out);
}

/* MessageSent and ChatStarted name the message; read marks and reactions answer {"object": ...}. */
void unipile_judge(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                   struct judgement *out)
{
    if (judge_fault(call, reply, out))
        return;
    *out = judgement_none();
    const struct json *root = send_reply_json(a, reply);
    if (!send_reply_is_ok(reply)) {
        unipile_judge_error(a, call, reply, root, out);
        return;
    }
    out->external_id = json_text(a, json_get(root, "message_id"));
    out->conversation = json_text(a, json_get(root, "chat_id"));
    bool is_message = send_makes_message(call->message->kind);
    if (is_message ? !out->external_id.len : !json_is(root, JSON_OBJECT)) {
        judge_status(call, reply, out);
        return;
    }
    if (!out->conversation.len)
        out->conversation = STR_NONE;
    if (!is_message)
        out->external_id = STR_NONE;
    out->outcome = OUTCOME_SENT;
}

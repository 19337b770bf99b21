/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The outbound side of the X adapter: messages (x_send.c), uploads before them (x_upload.c),
 * answers (x_judge.c), the user and the app's webhook (x_account.c), a conversation's messages
 * (x_list.c). */
#include "sending.h"

send_build_fn x_build;
send_judge_fn x_judge;
extern const struct send_discover x_discover;
extern const struct send_webhook x_webhook;
extern const struct send_list x_list;

#define X_BAD_ANSWER "X's answer is not to be understood: look at the channel's base address."

/* URL, method and the token's header into r. `path` begins after the version. */
bool x_request(struct arena *a, const struct send_account *account, enum send_method method,
               struct str path, struct send_request *r, struct err *err) NODISCARD;
/* "/dm_conversations/..." of whom or what a message goes to. ERR_INVALID: none that X knows. */
bool x_conversation_path(struct arena *a, enum send_to to_kind, struct str to, struct str *path,
                         struct err *err) NODISCARD;

/* What the next request of a message with a medium is. */
enum x_step {
    X_STEP_IMAGE, /* the image in one request */
    X_STEP_INIT,  /* a video or gif in pieces */
    X_STEP_APPEND,
    X_STEP_FINALIZE,
    X_STEP_STATUS, /* X still works on it */
    X_STEP_MESSAGE,
};
/* Refs: the upload's id; one for each piece; then X_REF_DONE, or X_REF_WAIT for each look that
 * found it still worked on. */
#define X_REF_DONE STR("done")
#define X_REF_WAIT STR("wait")
enum x_step x_step_next(const struct send_call *call);
/* The id that the message carries; absent: none yet. */
struct str x_media_id(const struct send_call *call);
bool x_build_upload(struct arena *a, const struct send_call *call, enum x_step step,
                    struct send_request *r, struct err *err) NODISCARD;
/* Can X send it? */
bool x_media_valid(const struct send_message *m, struct err *err) NODISCARD;

/* Judges an answer that has not what was asked for. */
void x_judge_error(struct arena *a, const struct send_call *call, const struct send_reply *reply,
                   const struct json *root, struct judgement *out);

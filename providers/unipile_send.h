/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The outbound side of the UniPile adapter: requests (unipile_send.c), answers (unipile_judge.c),
 * accounts and webhooks (unipile_account.c), a chat's messages (unipile_list.c). */
#include "sending.h"

#define UNIPILE_BAD_ANSWER \
    "UniPile's answer is not to be understood: look at the channel's base address."

send_build_fn unipile_build;
send_judge_fn unipile_judge;
extern const struct send_discover unipile_discover;
extern const struct send_webhook unipile_webhook;
extern const struct send_list unipile_list;

/* "<DSN>/api/v1" and the key's header into r. ERR_INVALID: no DSN or no key. */
bool unipile_request(struct arena *a, const struct send_account *account, enum send_method method,
                     struct str path, struct send_request *r, struct err *err) NODISCARD;
/* Judges an answer that is not 2xx. */
void unipile_judge_error(struct arena *a, const struct send_call *call,
                         const struct send_reply *reply, const struct json *root,
                         struct judgement *out);
/* The object of an answer to what makes no message. False: no answer, or an error; judged. */
bool unipile_read(struct arena *a, const struct send_account *account,
                  const struct send_reply *reply, const struct json **root, struct judgement *why);
/* As struct provider's normal_type. */
struct str unipile_normal_type(struct str type);
/* Our word for UniPile's status of an account; absent: not one that we know. */
struct str unipile_status(struct str sent);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The outbound side of the Telegram adapter: requests (telegram_send.c, telegram_media.c), answers
 * (telegram_judge.c), the bot and its webhook (telegram_account.c). */
#include "sending.h"

send_build_fn telegram_build;
send_judge_fn telegram_judge;
extern const struct send_discover telegram_discover;
extern const struct send_webhook telegram_webhook;

/* Parameters of a method; they become members of a JSON body or parts of a form. */
#define TELEGRAM_FIELDS_MAX 12
struct telegram_field {
    const char *name;
    struct str value;
    bool is_json; /* a number, list or object, as it stands */
};
struct telegram_call {
    struct arena *a;
    const struct send_call *call;
    struct str connection; /* the business account; absent: a chat of the bot's own */
    struct str chat;
    struct telegram_field fields[TELEGRAM_FIELDS_MAX];
    size_t n;
    struct send_request *r;
    struct err *err;
};

/* Empty values are left out. */
void telegram_text(struct telegram_call *c, const char *name, struct str value);
void telegram_json(struct telegram_call *c, const char *name, struct str value);
/* Where the message goes, and what it answers. */
bool telegram_place_out(struct telegram_call *c) NODISCARD;
/* POST of a method with the fields: as a form where r->parts has files, else as JSON. */
bool telegram_finish(struct telegram_call *c, const char *method) NODISCARD;
/* URL and method of r. ERR_INVALID: not a bot's token. */
bool telegram_request(struct arena *a, const struct send_account *account, const char *method,
                      struct send_request *r, struct err *err) NODISCARD;
/* One file, or several as an album. */
bool telegram_build_media(struct telegram_call *c) NODISCARD;

/* Judges an answer that is not {"ok": true}. */
void telegram_judge_error(struct arena *a, const struct send_call *call,
                          const struct send_reply *reply, const struct json *root,
                          struct judgement *out);
/* "connection:chat:message" cut at its last colon; ERR_INVALID: no such id. */
bool telegram_id_cut(struct str id, struct str *place, struct str *message,
                     struct err *err) NODISCARD;

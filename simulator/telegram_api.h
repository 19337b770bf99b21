/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of Telegram's simulated Bot API share. Parameters come in the query, as JSON, as a
 * form or as multipart, and unknown ones are ignored, as there. */
#include "server.h"

struct sim_tg {
    struct sim_call *c;
    struct sim_body body;
    struct str chat;       /* as given: a number, or the name of a channel */
    struct str connection; /* of a business account; absent: the bot's own chat */
    struct str target;     /* external id of the message answered; absent: none */
};

/* {"ok": false, "error_code", "description": "<why>"}; always false. */
bool sim_tg_error(struct sim_call *c, int status, const char *description);
/* {"ok": true, "result": <json>} */
void sim_tg_result(struct sim_call *c, struct str json);

/* A parameter of any source; absent: none. */
struct str sim_tg_text(const struct sim_tg *t, const char *name);
const struct json *sim_tg_json(const struct sim_tg *t, const char *name);
bool sim_tg_int(const struct sim_tg *t, const char *name, int64_t *out);

/* chat_id, reply_parameters, reply_markup: what every send has. False: has failed. */
bool sim_tg_place(struct sim_tg *t);
/* UTF-8 of at most `max` UTF-16 units. False: has failed, with `too_long` where it is that. */
bool sim_tg_fits(struct sim_call *c, struct str text, size_t max, const char *too_long);

/* The send is accepted and answered by `n` messages with these members (JSON, without braces). */
void sim_tg_sent(struct sim_tg *t, const char *kind, struct str text, const struct str *members,
                 size_t n, struct str detail);

/* telegram_send_api.c */
void sim_tg_message(struct sim_tg *t);
void sim_tg_location(struct sim_tg *t);
void sim_tg_venue(struct sim_tg *t);
void sim_tg_action(struct sim_tg *t);
void sim_tg_set_reaction(struct sim_tg *t);
void sim_tg_read_business(struct sim_tg *t);

/* telegram_media_api.c */
void sim_tg_photo(struct sim_tg *t);
void sim_tg_video(struct sim_tg *t);
void sim_tg_audio(struct sim_tg *t);
void sim_tg_voice(struct sim_tg *t);
void sim_tg_document(struct sim_tg *t);
void sim_tg_animation(struct sim_tg *t);
void sim_tg_sticker(struct sim_tg *t);
void sim_tg_album(struct sim_tg *t);

/* telegram_bot_api.c */
void sim_tg_get_me(struct sim_tg *t);
void sim_tg_set_webhook(struct sim_tg *t);
void sim_tg_delete_webhook(struct sim_tg *t);
void sim_tg_webhook_info(struct sim_tg *t);
void sim_tg_get_file(struct sim_tg *t);
/* An emoji that a bot may react with. */
bool sim_tg_is_reaction(struct arena *a, struct str emoji);
void sim_tg_put_bot(struct json_out *o, struct sim_call *c);

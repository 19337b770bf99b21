/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of X's simulated API share. */
#include "server.h"

/* {"title", "detail", "type": "about:blank", "status"} */
void sim_x_problem(struct sim_call *c, int status, const char *title, const char *detail);
/* {"errors": [{"message"}], "title": "Invalid Request", ...} with status 400; always false. */
bool sim_x_invalid(struct sim_call *c, const char *message);
void sim_x_data(struct sim_call *c, int status, struct str json); /* {"data": <json>} */
bool sim_x_is_id(struct str s);                                   /* up to 19 digits */
/* "smaller-larger" */
struct str sim_x_pair(struct arena *a, struct str one, struct str other);
void sim_x_report(struct buf *out, const struct sim_report *r, size_t n);

/* x_media_api.c */
void sim_x_upload(struct sim_call *c);
void sim_x_upload_begin(struct sim_call *c);
void sim_x_upload_piece(struct sim_call *c);
void sim_x_upload_end(struct sim_call *c);
void sim_x_upload_state(struct sim_call *c);

/* x_hook_api.c */
void sim_x_hooks(struct sim_call *c);
void sim_x_hook_create(struct sim_call *c);
void sim_x_hook_check(struct sim_call *c);
void sim_x_hook_delete(struct sim_call *c);
void sim_x_subscribe(struct sim_call *c);
void sim_x_subscribed(struct sim_call *c); /* is it? */

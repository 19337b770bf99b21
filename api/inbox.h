/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a thread of the api needs to send messages and to keep files. */
#include <uv.h>

#include "api_conf.h"
#include "err.h"
#include "records.h"

struct api;
struct api_inbox;
struct storage;

/* NULL: err. Returns owned. */
struct api_inbox *api_inbox_new(uv_loop_t *loop, const struct api_conf *conf, struct err *err);
void api_inbox_free(struct api_inbox *x);
/* NULL: files are not taken, media_folder is not set. */
struct storage *api_inbox_storage(const struct api_inbox *x);
/* Wake a sender up: the message's row is committed. It does not wait for Kafka, and nothing is lost
 * when Kafka does not take it: the scheduler finds the row. */
void api_inbox_wake(struct api *api, const struct send_command *cmd);

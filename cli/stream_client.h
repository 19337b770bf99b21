/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A websocket client of the notifier's stream: connects, proves itself, hands out text messages. */
#include "err.h"
#include "str.h"

struct stream_client;

/* `url` is ws://host[:port]/path, the token goes as subprotocol `bearer.<token>`. blocks up to
 * `timeout_ms`. NULL: err. Returns owned. `on_message` gets each text message, borrowed. */
struct stream_client *stream_open(const char *url, struct str token, int64_t timeout_ms,
                                  void (*on_message)(void *ctx, struct str text), void *ctx,
                                  struct err *err);
/* Says goodbye. */
void stream_close(struct stream_client *s);
int stream_fd(const struct stream_client *s); /* readable: call stream_turn */
/* Take what has come, answer pings. False: the stream ended, err says why. */
bool stream_turn(struct stream_client *s, struct err *err) NODISCARD;

/* --- pure ------------------------------------------------------------------------------------- */

struct stream_url {
    char host[256];
    char port[6];
    char path[512]; /* with its query; "/" when empty */
};
bool stream_url_parse(struct str text, struct stream_url *out, struct err *err) NODISCARD;

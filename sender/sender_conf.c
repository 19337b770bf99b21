/* SPDX-License-Identifier: Apache-2.0 */
#include "sender_conf.h"

#include "call.h"
#include "mem.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct sender_conf, name), preset, min, max, help},
#include "sender_conf.def"
#undef CONF
};

const struct conf_table sender_conf_table = {"sender", rows, ARRAY_LEN(rows)};

bool sender_conf_check(const struct sender_conf *conf, struct err *err)
{
    if (conf->lease < conf->call_timeout + 2 * SENDER_CALL_MARGIN_MS)
        return err_set(err, ERR_INVALID,
                       "lease must be at least %d s longer than call_timeout, so that no call "
                       "outlives its claim",
                       2 * SENDER_CALL_MARGIN_MS / 1000);
    if (conf->per_channel > conf->in_flight)
        return err_set(err, ERR_INVALID, "per_channel must not be more than in_flight");
    return true;
}

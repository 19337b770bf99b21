/* SPDX-License-Identifier: Apache-2.0 */
#include "api_conf.h"

#include "mem.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct api_conf, name), preset, min, max, help},
#include "api_conf.def"
#undef CONF
};

const struct conf_table api_conf_table = {"api", rows, ARRAY_LEN(rows)};

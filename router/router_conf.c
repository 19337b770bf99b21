/* SPDX-License-Identifier: Apache-2.0 */
#include "router_conf.h"

#include "mem.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct router_conf, name), preset, min, max, help},
#include "router_conf.def"
#undef CONF
};

const struct conf_table router_conf_table = {"router", rows, ARRAY_LEN(rows)};

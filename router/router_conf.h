/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The settings of the router. */
#include "conf.h"

struct router_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "router_conf.def"
#undef CONF
};

extern const struct conf_table router_conf_table;

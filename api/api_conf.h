/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The settings of the api. */
#include "conf.h"

struct api_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "api_conf.def"
#undef CONF
};

extern const struct conf_table api_conf_table;

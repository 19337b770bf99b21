/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The settings of ingest. */
#include "conf.h"

struct ingest_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "ingest_conf.def"
#undef CONF
};

extern const struct conf_table ingest_conf_table;

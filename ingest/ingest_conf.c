/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest_conf.h"

#include "mem.h"

static const struct conf_row rows[] = {
#define CONF(name, type, preset, min, max, help) \
    {#name, CONF_##type, offsetof(struct ingest_conf, name), preset, min, max, help},
#include "ingest_conf.def"
#undef CONF
};

const struct conf_table ingest_conf_table = {"ingest", rows, ARRAY_LEN(rows)};

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The settings of the sender. */
#include "conf.h"

struct sender_conf {
#define CONF(name, type, ...) CONF_C_##type name;
#include "sender_conf.def"
#undef CONF
};

extern const struct conf_table sender_conf_table;

/* What single rows cannot say: the lease is longer than a call and what comes before it. */
bool sender_conf_check(const struct sender_conf *conf, struct err *err) NODISCARD;

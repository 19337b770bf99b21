/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "conf.h"

/* `postrider simulate ...`: argv holds the words after `simulate`. Returns the exit status. */
int simulator_main(int argc, char **argv);

/* Settings of `postrider simulate`, and of `postrider simulate webhooks`. */
extern const struct conf_table simulator_conf;
extern const struct conf_table simulator_webhooks_conf;

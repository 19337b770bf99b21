/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings of a table whose struct only its daemon knows. */
#include "conf.h"

/* Load, and append what is in force as `name = value` lines. */
bool settings_print(const struct conf_table *t, int argc, char **argv, struct buf *out,
                    struct err *err) NODISCARD;
/* The setting `name` as it is in force, as text in `out`; its default where the settings as a whole
 * are not good (a secret that only the daemon's own environment holds). False: no such setting. */
bool settings_value(const struct conf_table *t, const char *name, struct buf *out);

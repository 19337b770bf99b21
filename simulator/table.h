/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Values by name, as many as `max`; what is in it stays until it is cleared. */
#include <stdint.h>

#include "str.h"

struct sim_table;
/* `size`: bytes of a value, zeroed at first. Returns owned. */
struct sim_table *sim_table_new(size_t size, size_t max);
void sim_table_free(struct sim_table *t);
void sim_table_clear(struct sim_table *t);
/* NULL: not there; or with `make`, the table is full. The pointer stays valid until it is cleared.
 */
void *sim_table_get(struct sim_table *t, struct str name, bool make);
size_t sim_table_n(const struct sim_table *t);
/* In the order in which they came. */
void *sim_table_at(const struct sim_table *t, size_t i, struct str *name);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What simulated customers and shops write: short texts in several languages, names, emoji.
 * Constant, UTF-8. */
#include "str.h"

size_t sim_texts_n(void);
struct str sim_text(size_t i); /* what a customer asks, or a shop answers; i wraps around */
size_t sim_emojis_n(void);
struct str sim_emoji(size_t i);
/* "Amélie Fournier": one of some thousands, the same for the same number. */
struct str sim_first_name(uint64_t number);
struct str sim_last_name(uint64_t number);

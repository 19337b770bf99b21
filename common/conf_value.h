/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One value of a setting: text to C and back. Only conf.c and conf_print.c include it. */
#include "conf.h"

#define CONF_NUMBER_MAX 32 /* bytes that conf_format_number writes at most, with the NUL */

static inline bool conf_is_text(enum conf_type type)
{
    return type == CONF_TEXT || type == CONF_SECRET;
}

/* A BOOL, INT, SIZE or DURATION as a number. False: not one. */
bool conf_parse_number(enum conf_type type, struct str text, int64_t *out);
/* In the largest unit that divides it: "10s", "1MiB", "true". */
void conf_format_number(enum conf_type type, int64_t v, char out[CONF_NUMBER_MAX]);
/* The number, or the length of a text, is between the row's min and max. */
bool conf_in_range(const struct conf_row *row, int64_t v);
/* "a number from 0 to 65535": ends a sentence that begins with "want". */
void conf_describe(const struct conf_row *row, struct buf *out);

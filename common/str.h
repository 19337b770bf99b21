/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Text and bytes as pointer + length, borrowed. Not NUL-terminated. {NULL, 0} means absent. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct str {
    const char *ptr;
    size_t len;
};

#define STR(lit)   ((struct str){("" lit), sizeof(lit) - 1})
#define STR_ARG(s) (int)(s).len, ((s).ptr ? (s).ptr : "")
#define STR_NONE   ((struct str){NULL, 0})

struct str str_of(const char *cstr); /* NULL gives STR_NONE */
bool str_eq(struct str a, struct str b);
bool str_eq_c(struct str a, const char *b);
bool str_ieq(struct str a, struct str b); /* ASCII letters alike */
int str_cmp(struct str a, struct str b);  /* bytewise, shorter first */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_skip(struct str s, size_t n); /* n clamped */
struct str str_trim(struct str s);           /* ASCII white space */
/* Cut at the first `sep`: *head before it, *tail after it. False: no sep, *head is s, *tail absent.
 */
bool str_cut(struct str s, char sep, struct str *head, struct str *tail);
/* The whole of s is a decimal number in range; no white space, no plus sign. */
bool str_i64(struct str s, int64_t *out);
uint64_t str_hash(struct str s); /* FNV-1a; not for keys an attacker chooses in bulk */
struct str str_dup(struct arena *a, struct str s); /* lives in a */
struct str str_fmt(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *str_c(struct arena *a, struct str s); /* NUL-terminated copy, lives in a */
/* UTF-8 with each invalid byte sequence, and NUL, replaced by U+FFFD: what PostgreSQL text and a
 * websocket text frame accept. Returns s itself when nothing has to change. Lives in a; at most
 * three times as long. */
struct str str_utf8(struct arena *a, struct str s);

#define CODEPOINT_BAD 0xFFFDu
/* Bytes of the first character of s, which is not empty. *cp is CODEPOINT_BAD for an invalid
 * sequence (its longest part that could begin a character is taken); *valid tells it from a U+FFFD
 * that stands there. */
size_t utf8_next(struct str s, uint32_t *cp, bool *valid);
/* Writes at most 4 bytes, returns how many. A surrogate or a value past U+10FFFF writes U+FFFD. */
size_t utf8_put(uint32_t cp, char out[4]);

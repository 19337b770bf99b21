/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Allocation that cannot fail, and cleanup at the end of a scope.
 *
 * Out of memory aborts: the supervisor restarts us and Kafka replays. That is safe only because
 * every buffer, queue and arena has a maximum given at construction. */
#include <stddef.h>

void *xalloc(size_t size);               /* zeroed; returns owned */
void *xrealloc(void *p, size_t size);    /* takes p, returns owned */
char *xstrdup(const char *s);            /* returns owned */
char *xstrndup(const char *s, size_t n); /* returns owned, NUL-terminated */

/* AUTO(free_fn) T *p = ...; : free_fn(p) runs at the end of the scope. free_fn takes NULL.
 * Declare with DEFINE_AUTO(type, free_fn) once beside the type: gives `auto_type`. */
#define DEFINE_AUTO(type, free_fn)                     \
    static inline void free_fn##_auto(struct type **p) \
    {                                                  \
        free_fn(*p);                                   \
    }
#define AUTO(free_fn) __attribute__((cleanup(free_fn##_auto)))
/* Move ownership out of an AUTO variable. */
#define TAKE(p)                     \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How the JSON reader and writer run over the bytes of a string: sixteen at a time where the
 * machine can. Only json.c and json_out.c include it. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_is_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* The first byte in [p, end) that is a quote, a backslash or a control character, else `end`.
 * *high is set if a byte before it is not ASCII, and left alone otherwise. */
static inline const char *json_scan(const char *p, const char *end, bool *high)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned at = (unsigned)_mm_movemask_epi8(hit);
        unsigned tops = (unsigned)_mm_movemask_epi8(v);
        if (at) {
            *high |= (tops & (at ^ (at - 1)) >> 1) != 0;
            return p + __builtin_ctz(at);
        }
        *high |= tops != 0;
    }
#endif
    for (; p < end && !json_is_special(*p); p++)
        *high |= (unsigned char)*p >= 0x80;
    return p;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The Range of a request (RFC 9110 section 14). Pure. */
#include "str.h"

enum api_range {
    API_RANGE_ALL,  /* none, or one that we do not serve (several, other units): the whole */
    API_RANGE_PART, /* from, length */
    API_RANGE_BAD,  /* behind the end: 416 */
};
enum api_range api_range_read(struct str header, int64_t size_bytes, int64_t *from,
                              int64_t *length);

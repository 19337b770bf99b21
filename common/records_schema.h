/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What records need to know of a schema's text and of encoded bytes before avro-c sees them. */
#include <avro.h>

#include "err.h"
#include "str.h"

/* CRC-64-AVRO of the schema's Parsing Canonical Form: equal for texts that differ only in white
 * space, documentation, defaults, aliases and logical types. */
bool schema_fingerprint(struct str text, uint64_t *out, struct err *err) NODISCARD;
/* The Parsing Canonical Form itself. Returns owned; NULL: err. */
char *schema_canonical(struct str text, struct err *err);

/* True: `bytes` are exactly one value of `schema`, with every length inside them. avro-c allocates
 * a length before it looks for the bytes, accepts negative ones, does not range-check an enum, and
 * leaks what a failed decode had allocated (AVRO-4246): it may only see what has passed here. */
bool schema_check(avro_schema_t schema, struct str bytes, struct err *err) NODISCARD;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a file is, by its first bytes. Pure. */
#include "str.h"

#define API_SNIFF_BYTES 4096 /* as many as there are, up to these */

/* Its media type; absent: none that we take (a program, or nothing we know). The name decides only
 * between types of one container (office documents are zip archives). Texts are text/plain, HTML
 * and SVG among them: what could run a script is never shown as what it is. Constant. */
struct str api_sniff(struct str head, struct str name);
/* May a browser show it by itself? */
bool api_sniff_is_shown(struct str mime);

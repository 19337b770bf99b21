/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The generated pages: docs/config.md, docs/metrics.md and docs/api.md, from the same tables and
 * the same description that the program runs by. */
#include "buf.h"

void docs_config(struct buf *out);
void docs_metrics(struct buf *out);
void docs_api(struct buf *out);

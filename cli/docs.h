/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The generated pages: docs/config.md and docs/metrics.md, from the same tables that the program
 * runs by. */
#include "buf.h"

void docs_config(struct buf *out);
void docs_metrics(struct buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Uploaded files for the adapters, streamed from the storage: what send_media.file names. */
#include "exchange.h"
#include "storage.h"

/* `ctx` of the result is the storage, which must stay. */
struct exchange_files sender_files(struct storage *storage);

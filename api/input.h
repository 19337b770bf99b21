/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a call brings, held against the operation's description. False: it was answered. */
#include "call.h"

bool api_input_path(struct call *c);
bool api_input_params(struct call *c);
bool api_input_media_type(struct call *c);
bool api_input_body(struct call *c); /* its media type, too */
/* The Idempotency-Key, and what it stands for: after the parameters. */
void api_input_key(struct call *c);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who calls, and how often it may. False: it was answered. */
#include "call.h"

/* The caller is one of the operation's roles. */
bool api_admit_token(struct call *c);
/* By user and tenant, or by address where there is no user. */
bool api_admit_rates(struct call *c);
/* The tightest of the rates that were asked, told to the client. */
void api_admit_rate_headers(struct call *c);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "daemon.h"

extern const struct daemon sender_daemon;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The only file that includes cmocka: 1.1 needs these four first, in this order. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

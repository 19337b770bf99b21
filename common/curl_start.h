/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* libcurl's global start, once in a process, whoever needs it first. Any thread.
 *
 * libcurl gets an allocator of ours that erases what it frees: tokens pass through it in headers
 * and in URLs, and libcurl itself erases nothing. So no secret stays in memory once its request is
 * over. */
void curl_start(void);

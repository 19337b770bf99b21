/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tells providers what our side has read: the rows of read_marks, a few at a time. A mark is no
 * message. It holds nobody, nobody is shown it, and one that cannot be told is forgotten after a
 * few tries; telling it twice does no harm. It takes a place in its account's pace, and goes
 * nowhere while the account is paused. Loop thread. */
#include "beside.h"

struct sender_marks;

#define SENDER_MARKS_MAX 8 /* at once, of one sender */

struct sender_marks *sender_marks_new(const struct sender_beside *given);
void sender_marks_stop(struct sender_marks *s); /* take no more */
/* After the pool and fetch are gone, so that no callback comes any more. */
void sender_marks_free(struct sender_marks *s);

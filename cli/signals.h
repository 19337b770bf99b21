/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* SIGINT and SIGTERM as a descriptor, for verbs that go on until they are told to stop. */

/* From now on the two do not end the process, they make this readable. -1: cannot. */
int signals_open(void);

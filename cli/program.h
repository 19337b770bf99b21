/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The program's words: daemons, verbs, `simulate`, and what is said about a word that is none. */
#include "daemon.h"
#include "verb.h"

/* The daemons; NULL ends them. */
extern const struct daemon *const program_daemons[];

int program_run(int argc, char **argv); /* as main gets them */

const struct daemon *program_daemon(const char *name); /* NULL: no such daemon */
/* The verb that `argv` begins with; *n_words is how many words name it. NULL: none. */
const struct verb *program_verb(int argc, char **argv, int *n_words);
/* The subcommand nearest to what was typed; NULL: none is near. */
const char *program_nearest(const char *typed);

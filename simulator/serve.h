/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `postrider simulate`: the providers' APIs, until SIGTERM or SIGINT. Returns the exit status. */
int sim_serve(int argc, char **argv);

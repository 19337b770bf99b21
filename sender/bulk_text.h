/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A bulk's text for one recipient: {{name}} becomes the variable `name`. Pure. */
#include "json.h"

/* `variables`: an object of strings and numbers; NULL: none. White space around a name does not
 * count; a variable that is not there is empty; braces that hold no name stay. `is_json`: `text` is
 * JSON, and the values are escaped, so that they stay inside the strings that name them. Lives in
 * a, or is `text`. */
struct str sender_bulk_fill(struct arena *a, struct str text, const struct json *variables,
                            bool is_json);

/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

static bool header_value(struct str line, struct str name, struct str *value)
{
    struct str head, tail;
    if (!str_cut(line, ':', &head, &tail) || !str_ieq(head, name))
        return false;
    *value = str_trim(tail);
    return true;
}

static bool status_line(struct str line, int *status)
{
    struct str digits = str_skip(line, 9);
    digits.len = digits.len > 3 ? 3 : digits.len;
    int64_t n;
    if (!str_starts(line, STR("HTTP/1.1 ")) || !str_i64(digits, &n) || n < 100 || n > 599)
        return false;
    if (line.len > 12 && line.ptr[12] != ' ')
        return false;
    *status = (int)n;
    return true;
}

/* The next CRLF-ended line; false: there is none. */
static bool next_line(struct str *rest, struct str *line)
{
    for (size_t i = 1; i < rest->len; i++) {
        if (rest->ptr[i] != '\n' || rest->ptr[i - 1] != '\r')
            continue;
        *line = (struct str){rest->ptr, i - 1};
        *rest = str_skip(*rest, i + 1);
        return true;
    }
    return false;
}

enum sim_parse sim_answer_parse(struct str in, struct sim_answer *out)
{
    struct sim_answer a = {.retry_after_s = -1};
    struct str rest = in, line, value;
    int64_t length = -1;
    if (!next_line(&rest, &line))
        return SIM_PARSE_MORE;
    if (!status_line(line, &a.status))
        return SIM_PARSE_BAD;
    for (;;) {
        if (!next_line(&rest, &line))
            return SIM_PARSE_MORE;
        if (line.len == 0)
            break;
        if (header_value(line, STR("Content-Length"), &value)) {
            if (!str_i64(value, &length) || length < 0)
                return SIM_PARSE_BAD;
        } else if (header_value(line, STR("Connection"), &value)) {
            a.close = str_ieq(value, STR("close"));
        } else if (header_value(line, STR("Retry-After"), &value)) {
            if (!str_i64(value, &a.retry_after_s) || a.retry_after_s < 0)
                a.retry_after_s = -1;
        } else if (header_value(line, STR("Transfer-Encoding"), &value)) {
            return SIM_PARSE_BAD;
        }
    }
    if (length < 0 && a.status != 204)
        return SIM_PARSE_BAD;
    a.body_len = length < 0 ? 0 : (size_t)length;
    a.head_len = in.len - rest.len;
    *out = a;
    return SIM_PARSE_DONE;
}

bool sim_is_retried(int status)
{
    return status == SIM_NO_ANSWER || status == 408 || status == 429 || status >= 500;
}

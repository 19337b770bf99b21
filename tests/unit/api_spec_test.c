/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "embedded.h"
#include "handlers.h"
#include "spec.h"
#include "test.h"

#define OK "\"responses\":{\"200\":{}}"

static void nothing(struct call *c)
{
    (void)c;
}

static const struct api_handler some[] = {
    {"list", nothing}, {"get", nothing}, {"mine", nothing}, {"send", nothing}, {0}};
static const struct api_handler *const tables[] = {some, NULL};

static const char good[] =
    "{\"paths\":{"
    "\"/api/things\":{\"get\":{\"operationId\":\"list\",\"x-roles\":[\"agent\"],\"parameters\":"
    "[{\"name\":\"limit\",\"in\":\"query\",\"schema\":{\"type\":\"integer\",\"default\":50}}]," OK
    "}},"
    "\"/api/things/{id}\":{\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,"
    "\"schema\":{\"type\":\"string\"}}],\"get\":{\"operationId\":\"get\",\"x-roles\":[\"owner\"]," OK
    "}},"
    "\"/api/things/mine\":{\"get\":{\"operationId\":\"mine\",\"security\":[]," OK "}},"
    "\"/api/things/{id}/send\":{\"post\":{\"operationId\":\"send\",\"x-roles\":[\"owner\",\"agent\"],"
    "\"x-idempotent\":true,\"x-rate\":5,\"parameters\":[{\"name\":\"id\",\"in\":\"path\","
    "\"schema\":{\"type\":\"string\"}}],\"requestBody\":{\"required\":true,\"content\":"
    "{\"application/json\":{\"schema\":{\"type\":\"object\"}}}}," OK "}}}}";

static void paths_lead_to_operations(void **state)
{
    (void)state;
    static const struct {
        const char *path, *id, *value;
        enum http_method method;
        bool has_path;
    } cases[] = {
        {"/api/things", "list", NULL, HTTP_GET, true},
        {"/api/things", "list", NULL, HTTP_HEAD, true},
        {"/api/things", NULL, NULL, HTTP_POST, true},
        {"/api/things/", NULL, NULL, HTTP_GET, false},
        {"/api/things/7", "get", "7", HTTP_GET, true},
        {"/api/things/mine", "mine", NULL, HTTP_GET, true},
        {"/api/things/mine/send", NULL, NULL, HTTP_GET, true},
        {"/api/things/mine/send", "send", "mine", HTTP_POST, true},
        {"/api/things//send", NULL, NULL, HTTP_POST, false},
        {"/api", NULL, NULL, HTTP_GET, false},
        {"", NULL, NULL, HTTP_GET, false},
        {"api/things", NULL, NULL, HTTP_GET, false},
        {"/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p", NULL, NULL, HTTP_GET, false},
    };
    struct err err = {0};
    struct api_spec *s = api_spec_new(str_of(good), tables, &err);
    if (!s)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_route r;
        api_spec_route(s, cases[i].method, str_of(cases[i].path), &r);
        const char *id = r.operation ? r.operation->id : NULL;
        if ((id == NULL) != (cases[i].id == NULL) || (id && strcmp(id, cases[i].id) != 0) ||
            (r.methods != 0) != cases[i].has_path)
            fail_msg("%s leads to %s", cases[i].path, id ? id : "nothing");
        if (cases[i].value)
            assert_true(str_eq_c(api_route_value(&r, STR("id")), cases[i].value));
    }
    api_spec_free(s);
}

static void an_operation_knows_what_the_description_says(void **state)
{
    (void)state;
    struct err err = {0};
    struct api_spec *s = api_spec_new(str_of(good), tables, &err);
    struct api_route r;
    assert_non_null(s);
    api_spec_route(s, HTTP_POST, STR("/api/things/1/send"), &r);
    assert_int_equal(r.operation->roles, API_OWNER | API_AGENT);
    assert_true(r.operation->is_idempotent && r.operation->needs_body && r.operation->body);
    assert_int_equal(r.operation->cost, 5);
    api_spec_route(s, HTTP_GET, STR("/api/things"), &r);
    assert_true(str_eq_c(r.operation->params[0].preset, "50"));
    auto_arena a = arena_new(4096);
    assert_true(str_eq_c(api_methods_text(a, r.methods), "GET, HEAD, OPTIONS"));
    api_spec_free(s);
}

static void refused(const char *paths, const char *why)
{
    char text[2048];
    struct err err = {0};
    (void)snprintf(text, sizeof text, "{\"paths\":{%s}}", paths);
    struct api_spec *s = api_spec_new(str_of(text), tables, &err);
    if (s || !strstr(err.msg, why))
        fail_msg("%s: %s", paths, s ? "taken" : err.msg);
}

static void a_description_that_the_code_does_not_fit_is_refused(void **state)
{
    (void)state;
    refused("\"/a\":{\"get\":{\"operationId\":\"nobody\",\"security\":[]," OK "}}",
            "has no handler");
    refused("\"/a\":{\"get\":{\"operationId\":\"list\",\"security\":[]," OK "}}", "no operation");
    refused("\"/a\":{\"get\":{\"operationId\":\"list\"," OK "}}", "x-roles");
    refused("\"/a\":{\"get\":{\"operationId\":\"list\",\"security\":[],\"x-roles\":[\"owner\"]," OK
            "}}",
            "x-roles");
    refused("\"/a\":{\"get\":{\"operationId\":\"list\",\"x-roles\":[\"boss\"]," OK "}}",
            "unknown role");
    refused("\"/a\":{\"get\":{\"security\":[]," OK "}}", "operationId");
    refused("\"/a/{id}\":{\"get\":{\"operationId\":\"list\",\"security\":[]," OK "}}",
            "no parameter");
    refused("\"/a\":{\"get\":{\"operationId\":\"list\",\"security\":[]}}", "responses");
    refused("\"/a\":{\"get\":{\"operationId\":\"list\",\"security\":[],\"parameters\":"
            "[{\"name\":\"x\",\"in\":\"query\",\"schema\":{\"type\":\"odd\"}}]," OK "}}",
            "type");
    refused("\"/a\":{\"get\":{\"operationId\":\"list\",\"security\":[]," OK
            "},\"put\":{\"operationId\":\"list\",\"security\":[]," OK "}}",
            "two operations");
}

static void the_real_description_fits_the_real_handlers(void **state)
{
    (void)state;
    struct err err = {0};
    struct api_spec *s = api_spec_new((struct str){openapi_files[0].text, openapi_files[0].len},
                                      api_handler_tables, &err);
    if (!s)
        fail_msg("%s", err.msg);
    for (int i = 0; i < api_spec_operations(s); i++) {
        const struct api_operation *op = api_spec_operation(s, i);
        bool has_key = false;
        for (int j = 0; j < op->n_params; j++)
            has_key |= str_eq_c(op->params[j].name, "Idempotency-Key");
        if (has_key != op->is_idempotent)
            fail_msg("%s: x-idempotent and the parameter Idempotency-Key go together", op->id);
        if (op->body && op->method != HTTP_GET && !op->body->closed && !op->body->ref &&
            !op->body->one_of.n)
            fail_msg("%s: its body takes unknown members", op->id);
    }
    api_spec_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_operations),
        cmocka_unit_test(an_operation_knows_what_the_description_says),
        cmocka_unit_test(a_description_that_the_code_does_not_fit_is_refused),
        cmocka_unit_test(the_real_description_fits_the_real_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

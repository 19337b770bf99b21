/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "check.h"
#include "test.h"

static const char components[] =
    "{\"components\":{\"schemas\":{"
    "\"Name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3},"
    "\"Tree\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":"
    "{\"leaf\":{\"type\":\"integer\"},\"kids\":{\"type\":\"array\",\"items\":"
    "{\"$ref\":\"#/components/schemas/Tree\"}}}}}}}";

/* The violations as "pointer: detail; ..."; "" when there is none. */
static struct str checked(struct arena *a, const char *schema, const char *value)
{
    struct err err = {0};
    struct api_schemas *s = api_schemas_new(a, json_parse(a, str_of(components), &err));
    const struct api_schema *x =
        api_schema_new(s, json_parse(a, str_of(schema), &err), STR("test"), &err);
    const struct json *v = json_parse(a, str_of(value), &err);
    if (!x || !v)
        fail_msg("%s %s: %s", schema, value, err.msg);
    struct api_violations out = {.a = a};
    bool ok = api_check(x, v, &out);
    assert_int_equal(ok, out.n == 0);
    struct str text = STR("");
    for (int i = 0; i < out.n; i++)
        text = str_fmt(a, "%.*s%s%.*s: %.*s", STR_ARG(text), i ? "; " : "",
                       STR_ARG(out.list[i].pointer), STR_ARG(out.list[i].detail));
    return text;
}

static void values_are_judged_and_the_place_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *value, *want;
    } cases[] = {
        {"{}", "1", ""},
        {"{\"type\":\"string\"}", "1", "#: want a text"},
        {"{\"type\":[\"string\",\"null\"]}", "null", ""},
        {"{\"type\":\"integer\"}", "1.5", "#: want a whole number"},
        {"{\"type\":\"integer\"}", "\"1\"", "#: want a whole number"},
        {"{\"type\":\"number\"}", "1e3", ""},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":3}", "0", "#: want 1 or more"},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":3}", "4", "#: want 3 or less"},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":3}", "3", ""},
        {"{\"$ref\":\"#/components/schemas/Name\"}", "\"\"", "#: want at least 1 characters"},
        {"{\"$ref\":\"#/components/schemas/Name\"}", "\"\\u00e9\xC3\xA9x\"", ""},
        {"{\"$ref\":\"#/components/schemas/Name\"}", "\"abcd\"", "#: want at most 3 characters"},
        {"{\"enum\":[\"a\",1,null]}", "\"a\"", ""},
        {"{\"enum\":[\"a\",1,null]}", "null", ""},
        {"{\"enum\":[\"a\",1,null]}", "\"1\"", "#: want one of [\"a\",1,null]"},
        {"{\"const\":true}", "false", "#: want true"},
        {"{\"type\":\"string\",\"format\":\"uuid\"}", "\"x\"", "#: want a UUID"},
        {"{\"type\":\"string\",\"format\":\"email\"}", "\"a@example.com\"", ""},
        {"{\"type\":\"string\",\"format\":\"email\"}", "\"a@-x\"", "#: want an e-mail address"},
        {"{\"type\":\"string\",\"format\":\"uri\"}", "\"https://x/a b\"",
         "#: want an absolute URI"},
        {"{\"type\":\"string\",\"format\":\"uri\"}", "\"https://x/a?b=%20\"", ""},
        {"{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"null\"}}", "[]",
         "#: want at least 1 items"},
        {"{\"type\":\"array\",\"maxItems\":1}", "[1,2]", "#: want at most 1 items"},
        {"{\"items\":{\"type\":\"null\"}}", "[null,1,null,2]", "#/1: want null; #/3: want null"},
        {"{\"type\":\"object\",\"required\":[\"a\",\"b\"],\"properties\":{\"a\":{}}}", "{\"b\":1}",
         "#/a: is required"},
        {"{\"additionalProperties\":false,\"properties\":{\"a\":{}}}", "{\"a\":1,\"x/y\":2}",
         "#/x~1y: is not known here"},
        {"{\"additionalProperties\":{\"type\":\"string\"}}", "{\"k\":1}", "#/k: want a text"},
        {"{\"$ref\":\"#/components/schemas/Tree\"}", "{\"kids\":[{\"leaf\":1},{\"leaf\":\"x\"}]}",
         "#/kids/1/leaf: want a whole number"},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", "true",
         "#: has none of the forms that it may have"},
        {"{\"oneOf\":[{\"minimum\":1},{\"maximum\":3}]}", "2",
         "#: fits more than one of the forms that it may have"},
        {"{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"},\"n\":{\"type\":\"integer\"}}},"
         "{\"properties\":{\"k\":{\"const\":\"b\"}}}]}",
         "{\"k\":\"a\",\"n\":\"x\"}", "#/n: want a whole number"},
        {"{\"allOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}", "{\"a\":1}",
         "#/b: is required"},
        {"{\"type\":\"string\",\"pattern\":\"^[a-z]{2}$\"}", "\"aB\"",
         "#: has characters or a form that are not taken here"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 20);
        struct str got = checked(a, cases[i].schema, cases[i].value);
        if (!str_eq_c(got, cases[i].want))
            fail_msg("%s %s: '%.*s'", cases[i].schema, cases[i].value, STR_ARG(got));
    }
}

static void what_is_not_understood_is_refused_at_start(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"type\":\"text\"}",
        "{\"typ\":\"string\"}",
        "{\"format\":\"ipv4\"}",
        "{\"pattern\":\"a|b\"}",
        "{\"minLength\":-1}",
        "{\"$ref\":\"#/components/schemas/Nobody\"}",
        "{\"$ref\":\"other.yaml\"}",
        "{\"properties\":{\"a\":{\"multipleOf\":2}}}",
        "{\"oneOf\":[]}",
        "{\"required\":\"a\"}",
        "3",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        auto_arena a = arena_new(1 << 20);
        struct err err = {0};
        struct api_schemas *s = api_schemas_new(a, json_parse(a, str_of(components), &err));
        if (api_schema_new(s, json_parse(a, str_of(bad[i]), &err), STR("test"), &err))
            fail_msg("%s", bad[i]);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void parameters_are_texts(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *text;
        bool ok;
    } cases[] = {
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":100}", "50", true},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":100}", "101", false},
        {"{\"type\":\"integer\"}", "1.0", false},
        {"{\"type\":\"integer\"}", "+1", false},
        {"{\"type\":\"integer\"}", "99999999999999999999", false},
        {"{\"type\":\"boolean\"}", "true", true},
        {"{\"type\":\"boolean\"}", "1", false},
        {"{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "b", true},
        {"{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", "c", false},
        {"{\"type\":\"array\",\"maxItems\":2,\"items\":{\"enum\":[\"a\",\"b\"]}}", "a,b", true},
        {"{\"type\":\"array\",\"maxItems\":2,\"items\":{\"enum\":[\"a\",\"b\"]}}", "a,c", false},
        {"{\"type\":\"array\",\"maxItems\":2,\"items\":{\"enum\":[\"a\",\"b\"]}}", "a,b,a", false},
        {"{\"$ref\":\"#/components/schemas/Name\"}", "abcd", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(1 << 20);
        struct err err = {0};
        struct api_violations out = {.a = a};
        struct api_schemas *s = api_schemas_new(a, json_parse(a, str_of(components), &err));
        const struct api_schema *x =
            api_schema_new(s, json_parse(a, str_of(cases[i].schema), &err), STR("test"), &err);
        assert_non_null(x);
        bool ok = api_check_text(x, str_of(cases[i].text), STR("p"), &out);
        if (ok != cases[i].ok || (!ok && !str_eq_c(out.list[0].parameter, "p")))
            fail_msg("%s %s", cases[i].schema, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_judged_and_the_place_is_told),
        cmocka_unit_test(what_is_not_understood_is_refused_at_start),
        cmocka_unit_test(parameters_are_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

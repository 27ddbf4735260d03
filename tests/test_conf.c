/* SPDX-License-Identifier: MIT */
/* hookspool.conf: where mistakes are reported, what is literal, and what an adapter makes
 * of a file with mistakes. */
#include "config.h"

#include "alloc_fail.h"
#include "conf.h"
#include "scratch.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int make_scratch(void **state) {
    (void)state;
    scratch_make();
    return 0;
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

static const char *write_conf(const char *text) {
    return scratch_write("hookspool.conf", text, strlen(text));
}

/* The keys that adapters and daemon share, and endpoints of two keys. */
static cfg_t *strict_cfg(void) {
    static cfg_opt_t endpoint[] = {CFG_STR("url", "", CFGF_NONE),
                                   CFG_STR_LIST("events", "{}", CFGF_NONE), CFG_END()};
    cfg_opt_t options[] = {HSP_CONF_SHARED_OPTIONS,
                           CFG_SEC("endpoint", endpoint, CFGF_MULTI | CFGF_TITLE),
                           CFG_END()};
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    assert_non_null(cfg);
    hsp_conf_guard_shared(cfg);
    return cfg;
}

/* Parse `text`; `error` is the expected text behind the path, NULL for none. */
static cfg_t *parse(const char *text, const char *error) {
    const char *path = write_conf(text);
    cfg_t *cfg = strict_cfg();
    struct hs_error err = {0};
    const enum hs_status status = hsp_conf_parse(cfg, path, &err);
    if (error == NULL) {
        if (status != HS_OK)
            fail_msg("'%s' for %s", err.text, text);
        return cfg;
    }
    char expected[512];
    snprintf(expected, sizeof expected, "%s:%s", path, error);
    if (status != HS_E_CONFIG || strcmp(err.text, expected) != 0)
        fail_msg("'%s', not '%s', for %s", err.text, expected, text);
    assert_int_equal(err.status, HS_E_CONFIG);
    return cfg;
}

static void test_mistakes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"spool_dir = \"x\"\n", "1: spool_dir: 'x' is not allowed; an absolute path is"},
        {"spool_dir = \"\"\n", "1: spool_dir: '' is not allowed; an absolute path is"},
        {"\n\nwarning_is = maybe\n",
         "3: warning_is: 'maybe' is not allowed; \"up\" or \"down\" is"},
        {"min_free = \"100%\"",
         "1: min_free: '100%' is not allowed; 0% to 99% or a size is"},
        {"max_payload = 1023",
         "1: max_payload: '1023' is not allowed; a size from 1K to 1M is"},
        {"max_payload = 2M",
         "1: max_payload: '2M' is not allowed; a size from 1K to 1M is"},
        {"monitor_name = ''",
         "1: monitor_name: '' is not allowed; a text that is not empty is"},
        {"nonsense = 1\n", "1: no such option 'nonsense'"},
        {"site \"x\"\n", "1: missing equal sign after option 'site'"},
        {"site = \"x\n\n", "1: unterminated string"},
        {"\nsite = 'x\ny\n", "2: unterminated string"},
        {"site = \"x\\", "1: unterminated string"},
        {"site = \"x\\\"\n", "1: unterminated string"},
        {"\n/* x\n\n", "2: unterminated comment"},
        {"/*/", "1: unterminated comment"},
        {"\nendpoint \"a\" {\n  url = \"x\"\n\nendpoint \"b\" {\n}\n",
         "2: '{' without a '}'"},
        {"endpoint \"a\" {\n}\n}\n", "3: '}' without a '{'"},
        {"endpoint {\n}\n", "1: missing title for section 'endpoint'"},
        {"endpoint \"a\" {\n  urk = \"x\"\n}\n", "2: no such option 'urk'"},
        {"site = ${HOME}\n", "1: '${' must stand in quotes"},
        {"\nsite = a${HOME}\n", "2: '${' must stand in quotes"},
        {"site = \"\\400\"", "1: bad escape in a string"},
        {"site = \"\n\\8\"", "2: bad escape in a string"},
        {"site = \"\\1234\"", "1: bad escape in a string"},
        {"site = \"\\0\"", "1: bad escape in a string"},
        {"site =", "1: premature end of file"},
        /* Lines count once each, whatever stands in them. */
        {"# one\n# two\nbad = 1\n", "3: no such option 'bad'"},
        {"// one\n// \"two\n\nbad = 1\n", "4: no such option 'bad'"},
        {"/* one\n two 'x\n */ /* \" */\nbad = 1\n", "4: no such option 'bad'"},
        {"site = \"one\ntwo\"\nbad = 1\n", "3: no such option 'bad'"},
        {"site = 'one\n\\\ntwo'\nbad = 1\n", "4: no such option 'bad'"},
        {"site = \"one\\\ntwo\"\nbad = 1\n", "3: no such option 'bad'"},
        {"endpoint \"a\" { # x\n  events = { \"b\", # y\n   \"c\" }\n  /* z */\n}\n"
         "bad = 1\n",
         "6: no such option 'bad'"},
        {"\r\nsite = \"x\"\r\nbad = 1\r\n", "3: no such option 'bad'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cfg_free(parse(cases[i].text, cases[i].error));
}

static void test_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *site;
    } cases[] = {
        {"", ""},
        {"\n", ""},
        {"# only a comment", ""},
        {"site = \"x\"", "x"},
        {"site = 'x'", "x"},
        {"site=x", "x"},
        {"site = a/b:c", "a/b:c"},
        {"site = http://x//y # z", "http://x//y"},
        {"site = x# y", "x"},
        {"site = x/* y */", "x"},
        {"site = \"# // /* x */\"", "# // /* x */"},
        {"site = '# // /* x */'", "# // /* x */"},
        {"site = \"${HOME} $ {\"", "${HOME} $ {"},
        {"site = '${HOME}'", "${HOME}"},
        {"site = \"\\${HOME}\"", "${HOME}"},
        {"site = \"\\\\${HOME}\"", "\\${HOME}"},
        {"site = \"a\\\"b\\n\\t\\\\\\101\\x41\"", "a\"b\n\t\\AA"},
        {"site = 'a\\'b\\n\\\\'", "a'b\\n\\"},
        {"site = \"a\" site = \"b\"", "b"},
        {"site = \"gr\xC3\xBC\xC3\x9F\"", "gr\xC3\xBC\xC3\x9F"},
        {"site = \"{\" endpoint \"}\" { url = '}' }", "{"},
    };
    setenv("HOME", "/expanded", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cfg_t *cfg = parse(cases[i].text, NULL);
        assert_string_equal(cfg_getstr(cfg, "site"), cases[i].site);
        cfg_free(cfg);
    }
}

static void test_endpoints(void **state) {
    (void)state;
    cfg_t *cfg = parse("endpoint \"a\" { # first\n"
                       "  url = \"https://x/${y}\" // not a comment of the URL\n"
                       "  events = { \"incident\", /* and */\n \"recovery\" }\n"
                       "}\n"
                       "endpoint b { url = 'c' }\n",
                       NULL);
    assert_int_equal(cfg_size(cfg, "endpoint"), 2);
    cfg_t *first = cfg_getnsec(cfg, "endpoint", 0);
    assert_string_equal(cfg_title(first), "a");
    assert_string_equal(cfg_getstr(first, "url"), "https://x/${y}");
    assert_int_equal(cfg_size(first, "events"), 2);
    assert_string_equal(cfg_getnstr(first, "events", 1), "recovery");
    assert_string_equal(cfg_title(cfg_getnsec(cfg, "endpoint", 1)), "b");
    cfg_free(cfg);
}

static void test_unreadable(void **state) {
    (void)state;
    struct hs_error err = {0};
    cfg_t *cfg = strict_cfg();
    assert_int_equal(hsp_conf_parse(cfg, "/nonexistent/x.conf", &err), HS_E_IO);
    assert_string_equal(err.text, "open /nonexistent/x.conf: No such file or directory");
    err = (struct hs_error){0};
    assert_int_equal(hsp_conf_parse(cfg, "/", &err), HS_E_IO);
    assert_string_equal(err.text, "read /: Is a directory");
    const char *path = scratch_write("nul.conf", "\nsite = \"x\"\n\0\n", 14);
    err = (struct hs_error){0};
    assert_int_equal(hsp_conf_parse(cfg, path, &err), HS_E_CONFIG);
    assert_non_null(strstr(err.text, ":3: NUL byte"));
    cfg_free(cfg);
}

static void test_too_long(void **state) {
    (void)state;
    const size_t length = 1024 * 1024 + 1;
    char *text = malloc(length);
    assert_non_null(text);
    memset(text, '\n', length);
    struct hs_error err = {0};
    cfg_t *cfg = strict_cfg();
    assert_int_equal(
        hsp_conf_parse(cfg, scratch_write("long.conf", text, length - 1), &err), HS_OK);
    assert_int_equal(hsp_conf_parse(cfg, scratch_write("long.conf", text, length), &err),
                     HS_E_CONFIG);
    assert_non_null(strstr(err.text, "longer than 1 MB"));
    cfg_free(cfg);
    free(text);
}

/* What an adapter gets from a file, and what it is warned of: the text behind the path,
 * NULL for nothing. */
static const struct {
    const char *text;
    const char *spool_dir;
    const char *site;
    const char *warning;
} loads[] = {
    {"", HSP_DEFAULT_SPOOL_DIR, "", NULL},
    {"spool_dir = \"/s\"\nsite = \"x\"\n", "/s", "x", NULL},
    {"spool_dir = \"/s//\"\n", "/s", "", NULL},
    {"spool_dir = \"/\"\n", "/", "", NULL},
    {"site = \"caf\xE9\"\n", HSP_DEFAULT_SPOOL_DIR, "caf\xEF\xBF\xBD", NULL},
    /* The daemon's keys and blocks are none of its business. */
    {"fold = \"10m\"\nspool_dir = \"/s\"\njournal = \"/j\"\n", "/s", "", NULL},
    {"list = { 1, 2 }\nspool_dir = \"/s\"\n", "/s", "", NULL},
    {"endpoint \"a\" {\n  url = \"x\"\n  site = \"inner\"\n}\nspool_dir = \"/s\"\n", "/s",
     "", NULL},
    {"endpoint a { }\nother { }\nspool_dir = \"/s\"\n", "/s", "", NULL},
    {"other \"t\" { a = 1 b { c = { 2, 3 } } d = \"}\" }\nspool_dir = \"/s\"\n", "/s", "",
     NULL},
    {"site = x endpoint 'a' { url = '}' } spool_dir = \"/s\"", "/s", "x", NULL},
    {"endpoint \"a\" { whatever it says, unread = = }\nspool_dir = \"/s\"\n", "/s", "",
     NULL},
    {"template \"a\" { text = \"{{ \\\" }} ${x}\" }\nspool_dir = \"/s\"\n", "/s", "",
     NULL},
    /* A mistake: line by line. */
    {"spool_dir = \"/s\"\nendpoint \"a\" {\n  url = \"x\n}\nsite = 'x'\n", "/s", "x",
     "3: unterminated string"},
    {"spool_dir = \"/s\"\nendpoint \"a\" {\nsite = \"x\" # y\n", "/s", "x",
     "2: '{' without a '}'"},
    {"fold \"10m\"\nspool_dir = \"/s\"\nsite=x\n", "/s", "x",
     "2: unexpected token 'spool_dir'"},
    {"spool_dir = \"relative\"\nsite = \"x\"\n", HSP_DEFAULT_SPOOL_DIR, "x",
     "1: spool_dir: 'relative' is not allowed; an absolute path is"},
    {"spool_dir = \"/s\"\nspool_dir = \"relative\"\n", "/s", "",
     "2: spool_dir: 'relative' is not allowed; an absolute path is"},
    {"warning_is = \"maybe\"\nspool_dir\t=\t\"/s\"\r\nsite = \"x\" \n", "/s", "x",
     "1: warning_is: 'maybe' is not allowed; \"up\" or \"down\" is"},
    {"spool_dir = \"/s\nsite = \"x\"\n", HSP_DEFAULT_SPOOL_DIR, "x",
     "2: unterminated string"},
    {"/* spool_dir\nspool_dir = \"/s\"\n", "/s", "", "1: unterminated comment"},
    {"{\n  spool_dir = \"/s\"\n#spool_dir = \"/t\"\nspool_dirs = \"/t\"\nspool_dir\n",
     HSP_DEFAULT_SPOOL_DIR, "", "1: '{' without a '}'"},
    {"site = ${x}\nspool_dir = \"/s\"", "/s", "", "1: '${' must stand in quotes"},
};

static void test_load(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        const char *path = write_conf(loads[i].text);
        struct hs_config *config = NULL;
        struct hs_error err = {0};
        assert_int_equal(hs_config_load(&config, path, &err), HS_OK);
        assert_int_equal(err.status, HS_OK);
        const char *warning = hs_config_warning(config);
        char expected[512];
        snprintf(expected, sizeof expected, "%s:%s", path,
                 loads[i].warning == NULL ? "" : loads[i].warning);
        if (loads[i].warning == NULL ? warning != NULL
                                     : warning == NULL || strcmp(warning, expected) != 0)
            fail_msg("warning '%s' for %s", warning, loads[i].text);
        if (strcmp(hs_config_spool_dir(config), loads[i].spool_dir) != 0)
            fail_msg("spool '%s' for %s", hs_config_spool_dir(config), loads[i].text);
        assert_string_equal(hs_config_site(config), loads[i].site);
        hs_config_free(config);
    }
}

static void test_load_defaults(void **state) {
    (void)state;
    struct hs_config *config = NULL;
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    assert_int_equal(hs_config_load(&config, write_conf(""), NULL), HS_OK);
    assert_string_equal(hs_config_region(config), host);
    assert_string_equal(hs_config_monitor_name(config), "{host}/{service}");
    assert_int_equal(hs_config_warning_is(config), HS_STATE_DOWN);
    assert_int_equal(hsp_config_max_payload(config), 102399);
    assert_int_equal(hsp_config_min_free(config).percent, 5);
    assert_int_equal(hsp_config_min_free(config).bytes, -1);
    hs_config_free(config);
    hs_config_free(NULL);
}

static void test_load_all_keys(void **state) {
    (void)state;
    struct hs_config *config = NULL;
    const char *path = write_conf("region = \"r\" warning_is = up max_payload = 1M\n"
                                  "min_free = 10M monitor_name = \"{host}\"\n");
    assert_int_equal(hs_config_load(&config, path, NULL), HS_OK);
    assert_null(hs_config_warning(config));
    assert_string_equal(hs_config_region(config), "r");
    assert_string_equal(hs_config_monitor_name(config), "{host}");
    assert_int_equal(hs_config_warning_is(config), HS_STATE_UP);
    assert_int_equal(hsp_config_max_payload(config), 1048576);
    assert_int_equal(hsp_config_min_free(config).percent, -1);
    assert_int_equal(hsp_config_min_free(config).bytes, 10485760);
    hs_config_free(config);
}

static void check_warning(const char *path, const char *expected) {
    struct hs_config *config = NULL;
    assert_int_equal(hs_config_load(&config, path, NULL), HS_OK);
    assert_string_equal(hs_config_spool_dir(config), HSP_DEFAULT_SPOOL_DIR);
    if (expected == NULL)
        assert_null(hs_config_warning(config));
    else
        assert_string_equal(hs_config_warning(config), expected);
    hs_config_free(config);
}

static void test_missing_files(void **state) {
    (void)state;
    static const char missing[] = "open /nonexistent/x: No such file or directory";
    unsetenv("HOOKSPOOL_CONFIG");
    assert_string_equal(hsp_conf_path(NULL), HSP_DEFAULT_CONFIG);
    if (access(HSP_DEFAULT_CONFIG, F_OK) != 0)
        check_warning(NULL, NULL);
    check_warning("/nonexistent/x", missing);
    setenv("HOOKSPOOL_CONFIG", "/nonexistent/x", 1);
    assert_string_equal(hsp_conf_path(NULL), "/nonexistent/x");
    assert_string_equal(hsp_conf_path("/y"), "/y");
    check_warning(NULL, missing);
    check_warning("/", "read /: Is a directory");
    setenv("HOOKSPOOL_CONFIG", "", 1);
    assert_string_equal(hsp_conf_path(NULL), HSP_DEFAULT_CONFIG);
    unsetenv("HOOKSPOOL_CONFIG");
}

static void test_set_spool_dir(void **state) {
    (void)state;
    struct hs_config *config = NULL;
    struct hs_error err = {0};
    assert_int_equal(hs_config_load(&config, write_conf("spool_dir='/s'"), NULL), HS_OK);
    assert_int_equal(hs_config_set_spool_dir(config, "x/y", &err), HS_E_CONFIG);
    assert_string_equal(err.text, "spool_dir: 'x/y' is not allowed; an absolute path is");
    assert_int_equal(hs_config_set_spool_dir(config, "", NULL), HS_E_CONFIG);
    assert_string_equal(hs_config_spool_dir(config), "/s");
    assert_int_equal(hs_config_set_spool_dir(config, "/t/", NULL), HS_OK);
    assert_string_equal(hs_config_spool_dir(config), "/t");
    hs_config_free(config);
}

static enum hs_status load_and_free(void *path, struct hs_error *err) {
    struct hs_config *config = NULL;
    const enum hs_status status = hs_config_load(&config, path, err);
    assert_int_equal(config != NULL, status == HS_OK);
    hs_config_free(config);
    return status;
}

static enum hs_status set_dir(void *config, struct hs_error *err) {
    return hs_config_set_spool_dir(config, "/somewhere", err);
}

static enum hs_status parse_and_free(void *path, struct hs_error *err) {
    cfg_t *cfg = strict_cfg();
    const enum hs_status status = hsp_conf_parse(cfg, path, err);
    cfg_free(cfg);
    return status;
}

static void test_without_memory(void **state) {
    (void)state;
    char path[SCRATCH_PATH_MAX];
    snprintf(path, sizeof path, "%s", write_conf("spool_dir = \"/s\"\n"));
    struct hs_config *config = NULL;
    alloc_fail_each(load_and_free, path);
    alloc_fail_each(parse_and_free, path);
    assert_int_equal(hs_config_load(&config, path, NULL), HS_OK);
    alloc_fail_each(set_dir, config);
    hs_config_free(config);
    write_conf("spool_dir = \"/s\"\nwarning_is = \"maybe\"\n");
    alloc_fail_each(load_and_free, path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_endpoints),      cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_too_long),       cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_defaults),  cmocka_unit_test(test_load_all_keys),
        cmocka_unit_test(test_missing_files),  cmocka_unit_test(test_set_spool_dir),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}

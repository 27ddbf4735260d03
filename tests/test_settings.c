/* SPDX-License-Identifier: MIT */
/* The daemon's settings: defaults, every key, every mistake with its line, the files of
 * endpoints.d, and how URLs are shown and judged. */
#include "config.h"

#include "alloc_fail.h"
#include "delivery/settings.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NEEDED "url = \"https://h/\"\nsecret_file = \"/s\"\n"

/* Files
 * ------------------------------------------------------------------------------------ */

static const char *folder;

static int setup(void **state) {
    (void)state;
    folder = scratch_make();
    unsetenv("HOOKSPOOL_CONFIG");
    return chdir(folder) != 0 || chmod(folder, 0755) != 0;
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return chdir("/");
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct hsp_settings *load(void) {
    struct hsp_settings *settings = NULL;
    struct hs_error err = {0};
    if (hsp_settings_load(&settings, "c.conf", &err) != HS_OK)
        fail_msg("%s", err.text);
    return settings;
}

static struct hsp_settings *load_text(const char *text) {
    write_file("c.conf", text);
    return load();
}

/* `fragments` stand in the error one after the other. */
static void check_refused(enum hs_status expected, const char *const *fragments) {
    struct hsp_settings *settings = NULL;
    struct hs_error err = {0};
    assert_int_equal(hsp_settings_load(&settings, "c.conf", &err), expected);
    assert_null(settings);
    assert_int_equal(err.status, expected);
    const char *at = err.text;
    for (; *fragments != NULL; fragments++) {
        at = strstr(at, *fragments);
        if (at == NULL)
            fail_msg("\"%s\" lacks \"%s\"", err.text, *fragments);
        at += strlen(*fragments);
    }
    assert_null(strchr(err.text, '\n'));
}

/* What is taken
 * ------------------------------------------------------------------------------------ */

static void test_empty_file(void **state) {
    (void)state;
    struct hsp_settings *settings = load_text("");
    assert_string_equal(settings->path, "c.conf");
    assert_string_equal(settings->spool_dir, HSP_DEFAULT_SPOOL_DIR);
    assert_string_equal(settings->journal, HSP_DEFAULT_JOURNAL);
    assert_int_equal(settings->journal_max_bytes, 100 * 1024 * 1024);
    assert_string_equal(settings->log, "stderr");
    assert_int_equal(settings->fold_ms, 10 * 60 * 1000);
    assert_int_equal(settings->min_free.percent, 5);
    assert_int_equal(settings->min_free.bytes, -1);
    assert_int_equal(settings->endpoint_count, 0);
    hsp_settings_free(settings);
    hsp_settings_free(NULL);
}

static void test_defaults_of_an_endpoint(void **state) {
    (void)state;
    struct hsp_settings *settings = load_text("endpoint \"statuspage\" {\n" NEEDED "}\n");
    assert_int_equal(settings->endpoint_count, 1);
    const struct hsp_endpoint_settings *endpoint = &settings->endpoints[0];
    assert_string_equal(endpoint->name, "statuspage");
    assert_string_equal(endpoint->url, "https://h/");
    assert_string_equal(endpoint->shown_url, "https://h/");
    assert_false(endpoint->url_is_secret);
    assert_string_equal(endpoint->secret_files[0], "/s");
    assert_null(endpoint->secret_files[1]);
    assert_int_equal(endpoint->events, 1u << HS_KIND_INCIDENT | 1u << HS_KIND_RECOVERY);
    assert_int_equal(endpoint->retries, 5);
    assert_int_equal(endpoint->backoff_ms, 10000);
    assert_int_equal(endpoint->backoff_max_ms, 3600000);
    assert_int_equal(endpoint->probe_max_ms, 60000);
    assert_int_equal(endpoint->timeout_ms, 30000);
    assert_int_equal(endpoint->connect_timeout_ms, 10000);
    assert_int_equal(endpoint->connections, 8);
    assert_int_equal(endpoint->rate.count, 100);
    assert_int_equal(endpoint->rate.window_ms, 60000);
    assert_int_equal(endpoint->max_age_ms, INT64_C(3) * 86400 * 1000);
    assert_int_equal(endpoint->outage, HSP_OUTAGE_WAIT);
    assert_int_equal(endpoint->max_queued, 1000000);
    assert_int_equal(endpoint->max_queued_bytes, 1 << 30);
    assert_int_equal(endpoint->max_dead, 10000);
    assert_int_equal(endpoint->max_dead_bytes, 100 << 20);
    assert_false(endpoint->standard_webhooks);
    assert_false(endpoint->allow_http);
    assert_null(endpoint->ca_file);
    assert_null(endpoint->cert_file);
    assert_null(endpoint->key_file);
    assert_null(endpoint->proxy);
    assert_null(endpoint->source_address);
    hsp_settings_free(settings);
}

static void test_every_key(void **state) {
    (void)state;
    struct hsp_settings *settings = load_text(
        "spool_dir = \"/tmp/spool\"\nsite = x\nregion = y\nwarning_is = up\n"
        "max_payload = 1M\nmin_free = 10M\n"
        "journal = \"/tmp/${HOME}.jsonl\"\njournal_max = 1M\nlog = syslog\nfold = "
        "\"0s\"\n"
        "endpoint \"A.b-c_9\" {\n"
        "url = \"http://user:pw@h.example:81/p?q=1\"\n"
        "secret_file = { \"cred\", \"/b\", \"/c\", \"/d\" }\n"
        "events = { acknowledgement, downtime, flapping, custom, test, other }\n"
        "retries = 0\nbackoff = 1ms\nbackoff_max = 7d\nprobe_max = 2h\n"
        "timeout = 5s\nconnect_timeout = 4s\nconnections = 256\n"
        "rate_limit = none\nmax_age = 1h\noutage = count\nmax_queued = 1\n"
        "max_queued_size = 2K\nmax_dead = 3\nmax_dead_size = 4\n"
        "standard_webhooks = yes\nallow_http = on\nca_file = \"/ca\"\n"
        "cert_file = \"/cert\"\nkey_file = \"/key\"\n"
        "proxy = \"socks5h://u:p@proxy:1080\"\nsource_address = \"192.0.2.1\"\n"
        "}\n");
    assert_string_equal(settings->spool_dir, "/tmp/spool");
    assert_string_equal(settings->journal, "/tmp/${HOME}.jsonl");
    assert_int_equal(settings->journal_max_bytes, 1 << 20);
    assert_string_equal(settings->log, "syslog");
    assert_int_equal(settings->fold_ms, 0);
    assert_int_equal(settings->min_free.percent, -1);
    assert_int_equal(settings->min_free.bytes, 10 << 20);
    const struct hsp_endpoint_settings *endpoint = &settings->endpoints[0];
    assert_string_equal(endpoint->name, "A.b-c_9");
    assert_string_equal(endpoint->url, "http://user:pw@h.example:81/p?q=1");
    assert_string_equal(endpoint->shown_url, "http://***@h.example:81/p?***");
    assert_string_equal(endpoint->secret_files[0], "cred");
    assert_string_equal(endpoint->secret_files[3], "/d");
    assert_int_equal(endpoint->events, 1u << HS_KIND_ACKNOWLEDGEMENT |
                                           1u << HS_KIND_DOWNTIME |
                                           1u << HS_KIND_FLAPPING | 1u << HS_KIND_CUSTOM |
                                           1u << HS_KIND_TEST | 1u << HS_KIND_OTHER);
    assert_int_equal(endpoint->retries, 0);
    assert_int_equal(endpoint->backoff_ms, 1);
    assert_int_equal(endpoint->backoff_max_ms, 7 * 86400 * 1000);
    assert_int_equal(endpoint->probe_max_ms, 2 * 3600 * 1000);
    assert_int_equal(endpoint->timeout_ms, 5000);
    assert_int_equal(endpoint->connect_timeout_ms, 4000);
    assert_int_equal(endpoint->connections, 256);
    assert_int_equal(endpoint->rate.count, 0);
    assert_int_equal(endpoint->max_age_ms, 3600 * 1000);
    assert_int_equal(endpoint->outage, HSP_OUTAGE_COUNT);
    assert_int_equal(endpoint->max_queued, 1);
    assert_int_equal(endpoint->max_queued_bytes, 2048);
    assert_int_equal(endpoint->max_dead, 3);
    assert_int_equal(endpoint->max_dead_bytes, 4);
    assert_true(endpoint->standard_webhooks);
    assert_true(endpoint->allow_http);
    assert_string_equal(endpoint->ca_file, "/ca");
    assert_string_equal(endpoint->cert_file, "/cert");
    assert_string_equal(endpoint->key_file, "/key");
    assert_string_equal(endpoint->proxy, "socks5h://u:p@proxy:1080");
    assert_string_equal(endpoint->source_address, "192.0.2.1");
    hsp_settings_free(settings);
}

/* The later of two assignments holds; "+=" adds to a list, its default included. */
static void test_assignments(void **state) {
    (void)state;
    struct hsp_settings *settings =
        load_text("endpoint a {\n" NEEDED
                  "retries = 1\nretries = 2\nsecret_file = \"/t\"\nevents += test\n}\n");
    assert_int_equal(settings->endpoints[0].retries, 2);
    assert_string_equal(settings->endpoints[0].secret_files[0], "/t");
    assert_null(settings->endpoints[0].secret_files[1]);
    assert_int_equal(settings->endpoints[0].events, 1u << HS_KIND_INCIDENT |
                                                        1u << HS_KIND_RECOVERY |
                                                        1u << HS_KIND_TEST);
    hsp_settings_free(settings);
}

static void test_path(void **state) {
    struct hsp_settings *settings = NULL;
    char path[SCRATCH_PATH_MAX];
    (void)state;
    snprintf(path, sizeof(path), "%s/d/c.conf", folder);
    assert_int_equal(mkdir("d", 0700), 0);
    assert_int_equal(mkdir("d/endpoints.d", 0700), 0);
    write_file("d/c.conf", "");
    write_file("d/endpoints.d/a.conf", "endpoint a {\n" NEEDED "}\n");
    setenv("HOOKSPOOL_CONFIG", path, 1);
    assert_int_equal(hsp_settings_load(&settings, NULL, NULL), HS_OK);
    assert_string_equal(settings->path, path);
    assert_int_equal(settings->endpoint_count, 1);
    hsp_settings_free(settings);
}

/* Mistakes
 * ------------------------------------------------------------------------------------ */

static void test_wrong_keys_at_the_top(void **state) {
    static const char *const cases[][3] = {
        {"journal = \"log\"", "journal: 'log'", "absolute path"},
        {"journal = \"\"", "journal: ''", "absolute path"},
        {"log = \"file.log\"", "log: 'file.log'", "stderr, syslog or an absolute path"},
        {"log = \"\"", "log: ''", "stderr, syslog or an absolute path"},
        {"journal_max = 1", "journal_max: '1'", "a size from 64K"},
        {"journal_max = lots", "journal_max: 'lots'", "a size from 64K"},
        {"fold = 10", "fold: '10'", "a duration from 0s to 7d"},
        {"fold = 8d", "fold: '8d'", "a duration from 0s to 7d"},
        {"spool_dir = spool", "spool_dir", "absolute path"},
        {"min_free = \"100%\"", "min_free", "%"},
        {"warning_is = maybe", "warning_is", "down"},
        {"colour = green", "", "colour"},
        {"journal = { \"/a\" }", "", ""},
        {"fold 10m", "", "fold"},
        {"endpoint { }", "", "endpoint"},
        {"}", "", ""},
        {"endpoint a {", "", "{"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "# first\n/* second */\n\n%s\n", cases[i][0]);
        write_file("c.conf", text);
        check_refused(HS_E_CONFIG, (const char *const[]){"c.conf:4: ", cases[i][1],
                                                         cases[i][2], NULL});
    }
}

static void test_wrong_keys_of_an_endpoint(void **state) {
    static const char *const cases[][3] = {
        {"url = \"ftp://h/\"", "url: 'ftp://h/'", "https://"},
        {"url = \"h\"", "url: '***'", "https://"},
        {"url = \"https:///x\"", "url: ", "https://"},
        {"url = \"https://:80/x\"", "url: ", "https://"},
        {"url = \"https://u:geheim@h/ x\"", "url: 'https://***@h/ x'", "https://"},
        {"url = \"https://h/\\nx\"", "url: ", "https://"},
        {"url = \"https://h/\\x7f\"", "url: ", "https://"},
        {"url = \"https://127.0.0.1\\\\@h/\"", "url: ", "https://"},
        {"url = \"\"", "url: ", "https://"},
        {"url_file = x", "url_file: 'x'", "absolute path"},
        {"secret_file = { a, b, c, d, e }", "secret_file: 'e'", "one to four"},
        {"secret_file = \"\"", "secret_file: ''", "one to four"},
        {"secret_file = \"a b\"", "secret_file: 'a b'", "one to four"},
        {"events = incidents", "events: 'incidents'", "incident, recovery"},
        {"events = { test, unchanged }", "events: 'unchanged'", "incident, recovery"},
        {"retries = x", "retries: 'x'", "0 to 100"},
        {"retries = \"x\"", "retries: 'x'", "0 to 100"},
        {"retries = \"\"", "retries: ''", "0 to 100"},
        {"retries = -1", "retries: '-1'", "0 to 100"},
        {"retries = 101", "retries: '101'", "0 to 100"},
        {"retries = 1K", "retries: '1K'", "0 to 100"},
        {"retries = 1.5", "retries: '1.5'", "0 to 100"},
        {"retries = 99999999999999999999", "retries: '9", "0 to 100"},
        {"backoff = 0s", "backoff: '0s'", "1ms to 7d"},
        {"backoff = 10", "backoff: '10'", "1ms to 7d"},
        {"backoff_max = 8d", "backoff_max: '8d'", "1ms to 7d"},
        {"probe_max = -1s", "probe_max: '-1s'", "1ms to 7d"},
        {"timeout = 0ms", "timeout: '0ms'", "1ms to 1d"},
        {"connect_timeout = 2d", "connect_timeout: '2d'", "1ms to 1d"},
        {"connections = 0", "connections: '0'", "1 to 256"},
        {"connections = 257", "connections: '257'", "1 to 256"},
        {"rate_limit = 100", "rate_limit: '100'", "N/min"},
        {"rate_limit = 0/s", "rate_limit: '0/s'", "N/min"},
        {"max_age = 0s", "max_age: '0s'", "3650d"},
        {"outage = ignore", "outage: 'ignore'", "wait or count"},
        {"max_queued = 0", "max_queued: '0'", "whole number"},
        {"max_queued = 1K", "max_queued: '1K'", "whole number"},
        {"max_queued_size = 0", "max_queued_size: '0'", "size"},
        {"max_dead = 0", "max_dead: '0'", "whole number"},
        {"max_dead_size = x", "max_dead_size: 'x'", "size"},
        {"standard_webhooks = 1", "standard_webhooks: '1'", "true or false"},
        {"allow_http = maybe", "allow_http: 'maybe'", "true or false"},
        {"ca_file = ca", "ca_file: 'ca'", "absolute path"},
        {"cert_file = \"c\"", "cert_file: 'c'", "absolute path"},
        {"key_file = \"\"", "key_file: ''", "absolute path"},
        {"key_file = \"/a\\tb\"", "key_file: ", "absolute path"},
        {"proxy = \"proxy:3128\"", "proxy: ", "socks5h"},
        {"proxy = \"ftp://u:geheim@proxy\"", "proxy: 'ftp://***@proxy'", "socks5h"},
        {"proxy = \"http://\"", "proxy: ", "socks5h"},
        {"source_address = \"a b\"", "source_address: 'a b'", "address"},
        {"source_address = \"\"", "source_address: ''", "address"},
        {"colour = green", "", "colour"},
        {"retries = { 1, 2 }", "", ""},
        {"retries 1", "", "retries"},
        {"url = { \"https://a/\", \"https://b/\" }", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "# first\nendpoint a {\n" NEEDED "%s\nretries = 1\n}\n", cases[i][0]);
        write_file("c.conf", text);
        check_refused(HS_E_CONFIG, (const char *const[]){"c.conf:5: ", cases[i][1],
                                                         cases[i][2], NULL});
    }
}

/* Mistakes of a whole block are reported at its closing brace. */
static void test_wrong_blocks(void **state) {
    static const char *const cases[][3] = {
        {"endpoint a {\n\n\n}", "endpoint 'a': url", "url_file"},
        {"endpoint a {\nurl = \"https://h/\"\n\n}", "endpoint 'a': secret_file",
         "needed"},
        {"endpoint a {\n" NEEDED "url_file = \"/u\" }", "endpoint 'a': url",
         "exactly one"},
        {"endpoint a {\nsecret_file = \"/s\"\n\n}", "endpoint 'a': url", "exactly one"},
        {"endpoint a {\n" NEEDED "events = { } }", "endpoint 'a': events",
         "at least one"},
        {"endpoint a {\n" NEEDED "key_file = \"/k\" }", "endpoint 'a': key_file",
         "cert_file"},
        {"endpoint a {\nurl = \"http://h/\"\nsecret_file = \"/s\"\n}",
         "endpoint 'a': url: http://", "allow_http = true"},
        {"endpoint \"a b\" {\n" NEEDED "}", "endpoint 'a b': the name", "A-Z"},
        {"endpoint \"\" {\n" NEEDED "}", "endpoint '': the name", "A-Z"},
        {"endpoint a {\n" NEEDED "}\nendpoint b {" NEEDED "}\nendpoint a {" NEEDED "}",
         "endpoint 'a': the block that ends at c.conf:4", "this name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[32];
        int lines = 1;
        for (const char *at = cases[i][0]; *at != '\0'; at++)
            lines += *at == '\n';
        write_file("c.conf", cases[i][0]);
        snprintf(line, sizeof(line), "c.conf:%d: ", lines);
        check_refused(HS_E_CONFIG,
                      (const char *const[]){line, cases[i][1], cases[i][2], NULL});
    }
}

static void test_http(void **state) {
    static const char *const allowed[] = {"url = \"http://127.0.0.1:8080/x\"",
                                          "url = \"http://localhost/x\"",
                                          "url = \"http://[::1]:80/\"",
                                          "url = \"HTTPS://h/\"",
                                          "allow_http = true\nurl = \"http://h/\"",
                                          "url = \"http://h/\"\nallow_http = true"};
    (void)state;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "endpoint a {\nsecret_file = \"/s\"\n%s\n}\n",
                 allowed[i]);
        hsp_settings_free(load_text(text));
    }
}

static void test_missing_file(void **state) {
    (void)state;
    check_refused(HS_E_IO, (const char *const[]){"c.conf", "No such file", NULL});
    assert_int_equal(mkdir("c.conf", 0700), 0);
    check_refused(HS_E_IO, (const char *const[]){"c.conf", "directory", NULL});
}

/* url_file
 * ------------------------------------------------------------------------------------ */

static void test_url_file(void **state) {
    static const char *const wrong[] = {"",
                                        "\n",
                                        "geheim",
                                        "https://geheim/ x",
                                        "https://geheim/\n\n",
                                        "https://geheim/\nhttps://geheim/\n",
                                        "ftp://geheim/"};
    char text[SCRATCH_PATH_MAX + 128], place[SCRATCH_PATH_MAX];
    (void)state;
    snprintf(text, sizeof(text),
             "endpoint a {\nsecret_file = \"/s\"\nurl_file = \"%s/u\"\n}\n", folder);
    snprintf(place, sizeof(place), "%s/u", folder);
    write_file("u", "https://hooks.example.com/services/geheim?x=geheim\r\n");
    struct hsp_settings *settings = load_text(text);
    assert_string_equal(settings->endpoints[0].url,
                        "https://hooks.example.com/services/geheim?x=geheim");
    assert_true(settings->endpoints[0].url_is_secret);
    assert_string_equal(settings->endpoints[0].shown_url,
                        "https://hooks.example.com/***?***");
    hsp_settings_free(settings);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct hs_error err = {0};
        write_file("u", wrong[i]);
        check_refused(HS_E_CONFIG,
                      (const char *const[]){"c.conf:4: url_file: ", place, NULL});
        settings = NULL;
        assert_int_equal(hsp_settings_load(&settings, "c.conf", &err), HS_E_CONFIG);
        assert_null(strstr(err.text, "geheim"));
    }
    write_file("u", "http://geheim/");
    check_refused(HS_E_CONFIG, (const char *const[]){"c.conf:4: ", "allow_http", NULL});
    FILE *file = fopen("u", "w");
    fputs("https://h/", file);
    for (int i = 0; i < 9000; i++)
        fputc('x', file);
    fclose(file);
    check_refused(HS_E_CONFIG, (const char *const[]){"c.conf:4: url_file: ", NULL});
    unlink("u");
    check_refused(HS_E_IO, (const char *const[]){"c.conf:4: url_file: ", place,
                                                 "No such file", NULL});
    assert_int_equal(mkfifo("u", 0600), 0);
    check_refused(HS_E_IO, (const char *const[]){"c.conf:4: url_file: ", place, NULL});
}

/* endpoints.d
 * ------------------------------------------------------------------------------------ */

static void test_folder(void **state) {
    (void)state;
    assert_int_equal(mkdir("endpoints.d", 0700), 0);
    write_file("endpoints.d/b.conf", "endpoint two {\n" NEEDED "}\n");
    write_file("endpoints.d/a.conf",
               "endpoint one {\n" NEEDED "}\nendpoint four {\n" NEEDED "}\n");
    write_file("endpoints.d/B.conf", "endpoint three {\n" NEEDED "}\n");
    write_file("endpoints.d/empty.conf", "# nothing\n");
    write_file("endpoints.d/a.conf~", "rubbish");
    write_file("endpoints.d/.hidden.conf", "rubbish");
    write_file("endpoints.d/.conf", "rubbish");
    write_file("endpoints.d/README", "rubbish");
    struct hsp_settings *settings = load_text("endpoint zero {\n" NEEDED "}\n");
    static const char *const names[] = {"zero", "three", "one", "four", "two"};
    assert_int_equal(settings->endpoint_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(settings->endpoints[i].name, names[i]);
    hsp_settings_free(settings);
}

static void test_mistakes_in_the_folder(void **state) {
    (void)state;
    write_file("c.conf", "endpoint a {\n" NEEDED "}\n");
    assert_int_equal(mkdir("endpoints.d", 0700), 0);
    write_file("endpoints.d/x.conf", "\nspool_dir = \"/x\"\n");
    check_refused(HS_E_CONFIG,
                  (const char *const[]){"endpoints.d/x.conf:2: ", "spool_dir", NULL});
    write_file("endpoints.d/x.conf", "endpoint b {\nretries = x\n}\n");
    check_refused(HS_E_CONFIG, (const char *const[]){"endpoints.d/x.conf:2: retries: 'x'",
                                                     "0 to 100", NULL});
    write_file("endpoints.d/x.conf", "endpoint a {\n" NEEDED "}\n");
    check_refused(HS_E_CONFIG, (const char *const[]){"endpoints.d/x.conf:4: ",
                                                     "endpoint 'a'", "c.conf:4", NULL});
    write_file("endpoints.d/x.conf", "");
    assert_int_equal(mkdir("endpoints.d/y.conf", 0700), 0);
    check_refused(HS_E_IO, (const char *const[]){"endpoints.d/y.conf", NULL});
}

/* A folder that is not there is fine, one that cannot be read is not. */
static void test_unreadable_folder(void **state) {
    const bool is_root = geteuid() == 0;
    (void)state;
    write_file("c.conf", "");
    assert_int_equal(chmod("c.conf", 0644), 0);
    assert_int_equal(mkdir("endpoints.d", 0000), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    check_refused(HS_E_IO, (const char *const[]){"endpoints.d", "Permission", NULL});
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(rmdir("endpoints.d"), 0);
    write_file("endpoints.d", "");
    check_refused(HS_E_IO, (const char *const[]){"endpoints.d", "Not a directory", NULL});
    unlink("endpoints.d");
    hsp_settings_free(load());
}

/* Pure functions
 * ------------------------------------------------------------------------------------ */

static void test_names(void **state) {
    static const struct {
        const char *name;
        bool is_ok;
    } cases[] = {
        {"a", true},
        {"9", true},
        {"Z.y_x-1", true},
        {"a..b", true},
        {"", false},
        {".a", false},
        {"-a", false},
        {"_a", false},
        {"..", false},
        {"a b", false},
        {"a/b", false},
        {"a\n", false},
        {"\xc3\xa9", false},
        {"a\\", false},
        {"0123456789012345678901234567890123456789012345678901234567890123", true},
        {"01234567890123456789012345678901234567890123456789012345678901234", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(hsp_endpoint_name_ok(cases[i].name), cases[i].is_ok);
}

static void test_masking(void **state) {
    static const struct {
        const char *url, *shown, *hidden; /* hidden: with its path */
    } cases[] = {
        {"https://h", "https://h", "https://h"},
        {"https://h/", "https://h/", "https://h/"},
        {"https://h:8443/a/b", "https://h:8443/a/b", "https://h:8443/***"},
        {"https://u@h/a", "https://***@h/a", "https://***@h/***"},
        {"https://u:p@h/a", "https://***@h/a", "https://***@h/***"},
        {"https://u:p@w@h/a", "https://***@h/a", "https://***@h/***"},
        {"https://h/a?t=1", "https://h/a?***", "https://h/***?***"},
        {"https://h?t=1", "https://h?***", "https://h?***"},
        {"https://h/a#f", "https://h/a#***", "https://h/***#***"},
        {"https://h/a?t#f", "https://h/a?***#***", "https://h/***?***#***"},
        {"https://h/a#f?t", "https://h/a#***", "https://h/***#***"},
        {"https://h/@a", "https://h/@a", "https://h/***"},
        {"https://h?x@y", "https://h?***", "https://h?***"},
        {"https://[::1]:80/a", "https://[::1]:80/a", "https://[::1]:80/***"},
        {"u:p@h/a", "***", "***"},
        {"", "***", "***"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *shown = hsp_mask_url(cases[i].url, false);
        char *hidden = hsp_mask_url(cases[i].url, true);
        assert_string_equal(shown, cases[i].shown);
        assert_string_equal(hidden, cases[i].hidden);
        free(shown);
        free(hidden);
    }
}

static void test_loopback(void **state) {
    static const struct {
        const char *url;
        bool is_loopback;
    } cases[] = {
        {"http://127.0.0.1", true},
        {"http://127.0.0.1:80/x", true},
        {"https://127.255.255.254/", true},
        {"http://user@127.0.0.1/", true},
        {"http://localhost", true},
        {"HTTP://LocalHost:9/", true},
        {"http://[::1]/", true},
        {"http://[::1]:80/", true},
        {"http://[0:0:0:0:0:0:0:1]", true},
        {"http://126.0.0.1/", false},
        {"http://128.0.0.1/", false},
        {"http://127.1/", false},
        {"http://127.0.0.1.example.com/", false},
        {"http://127.0.0.1@example.com/", false},
        {"http://example.com/127.0.0.1", false},
        {"http://example.com?@127.0.0.1", false},
        {"http://example.com#@localhost", false},
        {"http://example.com\\@127.0.0.1/", false},
        {"http://localhost.example.com/", false},
        {"http://notlocalhost/", false},
        {"http://localhost./", false},
        {"http://[::2]/", false},
        {"http://[::1]x/", false},
        {"http://[::1", false},
        {"http://::1/", false},
        {"http://[127.0.0.1]/", false},
        {"http:///127.0.0.1", false},
        {"127.0.0.1", false},
        {"ftp://127.0.0.1/", false},
        {"", false},
        {"http://"
         "0000000000000000000000000000000000000000000000000000000000000000000000127.0.0."
         "1/",
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (hsp_url_is_loopback(cases[i].url) != cases[i].is_loopback)
            fail_msg("%s", cases[i].url);
}

/* Failures
 * ------------------------------------------------------------------------------------ */

static enum hs_status load_and_free(void *context, struct hs_error *err) {
    struct hsp_settings *settings = NULL;
    (void)context;
    enum hs_status status = hsp_settings_load(&settings, "c.conf", err);
    if (status != HS_OK)
        assert_null(settings);
    hsp_settings_free(settings);
    return status;
}

static void test_out_of_memory(void **state) {
    char text[SCRATCH_PATH_MAX + 512];
    (void)state;
    snprintf(text, sizeof(text),
             "endpoint a {\n" NEEDED "proxy = \"http://p\"\nca_file = \"/c\"\n}\n"
             "endpoint b {\nurl_file = \"%s/u\"\nsecret_file = { a, b }\n}\n",
             folder);
    write_file("c.conf", text);
    write_file("u", "https://h/x");
    assert_int_equal(mkdir("endpoints.d", 0700), 0);
    write_file("endpoints.d/x.conf", "endpoint c {\n" NEEDED "}\n");
    alloc_fail_each(load_and_free, NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_empty_file),
        TEST(test_defaults_of_an_endpoint),
        TEST(test_every_key),
        TEST(test_assignments),
        TEST(test_path),
        TEST(test_wrong_keys_at_the_top),
        TEST(test_wrong_keys_of_an_endpoint),
        TEST(test_wrong_blocks),
        TEST(test_http),
        TEST(test_missing_file),
        TEST(test_url_file),
        TEST(test_folder),
        TEST(test_mistakes_in_the_folder),
        TEST(test_unreadable_folder),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_masking),
        cmocka_unit_test(test_loopback),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

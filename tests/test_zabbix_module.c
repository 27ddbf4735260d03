/* SPDX-License-Identifier: MIT */
/* zbx_hookspool.so loaded as Zabbix loads it: by dlopen, before it forks. */
#include "config.h"

#include "host.h"
#include "scratch.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
    void *handle;
    int (*version)(void);
    int (*init)(void);
    int (*uninit)(void);
    struct hsp_zabbix_key *(*keys)(void);
    void (*timeout)(int);
    struct hsp_zabbix_callbacks (*callbacks)(void);
} module;

/* What the module calls in the server's place. */
static char logged[4096];

__attribute__((visibility("default"))) void zbx_log_handle(int level, const char *format,
                                                           ...);

void zbx_log_handle(int level, const char *format, ...) {
    char line[1024];
    const size_t used = strlen(logged);
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    snprintf(logged + used, sizeof(logged) - used, "%d %s\n", level, line);
}

static int setup(void **state) {
    char conf[512];
    (void)state;
    scratch_make();
    assert_int_equal(mkdir(scratch_path("spool"), 0755), 0);
    assert_int_equal(mkdir(scratch_path("dir"), 0755), 0);
    snprintf(conf, sizeof(conf), "spool_dir = \"%s\"\nmin_free = \"0%%\"\n",
             scratch_path("spool"));
    setenv("HOOKSPOOL_CONFIG", scratch_write("conf", conf, strlen(conf)), 1);
    setenv("HOOKSPOOL_ZABBIX_DIR", scratch_path("dir"), 1);
    logged[0] = '\0';
    return 0;
}

static int teardown(void **state) {
    (void)state;
    if (module.handle != NULL)
        dlclose(module.handle);
    module.handle = NULL;
    scratch_remove();
    return 0;
}

static void write_map(void) {
    static const char map[] = "hookspool-zabbix-map 1\n"
                              "item 1\nhost h1\nservice s\nup >0\n"
                              "item 2\nhost h2\nservice s\nup <0.5\n"
                              "item 3\nhost h3\nservice s\nup =OK\n"
                              "item 4\nhost h4\nservice s\nup ~OK\n"
                              "item 5\nhost h5\nservice s\nup !~error\nend 5\n";
    scratch_write("dir/items.map", map, strlen(map));
}

static void load(void) {
    module.handle = dlopen(BUILD LT_OBJDIR "zbx_hookspool.so", RTLD_NOW);
    if (module.handle == NULL)
        fail_msg("%s", dlerror());
    *(void **)&module.version = dlsym(module.handle, "zbx_module_api_version");
    *(void **)&module.init = dlsym(module.handle, "zbx_module_init");
    *(void **)&module.uninit = dlsym(module.handle, "zbx_module_uninit");
    *(void **)&module.keys = dlsym(module.handle, "zbx_module_item_list");
    *(void **)&module.timeout = dlsym(module.handle, "zbx_module_item_timeout");
    *(void **)&module.callbacks = dlsym(module.handle, "zbx_module_history_write_cbs");
    assert_int_equal(module.version(), 2);
    assert_int_equal(module.init(), HSP_ZABBIX_OK);
    assert_non_null(module.keys());
    module.timeout(3);
}

static void test_nothing_mapped(void **state) {
    static const struct hsp_zabbix_callbacks none = {0};
    (void)state;
    load();
    const struct hsp_zabbix_callbacks callbacks = module.callbacks();
    assert_memory_equal(&callbacks, &none, sizeof(none));
    assert_non_null(strstr(logged, "127 hookspool: no items are mapped in /"));
    assert_int_equal(module.uninit(), HSP_ZABBIX_OK);
    assert_int_equal(scratch_count(scratch_path("dir"), NULL), 0);
    assert_int_equal(scratch_count(scratch_path("spool"), NULL), 0);
}

/* Without a spool, a folder, a configuration: it starts, and says what is wrong. */
static void test_nothing_there(void **state) {
    (void)state;
    setenv("HOOKSPOOL_ZABBIX_DIR", "/nonexistent", 1);
    setenv("HOOKSPOOL_CONFIG", "/nonexistent", 1);
    load();
    assert_non_null(strstr(logged, "no items are mapped in /nonexistent/items.map"));
    assert_int_equal(module.uninit(), HSP_ZABBIX_OK);
}

static void test_keys(void **state) {
    (void)state;
    load();
    size_t count = 0;
    for (const struct hsp_zabbix_key *key = module.keys(); key->name != NULL; key++) {
        assert_int_equal(strncmp(key->name, "hookspool.", 10), 0);
        assert_int_equal(key->flags & ~HSP_ZABBIX_HAS_PARAMETERS, 0);
        assert_non_null(key->get);
        count++;
    }
    assert_int_equal(count, 14);
    module.uninit();
}

/* One of each type, from a fork as history syncers are. */
static void test_callbacks(void **state) {
    const int now = (int)time(NULL);
    char name[SCRATCH_PATH_MAX];
    size_t length = 0;
    (void)state;
    write_map();
    load();
    const struct hsp_zabbix_callbacks to = module.callbacks();
    const pid_t child = fork();
    if (child == 0) {
        const struct hsp_zabbix_integer integers[] = {{1, now, 1, 0}, {99, now, 1, 0}};
        const struct hsp_zabbix_float floats[] = {{2, now, 1, 0.75}};
        const struct hsp_zabbix_string strings[] = {{3, now, 1, "BAD"}};
        const struct hsp_zabbix_string texts[] = {{4, now, 1, NULL}};
        const struct hsp_zabbix_log logs[] = {{5, now, 1, "an error", "src", 0, 0, 0}};
        to.integers(integers, 2);
        to.floats(floats, 1);
        to.strings(strings, 1);
        to.texts(texts, 1);
        to.logs(logs, 1);
        module.uninit(); /* not its own */
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(scratch_count(scratch_path("spool/incoming"), name), 5);
    assert_int_equal(module.uninit(), HSP_ZABBIX_OK);
    char *kept = scratch_read(scratch_path("dir/module.state"), &length);
    for (int i = 1; i <= 5; i++) {
        char line[32];
        snprintf(line, sizeof(line), "item %dDOWN 1 1 ", i);
        assert_non_null(strstr(kept, line));
    }
    free(kept);
}

/* Items
 * ------------------------------------------------------------------------------------ */

/* What a key gives, as text: "u 1", "s ok", "! why not". */
static const char *ask(const char *key, const char *parameter) {
    static char text[1200];
    char *parameters[] = {(char *)parameter, NULL};
    struct hsp_zabbix_request request = {
        .key = (char *)key,
        .parameter_count = parameter != NULL,
        .parameters = parameters,
    };
    struct hsp_zabbix_result result = {0};
    const struct hsp_zabbix_key *found = module.keys();
    while (found->name != NULL && strcmp(found->name, key) != 0)
        found++;
    assert_non_null(found->name);
    const int given = found->get(&request, &result);
    switch (result.type) {
    case HSP_ZABBIX_UNSIGNED:
        snprintf(text, sizeof(text), "u %llu", (unsigned long long)result.number);
        break;
    case HSP_ZABBIX_FLOAT:
        snprintf(text, sizeof(text), "f %.0f", result.fraction);
        break;
    case HSP_ZABBIX_STRING:
        snprintf(text, sizeof(text), "s %s", result.string);
        break;
    case HSP_ZABBIX_TEXT:
        snprintf(text, sizeof(text), "t %s", result.text);
        break;
    default:
        assert_int_equal(result.type, HSP_ZABBIX_MESSAGE);
        snprintf(text, sizeof(text), "! %s", result.message);
    }
    assert_int_equal(given,
                     result.type == HSP_ZABBIX_MESSAGE ? HSP_ZABBIX_FAIL : HSP_ZABBIX_OK);
    free(result.string);
    free(result.text);
    free(result.message);
    return text;
}

static void write_status(void) {
    static const char status[] =
        "{\"version\":1,\"daemon\":\"0.1.0\",\"pid\":42,"
        "\"started_at\":\"2024-01-15T08:00:00.000Z\","
        "\"updated_at\":\"2024-01-15T10:30:15.123Z\",\"incoming\":0,\"corrupt\":3,"
        "\"space\":\"ok\",\"endpoints\":{\"main\":{\"state\":\"backoff\",\"url\":null,"
        "\"pending\":7,\"oldest_at\":\"2024-01-15T10:29:58.001Z\","
        "\"sent\":17,\"failed\":3,\"dead\":1,\"last_error\":\"HTTP 500\","
        "\"last_success_at\":\"2024-01-15T10:12:00.412Z\"},"
        "\"second\":{\"state\":\"ok\",\"pending\":2,\"sent\":4}}}\n";
    scratch_write("spool/status.json", status, strlen(status));
    assert_true(mkdir(scratch_path("spool/incoming"), 0755) == 0);
    scratch_write("spool/incoming/018d0c7c-8b00-7000-8000-000000000000.evt", "x", 1);
    scratch_write("spool/daemon.lock", "", 0);
}

static void test_items(void **state) {
    static const struct {
        const char *key, *parameter, *value;
    } cases[] = {
        {"hookspool.daemon", NULL, "u 0"},
        {"hookspool.pending", NULL, "u 10"}, /* with incoming/ */
        {"hookspool.pending", "", "u 10"},
        {"hookspool.pending", "main", "u 7"},
        {"hookspool.pending", "second", "u 2"},
        {"hookspool.pending", "third", "! no endpoint 'third'; these are: main second"},
        {"hookspool.pending", "/etc/passwd",
         "! no endpoint '/etc/passwd'; these are: main second"},
        {"hookspool.oldest", "second", "u 0"},
        {"hookspool.dead", NULL, "u 1"},
        {"hookspool.dead", "second", "u 0"},
        {"hookspool.sent", NULL, "u 21"},
        {"hookspool.failed", "main", "u 3"},
        {"hookspool.state", NULL, "s backoff"},
        {"hookspool.state", "second", "s ok"},
        {"hookspool.error", "main", "t HTTP 500"},
        {"hookspool.error", "second", "t "},
        {"hookspool.error", NULL, "! name an endpoint; these are: main second"},
        {"hookspool.last_success", "main", "u 1705313520"},
        {"hookspool.last_success", "second", "u 0"},
        {"hookspool.incoming", NULL, "u 1"},
        {"hookspool.corrupt", NULL, "u 3"},
        {"hookspool.endpoints.discovery", NULL,
         "t [{\"{#ENDPOINT}\":\"main\"},{\"{#ENDPOINT}\":\"second\"}]"},
        {"hookspool.module", "items",
         "! this process watches no items: only a Zabbix server with a map of items "
         "does"},
    };
    (void)state;
    write_status();
    load();
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(ask(cases[i].key, cases[i].parameter), cases[i].value);
    assert_int_equal(strncmp(ask("hookspool.space", NULL), "f ", 2), 0);
    /* As old as the oldest, which was long ago. */
    assert_true(strtol(ask("hookspool.oldest", "main") + 2, NULL, 10) > 60000000);
    module.uninit();
}

static void test_daemon(void **state) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)state;
    write_status();
    load();
    const int lock = open(scratch_path("spool/daemon.lock"), O_RDWR | O_CLOEXEC);
    assert_int_equal(fcntl(lock, F_OFD_SETLK, &whole), 0);
    assert_string_equal(ask("hookspool.daemon", NULL), "u 1");
    close(lock);
    assert_string_equal(ask("hookspool.daemon", NULL), "u 0");
    /* It is known, too, where the status is damaged. */
    scratch_write("spool/status.json", "{", 1);
    assert_string_equal(ask("hookspool.daemon", NULL), "u 0");
    assert_non_null(strstr(ask("hookspool.pending", NULL), "! "));
    assert_non_null(strstr(ask("hookspool.pending", NULL), "status.json is damaged"));
    unlink(scratch_path("spool/status.json"));
    assert_string_equal(ask("hookspool.daemon", NULL), "u 0");
    assert_non_null(strstr(ask("hookspool.pending", NULL), "! hookspoold has never run"));
    module.uninit();
}

static void test_counts(void **state) {
    (void)state;
    write_map();
    load();
    assert_string_equal(ask("hookspool.module", "items"), "u 5");
    const struct hsp_zabbix_callbacks to = module.callbacks();
    const struct hsp_zabbix_integer values[] = {{1, (int)time(NULL), 1, 0}};
    to.integers(values, 1);
    to.integers(values, 1);
    assert_string_equal(ask("hookspool.module", "down"), "u 1");
    assert_string_equal(ask("hookspool.module", "edges"), "u 1");
    assert_string_equal(ask("hookspool.module", "ignored"), "u 1");
    assert_string_equal(ask("hookspool.module", "waiting"), "u 0");
    assert_string_equal(ask("hookspool.module", NULL),
                        "! '' is no count; these are: edges late ignored refused waiting "
                        "items down");
    module.uninit();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_mapped), TEST(test_nothing_there), TEST(test_keys),
        TEST(test_callbacks),      TEST(test_items),         TEST(test_daemon),
        TEST(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

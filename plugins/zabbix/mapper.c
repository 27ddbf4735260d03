/* SPDX-License-Identifier: MIT */
/* hookspool-zabbix-map: asks Zabbix's API for the items that are monitors and writes the
 * map of the module. The map is replaced as a whole or not at all; whatever goes wrong,
 * the one that is there stays. */
#include "config.h"

#include "api.h"
#include "error.h"
#include "file.h"
#include "listing.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define NAME "hookspool-zabbix-map"
#define MAP_NAME "items.map"
#define MAP_MODE 0644
#define TOKEN_MAX 1024

static const char *url, *token_file, *chosen_output, *ca_file;
static int64_t timeout_ms = 30000;
static bool allow_http, allow_empty, print_map, dry_run, want_help, want_version;

static const struct hsp_option options[] = {
    {'u', "url", "URL", "the frontend's address: https://zabbix.example.com/",
     HSP_OPTION_TEXT, &url},
    {'t', "token-file", "FILE",
     "the API token is in FILE; a name without a folder is\nlooked for in "
     "$CREDENTIALS_DIRECTORY",
     HSP_OPTION_TEXT, &token_file},
    {'o', "output", "FILE",
     "the map (default: $HOOKSPOOL_ZABBIX_DIR,\nelse " HSP_DEFAULT_ZABBIX_DIR "/" MAP_NAME
     ")",
     HSP_OPTION_TEXT, &chosen_output},
    {'p', "print", NULL, "print the map, write nothing", HSP_OPTION_FLAG, &print_map},
    {'n', "dry-run", NULL, "say what would be done, write nothing", HSP_OPTION_FLAG,
     &dry_run},
    {'\0', "allow-empty", NULL, "write a map without items over one that has some",
     HSP_OPTION_FLAG, &allow_empty},
    {'\0', "allow-http", NULL, "send the token without TLS, beyond this machine",
     HSP_OPTION_FLAG, &allow_http},
    {'\0', "ca-file", "FILE", "certificates to trust, instead of the system's",
     HSP_OPTION_TEXT, &ca_file},
    {'\0', "timeout", "TIME", "of each request (default: 30s)", HSP_OPTION_DURATION,
     &timeout_ms},
    {'h', "help", NULL, "print this", HSP_OPTION_FLAG, &want_help},
    {'V', "version", NULL, "print the version", HSP_OPTION_FLAG, &want_version},
    {.name = NULL},
};

static void say(const char *line) {
    char text[1024];
    snprintf(text, sizeof(text), "%s", line);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(stderr, NAME ": %s\n", text);
}

static int usage(const char *problem, const char *what) {
    char line[600];
    snprintf(line, sizeof(line), "%s%s%s%s; see --help", problem, what ? " '" : "",
             what ? what : "", what ? "'" : "");
    say(line);
    return EX_USAGE;
}

static int print_help(void) {
    fputs("usage: " NAME " [OPTION…] --url URL --token-file FILE\n"
          "Write the map of zbx_hookspool.so: the items that have the tag "
          "webhook.monitor, by\nZabbix's API.\n\n",
          stdout);
    hsp_options_print(options, stdout);
    fputs("\nExit status: 0 the map is right; 64 usage, 65 the answer would empty the "
          "map, 66 no\ntoken, 69 the API cannot be reached, 71 out of memory, 73 or 74 "
          "not written, 76 the\nAPI's error. Then the map is as before.\n",
          stdout);
    return EX_OK;
}

/* The exit status where an option ends the program, else -1. */
static int read_options(int argc, char **argv) {
    struct hs_error err = {0};
    const int first = hsp_options_read(options, NULL, argc, argv, true, &err);
    if (first < 0)
        return usage(err.text, NULL);
    if (want_help)
        return print_help();
    if (want_version) {
        printf(NAME " %s\n", hs_version());
        return EX_OK;
    }
    if (first < argc)
        return usage("no operand is taken:", argv[first]);
    if (url == NULL || *url == '\0')
        return usage("--url is missing", NULL);
    if (token_file == NULL || *token_file == '\0')
        return usage("--token-file is missing", NULL);
    if (timeout_ms == 0)
        return usage("--timeout: it must be longer", NULL);
    if (chosen_output != NULL && *chosen_output == '\0')
        return usage("empty --output", NULL);
    return -1;
}

/* The token
 * ------------------------------------------------------------------------------------ */

static char *join(const char *folder, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* Without its line end; printable, or it would make a header of its own. */
static enum hs_status check_token(char *token, size_t length, const char *path,
                                  struct hs_error *err) {
    if (length > 0 && token[length - 1] == '\n')
        token[--length] = '\0';
    if (length > 0 && token[length - 1] == '\r')
        token[--length] = '\0';
    if (length == 0)
        return hsp_fail(err, HS_E_CONFIG, "read %s: it is empty", path);
    for (size_t i = 0; i < length; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return hsp_fail(err, HS_E_CONFIG, "read %s: this is no API token", path);
    return HS_OK;
}

/* free(). */
static enum hs_status read_token(char **token, struct hs_error *err) {
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    struct stat info;
    size_t length = 0;
    enum hs_status status = HS_OK;
    char *path = strchr(token_file, '/') == NULL && credentials != NULL
                     ? join(credentials, token_file)
                     : strdup(token_file);
    if (path == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read token: out of memory");
    char *text = hsp_read_file(AT_FDCWD, path, TOKEN_MAX, &length, &info);
    if (text == NULL)
        status = hsp_fail_errno(err, HS_E_CONFIG, "read %s", path);
    else if ((info.st_mode & S_IROTH) != 0)
        status =
            hsp_fail(err, HS_E_CONFIG,
                     "read %s: everybody may read it; chmod o-r, and a new token", path);
    else
        status = check_token(text, length, path, err);
    if (status == HS_OK) {
        *token = text;
        text = NULL;
    }
    free(text);
    free(path);
    return status;
}

/* The map
 * ------------------------------------------------------------------------------------ */

static enum hs_status fetch(struct hsp_buffer *map, size_t *count, struct hs_error *err) {
    char *token = NULL;
    struct hsp_api *api = NULL;
    json_object *items = NULL;
    enum hs_status status = read_token(&token, err);
    const struct hsp_api_options chosen = {
        .url = url,
        .token = token,
        .ca_file = ca_file,
        .allow_http = allow_http,
        .timeout_ms = timeout_ms,
    };
    if (status == HS_OK)
        status = hsp_api_open(&api, &chosen, err);
    if (status == HS_OK)
        status = hsp_api_call(api, "item.get", hsp_listing_parameters, &items, err);
    if (status == HS_OK)
        status = hsp_listing_write(map, items, count, say, err);
    json_object_put(items);
    hsp_api_close(api);
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    free(token);
    return status;
}

/* What is there: how many items, and is it the same? */
struct present {
    size_t count;
    bool same;
};

static enum hs_status read_present(const char *path, const struct hsp_buffer *map,
                                   struct present *present, struct hs_error *err) {
    size_t length = 0;
    *present = (struct present){0};
    char *text =
        hsp_read_file(AT_FDCWD, path, HSP_LISTING_BYTES_MAX + 4096, &length, NULL);
    if (text == NULL)
        return errno == ENOENT ? HS_OK : hsp_fail_errno(err, HS_E_SPOOL, "read %s", path);
    const bool is_map = hsp_listing_count(text, length, &present->count);
    present->same = length == map->length && memcmp(text, map->data, length) == 0;
    free(text);
    return is_map || length == 0
               ? HS_OK
               : hsp_fail(err, HS_E_SPOOL,
                          "replace %s: it is no map; remove it, or choose another "
                          "--output",
                          path);
}

static enum hs_status replace(const char *path, const struct hsp_buffer *map,
                              struct hs_error *err) {
    char *folder = strdup(path);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');
    const char *name = slash == NULL ? path : path + (slash - folder) + 1;
    if (folder == NULL)
        return hsp_fail(err, HS_E_NOMEM, "write %s: out of memory", path);
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    enum hs_status status = HS_OK;
    const int fd = open(slash == NULL ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        status = hsp_fail_errno(err, HS_E_SPOOL, "open %s", folder);
    else
        status = hsp_replace_file(fd, name, MAP_MODE, map->data, map->length, true, err);
    if (fd >= 0)
        close(fd);
    free(folder);
    return status;
}

static void tell(const char *path, const char *what, size_t before, size_t now) {
    printf("%s: %s, %zu items (before: %zu)\n", path, what, now, before);
}

/* HS_E_FULL stands for a map that would lose all its items. */
static enum hs_status write_map(const char *path, const struct hsp_buffer *map,
                                size_t count, struct hs_error *err) {
    struct present present;
    enum hs_status status = read_present(path, map, &present, err);
    if (status != HS_OK)
        return status;
    if (count == 0 && present.count > 0 && !allow_empty)
        return hsp_fail(err, HS_E_FULL,
                        "write %s: no item has the tags, or the token's user may see "
                        "none, while the map has %zu; it is kept, unless --allow-empty "
                        "is given",
                        path, present.count);
    if (present.same || dry_run) {
        tell(path, present.same ? "unchanged" : "would be written", present.count, count);
        return HS_OK;
    }
    status = replace(path, map, err);
    if (status == HS_OK)
        tell(path, "written", present.count, count);
    return status;
}

static enum hs_status print(const struct hsp_buffer *map, struct hs_error *err) {
    if (fwrite(map->data, 1, map->length, stdout) == map->length && fflush(stdout) == 0)
        return HS_OK;
    return hsp_fail_errno(err, HS_E_SPOOL, "print the map");
}

/* Each step has exit statuses of its own. */
static int fetch_status(enum hs_status status) {
    return status == HS_E_CONFIG  ? EX_NOINPUT
           : status == HS_E_IO    ? EX_UNAVAILABLE
           : status == HS_E_NOMEM ? EX_OSERR
                                  : EX_PROTOCOL;
}

static int write_status(const struct hs_error *err) {
    return err->status == HS_E_NOMEM  ? EX_OSERR
           : err->status == HS_E_IO   ? EX_IOERR
           : err->status != HS_E_FULL ? EX_CANTCREAT
           : err->sys_errno != 0      ? EX_IOERR
                                      : EX_DATAERR;
}

static int run(void) {
    struct hs_error err = {0};
    struct hsp_buffer map = {0};
    size_t count = 0;
    const char *folder = getenv("HOOKSPOOL_ZABBIX_DIR");
    if (folder == NULL || *folder == '\0')
        folder = HSP_DEFAULT_ZABBIX_DIR;
    char *path = chosen_output != NULL ? strdup(chosen_output) : join(folder, MAP_NAME);
    enum hs_status status = path == NULL
                                ? hsp_fail(&err, HS_E_NOMEM, "start: out of memory")
                                : fetch(&map, &count, &err);
    int code = status == HS_OK ? EX_OK : fetch_status(status);
    if (status == HS_OK) {
        status = print_map ? print(&map, &err) : write_map(path, &map, count, &err);
        code = status == HS_OK ? EX_OK : write_status(&err);
    }
    if (status != HS_OK)
        say(*err.text != '\0' ? err.text : hs_status_text(status));
    hsp_buffer_free(&map);
    free(path);
    return code;
}

int main(int argc, char **argv) {
    const int code = read_options(argc, argv);
    if (code >= 0)
        return code;
    return run();
}

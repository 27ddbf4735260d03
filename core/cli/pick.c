/* SPDX-License-Identifier: MIT */
/* Picking events: cheap questions (endpoint, place, number, id where the name has it)
 * before a file is read, the others after. */
#include "config.h"

#include "pick.h"

#include "../delivery/overtaken.h"
#include "../delivery/settings.h"
#include "../error.h"
#include "../units.h"
#include "names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct hsp_pick hsp_pick;
static struct hsp_settings *settings; /* for as long as the process lives */

void hsp_pick_know_endpoints(const struct hsp_cli *cli) {
    hsp_pick.knows_endpoints = hsp_settings_load(&settings, cli->config, NULL) == HS_OK;
}

static bool is_configured(const char *name) {
    for (size_t i = 0; i < settings->endpoint_count; i++)
        if (strcmp(settings->endpoints[i].name, name) == 0)
            return true;
    return false;
}

/* Questions
 * ------------------------------------------------------------------------------ */

static bool is_number(const char *text) {
    return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

int hsp_pick_ids(const struct hsp_cli *cli) {
    for (int i = 0; i < cli->operand_count; i++)
        if (!is_number(cli->operands[i]) && !hsp_id_is_valid(cli->operands[i]))
            return hsp_cli_misuse(cli, "'%s' is neither an event id nor its number",
                                  cli->operands[i]);
    hsp_pick.ids = cli->operands;
    hsp_pick.id_count = cli->operand_count;
    return 0;
}

bool hsp_pick_is_said(void) {
    bool place = false;
    for (size_t i = 0; i < HSP_PLACE_COUNT; i++)
        place = place || hsp_pick.places[i];
    return place || hsp_pick.all || hsp_pick.id_count > 0 ||
           hsp_pick.endpoints.count > 0 || hsp_pick.older_ms > 0 ||
           hsp_pick.newer_ms > 0 || hsp_pick.cause != NULL || hsp_pick.monitor != NULL ||
           (hsp_pick.stale && !hsp_pick.stale_too);
}

static bool is_wanted_endpoint(const char *name) {
    for (size_t i = 0; i < hsp_pick.endpoints.count; i++)
        if (strcmp(hsp_pick.endpoints.items[i], name) == 0)
            return true;
    return hsp_pick.endpoints.count == 0;
}

/* With what is known of it by now. An id that is not known may be any. */
static bool is_wanted_id(const struct hsp_sight *sight) {
    for (int i = 0; i < hsp_pick.id_count; i++) {
        const char *id = hsp_pick.ids[i];
        if (is_number(id) ? sight->entry.sequence != 0 &&
                                strtoull(id, NULL, 10) == sight->entry.sequence
                          : sight->id[0] == '\0' || strcmp(id, sight->id) == 0)
            return true;
    }
    return hsp_pick.id_count == 0;
}

/* "4xx" and "404" against a status; anything else is a part of the words, in any case. */
static bool is_cause(const char *wanted, const char *status, const char *words) {
    if (strlen(wanted) == 3 && isdigit((unsigned char)wanted[0]) && *status != '\0') {
        bool same = true;
        for (size_t i = 0; i < 3; i++)
            same = same && (wanted[i] == 'x' || wanted[i] == status[i]);
        if (same)
            return true;
    }
    return strcasestr(words, wanted) != NULL;
}

static bool is_wanted_cause(const struct hsp_sight *sight) {
    char room[64], status[16] = "";
    if (sight->entry.code > 0)
        snprintf(status, sizeof status, "%u", sight->entry.code);
    const char *last = hsp_sight_text(sight->note, "last_status");
    return is_cause(hsp_pick.cause, *last != '\0' ? last : status,
                    hsp_sight_cause(sight, room)) ||
           is_cause(hsp_pick.cause, "", hsp_sight_text(sight->note, "error"));
}

static bool is_wanted_monitor(const struct hsp_sight *sight) {
    return strcmp(hsp_pick.monitor, hsp_sight_text(sight->payload, "monitor.id")) == 0 ||
           strcmp(hsp_pick.monitor, hsp_sight_text(sight->payload, "monitor.name")) == 0;
}

static bool is_wanted_age(const struct hsp_sight *sight) {
    int64_t age_ms = hsp_now_ms(CLOCK_REALTIME) - sight->since_ms;
    return (hsp_pick.older_ms == 0 || age_ms > hsp_pick.older_ms) &&
           (hsp_pick.newer_ms == 0 || age_ms < hsp_pick.newer_ms);
}

static bool is_wanted(const struct hsp_sight *sight) {
    return is_wanted_id(sight) && (hsp_pick.cause == NULL || is_wanted_cause(sight)) &&
           (hsp_pick.monitor == NULL || is_wanted_monitor(sight)) && is_wanted_age(sight);
}

/* Can the name alone answer? */
static bool is_named(const struct hsp_sight *sight) {
    if (hsp_pick.cause != NULL || hsp_pick.monitor != NULL || hsp_pick.older_ms > 0 ||
        hsp_pick.newer_ms > 0)
        return false;
    for (int i = 0; i < hsp_pick.id_count; i++)
        if (!is_number(hsp_pick.ids[i]) && sight->id[0] == '\0')
            return false;
    return true;
}

/* The walk
 * ----------------------------------------------------------------------------------- */

struct walk {
    hsp_pick_visit *visit;
    void *context;
    bool count, read;
    size_t at, of;
    struct hs_error denied; /* the first folder that may not be read */

    /* Where it is. */
    enum hsp_place place;
    const char *endpoint;
    int dirfd;
    struct hsp_overtaken *overtaken;
};

static enum hs_status show(void *context, const struct hsp_sight *sight,
                           struct hs_error *err) {
    struct walk *walk = context;
    if (!is_wanted(sight))
        return HS_OK;
    return walk->visit(walk->context, sight, walk->at, walk->of, err);
}

/* What the name says of an event; false: it is not the name of one. */
static bool name_sight(const struct walk *walk, const char *name,
                       struct hsp_sight *sight) {
    *sight = (struct hsp_sight){.place = walk->place,
                                .endpoint = walk->endpoint,
                                .name = name,
                                .since_ms = -1,
                                .uid = -1};
    if (walk->place == HSP_PLACE_WAITING)
        return hsp_entry_parse(name, &sight->entry);
    if (walk->place != HSP_PLACE_DEAD)
        return true;
    if (!hsp_dead_parse(name, &sight->entry, sight->id))
        return false;
    sight->stale = hsp_overtaken_is_stale(walk->overtaken, sight->entry.object,
                                          sight->entry.sequence);
    return true;
}

static enum hs_status visit_name(void *context, const char *name, struct hs_error *err) {
    struct walk *walk = context;
    struct hsp_sight sight;
    walk->at++;
    if (!name_sight(walk, name, &sight) || !is_wanted_id(&sight))
        return HS_OK;
    if (hsp_pick.stale && !hsp_pick.stale_too && !sight.stale)
        return HS_OK;
    sight.orphan = walk->endpoint[0] != '\0' && hsp_pick.knows_endpoints &&
                   !is_configured(walk->endpoint);
    if (!walk->read && is_named(&sight))
        return show(walk, &sight, err);
    return hsp_sight_read(&sight, walk->dirfd, show, walk, err);
}

/* Count or visit what is in the folder at hand. */
static enum hs_status walk_folder(struct walk *walk, int parent, const char *name,
                                  struct hs_error *err) {
    walk->dirfd = openat(parent, name, FOLDER_FLAGS);
    if (walk->dirfd < 0 && errno == ENOENT)
        return HS_OK;
    if (walk->dirfd < 0) {
        hsp_fail_errno(&walk->denied, HS_E_SPOOL, "open %s/", name);
        return HS_OK;
    }
    bool sharded = walk->place == HSP_PLACE_WAITING;
    size_t count = 0;
    enum hs_status status =
        walk->count ? hsp_names_count(walk->dirfd, sharded, &count, err)
                    : hsp_names_walk(walk->dirfd, sharded, visit_name, walk, err);
    walk->of += count;
    close(walk->dirfd);
    return status;
}

static enum hs_status walk_endpoint(void *context, const char *name,
                                    struct hs_error *err) {
    struct walk *walk = context;
    if (!hsp_endpoint_name_ok(name) || !is_wanted_endpoint(name))
        return HS_OK;
    int parent = walk->dirfd;
    walk->endpoint = name;
    enum hs_status status = walk_folder(walk, parent, name, err);
    walk->dirfd = parent;
    return status;
}

static enum hs_status walk_letters(void *context, const char *name,
                                   struct hs_error *err) {
    struct walk *walk = context;
    int state = openat(walk->dirfd, "../state", FOLDER_FLAGS);
    enum hs_status status = state < 0
                                ? hsp_fail_errno(err, HS_E_SPOOL, "open state/")
                                : hsp_overtaken_open(&walk->overtaken, state, name, err);
    if (status == HS_OK)
        status = walk_endpoint(walk, name, err);
    hsp_overtaken_close(walk->overtaken);
    walk->overtaken = NULL;
    if (state >= 0)
        close(state);
    return status;
}

/* queue/ and dead/ have a folder an endpoint, incoming/ and corrupt/ none. */
static enum hs_status walk_place(struct walk *walk, int root, enum hsp_place place,
                                 struct hs_error *err) {
    static const char *const folders[HSP_PLACE_COUNT] = {"incoming", "queue", "dead",
                                                         "corrupt"};
    walk->place = place;
    walk->endpoint = "";
    if (place == HSP_PLACE_INCOMING || place == HSP_PLACE_CORRUPT)
        return hsp_pick.endpoints.count > 0
                   ? HS_OK
                   : walk_folder(walk, root, folders[place], err);
    int fd = openat(root, folders[place], FOLDER_FLAGS);
    if (fd < 0) {
        if (errno != ENOENT)
            hsp_fail_errno(&walk->denied, HS_E_SPOOL, "open %s/", folders[place]);
        return HS_OK;
    }
    walk->dirfd = fd;
    enum hs_status status = hsp_names_walk(
        fd, false, place == HSP_PLACE_DEAD ? walk_letters : walk_endpoint, walk, err);
    close(fd);
    return status;
}

static enum hs_status walk_places(struct walk *walk, int root,
                                  const bool places[HSP_PLACE_COUNT],
                                  struct hs_error *err) {
    enum hs_status status = HS_OK;
    for (int i = 0; status == HS_OK && i < HSP_PLACE_COUNT; i++)
        if (places[i])
            status = walk_place(walk, root, (enum hsp_place)i, err);
    return status;
}

static bool is_in_spool(int root, const char *endpoint) {
    static const char *const folders[] = {"queue", "dead"};
    char path[sizeof "queue/" + HSP_NAME_MAX];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], endpoint);
        if (faccessat(root, path, F_OK, 0) == 0 || errno != ENOENT)
            return true;
    }
    return false;
}

/* A name that is misspelt must not look like one without events. */
static enum hs_status check_endpoints(int root, struct hs_error *err) {
    for (size_t i = 0; hsp_pick.knows_endpoints && i < hsp_pick.endpoints.count; i++) {
        const char *name = hsp_pick.endpoints.items[i];
        if (!hsp_endpoint_name_ok(name) ||
            (!is_configured(name) && !is_in_spool(root, name)))
            return hsp_fail(err, HS_E_DATA,
                            "no endpoint '%s', neither in the configuration nor in the "
                            "spool",
                            name);
    }
    return HS_OK;
}

enum hs_status hsp_pick_walk(const char *spool, const bool places[HSP_PLACE_COUNT],
                             bool count, bool read, hsp_pick_visit *visit, void *context,
                             struct hs_error *err) {
    struct walk walk = {.visit = visit, .context = context, .read = read};
    int root = open(spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return hsp_fail_errno(err, HS_E_SPOOL, "open spool %s", spool);
    enum hs_status status = check_endpoints(root, err);
    walk.count = count;
    if (status == HS_OK && count)
        status = walk_places(&walk, root, places, err);
    walk.count = false;
    walk.at = 0;
    if (status == HS_OK)
        status = walk_places(&walk, root, places, err);
    close(root);
    if (status == HS_OK && walk.denied.status != HS_OK)
        status = hsp_fail(err, HS_E_SPOOL, "%s in %s; root and its owner may",
                          walk.denied.text, spool);
    return status;
}

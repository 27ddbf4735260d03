/* SPDX-License-Identifier: MIT */
/* zbx_hookspool.so: what Zabbix calls. It loads the module before it forks, also on a
 * standby node, in the agent, and for `zabbix_agentd -t` as whoever asks: so init opens
 * and writes nothing but the log, and never fails, for a server that does not start over
 * a missing file monitors nothing. */
#include "config.h"

#include "hostlog.h"
#include "queue_items.h"
#include "syncer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    struct hs_config *config;
    struct hsp_board *board;
    struct hsp_syncer syncer;
    pid_t owner; /* of init; the others are its forks */
} module;

static bool is_watching(void) { return module.board != NULL; }

/* History
 * ------------------------------------------------------------------------------------ */

/* One of Zabbix's values as one of ours. */
typedef struct hsp_value reader(const void *value);

static struct hsp_value read_float(const void *value) {
    const struct hsp_zabbix_float *it = value;
    return (struct hsp_value){it->itemid, it->clock, it->ns, {it->value, NULL}};
}

static struct hsp_value read_integer(const void *value) {
    const struct hsp_zabbix_integer *it = value;
    return (struct hsp_value){it->itemid, it->clock, it->ns, {(double)it->value, NULL}};
}

static const char *text_of(const char *text) { return text == NULL ? "" : text; }

static struct hsp_value read_string(const void *value) {
    const struct hsp_zabbix_string *it = value;
    return (struct hsp_value){it->itemid, it->clock, it->ns, {NAN, text_of(it->value)}};
}

static struct hsp_value read_log(const void *value) {
    const struct hsp_zabbix_log *it = value;
    return (struct hsp_value){it->itemid, it->clock, it->ns, {NAN, text_of(it->value)}};
}

/* A batch: all are noted, and then all are counted. */
static void take(const void *values, size_t size, int count, reader *read) {
    void (*const takers[])(struct hsp_syncer *, const struct hsp_value *) = {
        hsp_syncer_note, hsp_syncer_value};
    hsp_syncer_begin(&module.syncer);
    for (size_t pass = 0; pass < sizeof(takers) / sizeof(takers[0]); pass++)
        for (int i = 0; i < count; i++) {
            const struct hsp_value value = read((const char *)values + (size_t)i * size);
            takers[pass](&module.syncer, &value);
        }
    hsp_syncer_end(&module.syncer);
}

static void take_floats(const struct hsp_zabbix_float *values, int count) {
    take(values, sizeof(*values), count, read_float);
}

static void take_integers(const struct hsp_zabbix_integer *values, int count) {
    take(values, sizeof(*values), count, read_integer);
}

static void take_strings(const struct hsp_zabbix_string *values, int count) {
    take(values, sizeof(*values), count, read_string);
}

static void take_logs(const struct hsp_zabbix_log *values, int count) {
    take(values, sizeof(*values), count, read_log);
}

/* Keys
 * ------------------------------------------------------------------------------------ */

static uint64_t count_down(void) {
    const struct hsp_map *map = &module.syncer.map;
    uint64_t down = 0;
    hsp_board_lock(module.board);
    for (size_t i = 0; i < map->count; i++) {
        const struct hsp_board_item *item =
            hsp_board_find(module.board, map->items[i].itemid);
        down += item != NULL && item->track.monitor.state == HS_STATE_DOWN;
    }
    hsp_board_unlock(module.board);
    return down;
}

static int get_item(struct hsp_zabbix_request *request,
                    struct hsp_zabbix_result *result) {
    struct hsp_queue_count counts[HSP_BOARD_COUNTS + 2] = {
        [HSP_BOARD_EDGES] = {.name = "edges"},
        [HSP_BOARD_LATE] = {.name = "late"},
        [HSP_BOARD_IGNORED] = {.name = "ignored"},
        [HSP_BOARD_REFUSED] = {.name = "refused"},
        [HSP_BOARD_WAITING] = {.name = "waiting"},
        {.name = "items"},
        {.name = "down"},
    };
    if (is_watching()) {
        /* Events that wait for the disk need not wait for a value, too. */
        hsp_syncer_attend(&module.syncer);
        for (size_t i = 0; i < HSP_BOARD_COUNTS; i++)
            counts[i].value = atomic_load(&module.board->counts[i]);
        counts[HSP_BOARD_COUNTS].value = module.syncer.map.count;
        counts[HSP_BOARD_COUNTS + 1].value = count_down();
    }
    if (module.config == NULL)
        return HSP_ZABBIX_FAIL;
    return hsp_queue_items_get(hs_config_spool_dir(module.config), counts,
                               is_watching() ? HSP_BOARD_COUNTS + 2 : 0, request, result);
}

/* Start and end
 * ------------------------------------------------------------------------------------ */

static void load_config(void) {
    struct hs_error err = {0};
    if (hs_config_load(&module.config, NULL, &err) != HS_OK) {
        hsp_hostlog(HSP_HOSTLOG_ERROR, "%s", err.text);
        return;
    }
    const char *warning = hs_config_warning(module.config);
    if (warning != NULL)
        hsp_hostlog(HSP_HOSTLOG_WARNING, "%s", warning);
}

/* The map decides whether there is anything to do for the history. */
static void start_watching(void) {
    const char *folder = getenv("HOOKSPOOL_ZABBIX_DIR");
    struct hs_error err = {0};
    if (folder == NULL || *folder != '/')
        folder = HSP_DEFAULT_ZABBIX_DIR;
    struct hsp_board *board =
        hsp_board_new(HSP_BOARD_ITEMS, HSP_BOARD_LINE_BYTES, HSP_MAP_BYTES_MAX);
    if (board == NULL) {
        hsp_hostlog(HSP_HOSTLOG_ERROR, "no shared memory: no items are watched");
        return;
    }
    if (hsp_syncer_init(&module.syncer, folder, module.config, board, &err) != HS_OK) {
        hsp_hostlog(HSP_HOSTLOG_ERROR, "%s: no items are watched", err.text);
        hsp_board_free(board);
        return;
    }
    hsp_syncer_look(&module.syncer, hsp_clock_now().running_us);
    if (module.syncer.map.count > 0) {
        module.board = board;
        return;
    }
    hsp_hostlog(HSP_HOSTLOG_NOTICE,
                "no items are mapped in %s/" HSP_SYNCER_MAP
                ": none are watched until the next start",
                folder);
    hsp_syncer_free(&module.syncer);
    hsp_board_free(board);
}

int zbx_module_api_version(void) { return HSP_ZABBIX_API; }

int zbx_module_init(void) {
    hsp_hostlog_find();
    module.owner = getpid();
    load_config();
    if (module.config != NULL)
        start_watching();
    return HSP_ZABBIX_OK;
}

struct hsp_zabbix_key *zbx_module_item_list(void) {
    return hsp_queue_items(get_item);
}

/* Every key answers from files, at once. */
void zbx_module_item_timeout(int seconds) { (void)seconds; }

/* Nothing where nothing is mapped: each callback costs the server a copy of all values,
 * and 7.0 ends over a binary value where any is there. */
struct hsp_zabbix_callbacks zbx_module_history_write_cbs(void) {
    if (!is_watching())
        return (struct hsp_zabbix_callbacks){0};
    return (struct hsp_zabbix_callbacks){
        .floats = take_floats,
        .integers = take_integers,
        .strings = take_strings,
        .texts = take_strings,
        .logs = take_logs,
    };
}

/* In the main process, when all others have ended. */
int zbx_module_uninit(void) {
    if (module.owner != getpid())
        return HSP_ZABBIX_OK;
    if (is_watching() && atomic_load(&module.board->loaded))
        hsp_keeper_finish(&module.syncer.keeper, module.board);
    if (is_watching())
        hsp_syncer_free(&module.syncer);
    hsp_board_free(module.board);
    hs_config_free(module.config);
    module.board = NULL;
    module.config = NULL;
    return HSP_ZABBIX_OK;
}

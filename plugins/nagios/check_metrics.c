/* SPDX-License-Identifier: MIT */
/* The metrics: one row each, with what is wrong by default. Most are of an endpoint, and
 * each endpoint is held against the threshold for itself. */
#include "config.h"

#include "check_metrics.h"

#include "buffer.h"
#include "error.h"

#include <string.h>

static const struct row {
    const char *name;
    enum hsp_unit unit;
    const char *uom;
    const char *warning, *critical; /* by default */
    const char *help;
} rows[HSP_METRICS] = {
    [HSP_PENDING] = {"pending", HSP_UNIT_COUNT, "", "100", "", "events that wait"},
    [HSP_AGE] = {"age", HSP_UNIT_SECONDS, "s", "5m", "1h", "age of the oldest of them"},
    [HSP_DEAD] = {"dead", HSP_UNIT_COUNT, "", "0", "", "dead letters"},
    [HSP_SENT] = {"sent", HSP_UNIT_COUNT, "c", "", "",
                  "delivered since the daemon started"},
    [HSP_FAILED] = {"failed", HSP_UNIT_COUNT, "c", "", "",
                    "failed since the daemon started"},
    [HSP_RATE] = {"rate", HSP_UNIT_PERCENT, "%", "", "",
                  "share of the rate limit in use"},
    [HSP_INCOMING] = {"incoming", HSP_UNIT_COUNT, "", "100", "1000",
                      "files in incoming/"},
    [HSP_INCOMING_AGE] = {"incoming_age", HSP_UNIT_SECONDS, "s", "1m", "5m",
                          "age of the oldest of them"},
    [HSP_CORRUPT] = {"corrupt", HSP_UNIT_COUNT, "", "0", "",
                     "files set aside in corrupt/"},
    [HSP_SPACE] = {"space", HSP_UNIT_PERCENT, "%",
                   "10:", "5:", "free space of the spool's file system"},
    [HSP_INODES] = {"inodes", HSP_UNIT_PERCENT, "%", "10:", "5:", "free inodes of it"},
};

void hsp_thresholds_default(struct hsp_thresholds *thresholds) {
    for (size_t i = 0; i < HSP_METRICS; i++) {
        const struct row *row = &rows[i];
        hsp_range_parse(row->warning, strlen(row->warning), row->unit,
                        &thresholds->warning[i]);
        hsp_range_parse(row->critical, strlen(row->critical), row->unit,
                        &thresholds->critical[i]);
    }
}

const char *hsp_metric_name(enum hsp_metric metric) { return rows[metric].name; }

const char *hsp_metric_uom(enum hsp_metric metric) { return rows[metric].uom; }

void hsp_thresholds_print(FILE *stream) {
    for (size_t i = 0; i < HSP_METRICS; i++)
        fprintf(stream, "  %-13s %-8s %-9s %s\n", rows[i].name,
                *rows[i].warning != '\0' ? rows[i].warning : "-",
                *rows[i].critical != '\0' ? rows[i].critical : "-", rows[i].help);
}

static enum hs_status refuse(const char *name, int length, struct hs_error *err) {
    struct hsp_buffer names = {0};
    for (size_t i = 0; i < HSP_METRICS; i++)
        hsp_buffer_print(&names, "%s%s", i > 0 ? ", " : "", rows[i].name);
    hsp_fail(err, HS_E_DATA, "'%.*s' is no metric; these are: %s", length, name,
             names.data != NULL ? names.data : "");
    hsp_buffer_free(&names);
    return HS_E_DATA;
}

static enum hs_status set_one(struct hsp_range ranges[HSP_METRICS], const char *text,
                              size_t length, struct hs_error *err) {
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    size_t i = 0;
    while (i < HSP_METRICS && (strlen(rows[i].name) != name_length ||
                               strncmp(rows[i].name, text, name_length) != 0))
        i++;
    if (i == HSP_METRICS)
        return refuse(text, (int)name_length, err);
    const char *range = equals != NULL ? equals + 1 : text + length;
    size_t range_length = (size_t)(text + length - range);
    if (equals == NULL || !hsp_range_parse(range, range_length, rows[i].unit, &ranges[i]))
        return hsp_fail(err, HS_E_DATA,
                        "%s: '%.*s' is no range; 10, 10:, ~:10, 10:20 and @10:20 are%s",
                        rows[i].name, (int)range_length, range,
                        rows[i].unit == HSP_UNIT_SECONDS ? ", and 5m or 1h:" : "");
    return HS_OK;
}

enum hs_status hsp_thresholds_set(struct hsp_range ranges[HSP_METRICS], const char *text,
                                  struct hs_error *err) {
    for (;;) {
        size_t length = strcspn(text, ",");
        enum hs_status status = set_one(ranges, text, length, err);
        if (status != HS_OK || text[length] == '\0')
            return status;
        text += length + 1;
    }
}

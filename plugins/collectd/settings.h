/* SPDX-License-Identifier: MIT */
/* The <Plugin write_hookspool> block: from a tree of options, as collectd's parser makes
 * one, to settings. What is wrong is told with the option's name, and costs that option,
 * or the Monitor it stands in; only a spool that cannot be determined is a failure. */
#ifndef HSP_SETTINGS_H
#define HSP_SETTINGS_H

#include "monitor.h"
#include "option.h"
#include "series.h"

/* collectd's, in the order of their weight. */
enum hsp_severity { HSP_OKAY, HSP_WARNING, HSP_FAILURE };

/* Another series that says more about the same check. */
struct hsp_feed {
    bool wanted;
    struct hsp_pattern pattern; /* its host is the monitor's, borrowed */
    double factor;              /* 0: by the type */
};

enum hsp_feed_kind { HSP_RESPONSE_TIME, HSP_STATUS_CODE, HSP_FEEDS };

/* One <Monitor>. */
struct hsp_watch {
    char *label;
    char *name, *id, *url,
        *endpoints; /* "%{host}" is replaced in the first three; NULL */
    struct hsp_pattern pattern;
    char *data_source; /* NULL: every one must be good */
    struct hsp_limits limits;
    struct hsp_monitor_rules rules;
    int64_t *notify_at;       /* rules.notify_at */
    bool timeout_is_given;    /* else it goes by the interval of the values */
    bool by_notifications;    /* Source */
    enum hs_state warning_is; /* NONE: as for all */
    struct hsp_feed feeds[HSP_FEEDS];
};

struct hsp_settings {
    char *config, *spool_dir, *region, *state_file; /* NULL: default */
    bool notifications;
    enum hsp_severity min_severity;
    enum hs_state warning_is; /* NONE: as in hookspool.conf */
    struct hsp_watch **watches;
    size_t watch_count;
};

typedef void hsp_complain(const char *line);

void hsp_settings_init(struct hsp_settings *settings);
/* Add what one block says; a file may have several, and a later one wins. HS_E_CONFIG:
 * the spool cannot be determined. HS_E_NOMEM. Told in `err`, everything else by
 * `complain`. */
enum hs_status hsp_settings_read(struct hsp_settings *settings,
                                 const struct hsp_option *block, hsp_complain *complain,
                                 struct hs_error *err) HS_MUST_CHECK;
void hsp_settings_free(struct hsp_settings *settings);

#endif

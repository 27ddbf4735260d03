/* SPDX-License-Identifier: MIT */
/* From an edge or a notification to an event, as docs/collectd.md says. */
#ifndef HSP_ALERT_H
#define HSP_ALERT_H

#include "outbox.h"
#include "settings.h"

/* One value list of collectd's, all of it borrowed. */
struct hsp_reading {
    struct hsp_series series;
    int64_t time_us;     /* of day */
    int64_t interval_us; /* until the next one */
    size_t count;
    const char *const *names; /* of the data sources */
    const double *values;     /* rates, for what collectd counts */
};

struct hsp_meta {
    const char *name;
    const char *value; /* as text */
};

/* One notification, likewise. */
struct hsp_note {
    struct hsp_series series;
    enum hsp_severity severity;
    int64_t time_us;
    const char *message;
    const struct hsp_meta *meta;
    size_t meta_count;
};

/* What an event of a Monitor is made of. */
struct hsp_alert {
    const struct hsp_watch *watch; /* NULL: of a notification that fits none */
    const char *host;              /* "": of no known host */
    const char *region;            /* NULL: as configured */
    const struct hsp_edge *edge;
    const char *message;               /* for DOWN */
    const struct hsp_reading *reading; /* that decided; NULL */
    size_t source;                     /* which data source of it */
    const struct hsp_note *note;       /* that decided; NULL */
};

/* The caller's, ended by hs_event_free. HS_E_NOMEM, HS_E_IO (no random bytes). */
enum hs_status hsp_alert_event(struct hs_event **event, const struct hsp_alert *alert,
                               struct hs_error *err) HS_MUST_CHECK;

/* Make the event and hand it over together with the monitor's status under `key` (NULL:
 * none is kept; `status` NULL: it is forgotten). `arg` and `ticket` as in core/outbox.h.
 * Statuses of hsp_alert_event and hsp_outbox_add. */
enum hs_status hsp_alert_send(struct hsp_outbox *outbox, const struct hsp_alert *alert,
                              const char *key, const struct hsp_monitor *status,
                              void *arg, uint64_t *ticket,
                              struct hs_error *err) HS_MUST_CHECK;

/* "okay", "warning", "failure". */
const char *hsp_severity_text(enum hsp_severity severity);

#endif

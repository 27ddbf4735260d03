/* SPDX-License-Identifier: MIT */
/* One request of `hookspool test`: the documented sample, sent as an event is sent, and
 * what became of it step by step, with the fault by name. */
#ifndef HSP_TRIAL_H
#define HSP_TRIAL_H

#include "../id.h"
#include "../json.h"
#include "fault.h"
#include "settings.h"
#include "sign.h"
#include <stdatomic.h>

#define HSP_TRIAL_MONITOR "test"

struct hsp_trial {
    const struct hsp_endpoint_settings *settings;
    const struct hsp_signer *signer;
    enum hs_kind kind;            /* incident or recovery */
    const atomic_bool *cancelled; /* set by anybody: end at once */
};

struct hsp_trial_result {
    enum hsp_fault fault; /* HSP_FAULT_NONE: delivered */
    bool may_be_taken;    /* delivered, or perhaps: a recovery should follow */
    long http_status;     /* 0: none */
    int64_t took_ms;
    char id[HSP_ID_LENGTH + 1];
    char reason[512];    /* one line; "" where delivered */
    json_object *report; /* docs/control.md; the caller's, json_object_put */
};

/* Send one and wait for what comes of it. Blocks up to the endpoint's timeout, twice
 * where a second look is needed, and ends within 1 s of `cancelled`. Any thread, several
 * at once. HS_E_NOMEM, HS_E_IO (no random bytes), HS_E_CONFIG: nothing was sent. */
enum hs_status hsp_trial_run(const struct hsp_trial *trial,
                             struct hsp_trial_result *result,
                             struct hs_error *err) HS_MUST_CHECK;

#endif

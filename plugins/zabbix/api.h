/* SPDX-License-Identifier: MIT */
/* Zabbix's API: JSON-RPC 2.0 over HTTP, with a token. The one place for Zabbix that links
 * libcurl. From 6.4 on the token goes into a header, before that into the request.
 * Source: Zabbix' manual, chapter "API". One thread, and one handle at a time. */
#ifndef HSP_API_H
#define HSP_API_H

#include "hookspool.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct hsp_api;

#define HSP_API_ANSWER_MAX (128 * 1024 * 1024)

/* All borrowed. */
struct hsp_api_options {
    const char *url;     /* of the frontend, or of its api_jsonrpc.php */
    const char *token;   /* in no message */
    const char *ca_file; /* NULL: the system's */
    bool allow_http;     /* without TLS, also where it is not this machine */
    int64_t timeout_ms;  /* of each request */
};

/* Ask for the version, and so whether anybody is there. HS_E_CONFIG: the URL is none, or
 * not to be used; HS_E_IO: nobody answers, TLS fails, or no 2xx; HS_E_DATA: what answers
 * is no Zabbix of 5.4 or later; HS_E_NOMEM. */
enum hs_status hsp_api_open(struct hsp_api **api, const struct hsp_api_options *options,
                            struct hs_error *err) HS_MUST_CHECK;
void hsp_api_close(struct hsp_api *api); /* NULL is fine */
/* "6.0.14" */
const char *hsp_api_version(const struct hsp_api *api);

/* Call a method with `parameters`, JSON text. The result is the caller's, ended by
 * json_object_put. HS_E_DATA: the API's error, or no answer of its kind; else as above.
 */
enum hs_status hsp_api_call(struct hsp_api *api, const char *method,
                            const char *parameters, json_object **result,
                            struct hs_error *err) HS_MUST_CHECK;

#endif

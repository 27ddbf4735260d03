/* SPDX-License-Identifier: MIT */
/* Requests to Zabbix's API. Nothing is followed and no environment is asked: a token goes
 * to the address that was configured, and nowhere else. */
#include "config.h"

#include "api.h"
#include "error.h"
#include "json.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCRIPT "api_jsonrpc.php"
#define SHOWN_MAX 200 /* bytes of an answer in a message */

struct hsp_api {
    const struct hsp_api_options *options;
    CURL *curl;
    struct curl_slist *headers, *with_token;
    char *url; /* of the script */
    char version[32];
    bool token_in_body;
    struct hsp_buffer answer;
    char reason[CURL_ERROR_SIZE];
};

/* The address
 * ------------------------------------------------------------------------------------ */

/* 127.0.0.0/8, [::1] or localhost: addresses, not names that look like one. */
static bool is_loopback(const char *host) {
    char inside[64];
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (*host != '[')
        return strcasecmp(host, "localhost") == 0;
    snprintf(inside, sizeof(inside), "%.*s", (int)strcspn(host + 1, "]"), host + 1);
    return inet_pton(AF_INET6, inside, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static enum hs_status check_parts(const struct hsp_api_options *options, CURLU *parts,
                                  struct hs_error *err) {
    char *scheme = NULL, *host = NULL, *user = NULL;
    enum hs_status status = HS_OK;
    if (curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        status = hsp_fail(err, HS_E_CONFIG, "--url: it has no scheme and host");
    else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        status = hsp_fail(err, HS_E_CONFIG, "--url: neither https nor http");
    else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
        status = hsp_fail(err, HS_E_CONFIG, "--url: no user is taken, but a token");
    else if (strcmp(scheme, "http") == 0 && !options->allow_http && !is_loopback(host))
        status = hsp_fail(err, HS_E_CONFIG,
                          "--url: without TLS the token would be readable on its way; "
                          "use https, or --allow-http");
    curl_free(user);
    curl_free(host);
    curl_free(scheme);
    return status;
}

/* The frontend's address may be given, with or without a slash, or the script's. */
static enum hs_status set_url(struct hsp_api *api, struct hs_error *err) {
    const char *given = api->options->url;
    const size_t length = strlen(given), script = strlen(SCRIPT);
    CURLU *parts = curl_url();
    enum hs_status status = HS_OK;
    if (parts == NULL)
        return hsp_fail(err, HS_E_NOMEM, "read --url: out of memory");
    const CURLUcode code = curl_url_set(parts, CURLUPART_URL, given, 0);
    if (code != CURLUE_OK)
        status = hsp_fail(err, HS_E_CONFIG, "--url: %s", curl_url_strerror(code));
    else
        status = check_parts(api->options, parts, err);
    curl_url_cleanup(parts);
    if (status != HS_OK)
        return status;
    const bool whole = length >= script && strcmp(given + length - script, SCRIPT) == 0;
    const char *slash = given[length - 1] == '/' ? "" : "/";
    if (asprintf(&api->url, "%s%s%s", given, whole ? "" : slash, whole ? "" : SCRIPT) < 0)
        return hsp_fail(err, HS_E_NOMEM, "read --url: out of memory");
    return HS_OK;
}

/* Requests
 * ------------------------------------------------------------------------------------ */

static size_t take_answer(char *bytes, size_t size, size_t count, void *context) {
    struct hsp_api *api = context;
    const size_t length = size * count;
    if (api->answer.length + length > HSP_API_ANSWER_MAX)
        return 0;
    hsp_buffer_append(&api->answer, bytes, length);
    return api->answer.failed ? 0 : length;
}

static void set_options(struct hsp_api *api) {
    const struct hsp_api_options *options = api->options;
    CURL *curl = api->curl;
    curl_easy_setopt(curl, CURLOPT_URL, api->url);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, api->reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, api);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "hookspool/" PACKAGE_VERSION);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    if (options->ca_file != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
}

/* Post it; the answer is in `api->answer` then. */
static enum hs_status post(struct hsp_api *api, const char *method,
                           const struct hsp_buffer *body, bool with_token,
                           struct hs_error *err) {
    long code = 0;
    hsp_buffer_clear(&api->answer);
    *api->reason = '\0';
    curl_easy_setopt(api->curl, CURLOPT_POSTFIELDS, body->data);
    curl_easy_setopt(api->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->length);
    curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER,
                     with_token ? api->with_token : api->headers);
    const CURLcode result = curl_easy_perform(api->curl);
    if (api->answer.failed)
        return hsp_fail(err, HS_E_NOMEM, "%s: out of memory", method);
    if (result == CURLE_WRITE_ERROR)
        return hsp_fail(err, HS_E_DATA, "%s: the answer is longer than 128 MB", method);
    if (result != CURLE_OK)
        return hsp_fail(err, HS_E_IO, "%s at %s: %s", method, api->url,
                        *api->reason != '\0' ? api->reason : curl_easy_strerror(result));
    curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code < 200 || code > 299)
        return hsp_fail(err, HS_E_IO, "%s at %s: HTTP status %ld%s", method, api->url,
                        code, code >= 300 && code < 400 ? ", which is not followed" : "");
    return HS_OK;
}

/* Printable, cut, in one line. */
static void show(const char *text, char shown[SHOWN_MAX]) {
    snprintf(shown, SHOWN_MAX, "%.*s", SHOWN_MAX - 1, text);
    for (char *c = shown; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

static const char *text_of(json_object *object, const char *key) {
    json_object *value = hsp_json_member(object, key, json_type_string);
    return value != NULL ? json_object_get_string(value) : "";
}

/* The result out of an answer. */
static enum hs_status read_answer(const struct hsp_api *api, const char *method,
                                  json_object **result, struct hs_error *err) {
    char shown[SHOWN_MAX];
    struct hs_error own = {0};
    enum hs_status status = HS_OK;
    json_object *fault = NULL, *found = NULL;
    json_object *root = hsp_json_parse(api->answer.data == NULL ? "" : api->answer.data,
                                       api->answer.length, &own);
    if (root == NULL && own.status == HS_E_NOMEM)
        return hsp_fail(err, HS_E_NOMEM, "%s: out of memory", method);
    if (root == NULL) {
        show(api->answer.length == 0 ? "nothing" : api->answer.data, shown);
        return hsp_fail(err, HS_E_DATA,
                        "%s at %s: the answer is no JSON; is this the address of "
                        "Zabbix's frontend? It begins: %.60s",
                        method, api->url, shown);
    }
    /* JSON-RPC 2.0 has one of them, 1.0 both, of which one is null. */
    if (json_object_object_get_ex(root, "error", &fault) && fault != NULL) {
        char message[2 * SHOWN_MAX];
        snprintf(message, sizeof(message), "%s %s", text_of(fault, "message"),
                 text_of(fault, "data"));
        show(strcmp(message, " ") == 0 ? json_object_to_json_string(fault) : message,
             shown);
        status = hsp_fail(err, HS_E_DATA, "%s: the API says: %s", method, shown);
    } else if (!json_object_object_get_ex(root, "result", &found) || found == NULL) {
        status = hsp_fail(err, HS_E_DATA, "%s: the answer has no result", method);
    } else {
        *result = json_object_get(found);
    }
    json_object_put(root);
    return status;
}

static enum hs_status call(struct hsp_api *api, const char *method,
                           const char *parameters, bool with_token, json_object **result,
                           struct hs_error *err) {
    struct hsp_buffer body = {0};
    const char *token = api->options->token;
    hsp_buffer_print(&body, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s",
                     method, parameters);
    if (with_token && api->token_in_body) {
        hsp_buffer_print(&body, ",\"auth\":");
        hsp_json_string(&body, token, strlen(token));
    }
    hsp_buffer_print(&body, ",\"id\":1}");
    enum hs_status status =
        body.failed ? hsp_fail(err, HS_E_NOMEM, "%s: out of memory", method)
                    : post(api, method, &body, with_token && !api->token_in_body, err);
    if (status == HS_OK)
        status = read_answer(api, method, result, err);
    if (body.data != NULL)
        explicit_bzero(body.data, body.length);
    hsp_buffer_free(&body);
    return status;
}

enum hs_status hsp_api_call(struct hsp_api *api, const char *method,
                            const char *parameters, json_object **result,
                            struct hs_error *err) {
    return call(api, method, parameters, true, result, err);
}

/* Opening
 * ------------------------------------------------------------------------------------ */

static enum hs_status ask_version(struct hsp_api *api, struct hs_error *err) {
    json_object *result = NULL;
    int major = 0, minor = 0;
    enum hs_status status = call(api, "apiinfo.version", "[]", false, &result, err);
    if (status != HS_OK)
        return status;
    const char *text = json_object_is_type(result, json_type_string)
                           ? json_object_get_string(result)
                           : "";
    snprintf(api->version, sizeof(api->version), "%s", text);
    if (sscanf(text, "%d.%d", &major, &minor) != 2)
        status = hsp_fail(err, HS_E_DATA, "apiinfo.version: no version is told");
    else if (major < 5 || (major == 5 && minor < 4))
        status = hsp_fail(err, HS_E_DATA,
                          "apiinfo.version: Zabbix %d.%d has no API tokens; they came "
                          "with 5.4",
                          major, minor);
    api->token_in_body = major < 6 || (major == 6 && minor < 4);
    json_object_put(result);
    return status;
}

static enum hs_status set_headers(struct hsp_api *api, struct hs_error *err) {
    static const char type[] = "Content-Type: application/json-rpc";
    char *authorization = NULL;
    api->headers = curl_slist_append(NULL, type);
    api->with_token = curl_slist_append(NULL, type);
    if (asprintf(&authorization, "Authorization: Bearer %s", api->options->token) < 0)
        authorization = NULL;
    struct curl_slist *longer = api->with_token == NULL || authorization == NULL
                                    ? NULL
                                    : curl_slist_append(api->with_token, authorization);
    free(authorization);
    return longer == NULL || api->headers == NULL
               ? hsp_fail(err, HS_E_NOMEM, "make a request: out of memory")
               : HS_OK;
}

enum hs_status hsp_api_open(struct hsp_api **api, const struct hsp_api_options *options,
                            struct hs_error *err) {
    struct hsp_api *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return hsp_fail(err, HS_E_NOMEM, "make a request: out of memory");
    made->options = options;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        made->curl = curl_easy_init();
    enum hs_status status =
        made->curl == NULL ? hsp_fail(err, HS_E_NOMEM, "make a request: out of memory")
                           : set_url(made, err);
    if (status == HS_OK)
        status = set_headers(made, err);
    if (status == HS_OK) {
        set_options(made);
        status = ask_version(made, err);
    }
    if (status == HS_OK) {
        *api = made;
        made = NULL;
    }
    hsp_api_close(made);
    return status;
}

void hsp_api_close(struct hsp_api *api) {
    if (api == NULL)
        return;
    curl_slist_free_all(api->headers);
    curl_slist_free_all(api->with_token);
    curl_easy_cleanup(api->curl);
    hsp_buffer_free(&api->answer);
    curl_global_cleanup();
    free(api->url);
    free(api);
}

const char *hsp_api_version(const struct hsp_api *api) { return api->version; }

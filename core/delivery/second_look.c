/* SPDX-License-Identifier: MIT */
/* Connections without a request (CURLOPT_CONNECT_ONLY). */
#include "config.h"

#include "second_look.h"

#include "plain.h"
#include "request.h"

#include <poll.h>

#define LOOK_MS 3000
#define GREETING_MS 1000
#define GREETING_MAX 80

struct look {
    CURLM *multi;
    CURL *easy;
};

static void end_look(struct look *look) {
    if (look->multi != NULL && look->easy != NULL)
        curl_multi_remove_handle(look->multi, look->easy);
    curl_easy_cleanup(look->easy);
    curl_multi_cleanup(look->multi);
}

/* The endpoint's URL without user, path and query, at its port, with this scheme. */
static bool set_url(CURL *easy, const char *text, const char *scheme) {
    static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_PASSWORD,
                                         CURLUPART_PATH, CURLUPART_QUERY,
                                         CURLUPART_FRAGMENT};
    char *port = NULL, *made = NULL;
    CURLU *url = curl_url();
    bool ok = url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              curl_url_set(url, CURLUPART_PORT, port, 0) == CURLUE_OK &&
              curl_url_set(url, CURLUPART_SCHEME, scheme, 0) == CURLUE_OK;
    for (size_t i = 0; ok && i < sizeof unwanted / sizeof *unwanted; i++)
        curl_url_set(url, unwanted[i], NULL, 0);
    ok = ok && curl_url_get(url, CURLUPART_URL, &made, 0) == CURLUE_OK &&
         curl_easy_setopt(easy, CURLOPT_URL, made) == CURLE_OK;
    curl_free(made);
    curl_free(port);
    curl_url_cleanup(url);
    return ok;
}

/* Connect as a request would; true: the connection stands. */
static bool connect_to(struct look *look, const struct hsp_endpoint_settings *settings,
                       bool with_tls, const atomic_bool *cancelled) {
    *look = (struct look){curl_multi_init(), curl_easy_init()};
    if (look->multi == NULL || look->easy == NULL ||
        !hsp_request_set_up(look->easy, settings) ||
        !set_url(look->easy, settings->url, with_tls ? "https" : "http"))
        return false;
    curl_easy_setopt(look->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(look->easy, CURLOPT_TIMEOUT_MS, (long)LOOK_MS);
    /* Nothing is sent here and nothing believed: whose certificate it is does not count.
     */
    curl_easy_setopt(look->easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(look->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    return hsp_request_run(look->multi, look->easy, cancelled) == CURLE_OK;
}

bool hsp_speaks_tls(const struct hsp_endpoint_settings *settings,
                    const atomic_bool *cancelled) {
    struct look look;
    const bool result = connect_to(&look, settings, true, cancelled);
    end_look(&look);
    return result;
}

void hsp_hear_greeting(const struct hsp_endpoint_settings *settings, bool with_tls,
                       const atomic_bool *cancelled, char *greeting, size_t size) {
    struct look look;
    char heard[GREETING_MAX];
    size_t length = 0;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (connect_to(&look, settings, with_tls, cancelled) &&
        curl_easy_getinfo(look.easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
        fd != CURL_SOCKET_BAD &&
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, GREETING_MS) == 1 &&
        curl_easy_recv(look.easy, heard, sizeof heard, &length) != CURLE_OK)
        length = 0;
    hsp_plain_copy(greeting, size, heard, length);
    end_look(&look);
}

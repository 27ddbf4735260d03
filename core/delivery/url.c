/* SPDX-License-Identifier: MIT */
/* URLs as text: which are taken, which are loopback, and how one is shown without what it
 * may hold of a secret. Nothing is decoded or normalized: what looks odd is not taken for
 * loopback, and is hidden. Pure functions. */
#include "config.h"

#include "settings.h"
#include "url.h"

#include "../buffer.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define HIDDEN "***"
#define LEAST_HIDDEN 4

/* SCHEME://USER@HOST:PORT/PATH?QUERY#FRAGMENT, as pointers into the text. */
struct parts {
    const char *authority; /* behind "://" */
    const char *host;      /* behind the last "@" of the authority */
    const char *path;      /* where the authority ends */
    const char *query;     /* "?", or where the path ends */
    const char *fragment;  /* "#", or the end */
};

static bool split(const char *url, struct parts *parts) {
    const char *colon = strstr(url, "://");
    if (colon == NULL)
        return false;
    parts->authority = colon + 3;
    parts->path = parts->authority + strcspn(parts->authority, "/?#");
    parts->host = parts->authority;
    for (const char *at = parts->authority; at < parts->path; at++)
        if (*at == '@')
            parts->host = at + 1;
    parts->query = parts->path + strcspn(parts->path, "?#");
    parts->fragment = parts->query + strcspn(parts->query, "#");
    return true;
}

bool hsp_url_is_https(const char *url) {
    return strncasecmp(url, "https://", strlen("https://")) == 0;
}

bool hsp_url_ok(const char *url) {
    struct parts parts;
    for (const char *at = url; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '\\')
            return false;
    return (hsp_url_is_https(url) ||
            strncasecmp(url, "http://", strlen("http://")) == 0) &&
           split(url, &parts) && parts.host < parts.path && *parts.host != ':';
}

char *hsp_mask_url(const char *url, bool hide_path) {
    struct hsp_buffer shown = {0};
    struct parts parts;
    if (!split(url, &parts)) {
        hsp_buffer_print(&shown, HIDDEN);
        return hsp_buffer_take(&shown, NULL);
    }
    hsp_buffer_append(&shown, url, (size_t)(parts.authority - url));
    if (parts.host > parts.authority)
        hsp_buffer_print(&shown, HIDDEN "@");
    hsp_buffer_append(&shown, parts.host, (size_t)(parts.path - parts.host));
    const size_t path_length = (size_t)(parts.query - parts.path);
    if (hide_path && path_length > 1)
        hsp_buffer_print(&shown, "/" HIDDEN);
    else
        hsp_buffer_append(&shown, parts.path, path_length);
    if (parts.fragment > parts.query)
        hsp_buffer_print(&shown, "?" HIDDEN);
    if (*parts.fragment != '\0')
        hsp_buffer_print(&shown, "#" HIDDEN);
    return hsp_buffer_take(&shown, NULL);
}

/* Hiding what a text repeats of a URL
 * ------------------------------------------------------------- */

/* The length of the longest part between separators that `text` begins with; 0: none. */
static size_t match_part(const char *text, const char *begin, const char *end,
                         const char *separators) {
    size_t longest = 0;
    while (begin < end) {
        size_t length = strcspn(begin, separators);
        if (length > (size_t)(end - begin))
            length = (size_t)(end - begin);
        if (length >= LEAST_HIDDEN && length > longest &&
            strncmp(text, begin, length) == 0)
            longest = length;
        begin += length + 1;
    }
    return longest;
}

static size_t match(const char *text, const struct parts *parts, bool hide_path) {
    size_t found[] = {
        match_part(text, parts->authority, parts->host, ":@"),
        match_part(text, parts->query, parts->fragment, "?&=;"),
        match_part(text, parts->fragment, parts->fragment + strlen(parts->fragment), "#"),
        hide_path ? match_part(text, parts->path, parts->query, "/") : 0,
    };
    size_t longest = 0;
    for (size_t i = 0; i < sizeof found / sizeof *found; i++)
        longest = found[i] > longest ? found[i] : longest;
    return longest;
}

void hsp_url_hide(struct hsp_buffer *out, const char *text, const char *url,
                  bool hide_path) {
    struct parts parts;
    const bool is_split = split(url, &parts);
    while (*text != '\0') {
        const size_t hidden = is_split ? match(text, &parts, hide_path) : 0;
        if (hidden > 0)
            hsp_buffer_append(out, HIDDEN, strlen(HIDDEN));
        else
            hsp_buffer_append(out, text, 1);
        text += hidden > 0 ? hidden : 1;
    }
}

/* Copy the host without brackets and port; false: too long or ill-formed. */
static bool take_host(const struct parts *parts, char host[64], bool *in_brackets) {
    const char *begin = parts->host, *end = NULL;
    *in_brackets = *begin == '[';
    if (*in_brackets) {
        begin++;
        end = begin + strcspn(begin, "]");
        if (end >= parts->path || (end + 1 < parts->path && end[1] != ':'))
            return false;
    } else {
        end = begin + strcspn(begin, ":/?#");
    }
    if (end - begin >= 64)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    return true;
}

bool hsp_url_is_loopback(const char *url) {
    char host[64];
    bool in_brackets = false;
    struct parts parts;
    struct in_addr v4;
    struct in6_addr v6;
    if (!hsp_url_ok(url) || !split(url, &parts) || !take_host(&parts, host, &in_brackets))
        return false;
    if (in_brackets)
        return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0;
}

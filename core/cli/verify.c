/* SPDX-License-Identifier: MIT */
/* hookspool verify: is the signature of a captured request right? Offline, and with the
 * reason where it is not. */
#include "config.h"

#include "secrets.h"
#include "signature.h"

#include "../error.h"
#include "../units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BODY_MAX (16 * 1024 * 1024)
#define TOLERANCE_S 300 /* of Standard Webhooks' libraries */

static const char *signature, *webhook_id, *webhook_timestamp, *webhook_signature;
static const char *endpoint;
static struct hsp_option_list secret_files;

/* Reading
 * ------------------------------------------------------------------------------------ */

static enum hs_status read_all(int fd, const char *name, struct hsp_buffer *body,
                               struct hs_error *err) {
    char piece[64 * 1024];
    ssize_t got;
    while ((got = read(fd, piece, sizeof piece)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return hsp_fail_errno(err, HS_E_IO, "read %s", name);
        hsp_buffer_append(body, piece, (size_t)got);
        if (body->length > BODY_MAX)
            return hsp_fail(err, HS_E_IO, "read %s: more than %d bytes", name, BODY_MAX);
    }
    hsp_buffer_append(body, "", 0);
    return body->failed ? hsp_fail(err, HS_E_NOMEM, "read %s: out of memory", name)
                        : HS_OK;
}

static enum hs_status read_body(const struct hsp_cli *cli, struct hsp_buffer *body,
                                struct hs_error *err) {
    if (cli->operand_count == 0 || strcmp(cli->operands[0], "-") == 0)
        return read_all(STDIN_FILENO, "standard input", body, err);
    const int fd = open(cli->operands[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return hsp_fail_errno(err, HS_E_IO, "open %s", cli->operands[0]);
    enum hs_status status = read_all(fd, cli->operands[0], body, err);
    close(fd);
    return status;
}

/* Judging
 * ------------------------------------------------------------------------------------ */

static enum hs_status judge(const struct hsp_capture *capture,
                            const struct hsp_secrets *secrets, bool *good,
                            struct hs_error *err) {
    struct hsp_finding finding;
    enum hs_status status = hsp_signature_judge(capture, secrets->signer, &finding, err);
    if (status != HS_OK)
        return status;
    const char *file =
        finding.secret < secrets->count ? secrets->files[finding.secret] : NULL;
    if (finding.good)
        printf("good: %s: made with %s\n", hsp_signature_header(capture->scheme), file);
    else
        printf("bad: %s: %s%s%s%s\n", hsp_signature_header(capture->scheme),
               finding.reason, file != NULL ? " (" : "", file != NULL ? file : "",
               file != NULL ? ")" : "");
    *good = *good && finding.good;
    return HS_OK;
}

/* What stands behind the header's name, where that was copied with it. */
static const char *value_of(const char *text, const char *header) {
    const size_t length = strlen(header);
    if (strncasecmp(text, header, length) == 0 && text[length] == ':')
        text += length + 1;
    return text + strspn(text, " \t");
}

/* An old request verifies all the same; a receiver that looks at the time refuses it. */
static void warn_of_age(const struct hsp_cli *cli) {
    char *end;
    const int64_t now_s = hsp_now_ms(CLOCK_REALTIME) / 1000;
    errno = 0;
    const long long then_s = strtoll(webhook_timestamp, &end, 10);
    if (*webhook_timestamp < '0' || *webhook_timestamp > '9' || *end != '\0' ||
        errno != 0)
        fprintf(stderr,
                "hookspool: %s: warning: webhook-timestamp is no number of "
                "seconds\n",
                cli->verb);
    else if (then_s / 1000 > HSP_TIME_MAX / 1000 || then_s > now_s * 100)
        fprintf(stderr,
                "hookspool: %s: warning: webhook-timestamp is not in seconds; "
                "in milliseconds?\n",
                cli->verb);
    else if (then_s < now_s - TOLERANCE_S || then_s > now_s + TOLERANCE_S)
        fprintf(stderr,
                "hookspool: %s: warning: webhook-timestamp is %lld s %s; a receiver "
                "refuses it beyond %d s\n",
                cli->verb,
                then_s < now_s ? (long long)now_s - then_s : then_s - (long long)now_s,
                then_s < now_s ? "old" : "ahead", TOLERANCE_S);
}

static enum hs_status judge_all(const struct hsp_cli *cli,
                                const struct hsp_secrets *secrets, bool *good,
                                struct hs_error *err) {
    struct hsp_buffer body = {0};
    *good = true;
    enum hs_status status = read_body(cli, &body, err);
    struct hsp_capture capture = {.body = body.data, .length = body.length};
    if (status == HS_OK && signature != NULL) {
        capture.scheme = HSP_SCHEME_STATUSPAGEONE;
        capture.signature = signature;
        status = judge(&capture, secrets, good, err);
    }
    if (status == HS_OK && webhook_signature != NULL) {
        capture.scheme = HSP_SCHEME_STANDARD;
        capture.signature = webhook_signature;
        capture.id = value_of(webhook_id, "webhook-id");
        capture.timestamp = webhook_timestamp;
        status = judge(&capture, secrets, good, err);
        warn_of_age(cli);
    }
    hsp_buffer_free(&body);
    return status;
}

/* The verb
 * ------------------------------------------------------------------------------------ */

/* What of the options does not fit together; NULL: it does. */
static const char *find_misuse(void) {
    const int webhook =
        (webhook_id != NULL) + (webhook_timestamp != NULL) + (webhook_signature != NULL);
    if (signature == NULL && webhook == 0)
        return "--signature, or --webhook-id, --webhook-timestamp and "
               "--webhook-signature are needed";
    if (webhook != 0 && webhook != 3)
        return "--webhook-id, --webhook-timestamp and --webhook-signature go together";
    if ((endpoint == NULL) == (secret_files.count == 0))
        return "--secret-file or --endpoint is needed, and not both";
    return NULL;
}

static int do_verify(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    struct hsp_secrets secrets = {0};
    bool good = false;
    const char *misuse = find_misuse();
    if (misuse != NULL)
        return hsp_cli_misuse(cli, "%s", misuse);
    if (webhook_timestamp != NULL)
        webhook_timestamp = value_of(webhook_timestamp, "webhook-timestamp");
    enum hs_status status = hsp_secrets_load(&secrets, cli, endpoint, &secret_files,
                                             webhook_signature != NULL, &err);
    if (status == HS_E_DATA)
        return hsp_cli_misuse(cli, "%s", err.text);
    if (status == HS_OK)
        status = judge_all(cli, &secrets, &good, &err);
    hsp_secrets_free(&secrets);
    if (status == HS_OK && fflush(stdout) != 0)
        status = hsp_fail_errno(&err, HS_E_IO, "print the result");
    if (status == HS_OK)
        return good ? 0 : HSP_EXIT_PARTLY;
    /* A secret that cannot be read is no mistake in hookspool.conf when it was named
     * here. */
    const int code = hsp_cli_complain(cli, &err);
    return endpoint == NULL ? HSP_EXIT_FAILED : code;
}

static const struct hsp_option options[] = {
    {'\0', "signature", "TEXT",
     "value of X-StatusPageOne-Signature, with or without the\nheader's name",
     HSP_OPTION_TEXT, &signature},
    {'\0', "webhook-id", "TEXT", "value of webhook-id (Standard Webhooks)",
     HSP_OPTION_TEXT, &webhook_id},
    {'\0', "webhook-timestamp", "TEXT", "value of webhook-timestamp", HSP_OPTION_TEXT,
     &webhook_timestamp},
    {'\0', "webhook-signature", "TEXT", "value of webhook-signature", HSP_OPTION_TEXT,
     &webhook_signature},
    {'\0', "secret-file", "FILE", "check with this secret; may be given again",
     HSP_OPTION_LIST, &secret_files},
    {'\0', "endpoint", "NAME", "check with the secrets of this endpoint", HSP_OPTION_TEXT,
     &endpoint},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_verify = {
    "verify",  "[FILE]", 0, 1, "check body and signature of a captured request",
    do_verify, options};

/* SPDX-License-Identifier: MIT */
/* hookspool test: send a sample incident and its recovery to an endpoint and tell step by
 * step what became of them. */
#include "config.h"

#include "cli.h"

#include "../error.h"

#include <string.h>
#include <unistd.h>

/* Two requests with all their waits, and a wait for a slot of the rate window. */
#define PATIENCE_MS (60 * 60 * 1000)
#define INDENT 14

static bool as_json;

static const char *text_of(json_object *object, const char *key) {
    json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value != NULL ? json_object_get_string(value) : "";
}

static bool is_true(json_object *object, const char *key) {
    json_object *value = NULL;
    return json_object_object_get_ex(object, key, &value) &&
           json_object_get_boolean(value);
}

static json_object *list_of(json_object *object, const char *key) {
    json_object *value = NULL;
    return json_object_object_get_ex(object, key, &value) &&
                   json_object_is_type(value, json_type_array)
               ? value
               : NULL;
}

static size_t length_of(json_object *list) {
    return list != NULL ? json_object_array_length(list) : 0;
}

static void print_line(const char *mark, const char *name, const char *text) {
    printf("  %-4s %-*s %s\n", mark, INDENT - 2, name, text);
}

static void print_step(json_object *step, json_object *headers) {
    json_object *ms = NULL;
    const char *name = text_of(step, "step");
    printf("  %-4s %-*s %s", is_true(step, "ok") ? "ok" : "FAIL", INDENT - 2, name,
           text_of(step, "text"));
    if (json_object_object_get_ex(step, "ms", &ms))
        printf(" (%s ms)", json_object_get_string(ms));
    putchar('\n');
    if (strcmp(name, "request") == 0)
        for (size_t i = 0; i < length_of(headers); i++)
            print_line("", "",
                       json_object_get_string(json_object_array_get_idx(headers, i)));
}

static void print_request(json_object *request) {
    json_object *steps = list_of(request, "steps"),
                *headers = list_of(request, "headers");
    if (strcmp(text_of(request, "fault"), "not-sent") == 0) {
        printf("%s\n  not sent: %s; %s\n\n", text_of(request, "kind"),
               text_of(request, "text"), text_of(request, "hint"));
        return;
    }
    printf("%s %s\n", text_of(request, "kind"), text_of(request, "id"));
    for (size_t i = 0; i < length_of(steps); i++)
        print_step(json_object_array_get_idx(steps, i), headers);
    if (*text_of(request, "answer") != '\0')
        print_line("", "", text_of(request, "answer"));
    if (*text_of(request, "not_journaled") != '\0')
        print_line("FAIL", "journal", text_of(request, "not_journaled"));
    if (is_true(request, "delivered"))
        printf("  delivered in %s ms\n", text_of(request, "took_ms"));
    else
        printf("  %s: %s\n  next: %s\n", text_of(request, "fault"),
               text_of(request, "text"), text_of(request, "hint"));
    putchar('\n');
}

static void print_report(json_object *report) {
    json_object *requests = list_of(report, "requests");
    printf("test of %s, %s, state %s\n\n", text_of(report, "endpoint"),
           text_of(report, "url"), text_of(report, "state"));
    for (size_t i = 0; i < length_of(requests); i++)
        print_request(json_object_array_get_idx(requests, i));
    if (strcmp(text_of(report, "result"), "delivered") == 0)
        puts("delivered: the receiver took incident and recovery");
    else if (strcmp(text_of(report, "result"), "partly") == 0)
        puts("partly delivered: see above for what is missing");
    else
        puts("failed: the receiver took neither");
    if (*text_of(report, "advice") != '\0')
        printf("%s\n", text_of(report, "advice"));
}

static int exit_status(json_object *report) {
    const char *result = text_of(report, "result");
    return strcmp(result, "delivered") == 0 ? 0
           : strcmp(result, "partly") == 0  ? HSP_EXIT_PARTLY
                                            : HSP_EXIT_FAILED;
}

static enum hs_status ask(const struct hsp_cli *cli, json_object **answer,
                          struct hs_error *err) {
    struct hsp_desk *desk = NULL;
    enum hs_status status = hsp_desk_open(&desk, cli, err);
    json_object *request = json_object_new_object();
    json_object_object_add(request, "verb", json_object_new_string("test"));
    json_object_object_add(request, "endpoint", json_object_new_string(cli->operands[0]));
    if (status == HS_OK && isatty(STDERR_FILENO))
        fprintf(stderr, "testing %s …\n", cli->operands[0]);
    if (status == HS_OK)
        status = hsp_desk_ask(desk, request, PATIENCE_MS, answer, err);
    json_object_put(request);
    hsp_desk_close(desk);
    return status;
}

static int do_test(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    json_object *answer = NULL, *report = NULL;
    if (ask(cli, &answer, &err) != HS_OK)
        return hsp_cli_complain(cli, &err);
    json_object_object_get_ex(answer, "test", &report);
    if (as_json)
        puts(hsp_json_text(report, &(size_t){0}));
    else
        print_report(report);
    const int result = exit_status(report);
    json_object_put(answer);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    hsp_fail_errno(&err, HS_E_IO, "write the report");
    return hsp_cli_complain(cli, &err);
}

static const struct hsp_option options[] = {
    {'\0', "json", NULL, "for machines", HSP_OPTION_FLAG, &as_json},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_test = {
    "test",
    "ENDPOINT",
    1,
    1,
    "send it a sample incident and recovery, and tell what came of them",
    do_test,
    options};

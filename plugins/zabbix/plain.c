/* SPDX-License-Identifier: MIT */
/* Messages without a pair in them. One is Zabbix's own: when it cannot reach its database
 * it has no events and no templates, and calls every program with a subject and a bit of
 * HTML. The others come from the Test button, and from actions with words of their own.
 */
#include "config.h"

#include "alert.h"
#include "error.h"
#include "id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM "zabbix"

/* By what a subject begins with, or is; NULL: whatever it is. */
static const struct rule {
    const char *subject;
    bool is_whole;
    enum hs_kind kind;
    enum hs_state state, previous;
    const char *type;
    const char *host, *service, *name; /* NULL: the subject */
} rules_of[] = {
    {"Zabbix database is not available", false, HS_KIND_INCIDENT, HS_STATE_DOWN,
     HS_STATE_UP, "PLAIN", "Zabbix", "database", "Zabbix database"},
    {"Test subject", true, HS_KIND_TEST, HS_STATE_UP, HS_STATE_UP, "TEST", "Zabbix",
     "test", NULL},
    /* As Zabbix's own templates begin: no event of them can be told from another. */
    {"Resolved", false, HS_KIND_CUSTOM, HS_STATE_UP, HS_STATE_UP, "PLAIN", "Zabbix", NULL,
     NULL},
    {"Updated problem", false, HS_KIND_CUSTOM, HS_STATE_DOWN, HS_STATE_DOWN, "PLAIN",
     "Zabbix", NULL, NULL},
    {NULL, false, HS_KIND_INCIDENT, HS_STATE_DOWN, HS_STATE_UP, "PLAIN", "Zabbix", NULL,
     NULL},
};

static bool fits(const struct rule *rule, const char *subject) {
    return rule->is_whole ? strcmp(subject, rule->subject) == 0
                          : strncmp(subject, rule->subject, strlen(rule->subject)) == 0;
}

static const struct rule *find_rule(const char *subject) {
    const struct rule *rule = rules_of;
    while (rule->subject && !fits(rule, subject))
        rule++;
    return rule;
}

/* A character's name in HTML at `text`: how many bytes it has, and the character. */
static size_t take_entity(const char *text, char *character) {
    static const struct {
        const char *entity;
        char character;
    } entities[] = {{"&lt;", '<'},   {"&gt;", '>'},   {"&amp;", '&'},
                    {"&quot;", '"'}, {"&#39;", '\''}, {"&#039;", '\''}};
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        const size_t length = strlen(entities[i].entity);
        if (strncmp(text, entities[i].entity, length) == 0) {
            *character = entities[i].character;
            return length;
        }
    }
    *character = *text;
    return 1;
}

/* Take markup out, in place. */
static void strip_markup(char *text) {
    char *to = text;
    for (const char *from = text; *from;) {
        const char *end = *from == '<' ? strchr(from, '>') : NULL;
        if (end != NULL)
            from = end + 1;
        else
            from += take_entity(from, to++);
    }
    while (to > text && strchr(" \r\n", to[-1]) != NULL)
        to--;
    *to = '\0';
}

enum hs_status hsp_alert_map_plain(struct hsp_alert *alert, const char *text,
                                   const struct hsp_alert_rules *rules,
                                   struct hs_error *err) {
    const char *subject = rules->subject ? rules->subject : "";
    const struct rule *rule = find_rule(subject);
    struct hsp_alert made = {.kind = rule->kind,
                             .type = rule->type,
                             .state = rule->state,
                             .previous = rule->previous};
    for (size_t i = 0; i < HS_NUMBER_COUNT; i++)
        made.numbers[i] = -1;
    made.plain = strdup(text);
    const uint64_t both[] = {hsp_hash(subject, strlen(subject)),
                             hsp_hash(text, strlen(text))};
    if (asprintf(&made.fold_key, SYSTEM ";%016" PRIx64 ";%s;%.1000s",
                 hsp_hash(both, sizeof(both)), rule->type,
                 rules->sendto ? rules->sendto : "") < 0)
        made.fold_key = NULL;
    if (made.plain == NULL || made.fold_key == NULL) {
        hsp_alert_free(&made);
        return hsp_fail(err, HS_E_NOMEM, "read the alert: out of memory");
    }
    if (strncmp(made.plain, "<html>", 6) == 0)
        strip_markup(made.plain);
    const char *named = *subject ? subject : "Zabbix";
    made.texts[HS_TEXT_SYSTEM] = SYSTEM;
    made.texts[HS_TEXT_HOST] = rule->host;
    made.texts[HS_TEXT_SERVICE] = rule->service ? rule->service : named;
    made.texts[HS_TEXT_MONITOR_NAME] = rule->name ? rule->name : named;
    made.texts[HS_TEXT_ERROR_MESSAGE] = *made.plain ? made.plain : subject;
    made.texts[HS_TEXT_ENDPOINTS] = rules->sendto;
    *alert = made;
    return HS_OK;
}

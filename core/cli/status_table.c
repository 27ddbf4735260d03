/* SPDX-License-Identifier: MIT */
/* The status for a person who has ten seconds: first whether alerts are flowing, then the
 * facts, then what to do. */
#include "config.h"

#include "status.h"

#include "../units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CELLS 9 /* before the last error, which is cut */
#define CELL_SIZE 72
#define STUCK_MS 60000 /* so old in incoming/: it should have been taken in */

enum tone { PLAIN, GOOD, DOUBTFUL, BAD };
static const char *const colours[] = {"", "\033[32m", "\033[33m", "\033[1;31m"};

static void print_toned(const struct hsp_status_page *page, FILE *out, enum tone tone,
                        const char *text) {
    bool coloured = page->colour && tone != PLAIN;
    fprintf(out, "%s%s%s", coloured ? colours[tone] : "", text,
            coloured ? "\033[0m" : "");
}

/* What a state means for a person; more in docs/outcomes.md. */
static const struct state {
    const char *name;
    enum tone tone;
    const char *hint, *verb; /* what to do, and by which command; NULL: nothing */
} states[] = {
    {"ok", GOOD, NULL, NULL},
    {"backoff", DOUBTFUL, NULL, NULL},
    {"misconfigured", BAD, "is set up wrongly; see what is wrong by", "test"},
    {"gone", BAD, "answered 410; when it is to get events again", "resume"},
    {"paused", DOUBTFUL, "was paused by hand; to go on", "resume"},
    {"orphaned", DOUBTFUL, "is not in the configuration; for its events", NULL},
};

static const struct state *state_of(const struct hsp_endpoint_status *endpoint) {
    static const struct state unknown = {"", DOUBTFUL, NULL, NULL};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(states[i].name, endpoint->state) == 0)
            return &states[i];
    return &unknown;
}

static bool is_orphaned(const struct hsp_endpoint_status *endpoint) {
    return strcmp(endpoint->state, "orphaned") == 0;
}

/* Verdict
 * --------------------------------------------------------------------------------- */

static void count(const struct hsp_status *status, size_t *configured, size_t *well) {
    *configured = *well = 0;
    for (size_t i = 0; i < status->endpoint_count; i++) {
        *configured += !is_orphaned(&status->endpoints[i]);
        *well += strcmp(status->endpoints[i].state, "ok") == 0;
    }
}

static void print_verdict(const struct hsp_status_page *page, FILE *out) {
    const struct hsp_status *status = page->status;
    size_t configured, well;
    count(status, &configured, &well);
    int64_t waits_ms =
        status->incoming > 0 ? status->read_at - status->incoming_oldest_at : 0;
    char text[128];
    enum tone tone = BAD;
    if (status->service != HSP_SERVED)
        snprintf(text, sizeof text, "NO ALERT IS SENT: hookspoold is NOT RUNNING");
    else if (status->source != HSP_STATUS_SOCKET)
        snprintf(text, sizeof text, "hookspoold is running but DOES NOT ANSWER");
    else if (status->is_short)
        snprintf(text, sizeof text, "ALERTS ARE HELD UP: short of space");
    else if (configured == 0)
        snprintf(text, sizeof text, "NO ALERT IS SENT: no endpoint is configured");
    else if (well == 0)
        snprintf(text, sizeof text, "NO ALERT GETS THROUGH: no endpoint is ok");
    else if (waits_ms > STUCK_MS)
        snprintf(text, sizeof text, "SOME ALERTS ARE NOT TAKEN IN: see the log");
    else if (well < configured) {
        tone = DOUBTFUL;
        snprintf(text, sizeof text, "Alerts are flowing in part: %zu of %zu endpoints ok",
                 well, configured);
    } else {
        tone = GOOD;
        snprintf(text, sizeof text, "Alerts are flowing");
    }
    print_toned(page, out, tone, text);
    fputc('\n', out);
}

/* " for 5m03s", or "" where there is no such time. */
static const char *since(const struct hsp_status *status, int64_t at, const char *word,
                         char text[64]) {
    char span[HSP_SPAN_LENGTH];
    *text = '\0';
    if (at != HSP_NO_TIME)
        snprintf(text, 64, word, hsp_span_text(status->read_at - at, span));
    return text;
}

static void print_daemon(const struct hsp_status_page *page, FILE *out) {
    const struct hsp_status *status = page->status;
    char text[64];
    if (status->source == HSP_STATUS_SOCKET)
        fprintf(out, "hookspoold %s is running%s, pid %" PRId64, status->daemon,
                since(status, status->started_at, " for %s", text), status->pid);
    else if (status->source == HSP_STATUS_FILE)
        fprintf(out, "hookspoold%s, status of %s",
                status->service == HSP_SERVED ? " is silent" : " was last seen",
                since(status, status->updated_at, "%s ago", text));
    else
        fputs("hookspoold has written no status here yet", out);
    fprintf(out, "; spool %s\n", page->spool);
    if (status->silence.status != HS_OK)
        fprintf(out, "%s\n", status->silence.text);
}

static void print_spool(const struct hsp_status_page *page, FILE *out) {
    const struct hsp_status *status = page->status;
    char text[64];
    if (status->incoming < 0)
        fputs("incoming ?", out);
    else
        fprintf(out, "incoming %" PRId64 "%s", status->incoming,
                since(status, status->incoming_oldest_at, " (oldest %s)", text));
    fprintf(out, ", corrupt %" PRId64 ", space ", status->corrupt);
    print_toned(page, out, status->is_short ? BAD : PLAIN,
                status->is_short ? "short" : "ok");
    if (status->space_free >= 0)
        fprintf(out, " (%.0f%% free)", status->space_free);
    fputc('\n', out);
}

/* Table
 * ----------------------------------------------------------------------------------- */

struct row {
    char cells[CELLS][CELL_SIZE];
    const char *last_error;
    enum tone tone; /* of the second cell */
};

static const struct row head = {
    .cells = {"ENDPOINT", "STATE", "PENDING", "OLDEST", "SENT", "FAILED", "DEAD", "RATE",
              "NEXT"},
    .last_error = "LAST ERROR",
};
#define IS_LEFT(column) ((column) < 2) /* the others are numbers */

static void set_number(char cell[CELL_SIZE], int64_t number) {
    snprintf(cell, CELL_SIZE, "%" PRId64, number);
}

/* The time between then and now; "-" for none. */
static void set_span(char cell[CELL_SIZE], int64_t at, int64_t span_ms) {
    char text[HSP_SPAN_LENGTH];
    snprintf(cell, CELL_SIZE, "%s",
             at == HSP_NO_TIME ? "-" : hsp_span_text(span_ms, text));
}

/* "4/100/min", as the configuration spells it. */
static void set_rate(char cell[CELL_SIZE], const struct hsp_endpoint_status *endpoint) {
    int64_t window_ms = endpoint->rate_window_ms;
    const char *unit = window_ms == 1000 ? "s" : window_ms == 3600000 ? "h" : "min";
    if (endpoint->rate_limit > 0)
        snprintf(cell, CELL_SIZE, "%" PRId64 "/%" PRId64 "/%s", endpoint->rate_used,
                 endpoint->rate_limit, unit);
    else
        snprintf(cell, CELL_SIZE, "-");
}

static void fill(struct row *row, const struct hsp_status *status,
                 const struct hsp_endpoint_status *endpoint) {
    int64_t now = status->read_at;
    bool runs = status->service == HSP_SERVED;
    int64_t next_at = runs ? endpoint->next_attempt_at : HSP_NO_TIME;
    snprintf(row->cells[0], CELL_SIZE, "%s", endpoint->name);
    snprintf(row->cells[1], CELL_SIZE, "%s", endpoint->state);
    set_number(row->cells[2], endpoint->pending);
    set_span(row->cells[3], endpoint->oldest_at, now - endpoint->oldest_at);
    set_number(row->cells[4], endpoint->sent);
    set_number(row->cells[5], endpoint->failed);
    set_number(row->cells[6], endpoint->dead);
    set_rate(row->cells[7], endpoint);
    set_span(row->cells[8], next_at, next_at - now);
    row->last_error = endpoint->last_error[0] != '\0' ? endpoint->last_error : "-";
    row->tone = state_of(endpoint)->tone;
}

static void widen(int widths[CELLS], const struct row *row) {
    for (size_t i = 0; i < CELLS; i++) {
        int width = (int)strlen(row->cells[i]);
        if (width > widths[i])
            widths[i] = width;
    }
}

/* As many code points as there is room for; `room` below 0: all. */
static void print_cut(const char *text, int room, FILE *out) {
    int points = 0, kept = 0; /* bytes kept when an ellipsis has to follow */
    size_t end = 0;
    for (; text[end] != '\0'; end++) {
        if (((unsigned char)text[end] & 0xC0) == 0x80)
            continue;
        if (points == room - 1)
            kept = (int)end;
        if (points++ == room)
            break;
    }
    if (text[end] == '\0' || room < 0)
        fputs(text, out);
    else if (room > 0)
        fprintf(out, "%.*s…", kept, text);
}

static void print_row(const struct hsp_status_page *page, const int widths[CELLS],
                      const struct row *row, FILE *out) {
    int used = 0;
    for (size_t i = 0; i < CELLS; i++) {
        int gap = widths[i] - (int)strlen(row->cells[i]);
        fprintf(out, "%*s", IS_LEFT(i) ? 0 : gap, "");
        print_toned(page, out, i == 1 ? row->tone : PLAIN, row->cells[i]);
        fprintf(out, "%*s", IS_LEFT(i) ? gap + 2 : 2, "");
        used += widths[i] + 2;
    }
    int room = page->columns == 0 ? -1 : page->columns > used ? page->columns - used : 0;
    print_cut(row->last_error, room, out);
    fputc('\n', out);
}

static void print_endpoints(const struct hsp_status_page *page, FILE *out) {
    const struct hsp_status *status = page->status;
    struct row *rows = calloc(status->endpoint_count, sizeof *rows);
    if (rows == NULL) {
        fputs("(no memory for the table)\n", out);
        return;
    }
    int widths[CELLS] = {0};
    widen(widths, &head);
    for (size_t i = 0; i < status->endpoint_count; i++) {
        fill(&rows[i], status, &status->endpoints[i]);
        widen(widths, &rows[i]);
    }
    fputc('\n', out);
    print_row(page, widths, &head, out);
    for (size_t i = 0; i < status->endpoint_count; i++)
        print_row(page, widths, &rows[i], out);
    free(rows);
}

/* Hints
 * ----------------------------------------------------------------------------------- */

static void print_command(const struct hsp_status_page *page, FILE *out,
                          const char *words, const char *name) {
    fprintf(out, "hookspool %s%s%s%s%s", page->config != NULL ? "-c " : "",
            page->config != NULL ? page->config : "", page->config != NULL ? " " : "",
            words, name);
}

static void print_hints_of(const struct hsp_status_page *page,
                           const struct hsp_endpoint_status *endpoint, FILE *out) {
    const struct state *state = state_of(endpoint);
    if (state->hint != NULL) {
        fprintf(out, "%s %s: ", endpoint->name, state->hint);
        if (state->verb != NULL) {
            print_command(page, out, state->verb, " ");
            fputs(endpoint->name, out);
        } else {
            print_command(page, out, "move ", endpoint->name);
            fputs(" OTHER, or ", out);
            print_command(page, out, "drop --dead --waiting -e ", endpoint->name);
        }
        fputc('\n', out);
    }
    /* Its letters could not be sent: moving or dropping takes them as well. */
    if (endpoint->dead > 0 && !is_orphaned(endpoint)) {
        fprintf(out, "%s has %" PRId64 " dead letter%s: ", endpoint->name, endpoint->dead,
                hsp_plural(endpoint->dead));
        print_command(page, out, "list --dead -e ", endpoint->name);
        fputs(", then ", out);
        print_command(page, out, "retry --dead -e ", endpoint->name);
        fputc('\n', out);
    }
}

static bool needs_person(const struct hsp_endpoint_status *endpoint) {
    return state_of(endpoint)->hint != NULL || endpoint->dead > 0;
}

void hsp_status_table(const struct hsp_status_page *page, FILE *out) {
    const struct hsp_status *status = page->status;
    print_verdict(page, out);
    print_daemon(page, out);
    print_spool(page, out);
    if (status->endpoint_count > 0)
        print_endpoints(page, out);
    bool first = true;
    for (size_t i = 0; i < status->endpoint_count; i++)
        if (needs_person(&status->endpoints[i])) {
            if (first)
                fputc('\n', out);
            first = false;
            print_hints_of(page, &status->endpoints[i], out);
        }
}

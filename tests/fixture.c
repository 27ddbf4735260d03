/* SPDX-License-Identifier: MIT */
/* A spool for unit tests of what works on waiting events. */
#include "config.h"

#include "fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY(status, message, failures, previous, kind)                                  \
    "{\"event_type\":\"monitor_alert\",\"monitor\":{\"id\":\"mon_abc123xyz789\","        \
    "\"name\":\"API Server\",\"url\":null,\"status\":\"" status                          \
    "\"},\"check_result\":{\"status\":\"" status "\","                                   \
    "\"timestamp\":\"2024-01-15T10:30:15Z\",\"region\":\"us-east-1\"," message           \
    "\"response_time_ms\":30000,\"status_code\":null},\"context\":{"                     \
    "\"consecutive_failures\":" failures ",\"previous_status\":\"" previous              \
    "\",\"notification_level\":1,\"notification_type\":\"" kind "\"}}"

const char fixture_down[] =
    BODY("DOWN", "\"error_message\":\"refused\",", "3", "UP", "incident");
const char fixture_up[] = BODY("UP", "", "0", "DOWN", "recovery");

void fixture_open(struct fixture *fixture, const char *path) {
    struct hs_error err = {0};
    fixture->endpoint = NULL;
    if (hsp_spooldir_open(&fixture->dir, path, &err) != HS_OK ||
        hsp_endpoint_open(&fixture->endpoint, &fixture->dir, "one", &err) != HS_OK)
        fail_msg("%s", err.text);
}

void fixture_close(struct fixture *fixture) {
    hsp_endpoint_close(fixture->endpoint);
    hsp_spooldir_close(&fixture->dir);
}

struct hsp_buffer fixture_record(const char *id, const char *body) {
    struct hsp_buffer text = {0};
    struct hsp_record_event event = {
        .body = body,
        .body_length = strlen(body),
        .details = FIXTURE_DETAILS,
        .details_length = strlen(FIXTURE_DETAILS),
    };
    snprintf(event.id, sizeof event.id, "%s", id);
    hsp_record_begin(&text);
    hsp_record_event(&text, &event);
    hsp_record_end(&text, 1);
    assert_false(text.failed);
    return text;
}

void fixture_write(const struct fixture *fixture, const struct hsp_entry *entry,
                   const char *bytes, size_t length) {
    char path[HSP_ENTRY_PATH_MAX], shard[3];
    hsp_entry_path(entry, path);
    hsp_entry_shard(entry->sequence, shard);
    (void)mkdirat(fixture->endpoint->queue_fd, shard, 0700);
    int fd = openat(fixture->endpoint->queue_fd, path,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(hsp_write_all(fd, bytes, length), 0);
    assert_int_equal(close(fd), 0);
}

void fixture_wait(const struct fixture *fixture, const struct hsp_entry *entry) {
    struct hsp_buffer text = fixture_record(FIXTURE_ID, fixture_down);
    fixture_write(fixture, entry, text.data, text.length);
    hsp_buffer_free(&text);
}

bool fixture_waits(const struct fixture *fixture, const struct hsp_entry *entry) {
    char path[HSP_ENTRY_PATH_MAX];
    hsp_entry_path(entry, path);
    return faccessat(fixture->endpoint->queue_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

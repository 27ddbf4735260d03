/* SPDX-License-Identifier: MIT */
/* What Zabbix says in an alert: pairs, from the lines of a message or from arguments.
 *
 *     event_id=123                     the event's number, the first line
 *     host.123=web-01                  all other keys bear it, each is a line
 *     trigger_name.123=Disk is full    texts from here on, in a fixed order
 *
 * Zabbix puts the values of its macros into a message as they are, so a value with a line
 * break can look like further lines. It cannot bear the number of an event that was not
 * there yet when the value came, and so is no key. Who does know it, as who comments on
 * the event, cannot change what stands before, and no key but texts that come later in
 * that order.
 *
 * Messages of other templates may have no numbers in their keys. Of these the first of a
 * key counts, after the first text only texts can be given, and "message" takes all that
 * follows. An argument is one pair whatever its value holds. */
#ifndef HSP_MESSAGE_H
#define HSP_MESSAGE_H

#include "hookspool.h"
#include <stdbool.h>

struct hsp_message_pair {
    char *key;
    char *value; /* NUL-terminated */
    size_t length;
};

/* Zero-initialize; ended by hsp_message_free. */
struct hsp_message {
    struct hsp_message_pair *pairs; /* no key twice */
    size_t count, capacity;
};

/* Is `value` nothing, a macro that Zabbix did not resolve ({EVENT.ID}, {$URL}), or its
 * *UNKNOWN*? */
bool hsp_message_is_absent(const char *value);

/* How many bytes of `text` are a key; 0: it does not begin with "key=". */
size_t hsp_message_key(const char *text);

/* Take a message, with LF or CRLF. Lines before the first pair are passed over.
 * HS_E_NOMEM. */
enum hs_status hsp_message_parse(struct hsp_message *message, const char *text,
                                 struct hs_error *err) HS_MUST_CHECK;
/* Take an argument "key=value". HS_E_DATA: it is none; HS_E_NOMEM. */
enum hs_status hsp_message_add(struct hsp_message *message, const char *argument,
                               struct hs_error *err) HS_MUST_CHECK;
void hsp_message_free(struct hsp_message *message);

/* Does anything say which event it is about? What does not is a plain text. */
bool hsp_message_tells(const struct hsp_message *message);
/* Is an argument a pair that does so? */
bool hsp_message_is_telling(const char *argument);
/* Is all that would say it a macro that Zabbix did not resolve, as by its Test button? */
bool hsp_message_is_trial(const struct hsp_message *message);

/* The value of `key`; NULL where it is absent. Borrowed. */
const char *hsp_message_get(const struct hsp_message *message, const char *key);

#endif

/* SPDX-License-Identifier: MIT */
/* json-c's own lines, cleaned one by one: it escapes C0, but not C1 and the like. */
#include "config.h"

#include "pretty.h"

#include "../delivery/plain.h"

#include <stdio.h>
#include <string.h>

void hsp_pretty_print(json_object *object, int margin) {
    struct hsp_buffer line = {0};
    const char *text = json_object_to_json_string_ext(
        object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                    JSON_C_TO_STRING_NOSLASHESCAPE);
    while (text != NULL && *text != '\0') {
        const size_t length = strcspn(text, "\n"), indent = strspn(text, " ");
        hsp_buffer_clear(&line);
        hsp_plain_append(&line, text + indent, length - indent);
        printf("%*s%s\n", margin + (int)indent, "", line.data != NULL ? line.data : "");
        text += length + (text[length] == '\n');
    }
    hsp_buffer_free(&line);
}

/* SPDX-License-Identifier: MIT */
/* JSON objects out of a stream: one a line, or one over several lines, as a person or a
 * pretty-printer writes it. A bad one costs its first line only, so that those behind it
 * are found again. One thread; reads one descriptor. */
#ifndef HSP_OBJECTS_H
#define HSP_OBJECTS_H

#include "../json.h"

#define HSP_OBJECT_MAX (4 * 1024 * 1024) /* bytes of one object */

/* Zero-initialize but for `fd`; ended by hsp_objects_free, which leaves `fd` open. */
struct hsp_objects {
    int fd;
    struct hsp_buffer text; /* read and not yet done with */
    size_t begin;           /* of the object's first line */
    size_t at;              /* of the line to be looked at next */
    size_t first, line;     /* their numbers, from 0 */
    json_tokener *tokener;
    bool within;   /* the object goes on at `at` */
    bool skipping; /* the rest of a line that is too long */
    bool ended;
};

enum hsp_objects_step {
    HSP_OBJECTS_ONE,
    HSP_OBJECTS_BAD,   /* `err`: why (HS_E_DATA) */
    HSP_OBJECTS_PAUSE, /* not `wait`: nothing can be read at the moment */
    HSP_OBJECTS_END,
    HSP_OBJECTS_FAILED, /* `err`: reading, or no memory */
};

/* The next object and the number of its first line, from 1; the object is the caller's,
 * json_object_put. */
enum hsp_objects_step hsp_objects_next(struct hsp_objects *objects, bool wait,
                                       json_object **object, size_t *line,
                                       struct hs_error *err) HS_MUST_CHECK;
void hsp_objects_free(struct hsp_objects *objects);

#endif

/* SPDX-License-Identifier: MIT */
/* One event as list, show and the verbs that select see it: what its file's name says,
 * then what is in the file. Reads the spool, changes nothing. One thread. */
#ifndef HSP_SIGHT_H
#define HSP_SIGHT_H

#include "../delivery/entry.h"
#include "../json.h"

enum hsp_place {
    HSP_PLACE_INCOMING, /* not yet taken in */
    HSP_PLACE_WAITING,
    HSP_PLACE_DEAD,
    HSP_PLACE_CORRUPT,
    HSP_PLACE_COUNT
};
const char *hsp_place_text(enum hsp_place place); /* "incoming", "waiting", … */

struct hsp_sight {
    enum hsp_place place;
    const char *endpoint;       /* borrowed; "" in incoming and corrupt */
    const char *name;           /* of the file; borrowed */
    struct hsp_entry entry;     /* of the name, where it is waiting or dead; else zeros */
    char id[HSP_ID_LENGTH + 1]; /* "" while it is not known */
    bool stale;                 /* dead: a newer event of the monitor was delivered */
    bool orphan;                /* of an endpoint that the configuration does not know */

    /* What is in the file, borrowed for the visit; NULL and -1 where it says nothing. */
    int64_t since_ms; /* UTC: when it was put, died, or was found to be corrupt */
    int64_t uid;      /* who submitted it */
    char *bytes;      /* corrupt: the whole file, `length` of them, NUL-terminated */
    size_t length;
    const char *body; /* of the event */
    size_t body_length;
    json_object *payload, *details, *note;
    char *fault; /* why it cannot be read; NULL: it can */
};

/* Read the file `sight->name` of the folder `dirfd` (of the endpoint's queue for a
 * waiting event) and call `each` for every event in it: incoming files may have many.
 * What cannot be read is seen with its `fault`; a file that has gone is not seen.
 * HS_E_NOMEM, HS_E_IO, or what `each` returned. */
enum hs_status hsp_sight_read(const struct hsp_sight *sight, int dirfd,
                              enum hs_status (*each)(void *context,
                                                     const struct hsp_sight *sight,
                                                     struct hs_error *err),
                              void *context, struct hs_error *err) HS_MUST_CHECK;

/* The text of `keys` ("check_result.status") in an object, "" where there is none; a
 * number as its digits. Borrowed from the object. */
const char *hsp_sight_text(json_object *object, const char *keys);
/* In one word or a few why it waits or died: "HTTP 500", "attempts", the fault …
 * Borrowed from the sight or `room`. */
const char *hsp_sight_cause(const struct hsp_sight *sight, char room[64]);

#endif

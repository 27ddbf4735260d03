/* SPDX-License-Identifier: MIT */
/* JSON for a person. */
#ifndef HSP_PRETTY_H
#define HSP_PRETTY_H

#include "../json.h"

/* Print `object` on stdout, indented, each line `margin` blanks from the left and unable
 * to do anything to a terminal. */
void hsp_pretty_print(json_object *object, int margin);

#endif

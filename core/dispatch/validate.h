/* CRESSET_VALIDATE=1: a table that stands before a backend's and holds it to its contract. Where it
 * is off, nothing of this is called. A violation is a failure of the call that met it, in words that
 * begin with "CRESSET_VALIDATE: ". What is checked is said in include/cresset/dispatch.h. */
#ifndef CRESSET_CORE_DISPATCH_VALIDATE_H
#define CRESSET_CORE_DISPATCH_VALIDATE_H

#include <cresset/backend.h>

#include "core/base/map.h"

/* Whether CRESSET_VALIDATE is "1". */
bool cr_validate_wanted(void);
/* A violation that comes to light when no call can report it any more: the first one becomes the
 * thread's error when all is closed, and cr_exit prints it. */
void cr_validate_late(const char *format, ...) CR_PRINTF_(1, 2);
/* The table to open a device through: inner itself where validation is off, null (with the error
 * set) without memory. wrapped: a wrapper stands before the device, whose opening
 * may be seen by others. Lives until cr_validate_close. */
const cr_backend *cr_validate_table(const cr_backend *inner, bool wrapped);
void cr_validate_close(void);
/* The last of all. */
void cr_validate_report(void);

/* ---- between validate.c and its parts ---- */

typedef struct cr_checked_device {
    const cr_backend *backend; /* the inner one */
    cr_device *inner;
    bool host; /* its buffers are host addresses */
    size_t guard, alignment;
    size_t buffers, plans; /* that are outstanding */
    cr_map probed;         /* operations whose plans were looked at for leaks */
    char *pending;         /* a violation that no call could report yet */
} cr_checked_device;

/* What the core holds of a device without host memory is this; else an address in the middle. */
typedef struct cr_checked_buffer {
    const void *given; /* to the core */
    cr_checked_device *device;
    cr_buffer *inner;
    size_t bytes; /* without the guards before and after */
    struct cr_checked_buffer *chain;
} cr_checked_buffer;

typedef struct cr_checked_plan {
    cr_checked_device *device;
    cr_plan *inner[2]; /* planned twice: the results have to be the same */
    char op[64];
    uint32_t ninputs, noutputs, runs;
    size_t workspace;
    cr_meta *values; /* inputs, outputs: layout is that which was told or answered */
    size_t *bytes;   /* of each value in a private layout, 0 unknown */
} cr_checked_plan;

/* The buffer that the core knows by that address; null where it is someone else's memory. */
cr_checked_buffer *cr_checked_find(const void *given);

/* Records the words and returns CR_FAILED. */
cr_status cr_violation(const cr_checked_device *device, const char *op, const char *format, ...)
    CR_PRINTF_(3, 4);
/* An answer that isn't CR_OK comes with words, and is one of the enumeration. */
cr_status cr_check_answer(const cr_checked_device *device, const char *call, cr_status status);
cr_status cr_checked_run(cr_plan *plan, const cr_run *run);
/* Bytes of the whole buffer, guards included, to and from the host. */
cr_status cr_checked_fetch(const cr_checked_buffer *buffer, void *to);
cr_status cr_checked_put(const cr_checked_buffer *buffer, const void *from);

#endif

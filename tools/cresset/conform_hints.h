/* What the author of a backend needs next: primitives that it lacks, then what costs most time in training while it is
 * decomposed or runs elsewhere. */
#ifndef CRESSET_TOOLS_CONFORM_HINTS_H
#define CRESSET_TOOLS_CONFORM_HINTS_H

#include <cresset/cresset.h>

enum { HINT_MODELS = 3, HINT_ROWS = 64 };

/* An operation that the backend does not plan as it is. */
typedef struct hint_row {
    char op[64];
    bool fell_back; /* it ran on another backend; else it was decomposed */
    uint64_t calls; /* runs elsewhere, or steps that the operation was said with */
    double ms;
} hint_row;

typedef struct hint_model {
    const char *name;
    char failed[400];         /* why there are no figures; else empty */
    double ms;                /* of all runs */
    hint_row rows[HINT_ROWS]; /* by time, then by name */
    int count;
} hint_model;

typedef struct hints {
    hint_model models[HINT_MODELS];
    int steps;
} hints;

/* Trains each model a few steps, small, on the backend of that name (null: the one of the environment) behind the wrapper
 * `trace`, in processes of their own: to be called before this one uses the library. The caller frees; null without memory. */
hints *hints_measure(const char *backend);

/* Prints what the counts of the device say of primitives, and the hints (null: none were taken). As members of a JSON object,
 * each after a comma, or as text. */
void hints_print(const hints *hints, const char *device, bool json);

#endif

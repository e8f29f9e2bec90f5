/* The history from inside: cr_fit writes it. */
#ifndef CRESSET_CORE_TRAIN_HISTORY_H
#define CRESSET_CORE_TRAIN_HISTORY_H

#include <stdatomic.h>

#include <cresset/train.h>

struct cr_history {
    atomic_int refs;
    char **names;
    size_t columns, rows, capacity;
    double *values; /* [rows][columns] */
    int64_t best_epoch;
    double best_value;
    const char *reason;
};

/* An empty table of the scope. */
cr_history *cr_history_new(void);
/* Before the first row. Returns 0, or -1 with the error set. */
int cr_history_add_column(cr_history *history, const char *prefix, const char *name);
/* Appends a row of NaN and returns it; null with the error set. */
double *cr_history_add_row(cr_history *history);

#endif

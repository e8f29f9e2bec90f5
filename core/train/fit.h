/* A training under way, shared by the loop (fit.c), what is saved of it (fit_save.c) and what is shown (fit_show.c). */
#ifndef CRESSET_CORE_TRAIN_FIT_H
#define CRESSET_CORE_TRAIN_FIT_H

#include <cresset/io.h>
#include <cresset/train.h>

#include "core/train/history.h"

enum { FIT_PENDING = 32 };

typedef struct cr_fitting {
    const cr_fit_options *o;
    cr_history *history;
    cr_fit_state seen; /* by callbacks */
    int64_t accumulate;
    bool measure_norm, monitored, lower_is_better;
    int monitor; /* its column */

    /* the epoch so far */
    double loss_sum, sample_count, norm_sum, norm_count;
    int64_t next_batch; /* where a stopped epoch goes on */
    uint64_t loader_epoch;
    double begun, shown;

    /* losses that were not looked at yet, so that nothing waits at every batch */
    cr_tensor *losses[FIT_PENDING];
    int64_t counts[FIT_PENDING];
    int pending;

    int64_t waited;      /* epochs since the best */
    cr_state_dict *best; /* its parameters and buffers; with a reference */
} cr_fitting;

double cr_fit_now(void);
/* Looks at the losses that wait. Returns 0, or -1 with the error set. */
int cr_fit_drain(cr_fitting *f);

/* Saves everything; with_place in the middle of an epoch. Returns 0, or -1 with the error set. */
int cr_fit_save(cr_fitting *f);
/* Reads it back if the file exists. */
int cr_fit_resume(cr_fitting *f);
/* Copies the net's state for the best epoch and writes the checkpoint. */
int cr_fit_keep_best(cr_fitting *f);

void cr_fit_show_batch(cr_fitting *f);
void cr_fit_show_epoch(cr_fitting *f);

#endif

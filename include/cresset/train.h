/* The training loop, for whoever doesn't want to write it: epochs, validation, metrics, stopping,
 * checkpoints, resuming.
 *
 *     cr_history *history = cr_fit(net, loader, .validation = test_loader, .optimizer = adam,
 *                                  .loss = cr_cross_entropy_loss(), .epochs = 20,
 *                                  .metrics = CR_METRICS(cr_accuracy()), .patience = 3,
 *                                  .state = "run.state.safetensors");
 *     printf("%.4f\n", cr_history_last(history, "val_accuracy"));
 *
 * Nothing is printed unless .write says where to. */
#ifndef CRESSET_TRAIN_H
#define CRESSET_TRAIN_H

#include <cresset/amp.h>
#include <cresset/data.h>
#include <cresset/metrics.h>
#include <cresset/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- history ---- */

/* A table: a row for each epoch, columns by name: "loss", the metrics' names, "grad_norm" where it
 * is measured, "val_loss" and "val_accuracy" …, "lr", "seconds". Belongs to the scope. */
typedef struct cr_history cr_history;
CR_API size_t cr_history_epochs(const cr_history *history);
CR_API size_t cr_history_columns(const cr_history *history);
CR_API const char *cr_history_name(const cr_history *history, size_t column); /* borrowed */
/* A column's number; -1 and no error if there is none. */
CR_API int cr_history_find(const cr_history *history, const char *name);
/* NaN past the end or without such a column. */
CR_API double cr_history_get(const cr_history *history, size_t epoch, const char *name);
CR_API double cr_history_at(const cr_history *history, size_t epoch, size_t column);
CR_API double cr_history_last(const cr_history *history, const char *name);
/* The epoch (from 0) that was best by what was monitored, and its value; -1 and NaN if nothing
 * was. */
CR_API int64_t cr_history_best_epoch(const cr_history *history);
CR_API double cr_history_best_value(const cr_history *history);
/* Why training ended: "finished", "stopped early", "stopped by a callback", "interrupted". Static. */
CR_API const char *cr_history_reason(const cr_history *history);
CR_API bool cr_history_interrupted(const cr_history *history);
/* "epoch,loss,…" and a line an epoch. Returns 0, or an error. */
CR_API int cr_history_save_csv(const cr_history *history, const char *path);
CR_API cr_history *cr_history_retain(cr_history *history);
CR_API void cr_history_release(cr_history *history);

/* ---- callbacks ---- */

/* What callbacks see. Borrowed for the call. */
typedef struct cr_fit_state {
    cr_module *net;
    cr_optimizer *optimizer;
    const cr_history *history; /* complete rows only */
    int64_t epoch, epochs;     /* from 0 */
    int64_t batch, batches;    /* of the epoch, from 0; batches is -1 where nobody knows */
    int64_t step;              /* optimiser steps so far */
    double loss;               /* of the last batch; NaN before on_batch_end */
    cr_tensor *prediction;     /* of the last batch, on_batch_end only */
    const cr_batch *data;
} cr_fit_state;

/* Any function may be null. Each returns 0 to go on, 1 to end the training properly after this
 * batch or epoch, -1 after cr_fail. */
typedef struct cr_callback {
    void *context;
    int (*on_train_begin)(void *context, const cr_fit_state *state);
    int (*on_epoch_begin)(void *context, const cr_fit_state *state);
    int (*on_batch_end)(void *context,
                        const cr_fit_state *state); /* before gradients are cleared */
    int (*on_epoch_end)(void *context, const cr_fit_state *state);
    int (*on_train_end)(void *context, const cr_fit_state *state);
} cr_callback;

/* ---- fit ---- */

/* The prediction and the loss of a batch in a way of one's own: returns the loss, a scalar, and
 * writes the prediction for the metrics (or leaves null: then metrics are not updated). */
typedef cr_tensor *(*cr_loss_function)(void *context, cr_module *net, const cr_batch *batch,
                                       cr_tensor **prediction);
/* Takes bytes to be shown to someone. */
typedef void (*cr_write_function)(void *context, const char *text, size_t bytes);

typedef struct cr_metrics {
    cr_metric *const *data;
    size_t count;
} cr_metrics;
typedef struct cr_callbacks {
    const cr_callback *data;
    size_t count;
} cr_callbacks;

typedef struct cr_fit_options {
    cr_module *net;
    cr_loader *train;
    cr_optimizer *optimizer; /* required */
    cr_module *loss;         /* called with prediction and target; or */
    cr_loss_function loss_function;
    void *loss_context;
    int64_t epochs;        /* 1; those of earlier runs of the same state included */
    cr_loader *validation; /* null: none */
    cr_metrics metrics;    /* reset and used for both */
    cr_scheduler *scheduler;
    bool scheduler_per_step; /* stepped after every optimiser step instead of every epoch */
    double clip_grad_norm, clip_grad_value; /* 0: not clipped */
    bool record_grad_norm;                  /* also without clipping */
    int64_t accumulate; /* batches a step, whose loss is divided by it: 1. An epoch's last step may
                           have fewer */
    cr_dtype autocast;  /* CR_BF16, CR_F16: forward and loss run in mixed precision; missing: not */
    cr_grad_scaler *scaler; /* scales the loss, for f16 (amp.h); null: not */
    const char *monitor;    /* the column that says what is best: "val_loss", or "loss" without
                            validation */
    double min_delta;       /* what counts as better */
    int64_t patience;       /* epochs without a better one after which training ends; 0: never */
    bool keep_last;         /* leave the last parameters in the net, not the best epoch's */
    const char *checkpoint; /* the best epoch's parameters are saved here (safetensors) */
    const char *state;      /* everything needed to go on is saved here after every epoch and when
                          interrupted, and read from here first if the file exists */
    int64_t save_every;     /* also after so many steps */
    bool no_interrupt;      /* leave Ctrl-C alone */
    cr_callbacks callbacks;
    cr_write_function write; /* where a progress bar goes; null: nowhere */
    void *write_context;
    bool live; /* the bar renews itself in place (a terminal), else a line an epoch */
    int end_;
} cr_fit_options;

/* Trains and returns the history; null after an error. cr_fit(net, loader, .optimizer = sgd, …).
 *
 * Training and validation modes are set, validation records no gradients. At the end the parameters
 * and buffers of the best epoch are in the net unless keep_last.
 *
 * A run that is stopped and begun again with the same state file, program and seeds continues
 * exactly: parameters, optimiser, scheduler, generator, metrics, the loader's place and the history
 * are as they were, and so is every later number ("seconds" aside), bit for bit. A state that does
 * not fit this net, optimiser or these columns is an error, and the file stays as it is.
 *
 * Ctrl-C (SIGINT) ends training after the current step: the state is saved and the history says
 * interrupted; a second Ctrl-C has its usual effect. */
CR_API cr_history *cr_fit_with(const cr_fit_options *options);

typedef struct cr_evaluation {
    double loss; /* mean over samples; NaN without a loss */
    int64_t samples;
} cr_evaluation;
/* Loss and metrics of a net on a loader in evaluation mode, without gradients; the metrics are reset
 * first and hold the result. loss may be null. Modules get their modes back. Returns 0, or an
 * error. */
CR_API int cr_evaluate(cr_module *net, cr_loader *loader, cr_module *loss, cr_metrics metrics,
                       cr_evaluation *result);

/* A cr_write_function whose context is a FILE *. */
CR_API void cr_write_to_stream(void *file, const char *text, size_t bytes);

#ifndef __cplusplus
#define CR_METRICS(...)                                                     \
    {                                                                       \
        (cr_metric *const[]){__VA_ARGS__},                                  \
            sizeof((cr_metric *const[]){__VA_ARGS__}) / sizeof(cr_metric *) \
    }
#define CR_CALLBACKS(...)                                                    \
    {                                                                        \
        (const cr_callback[]){__VA_ARGS__},                                  \
            sizeof((const cr_callback[]){__VA_ARGS__}) / sizeof(cr_callback) \
    }
#define cr_fit(...) cr_fit_with(&(const cr_fit_options){__VA_ARGS__, .end_ = 0})
#endif

#ifdef __cplusplus
}
#endif
#endif

/* One training run: what is measured, and the files it leaves in its folder. */
#ifndef CRESSET_TOOLS_RUN_H
#define CRESSET_TOOLS_RUN_H

#include <cresset/cresset.h>

enum {
    RUN_EPOCHS = 1000,
    RUN_CLASSES = 10,
    RUN_WRONG = 24,
    RUN_PIXELS = 28 * 28,
    RUN_STEPS = 400,
    RUN_SAMPLES = 16
};

typedef struct epoch_metrics {
    double train_loss, train_accuracy, test_loss, test_accuracy, seconds, images_per_second, lr;
} epoch_metrics;

/* What some of the steps were like. */
typedef struct step_metrics {
    int64_t step;
    double loss, lr, grad_norm;
} step_metrics;

/* An image: a misclassified one of the test set, or one trained on, whose `predicted` says nothing. */
typedef struct wrong_sample {
    unsigned char pixels[RUN_PIXELS];
    int label, predicted;
} wrong_sample;

typedef struct run_record {
    char folder[1024];
    const char *device, *device_name;
    char *summary, *model; /* text forms */
    int64_t epochs_planned, batch_size, seed, train_count, test_count;
    double lr;
    int nepochs;
    epoch_metrics epochs[RUN_EPOCHS];
    int best;                                    /* the epoch with the highest test accuracy */
    int64_t confusion[RUN_CLASSES][RUN_CLASSES]; /* of that epoch: [label][predicted] */
    int nwrong;
    wrong_sample wrong[RUN_WRONG];
    cr_module *net; /* borrowed */
    int nsamples;
    wrong_sample samples[RUN_SAMPLES]; /* of the training set */
    int nsteps;
    int64_t step, steps_planned;
    step_metrics steps[RUN_STEPS]; /* evenly over all that are planned */
} run_record;

/* Writes report.html, replacing an older one only when it is whole. Returns 0, or an error. */
int write_report(const run_record *run);

/* A line that renews itself on a terminal, and plain lines elsewhere. */
typedef struct progress {
    int64_t total, done;
    int epoch, epochs;
    double begun, shown;
    bool live, colour;
} progress;
void progress_begin(progress *p, int epoch, int epochs, int64_t total);
void progress_update(progress *p, int64_t done, double loss, double accuracy);
void progress_end(progress *p, const epoch_metrics *m);
double now_seconds(void);

#endif

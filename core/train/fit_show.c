/* The progress bar of cr_fit, and lines where it isn't live. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/train/fit.h"

double cr_fit_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cr_write_to_stream(void *file, const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, file);
    fflush(file);
}

static void send(cr_fitting *f, cr_text *text)
{
    if (text->data && !text->failed)
        f->o->write(f->o->write_context, text->data, text->length);
    cr_text_free(text);
}

void cr_fit_show_batch(cr_fitting *f)
{
    enum { WIDTH = 24 };
    double now = f->o->write && f->o->live ? cr_fit_now() : 0;
    if (!now || now - f->shown < 0.1 || cr_fit_drain(f))
        return;
    f->shown = now;
    int64_t done = f->seen.batch + 1, all = f->seen.batches;
    cr_text text = {0};
    cr_text_add(&text, "\r\033[Kepoch %lld/%lld ", (long long)f->seen.epoch + 1,
                (long long)f->seen.epochs);
    for (int i = 0; i < WIDTH && all > 0; i++)
        cr_text_add(&text, "%s", i < (int)(done * WIDTH / all) ? "\u2588" : "\u2591");
    cr_text_add(&text, " %lld", (long long)done);
    if (all > 0)
        cr_text_add(&text, "/%lld", (long long)all);
    cr_text_add(&text, "  loss %.4f",
                f->sample_count > 0 ? f->loss_sum / f->sample_count : (double)NAN);
    for (size_t i = 0; i < f->o->metrics.count && i < 3; i++)
        cr_text_add(&text, "  %s %.4f", cr_metric_name(f->o->metrics.data[i]),
                    cr_metric_compute(f->o->metrics.data[i]));
    double spent = now - f->begun;
    if (all > 0 && done)
        cr_text_add(&text, "  %.0f s left", spent / (double)done * (double)(all - done));
    send(f, &text);
}

void cr_fit_show_epoch(cr_fitting *f)
{
    if (!f->o->write)
        return;
    cr_text text = {0};
    size_t row = f->history->rows - 1;
    cr_text_add(&text, "%sepoch %zu/%lld", f->o->live ? "\r\033[K" : "", row + 1,
                (long long)f->seen.epochs);
    for (size_t c = 0; c < f->history->columns; c++) {
        const char *name = f->history->names[c];
        double v = cr_history_at(f->history, row, c);
        bool plain = strcmp(name, "lr") && strcmp(name, "seconds");
        cr_text_add(&text, plain ? "  %s %.4f" : "  %s %.3g", name, v);
    }
    cr_text_add(&text, "%s\n", f->history->best_epoch == (int64_t)row ? "  *" : "");
    send(f, &text);
}

/* The progress bar: rate, loss, accuracy and the time left, renewed ten times a second on a terminal. Where output is piped
 * there is a plain line an epoch. NO_COLOR is respected (no-color.org). */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(progress *p, int epoch, int epochs, int64_t total)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    *p = (progress){.total = total, .epoch = epoch, .epochs = epochs, .begun = now_seconds()};
    p->live = isatty(STDOUT_FILENO) && term && term[0] != 'd'; /* dumb */
    p->colour = p->live && !(no_color && *no_color);
}

void progress_update(progress *p, int64_t done, double loss, double accuracy)
{
    double now = now_seconds(), spent = now - p->begun;
    p->done = done;
    if (!p->live || now - p->shown < 0.1)
        return;
    p->shown = now;
    enum { WIDTH = 24 };
    int full = p->total ? (int)(done * WIDTH / p->total) : WIDTH;
    double rate = spent > 0 ? (double)done / spent : 0,
           left = rate > 0 ? (double)(p->total - done) / rate : 0;
    printf("\r\033[Kepoch %d/%d %s", p->epoch, p->epochs, p->colour ? "\033[36m" : "");
    for (int i = 0; i < WIDTH; i++)
        fputs(i < full ? "█" : "░", stdout);
    printf("%s %3d%%  %.0f images/s  loss %.4f  accuracy %.4f  %.0f s left",
           p->colour ? "\033[0m" : "", p->total ? (int)(done * 100 / p->total) : 100, rate, loss,
           accuracy, left);
    fflush(stdout);
}

void progress_end(progress *p, const epoch_metrics *m)
{
    if (p->live)
        printf("\r\033[K");
    printf("epoch %d/%d  loss %.4f  accuracy %.4f  test loss %.4f  test accuracy %s%.4f%s  %.0f "
           "images/s  %.1f s\n",
           p->epoch, p->epochs, m->train_loss, m->train_accuracy, m->test_loss,
           p->colour ? "\033[1m" : "", m->test_accuracy, p->colour ? "\033[0m" : "",
           m->images_per_second, m->seconds);
    fflush(stdout);
}

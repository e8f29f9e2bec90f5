/* From what length on a short job is worth sharing among threads, found by trying both answers on the program that runs.
 * Splitting a job of some 10 µs gains when it comes again and again over the same memory, and loses in a chain of different ones,
 * each of which then waits for what another core has just written: no property of the job itself tells which. */
#ifndef CRESSET_CORE_BASE_GRAIN_H
#define CRESSET_CORE_BASE_GRAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds of work from which on a job is not short. */
#define CR_GRAIN_LONG 48e3

/* All zero at first. One thread at a time. Times are nanoseconds, work is what it would take on one thread. */
typedef struct cr_grain {
    double work[2],
        time[2]; /* done without and with sharing short jobs, in a trial or a part of a hold */
    double rate; /* work in a nanosecond of the trial, under the answer that is kept */
    double spent, last_work; /* on short jobs in this period; the work of the job that began last */
    int64_t last;            /* when it began */
    double hold, held;       /* how long the answer is kept before the next trial, and has been */
    int periods;             /* left of the trial; 0 while an answer is kept */
    bool holding, shares, answer;
} cr_grain;

/* A job of `work` nanoseconds on one thread begins at `now`: says whether short jobs are to be shared at this time. Alternates
 * between the answers for 64 ms of short jobs, or a quarter of it where the difference is plain, and keeps the one under which more was
 * done in a nanosecond. Tries again after 50 ms of them, twice as many each time that the answer stays, up to a second; sooner where that
 * work in a nanosecond becomes another by a third. Idle time and long jobs don't count. */
bool cr_grain_shares_short(cr_grain *grain, double work, int64_t now);

#endif

/* The process's threads for kernels: one team for everything that computes on the processor, so that libraries and backends
 * don't take the cores from each other. */
#ifndef CRESSET_CORE_BASE_TEAM_H
#define CRESSET_CORE_BASE_TEAM_H

#include <stdbool.h>
#include <stdint.h>

typedef void cr_team_body(void *context, int64_t begin, int64_t end);

/* Runs body over pieces of 0 … n on at most `most` threads, the calling one among them, and returns when all are done.
 * Pieces are multiples of `unit` items (1 at least) but for the last. cost is the work of one item in nanoseconds, roughly:
 * work of less than some 24 µs (12 while a worker is awake, as in a row of such jobs; 48 where the program turns out to be faster so,
 * see grain.h), and whatever begins within a piece or while another thread's job is on, is done by the caller alone, in one piece. */
void cr_team_run(int most, int64_t n, int64_t unit, double cost, cr_team_body *body, void *context);
/* Whether the caller runs within a piece. */
bool cr_team_inside(void);
/* Ends the threads; the next run makes new ones. */
void cr_team_stop(void);

#endif

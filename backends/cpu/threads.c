/* Threads for kernels: one fork-join over pieces of a range, through the OpenMP runtime that
 * OpenBLAS and oneDNN share. */
#include "cpu.h"

#include <omp.h>
#include <stdatomic.h>

/* Under this many nanoseconds a fork-join costs more than it brings; each thread gets at least half
 * of it. */
static const double grain = 24000;

enum { MOST_THREADS = 256, PIECES_EACH = 4 };

/* A thread works on its own share of the pieces first, and then helps the others with theirs:
 * memory stays with the core that had it last time, and a core that is busy elsewhere holds nobody
 * up for long. */
typedef struct share {
    _Alignas(64) atomic_int next;
    int end;
} share;

typedef struct job {
    void (*body)(void *context, int64_t begin, int64_t end);
    void *context;
    int64_t n, piece;
    int threads;
    share *shares;
} job;

static void work(const job *j, int me)
{
    for (int k = 0; k < j->threads; k++) {
        share *s = &j->shares[(me + k) % j->threads];
        for (;;) {
            int i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
            if (i >= s->end)
                break;
            int64_t begin = (int64_t)i * j->piece;
            int64_t end = j->n - begin > j->piece ? begin + j->piece : j->n;
            j->body(j->context, begin, end);
        }
    }
}

void cpu_parallel(int64_t n, int64_t unit, double cost,
                  void (*body)(void *context, int64_t begin, int64_t end), void *context)
{
    if (n <= 0)
        return;
    double whole = (double)n * cost;
    if (whole < grain || omp_in_parallel()) {
        body(context, 0, n);
        return;
    }
    unit = unit < 1 ? 1 : unit;
    int64_t units = n / unit + (n % unit != 0);
    int64_t threads = cpu_host->num_threads(cpu_host);
    int64_t useful = (int64_t)(whole < 1e15 ? whole / (grain / 2) : 1e15 / (grain / 2));
    threads = threads < useful ? threads : useful;
    threads = threads < units ? threads : units;
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    if (threads <= 1) {
        body(context, 0, n);
        return;
    }
    /* Short work is cut once a thread, long work finer, so that stealing has something to take. */
    int64_t pieces = whole < 8 * grain * (double)threads ? threads : threads * PIECES_EACH;
    pieces = pieces < units ? pieces : units;
    int64_t each = units / pieces + (units % pieces != 0);
    pieces = units / each + (units % each != 0);

    share shares[MOST_THREADS];
    job j = {body, context, n, each * unit, (int)threads, shares};
    for (int t = 0; t < j.threads; t++) {
        atomic_init(&shares[t].next, (int)(pieces * t / threads));
        shares[t].end = (int)(pieces * (t + 1) / threads);
    }
#pragma omp parallel num_threads(j.threads)
    work(&j, omp_get_thread_num());
}

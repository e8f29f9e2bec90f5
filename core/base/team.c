/* See team.h. Workers wait actively for some microseconds after a job and then sleep, so that neighbours on the machine are
 * not robbed. The caller takes pieces itself and never waits for a worker that has not begun: with every other core busy a
 * job costs what it costs on one thread. Knows nothing of the library: tests compile it by itself. */
#define _GNU_SOURCE
#include "core/base/team.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Under this many nanoseconds sharing work costs more than it brings. */
static const double grain = 24000;

enum { MOST_WORKERS = 255, PIECES_EACH = 4, SPIN_NS = 20000 };

typedef struct job {
    cr_team_body *body;
    void *context;
    int64_t n, piece;
} job;

/* What is to do: a number of the job (24 bits), its pieces (20) and the next one to take (20), in one word, so that whoever
 * takes a piece knows which job it belongs to. A job's description stays until its last piece is done. */
static _Alignas(64) atomic_ullong state;
static _Alignas(64) atomic_uint rung; /* jobs published: what sleepers wait on */
static _Alignas(64) atomic_int done;  /* pieces of this job */
static atomic_int sleeping, stopping;
static job current;
static pthread_t workers[MOST_WORKERS];
static int nworkers;
static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER; /* one job at a time */
static _Thread_local int inside;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#endif
}

/* Does pieces until none is left. */
static void take_pieces(void)
{
    for (;;) {
        unsigned long long seen = atomic_load_explicit(&state, memory_order_acquire);
        unsigned long long next = seen & 0xfffff, pieces = seen >> 20 & 0xfffff;
        if (next >= pieces)
            return;
        if (!atomic_compare_exchange_weak_explicit(&state, &seen, seen + 1, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        int64_t begin = (int64_t)next * current.piece;
        int64_t end = current.n - begin > current.piece ? begin + current.piece : current.n;
        current.body(current.context, begin, end);
        atomic_fetch_add_explicit(&done, 1, memory_order_release);
    }
}

static void *work(void *unused)
{
    (void)unused;
    inside = 1;
    unsigned seen = 0;
    while (!atomic_load(&stopping)) {
        int64_t until = now_ns() + SPIN_NS;
        while (atomic_load_explicit(&rung, memory_order_acquire) == seen &&
               !atomic_load(&stopping)) {
            for (int i = 0; i < 32; i++)
                relax();
            if (now_ns() < until)
                continue;
            atomic_fetch_add(&sleeping, 1);
            syscall(SYS_futex, &rung, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
            atomic_fetch_sub(&sleeping, 1);
        }
        seen = atomic_load_explicit(&rung, memory_order_acquire);
        take_pieces();
    }
    return NULL;
}

static void ring(int count)
{
    atomic_fetch_add(&rung, 1);
    if (atomic_load(&sleeping))
        syscall(SYS_futex, &rung, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* As many workers as wanted, or as can be made. */
static int hire(int wanted)
{
    while (nworkers < wanted && nworkers < MOST_WORKERS &&
           !pthread_create(&workers[nworkers], NULL, work, NULL))
        nworkers++;
    return nworkers < wanted ? nworkers : wanted;
}

bool cr_team_inside(void)
{
    return inside;
}

void cr_team_stop(void)
{
    pthread_mutex_lock(&owner);
    atomic_store(&stopping, 1);
    ring(MOST_WORKERS);
    while (nworkers)
        pthread_join(workers[--nworkers], NULL);
    atomic_store(&stopping, 0);
    pthread_mutex_unlock(&owner);
}

void cr_team_run(int most, int64_t n, int64_t unit, double cost, cr_team_body *body, void *context)
{
    if (n <= 0)
        return;
    double whole = (double)n * cost;
    int64_t threads = whole < grain || inside ? 1 : most;
    unit = unit < 1 ? 1 : unit;
    int64_t units = n / unit + (n % unit != 0);
    int64_t useful = (int64_t)((whole < 1e15 ? whole : 1e15) / (grain / 2));
    threads = threads < useful ? threads : useful;
    threads = threads < units ? threads : units;
    if (threads <= 1 || pthread_mutex_trylock(&owner)) {
        body(context, 0, n);
        return;
    }
    threads = hire((int)(threads - 1 < MOST_WORKERS ? threads - 1 : MOST_WORKERS)) + 1;
    int64_t pieces = threads * PIECES_EACH;
    pieces = pieces < units ? pieces : units;
    int64_t each = units / pieces + (units % pieces != 0);
    pieces = units / each + (units % each != 0);
    current = (job){body, context, n, each * unit};
    atomic_store_explicit(&done, 0, memory_order_relaxed);
    unsigned long long number = (atomic_load(&state) >> 40) + 1;
    atomic_store_explicit(&state, number << 40 | (unsigned long long)pieces << 20,
                          memory_order_release);
    ring((int)threads - 1);
    inside = 1;
    take_pieces();
    inside = 0;
    for (int64_t spins = 0; atomic_load_explicit(&done, memory_order_acquire) < pieces; spins++) {
        relax();
        if (spins > 20000) /* a worker lost its core in the middle of a piece: let it have ours */
            syscall(SYS_sched_yield);
    }
    pthread_mutex_unlock(&owner);
}

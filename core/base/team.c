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

/* Nanoseconds of work under which sharing costs more than it brings: with workers that sleep, and with one that waits actively. */
static const double grain = 24000, awake_grain = 12000;

enum { MOST_WORKERS = 255, PIECES_EACH = 4, PIECE_NS = 2000, SPIN_NS = 20000 };

typedef struct job {
    cr_team_body *body;
    void *context;
    int64_t n, piece;
} job;

/* What is to do: a number of the job (24 bits), the end of the pieces that are left (20) and their beginning (20), in one word, so
 * that whoever takes a piece knows which job it belongs to. The caller takes them from the front and workers from the back: of
 * jobs over the same memory, one after the other, each then finds most of it in the cache of its own core. A job's description
 * stays until its last piece is done. */
static _Alignas(64) atomic_ullong state;
static _Alignas(64) atomic_uint rung; /* jobs published: what sleepers wait on */
static _Alignas(64) atomic_int done;  /* pieces of this job */
static atomic_int sleeping, stopping;
static job current;
static pthread_t workers[MOST_WORKERS];
static int nworkers;
static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER; /* one job at a time */
static double
    missed; /* nanoseconds that sharing would have saved while workers slept; the owner's, as the next */
static int64_t missed_at; /* when some were last added */
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
static void take_pieces(bool from_back)
{
    for (;;) {
        unsigned long long seen = atomic_load_explicit(&state, memory_order_acquire);
        unsigned long long front = seen & 0xfffff, back = seen >> 20 & 0xfffff;
        if (front >= back)
            return;
        unsigned long long left = from_back ? seen - (1ull << 20) : seen + 1;
        if (!atomic_compare_exchange_weak_explicit(&state, &seen, left, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        int64_t begin = (int64_t)(from_back ? back - 1 : front) * current.piece;
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
        take_pieces(true);
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

/* Whether work between the two grains is worth sharing: if a worker is awake, or once so much was missed in short order that waking
 * one would have paid. Then the next jobs find it awake; those that come alone never wake anybody. The owner's lock is held. */
static bool worth_sharing(double whole)
{
    if (nworkers > atomic_load_explicit(&sleeping, memory_order_relaxed))
        return true;
    int64_t now = now_ns();
    missed = (now - missed_at < SPIN_NS + (int64_t)whole ? missed : 0) + whole / 2;
    missed_at = now;
    if (missed < grain)
        return false;
    missed = 0;
    return true;
}

void cr_team_run(int most, int64_t n, int64_t unit, double cost, cr_team_body *body, void *context)
{
    if (n <= 0)
        return;
    double whole = (double)n * cost;
    int64_t threads = whole < awake_grain || inside ? 1 : most;
    unit = unit < 1 ? 1 : unit;
    int64_t units = n / unit + (n % unit != 0);
    double bounded = whole < 1e15 ? whole : 1e15;
    int64_t useful = whole < grain ? 2 : (int64_t)(bounded / (grain / 2));
    threads = threads < useful ? threads : useful;
    threads = threads < units ? threads : units;
    if (threads <= 1 || pthread_mutex_trylock(&owner)) {
        body(context, 0, n);
        return;
    }
    if (whole < grain && !worth_sharing(whole)) {
        pthread_mutex_unlock(&owner);
        body(context, 0, n);
        return;
    }
    threads = hire((int)(threads - 1 < MOST_WORKERS ? threads - 1 : MOST_WORKERS)) + 1;
    int64_t pieces = threads * PIECES_EACH, enough = (int64_t)(bounded / PIECE_NS);
    pieces = pieces < enough ? pieces : enough;
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
    take_pieces(false);
    inside = 0;
    for (int64_t spins = 0; atomic_load_explicit(&done, memory_order_acquire) < pieces; spins++) {
        relax();
        if (spins > 20000) /* a worker lost its core in the middle of a piece: let it have ours */
            syscall(SYS_sched_yield);
    }
    pthread_mutex_unlock(&owner);
}

/* See team.h. Workers wait actively for some microseconds after a job and then sleep, so that neighbours on the machine are
 * not robbed. The caller takes pieces itself and never waits for a worker that has not begun. A worker for which no core is free rests
 * for a while, and the jobs are done without it: beside a busy neighbour they cost what they cost on one thread less.
 * Knows nothing of the library: tests compile it by itself. */
#define _GNU_SOURCE
#include "core/base/team.h"

#include "core/base/grain.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Nanoseconds of work under which sharing costs more than it brings: with workers that sleep, and with one that waits actively. */
static const double asleep_grain = 24000, awake_grain = 12000;

enum {
    MOST_WORKERS = 255,
    PIECES_EACH = 4,
    PIECE_NS = 2000,
    SPIN_NS = 100000,
    SHORTEST_REST_NS = 1000000,
    LONGEST_REST_NS = 128000000,
    CALM_NS = 200000000,
    LATE_NS = 1000000
};

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
static atomic_int resting; /* workers for which no core was free */
static atomic_int home;    /* the core of the caller as it rang */
static atomic_ullong
    late; /* number of the job whose last pieces the caller waited for longer than it should have had to */
static job current;
static pthread_t workers[MOST_WORKERS];
static int nworkers;
static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER; /* one job at a time */
/* The owner's: */
static cr_grain grain;
static double missed;     /* nanoseconds that sharing would have saved while workers slept */
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

/* Does pieces until none is left. Gives the number of the job of the last one, or 0. */
static unsigned long long take_pieces(bool from_back)
{
    unsigned long long number = 0;
    for (;;) {
        unsigned long long seen = atomic_load_explicit(&state, memory_order_acquire);
        unsigned long long front = seen & 0xfffff, back = seen >> 20 & 0xfffff;
        if (front >= back)
            return number;
        unsigned long long left = from_back ? seen - (1ull << 20) : seen + 1;
        if (!atomic_compare_exchange_weak_explicit(&state, &seen, left, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        number = seen >> 40;
        int64_t begin = (int64_t)(from_back ? back - 1 : front) * current.piece;
        int64_t end = current.n - begin > current.piece ? begin + current.piece : current.n;
        current.body(current.context, begin, end);
        atomic_fetch_add_explicit(&done, 1, memory_order_release);
    }
}

static void futex_wait(void *word, unsigned value, const struct timespec *most)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, most, NULL, 0);
}

static void futex_wake(void *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* Makes way for others: briefly at first, since a core can be taken for a moment only, and longer while that goes on. */
static void rest(void)
{
    static _Thread_local int64_t length, ended;
    length = now_ns() - ended > CALM_NS ? SHORTEST_REST_NS : 2 * length;
    length = length < LONGEST_REST_NS ? length : LONGEST_REST_NS;
    atomic_fetch_add(&resting, 1);
    futex_wait(&stopping, 0, &(struct timespec){0, length});
    atomic_fetch_sub(&resting, 1);
    ended = now_ns();
}

/* Sleeps until a job comes after the one that was seen, and says which was seen last: a worker that is woken gets an idle core if there
 * is one; on the caller's it would only take the caller's time, and leaves the job alone. */
static unsigned sleep_until_rung(unsigned seen)
{
    atomic_fetch_add(&sleeping, 1);
    futex_wait(&rung, seen, NULL);
    atomic_fetch_sub(&sleeping, 1);
    int core = sched_getcpu();
    if (core < 0 || core != atomic_load_explicit(&home, memory_order_relaxed))
        return seen;
    rest();
    return atomic_load(&rung);
}

/* How often this thread's core was given to somebody else. */
static long cores_lost(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nivcsw;
}

static void *work(void *unused)
{
    (void)unused;
    inside = 1;
    unsigned seen = 0;
    long lost = 0;
    while (!atomic_load(&stopping)) {
        int64_t until = now_ns() + SPIN_NS;
        while (atomic_load_explicit(&rung, memory_order_acquire) == seen &&
               !atomic_load(&stopping)) {
            for (int i = 0; i < 32; i++)
                relax();
            if (now_ns() >= until)
                seen = sleep_until_rung(seen);
        }
        seen = atomic_load_explicit(&rung, memory_order_acquire);
        unsigned long long number = take_pieces(true);
        if (!number || number != atomic_load(&late))
            continue;
        long before = lost;
        lost = cores_lost();
        if (lost > before)
            rest();
    }
    return NULL;
}

static void ring(int count)
{
    atomic_fetch_add(&rung, 1);
    if (atomic_load(&sleeping))
        futex_wake(&rung, count);
}

/* Threads for a job: the caller and as many workers as can be made and have a core. */
static int64_t hire(int64_t threads)
{
    while (nworkers < threads - 1 && nworkers < MOST_WORKERS &&
           !pthread_create(&workers[nworkers], NULL, work, NULL))
        nworkers++;
    int64_t there = 1 + nworkers - atomic_load_explicit(&resting, memory_order_relaxed);
    return threads < there ? threads : there;
}

bool cr_team_inside(void)
{
    return inside;
}

void cr_team_stop(void)
{
    pthread_mutex_lock(&owner);
    atomic_store(&stopping, 1);
    futex_wake(&stopping, MOST_WORKERS);
    ring(MOST_WORKERS);
    while (nworkers)
        pthread_join(workers[--nworkers], NULL);
    atomic_store(&stopping, 0);
    pthread_mutex_unlock(&owner);
}

/* Whether a job is worth sharing. A short one is if those are shared at this time and a worker is awake, or once so much was missed in
 * short order that waking one would have paid. Then the next jobs find it awake; those that come alone never wake anybody. The owner's
 * lock is held. */
static bool worth_sharing(double whole, int64_t now)
{
    int away = atomic_load_explicit(&resting, memory_order_relaxed);
    if (nworkers && away >= nworkers)
        return false;
    if (!cr_grain_shares_short(&grain, whole, now) && whole < CR_GRAIN_LONG)
        return false;
    if (whole >= asleep_grain ||
        nworkers > atomic_load_explicit(&sleeping, memory_order_relaxed) + away)
        return true;
    missed = (now - missed_at < SPIN_NS + (int64_t)whole ? missed : 0) + whole / 2;
    missed_at = now;
    if (missed < asleep_grain)
        return false;
    missed = 0;
    return true;
}

void cr_team_run(int most, int64_t n, int64_t unit, double cost, cr_team_body *body, void *context)
{
    if (n <= 0)
        return;
    double whole = (double)n * cost;
    if (whole < awake_grain || most <= 1 || inside) {
        body(context, 0, n);
        return;
    }
    int64_t threads = most;
    unit = unit < 1 ? 1 : unit;
    int64_t units = n / unit + (n % unit != 0);
    double bounded = whole < 1e15 ? whole : 1e15;
    int64_t useful = whole < asleep_grain ? 2 : (int64_t)(bounded / (asleep_grain / 2));
    threads = threads < useful ? threads : useful;
    threads = threads < units ? threads : units;
    if (threads <= 1 || pthread_mutex_trylock(&owner)) {
        body(context, 0, n);
        return;
    }
    int64_t begun = now_ns();
    threads = worth_sharing(bounded, begun) ? hire(threads) : 1;
    if (threads <= 1) {
        pthread_mutex_unlock(&owner);
        body(context, 0, n);
        return;
    }
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
    atomic_store_explicit(&home, sched_getcpu(), memory_order_relaxed);
    ring((int)threads - 1);
    inside = 1;
    take_pieces(false);
    inside = 0;
    int64_t ended = now_ns();
    for (int64_t spins = 1; atomic_load_explicit(&done, memory_order_acquire) < pieces; spins++) {
        relax();
        if (spins % 64 || now_ns() - ended < ended - begun + LATE_NS)
            continue;
        atomic_store(&late, number); /* a worker seems to have lost its core: let it have ours */
        syscall(SYS_sched_yield);
    }
    pthread_mutex_unlock(&owner);
}

/* Threads and the process: the per-thread state and its end, environment, logging, thread count,
 * version, cr_exit. */
#define _GNU_SOURCE
#include "core/base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CR_TLS cr_thread cr_this_thread;

/* ---- a thread's end ---- */

static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static void release_thread(void)
{
    cr_thread *thread = &cr_this_thread;
    thread->lost_scopes = 0;
    cr_scope_unwind(0);
    while (thread->nentries) {
        cr_scope_entry entry = thread->entries[--thread->nentries];
        entry.release(entry.object);
    }
    free(thread->entries);
    free(thread->starts);
    thread->entries = NULL;
    thread->starts = NULL;
    thread->entry_capacity = thread->start_capacity = 0;
}

static void run_on_end(void)
{
    cr_thread *thread = &cr_this_thread;
    while (thread->non_end)
        thread->on_end[--thread->non_end](NULL);
}

void cr_thread_on_end(void (*function)(void *unused))
{
    cr_thread *thread = &cr_this_thread;
    cr_thread_register();
    if (thread->non_end < (int)(sizeof thread->on_end / sizeof *thread->on_end))
        thread->on_end[thread->non_end++] = function;
}

static void free_texts(void)
{
    free(cr_this_thread.texts);
    cr_this_thread.texts = NULL;
    cr_this_thread.backend_words = NULL;
}

char *cr_thread_text(void)
{
    static char shared[CR_TEXT_SIZE]; /* without memory words may be mixed up, but nothing worse */
    cr_thread *thread = &cr_this_thread;
    if (!thread->texts) {
        cr_thread_register();
        if (!(thread->texts = malloc(16 * CR_TEXT_SIZE)))
            return shared;
    }
    char *text = thread->texts + thread->next_text++ % 16 * CR_TEXT_SIZE;
    text[0] = 0;
    return text;
}

static void end_thread(void *unused)
{
    (void)unused;
    release_thread();
    run_on_end();
    cr_clear_error();
    free_texts();
    cr_this_thread.registered = false;
}

static void make_end_key(void)
{
    pthread_key_create(&end_key, end_thread);
}

void cr_thread_register(void)
{
    if (cr_this_thread.registered)
        return;
    cr_this_thread.registered = true;
    pthread_once(&end_once, make_end_key);
    pthread_setspecific(end_key, &cr_this_thread);
}

/* ---- the end of the library's use ---- */

static void (*at_exit[16])(void);
static atomic_int at_exit_count;

void cr_at_exit(void (*function)(void))
{
    int i = atomic_fetch_add(&at_exit_count, 1);
    if (i < (int)(sizeof at_exit / sizeof *at_exit))
        at_exit[i] = function;
}

static atomic_int num_threads; /* that a backend may use; 0: not known yet */

static int print_error(void)
{
    int status = cr_error() != NULL;
    if (status)
        fprintf(stderr, "%s\n", cr_error());
    cr_clear_error();
    return status;
}

int cr_exit(void)
{
    int status = print_error();
    release_thread();
    for (int i = atomic_exchange(&at_exit_count, 0); i-- > 0;)
        if (i < (int)(sizeof at_exit / sizeof *at_exit) && at_exit[i])
            at_exit[i]();
    run_on_end();
    status |= print_error(); /* what came to light while closing */
    free_texts();
    atomic_store(&num_threads, 0);
    return status;
}

/* ---- environment ---- */

const char *cr_env(const char *name)
{
#if defined __GLIBC__
    const char *value = secure_getenv(name);
#else
    const char *value = geteuid() == getuid() && getegid() == getgid() ? getenv(name) : NULL;
#endif
    return value && *value ? value : NULL;
}

const char *cr_env_refused(const char *name)
{
    const char *value = getenv(name);
    return value && *value && !cr_env(name) ? value : NULL;
}

bool cr_env_is(const char *name, const char *value)
{
    const char *have = cr_env(name);
    return have && !strcmp(have, value);
}

/* ---- threads a backend may use ---- */

static int default_num_threads(void)
{
    static const char *const names[] = {"CRESSET_NUM_THREADS", "OMP_NUM_THREADS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = cr_env(names[i]);
        char *end;
        long count = value ? strtol(value, &end, 10) : 0;
        if (value && end != value && count >= 1 && count <= 1024)
            return (int)count;
    }
#if defined __linux__
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set))
        return CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > 1024 ? 1024 : (int)online;
}

int cr_num_threads(void)
{
    int count = atomic_load_explicit(&num_threads, memory_order_relaxed);
    if (!count) {
        count = default_num_threads();
        atomic_store(&num_threads, count);
    }
    return count;
}

int cr_set_num_threads(int count)
{
    if (count < 1 || count > 1024) {
        cr_fail("cr_set_num_threads: %d is not between 1 and 1024", count);
        return -1;
    }
    atomic_store(&num_threads, count);
    return 0;
}

/* ---- logging ---- */

static cr_log_function log_function;
static void *log_context;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

void cr_set_log(cr_log_function function, void *context)
{
    pthread_mutex_lock(&log_lock);
    log_function = function;
    log_context = context;
    pthread_mutex_unlock(&log_lock);
}

static int level_asked(void)
{
    const char *value = cr_env("CRESSET_LOG");
    if (value && !strcmp(value, "debug"))
        return CR_LOG_DEBUG;
    if (value && !strcmp(value, "info"))
        return CR_LOG_INFO;
    if (value && !strcmp(value, "warning"))
        return CR_LOG_WARNING;
    return CR_LOG_WARNING + 1;
}

void cr_log_message(cr_log_level level, const char *format, ...)
{
    pthread_mutex_lock(&log_lock);
    cr_log_function function = log_function;
    void *context = log_context;
    pthread_mutex_unlock(&log_lock);
    if (!function && (int)level < level_asked())
        return;
    char words[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (function)
        function(context, level, words);
    else
        fprintf(stderr, "cresset: %s\n", words);
}

/* ---- version ---- */

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const char *cr_version(void)
{
    return TEXT(CR_VERSION_MAJOR) "." TEXT(CR_VERSION_MINOR) "." TEXT(CR_VERSION_PATCH);
}

void cr_free(void *memory)
{
    free(memory);
}

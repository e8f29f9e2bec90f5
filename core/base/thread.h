/* What each thread has of its own: its error, its scopes and its modes. One struct, so that a hot
 * function finds all of it with one address. */
#ifndef CRESSET_CORE_BASE_THREAD_H
#define CRESSET_CORE_BASE_THREAD_H

#include <cresset/base.h>

/* Reading a thread's variable in a shared library costs a call unless the model is initial-exec.
 * The library's whole block is then laid out at start, and a program that loads us late has room
 * for some 500 bytes: no buffers here, only what every operation touches. cr_thread_text is for
 * words. */
#if defined __GNUC__ && defined __linux__
#define CR_TLS _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define CR_TLS _Thread_local
#endif

/* For the rare half of a hot function, so that it takes no registers from the other; and for what must not cost a call there. */
#if defined __GNUC__
#define CR_NOINLINE __attribute__((noinline))
#define CR_INLINE   inline __attribute__((always_inline))
#else
#define CR_NOINLINE
#define CR_INLINE inline
#endif
#define CR_LIKELY(x)   __builtin_expect(!!(x), 1)
#define CR_UNLIKELY(x) __builtin_expect(!!(x), 0)

typedef struct cr_scope_entry {
    void *object;
    void (*release)(void *object);
} cr_scope_entry;

typedef struct cr_thread {
    cr_scope_entry *entries; /* of all open scopes, innermost last */
    size_t nentries, entry_capacity;
    size_t *starts; /* where each open scope's entries begin; the thread's own scope begins at 0 and
                       is not listed */
    size_t nstarts, start_capacity;
    size_t lost_scopes; /* begun without memory to note them */
    char *error;        /* null: none */
    bool grad_disabled, inference_mode;
    bool in_formula; /* of a derivative: the views that it makes without grad need no base */
    bool autocast;   /* some operations cast their arguments */
    bool registered; /* for cleaning up at the thread's end */
    void (*on_end[8])(void *unused);
    int non_end;
    int quiet_errors; /* above 0: failures are not recorded (a trial, as overload resolution) */
    char *texts;      /* cr_thread_text's buffers */
    unsigned next_text;
    char *backend_words;       /* one of them: what a backend said last about a failure */
    const char *within;        /* the outermost operation that is being decomposed, or null */
    const char *index_meaning; /* see cr_indices_mean; or null */
    struct cr_trace *trace;    /* what runs is being recorded; the compile room's */
    const char *context; /* the operation or call that is running, for messages of lower rooms */
} cr_thread;

extern CR_TLS cr_thread cr_this_thread;

/* Until cr_this_thread.index_meaning is set back to what this returns, errors about an index out of bounds begin with these words, a
 * literal, unless somebody further out has said what it means. */
static inline const char *cr_indices_mean(const char *words)
{
    const char *was = cr_this_thread.index_meaning;
    if (!was)
        cr_this_thread.index_meaning = words;
    return was;
}

/* Has the thread's end release what the thread holds. Cheap after the first time. */
void cr_thread_register(void);
/* Runs function(null) at the calling thread's end (and at its cr_exit), after its scopes are
 * released; at most 8. */
void cr_thread_on_end(void (*function)(void *unused));

/* A buffer of CR_TEXT_SIZE bytes for words that are used at once: one of 16 that take turns. Never
 * null. */
enum { CR_TEXT_SIZE = 512 };
char *cr_thread_text(void);

/* Functions to run at cr_exit, last registered first; at most 16. */
void cr_at_exit(void (*function)(void));

/* getenv, but null in set-uid programs and for empty values. */
const char *cr_env(const char *name);
/* Whether the variable, so read, has that value. */
bool cr_env_is(const char *name, const char *value);
/* The variable's value where it is set and not read, since the program runs set-uid; else null. */
const char *cr_env_refused(const char *name);

void cr_log_message(cr_log_level level, const char *format, ...) CR_PRINTF_(2, 3);

#endif

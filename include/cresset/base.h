/* What every other header stands on: visibility, version, errors, scopes and threads.
 *
 * Errors are sticky, as in cairo. A function that fails returns null (or a non-zero int), and the
 * first failure of the thread stays until cr_clear_error. A function that is given null where it
 * needs something returns null as well, so calls nest freely and one check at the end finds the
 * first cause.
 *
 * Lifetimes are scopes. What a function returns belongs to the innermost scope of its thread and
 * goes with it:
 *
 *     CR_SCOPE {
 *         cr_tensor *y = cr_relu(cr_add(a, b));   // both results go at the closing brace
 *         total += cr_item(cr_sum(y));
 *     }
 *
 * A thread begins with one scope that lasts until cr_exit (or the thread's end). Functions whose
 * names end in `_new`, and modules, optimisers and loaders made without a scope, are said to be
 * owned where they are described. */
#ifndef CRESSET_BASE_H
#define CRESSET_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined _WIN32
#define CR_API
#elif defined __GNUC__
#define CR_API __attribute__((visibility("default")))
#else
#define CR_API
#endif

#if defined __GNUC__
#define CR_PRINTF_(words, first) __attribute__((__format__(__printf__, words, first)))
#else
#define CR_PRINTF_(words, first)
#endif

/* ---- version ---- */

#define CR_VERSION_MAJOR 0
#define CR_VERSION_MINOR 1
#define CR_VERSION_PATCH 0

/* The library's version, "0.1.0". Static. */
CR_API const char *cr_version(void);

/* ---- errors ---- */

/* The calling thread's first error since the last cr_clear_error, or null. Valid until the next
 * call that clears or ends the thread. One sentence: the operation, what was given, what was
 * expected. */
CR_API const char *cr_error(void);

/* Forgets the calling thread's error. */
CR_API void cr_clear_error(void);

/* Records an error of one's own (printf's format), as a custom module or data set would; keeps the
 * first. Returns null, to be returned at once. */
CR_API void *cr_fail(const char *format, ...) CR_PRINTF_(1, 2);

/* Ends the use of the library: releases all scopes of the calling thread, closes the backends and
 * returns 0; if the thread has an error, or closing finds one (CRESSET_VALIDATE), prints it to
 * stderr and returns 1. Meant as `return cr_exit();` at the end of main. */
CR_API int cr_exit(void);

/* ---- scopes ---- */

/* Opens and closes a scope of the calling thread; they nest. cr_scope_end releases what the scope
 * still owns. */
CR_API void cr_scope_begin(void);
CR_API void cr_scope_end(void);

/* A block with a scope of its own. It may be left by any way with GCC and Clang: `break`, `return` and `goto` end the scope too.
 * With other compilers only `continue` and the block's end do; a scope left open is closed with the one around it. */
#define CR_SCOPE CR_SCOPE_AT_(CR_JOIN_(cr_scope_once_, __LINE__)) /* named by line: they nest */
#define CR_SCOPE_AT_(once_)                                                     \
    for (int once_ CR_CLEANUP_(cr_scope_leave_) = (cr_scope_begin(), 1); once_; \
         once_ = (cr_scope_end(), 0))
#if defined __GNUC__
#define CR_CLEANUP_(function_) __attribute__((cleanup(function_)))
#else
#define CR_CLEANUP_(function_)
#endif
/* What a variable of CR_SCOPE runs when it goes; not for use by hand. */
static inline void cr_scope_leave_(int *open)
{
    if (*open)
        cr_scope_end();
}
#define CR_JOIN_(a_, b_)     CR_JOIN_NOW_(a_, b_)
#define CR_JOIN_NOW_(a_, b_) a_##b_

/* How deep the calling thread's scopes are nested: what cr_scope_unwind goes back to after a jump
 * out of CR_SCOPE. */
CR_API int cr_scope_depth(void);
CR_API void cr_scope_unwind(int depth);

/* Calls release(object) when the innermost scope ends. Returns object, or null (after releasing it)
 * without memory. */
CR_API void *cr_scope_add(void *object, void (*release)(void *object));

/* Frees a string or an array that the library handed over as the caller's own. */
CR_API void cr_free(void *memory);

/* ---- threads ---- */

/* How many threads a CPU backend may use: CRESSET_NUM_THREADS, else OMP_NUM_THREADS, else the
 * number of processors this process may run on. */
CR_API int cr_num_threads(void);

/* Sets it, from 1 to 1024, for the whole process. Returns 0, or an error. */
CR_API int cr_set_num_threads(int count);

/* ---- logging ---- */

typedef enum cr_log_level { CR_LOG_DEBUG, CR_LOG_INFO, CR_LOG_WARNING } cr_log_level;

/* Where messages go that are no errors. By default nowhere, unless CRESSET_LOG is debug, info or
 * warning: then to stderr. The function may be called from any thread. Null restores the default.
 */
typedef void (*cr_log_function)(void *context, cr_log_level level, const char *message);
CR_API void cr_set_log(cr_log_function function, void *context);

#ifdef __cplusplus
}
#endif
#endif

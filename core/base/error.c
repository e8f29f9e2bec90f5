/* Sticky errors: the first failure's words, per thread. */
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/thread.h"

/* Stands in where there is no memory for the words themselves. */
static char no_memory[] = "out of memory";

static void record(const char *format, va_list args)
{
    cr_thread *thread = &cr_this_thread;
    if (thread->error || thread->quiet_errors)
        return;
    cr_thread_register();
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *words = length < 0 ? NULL : malloc((size_t)length + 1);
    if (!words) {
        thread->error = no_memory;
        return;
    }
    vsnprintf(words, (size_t)length + 1, format, args);
    thread->error = words;
}

void *cr_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(format, args);
    va_end(args);
    return NULL;
}

void *cr_fail_memory(const char *what, size_t bytes)
{
    return cr_fail("out of memory: %s needs %zu bytes", what, bytes);
}

const char *cr_error(void)
{
    return cr_this_thread.error;
}

void cr_clear_error(void)
{
    cr_thread *thread = &cr_this_thread;
    if (thread->error != no_memory)
        free(thread->error);
    thread->error = NULL;
}

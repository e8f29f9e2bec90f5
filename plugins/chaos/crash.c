/* A crash behind the wrapper is reported, not hidden: one line on stderr says in which call of which
 * backend, and the signal takes its course, to the handler that was there before. */
#define _GNU_SOURCE
#include "chaos.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct {
    int number;
    const char *name;
} signals[] = {{SIGSEGV, "SIGSEGV"},
               {SIGBUS, "SIGBUS"},
               {SIGFPE, "SIGFPE"},
               {SIGILL, "SIGILL"},
               {SIGABRT, "SIGABRT"}};
enum { COUNT = sizeof signals / sizeof *signals };
static struct sigaction before[COUNT];

static _Thread_local const char *volatile now_call, *volatile now_op, *volatile now_backend;

void chaos_going_on(const char *call, const char *op, const char *backend)
{
    now_op = op;
    now_backend = backend;
    now_call = call;
}

/* Only what a signal handler may do: the words are put together in a local array. */
static void say_crash(const char *signal_name)
{
    char line[512];
    size_t at = 0;
    const char *const parts[] = {"cresset chaos: ",
                                 signal_name,
                                 now_call ? " in " : " outside of the backend",
                                 now_call ? now_call : "",
                                 now_call && now_op ? " of " : "",
                                 now_call && now_op ? now_op : "",
                                 now_call ? " of the backend " : "",
                                 now_call && now_backend ? now_backend : "",
                                 "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (const char *c = parts[i]; *c && at < sizeof line; c++)
            line[at++] = *c;
    ssize_t written = write(STDERR_FILENO, line, at);
    (void)written;
}

static void crashed(int number)
{
    for (int i = 0; i < COUNT; i++)
        if (signals[i].number == number) {
            say_crash(signals[i].name);
            sigaction(number, &before[i], NULL);
        }
    raise(number); /* delivered when this handler returns */
}

void chaos_watch_crashes(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = crashed;
    action.sa_flags = SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < COUNT; i++)
        sigaction(signals[i].number, &action, &before[i]);
}

/* The handler goes with the shared object. */
__attribute__((destructor)) static void at_unload(void)
{
    struct sigaction now;
    for (int i = 0; i < COUNT; i++)
        if (!sigaction(signals[i].number, NULL, &now) && now.sa_handler == crashed)
            sigaction(signals[i].number, &before[i], NULL);
}

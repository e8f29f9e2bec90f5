/* What starting a program costs: runs it some times and prints, with tabs between, row, median, unit, least, most, of the time
 * until its first line, which says in KiB how much memory it has resident, and of that memory.
 * usage: launch TIMES PROGRAM [ARGUMENT]… */
#define _POSIX_C_SOURCE 200809L
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "timing.h"

extern char **environ;

enum { MOST = 101 };

/* Seconds until the first line, and the number in it; false if the program failed. */
static int launch(char **command, double *seconds, double *kib)
{
    int ends[2], status = 1;
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe(ends))
        return 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    double begun = now();
    int failed = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char text[64] = "";
    size_t n = 0;
    for (ssize_t got; !failed && n < sizeof text - 1 && !strchr(text, '\n'); n += (size_t)got)
        if ((got = read(ends[0], text + n, sizeof text - 1 - n)) <= 0)
            break;
    *seconds = now() - begun;
    *kib = strtod(text, NULL);
    while (!failed && read(ends[0], text, sizeof text) > 0) {
    }
    close(ends[0]);
    return !failed && waitpid(child, &status, 0) == child && !status && *kib > 0;
}

static void row(const char *name, const char *unit, double *value, long n)
{
    qsort(value, (size_t)n, sizeof *value, by_value);
    printf("%s\t%.4g\t%s\t%.4g\t%.4g\n", name, value[n / 2], unit, value[0], value[n - 1]);
}

int main(int argc, char **argv)
{
    double time[MOST], memory[MOST], seconds, kib;
    long times = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    if (times < 1 || times > MOST) {
        fprintf(stderr, "usage: launch TIMES PROGRAM [ARGUMENT]… (at most %d times)\n", MOST);
        return 2;
    }
    for (long i = -1; i < times; i++) { /* the first one brings files into memory */
        if (!launch(argv + 2, &seconds, &kib)) {
            fprintf(stderr, "launch: %s failed, or its first line is no number\n", argv[2]);
            return 1;
        }
        time[i < 0 ? 0 : i] = seconds * 1e3;
        memory[i < 0 ? 0 : i] = kib / 1024;
    }
    row("start/first_result", "ms", time, times);
    row("start/resident", "MiB", memory, times);
    return 0;
}

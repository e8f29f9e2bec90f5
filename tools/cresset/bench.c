/* cresset bench: times operations, dispatch and training steps. The rows are those of tools/peers/torch_peer.py. */
#include "bench.h"

#include "cli.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 7, MODEL_REPEATS = 5 };
static const double budget = 0.25; /* seconds a repeat */
static const char *only = "";

bool bench_wants(const char *name)
{
    size_t shorter = strlen(name) < strlen(only) ? strlen(name) : strlen(only);
    return !cr_error() && !strncmp(name, only, shorter);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds that n calls take. Scopes end after each call, or after some when calls are so short that their results are small:
 * sixteen large ones would not stay in the cache, where PyTorch frees each at once. */
static double time_calls(bench_work *fn, void *with, long n)
{
    long each = n > 100000 ? 16 : 1;
    double begun = now_seconds();
    for (long i = 0; i < n;) {
        cr_scope_begin();
        for (long end = i + each < n ? i + each : n; i < end; i++)
            fn(with);
        cr_scope_end();
    }
    cr_synchronize(NULL);
    return now_seconds() - begun;
}

/* Seconds of a call, once so many were made that plans, choices and caches are there. */
static double seconds_of_one(bench_work *fn, void *with)
{
    time_calls(fn, with, 1);
    for (long n = 1;; n *= 2) {
        double took = time_calls(fn, with, n);
        if (took > budget / 10)
            return took / (double)n;
    }
}

void bench_row(const char *name, const char *unit, double amount, bench_work *fn, void *with)
{
    if (!bench_wants(name) || strncmp(name, only, strlen(only)))
        return;
    double one = seconds_of_one(fn, with), value[REPEATS];
    long n = budget / one > 1 ? (long)(budget / one) : 1;
    bool rate = strstr(unit, "/s") != NULL;
    int repeats = one > 0.05 ? MODEL_REPEATS : REPEATS;
    for (int i = 0; i < repeats; i++) {
        double seconds = time_calls(fn, with, n) / (double)n;
        value[i] = rate ? amount / seconds : seconds * 1e6 / amount;
    }
    if (cr_error())
        return;
    qsort(value, (size_t)repeats, sizeof *value, by_value);
    printf("%s\t%.4g\t%s\t%.4g\t%.4g\n", name, value[repeats / 2], unit, value[0],
           value[repeats - 1]);
    fflush(stdout);
}

static int bench_main(int argc, char **argv)
{
    int64_t threads = 0;
    const char *rest[1];
    const option options[] = {
        {"only", OPTION_TEXT, &only}, {"threads", OPTION_INT, &threads}, {NULL, 0, NULL}};
    int n = read_options(&bench_command, options, argc, argv, rest, 0);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (threads && cr_set_num_threads((int)threads))
        return report_error();
    cr_manual_seed(0);
    bench_operations();
    bench_models();
    bench_sequences();
    bench_captured();
    bench_data();
    if (*only) {
        bench_memory();
        bench_costs();
    }
    return cr_error() ? report_error() : 0;
}

const command bench_command = {
    "bench", "[options]", "Times operations, dispatch and training steps on the chosen backend.",
    "  --only PREFIX   the rows whose names begin so: gemm, add, conv_train/lenet1, dispatch, "
    "train/lenet_b64, …\n"
    "  --threads N     how many threads compute (default: as many as there are cores)\n"
    "\nPrints, with tabs between: row, median, unit, least, most. tools/bench sets it beside other "
    "libraries.\n",
    bench_main};

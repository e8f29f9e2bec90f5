/* cresset conform: holds a backend to PyTorch's results, operation by operation. */
#include "conform.h"

#include "cli.h"
#include "conform_hints.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row of the report: an operation by its bare name. */
typedef struct tally {
    char op[64];
    int samples, failed;
    double ulps;
    int64_t smallest; /* of the failing samples */
    char why[600];
} tally;

typedef struct report {
    tally *rows;
    size_t count, capacity;
    int samples, failed;
} report;

static tally *row_of(report *r, const char *op)
{
    size_t length = strcspn(op, ".");
    length = length < sizeof r->rows->op ? length : sizeof r->rows->op - 1;
    for (size_t i = 0; i < r->count; i++)
        if (!strncmp(r->rows[i].op, op, length) && !r->rows[i].op[length])
            return &r->rows[i];
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        tally *rows = realloc(r->rows, capacity * sizeof *rows);
        if (!rows)
            return cr_fail("out of memory: the report");
        r->rows = rows;
        r->capacity = capacity;
    }
    tally *t = &r->rows[r->count++];
    *t = (tally){.smallest = INT64_MAX};
    memcpy(t->op, op, length);
    return t;
}

/* Whether any row of that bare name is of the kind that every backend has to compute. */
static bool is_primitive(const char *op)
{
    cr_op_info info;
    size_t length = strcspn(op, ".");
    for (size_t i = 0; i < cr_op_count(); i++)
        if (!cr_op_describe(i, &info) && !strncmp(info.name, op, length) &&
            (!info.name[length] || info.name[length] == '.') && info.kind == CR_OP_PRIMITIVE)
            return true;
    return false;
}

typedef struct choice {
    const char *backend, *level, *folder, *device, *pattern;
    int64_t seed;
    bool primitives_only, second, json;
} choice;

enum { SECONDS = 3 }; /* samples of an operation whose second derivative is looked at */

static bool run_file(report *r, const char *path, const choice *c)
{
    sample_file file;
    const cJSON *sample;
    if (!sample_file_open(&file, path)) {
        sample_file_close(&file);
        return false;
    }
    cJSON_ArrayForEach(sample, file.cases)
    {
        const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(sample, "op"));
        if (!op || (c->pattern && fnmatch(c->pattern, op, 0)) ||
            (c->primitives_only && !is_primitive(op)))
            continue;
        tally *t = row_of(r, op);
        if (!t)
            break;
        if (c->second && (!cJSON_GetObjectItem(sample, "grad") || t->samples >= SECONDS))
            continue;
        verdict v = c->second ? sample_run_second(&file, sample, c->device)
                              : sample_run(&file, sample, c->device);
        r->samples++;
        t->samples++;
        t->ulps = v.ulps > t->ulps ? v.ulps : t->ulps;
        if (v.passed)
            continue;
        r->failed++;
        t->failed++;
        if (v.size < t->smallest) {
            char *call = cJSON_PrintUnformatted(cJSON_GetObjectItem(sample, "args"));
            t->smallest = v.size;
            snprintf(t->why, sizeof t->why, "%.300s with %.200s", v.why, call ? call : "");
            cJSON_free(call);
        }
    }
    sample_file_close(&file);
    return !cr_error();
}

/* How the operation was computed on the device, of all forms of the name. */
static const char *mode_of(const char *op, const cr_op_counts *counts, size_t n)
{
    uint64_t native = 0, decomposed = 0, fallback = 0;
    size_t length = strlen(op);
    for (size_t i = 0; i < n; i++)
        if (!strncmp(counts[i].op, op, length) &&
            (!counts[i].op[length] || counts[i].op[length] == '.')) {
            native += counts[i].native;
            decomposed += counts[i].decomposed;
            fallback += counts[i].fallback;
        }
    return native       ? decomposed || fallback ? "partly native" : "native"
           : fallback   ? "fallback"
           : decomposed ? "decomposed"
                        : "composite";
}

static void print_report(const report *r, const char *device, int basics_failed, bool json)
{
    cr_op_counts *counts = NULL;
    size_t n = cr_device_op_counts(device, NULL, 0);
    if (n != SIZE_MAX && (counts = malloc((n + 1) * sizeof *counts)))
        n = cr_device_op_counts(device, counts, n);
    n = counts ? n : 0;
    if (json)
        printf("{\"device\": \"%s\", \"basics_failed\": %d, \"samples\": %d, \"failed\": %d, "
               "\"ops\": [",
               device, basics_failed, r->samples, r->failed);
    else
        printf("%-34s %8s  %-13s %9s\n", "operation", "samples", "how", "ulps");
    for (size_t i = 0; i < r->count; i++) {
        const tally *t = &r->rows[i];
        const char *how = mode_of(t->op, counts, n);
        if (json) {
            cJSON *why = cJSON_CreateString(t->why);
            char *text = why ? cJSON_PrintUnformatted(why) : NULL;
            printf("%s\n  {\"op\": \"%s\", \"samples\": %d, \"failed\": %d, \"how\": \"%s\", "
                   "\"ulps\": %.3g, \"why\": %s}",
                   i ? "," : "", t->op, t->samples, t->failed, how, t->ulps, text ? text : "\"\"");
            cJSON_free(text);
            cJSON_Delete(why);
        } else {
            printf("%-34s %8d  %-13s %9.3g  %s\n", t->op, t->samples, how, t->ulps,
                   t->failed ? "FAIL" : "pass");
            if (t->failed)
                printf("    %d of %d samples; the smallest: %s\n", t->failed, t->samples, t->why);
        }
    }
    if (json)
        printf("\n]");
    free(counts);
}

/* `next`: hints to print at the end, or null. */
static int hold(choice c, const hints *next)
{
    bool json = c.json;
    setenv("CRESSET_VALIDATE", "1", 0);      /* CRESSET_VALIDATE=0 does without */
    setenv("CRESSET_DETERMINISTIC", "1", 0); /* the backend's own plans, however fast others are */
    if (c.backend && cr_set_default_device(c.backend))
        return report_error();
    c.device = cr_default_device();
    if (!c.device)
        return report_error();
    cr_manual_seed((uint64_t)c.seed);
    c.primitives_only = !strcmp(c.level, "primitives");
    int basics_failed = c.pattern ? 0 : conform_memory(c.device, json);
    if (!strcmp(c.level, "memory"))
        return basics_failed ? CLI_FAILED : 0;
    bool draws = !c.second && (!c.pattern || !fnmatch(c.pattern, "random_bits", 0));
    basics_failed += draws ? conform_random(c.device, json) : 0;

    char path[1024], pattern[1060];
    glob_t files = {0};
    if (!(c.folder ? snprintf(path, sizeof path, "%s", c.folder) < (int)sizeof path
                   : share_folder("conform", path, sizeof path)) ||
        snprintf(pattern, sizeof pattern, "%s/*.safetensors", path) < 0 ||
        glob(pattern, 0, NULL, &files) || !files.gl_pathc) {
        fprintf(stderr, "cresset conform: no samples in %s\n", path);
        return CLI_FAILED;
    }
    report r = {0};
    bool well = true;
    for (size_t i = 0; i < files.gl_pathc && well; i++)
        CR_SCOPE
            well = run_file(&r, files.gl_pathv[i], &c);
    globfree(&files);
    int status = !well ? report_error() : r.failed || basics_failed ? CLI_FAILED : 0;
    if (well && !r.samples && !draws) {
        fprintf(stderr, "cresset conform: no operation is called %s\n",
                c.pattern ? c.pattern : "so");
        status = CLI_FAILED;
    }
    if (well) {
        print_report(&r, c.device, basics_failed, json);
        bool whole = !c.pattern && !c.second;
        if (whole)
            hints_print(next, c.device, json);
        if (json)
            puts("}");
        else
            printf("%s%zu operations, %d samples, %d failed on %s\n", whole ? "\n" : "", r.count,
                   r.samples, r.failed, c.device);
    }
    free(r.rows);
    return status;
}

static int run_conform(int argc, char **argv)
{
    const char *rest[1];
    choice c = {.level = "full"};
    const option options[] = {{"backend", OPTION_TEXT, &c.backend},
                              {"level", OPTION_TEXT, &c.level},
                              {"op", OPTION_TEXT, &c.pattern},
                              {"samples", OPTION_TEXT, &c.folder},
                              {"seed", OPTION_INT, &c.seed},
                              {"json", OPTION_FLAG, &c.json},
                              {"second-derivatives", OPTION_FLAG, &c.second},
                              {NULL, OPTION_FLAG, NULL}};
    int n = read_options(&conform_command, options, argc, argv, rest, 0);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (strcmp(c.level, "memory") && strcmp(c.level, "primitives") && strcmp(c.level, "full")) {
        fprintf(stderr, "cresset conform: --level must be memory, primitives or full, not %s\n",
                c.level);
        return CLI_USAGE;
    }
    bool full = !c.pattern && !c.second && !strcmp(c.level, "full");
    hints *next = full ? hints_measure(c.backend) : NULL;
    int status = hold(c, next);
    free(next);
    return status;
}

const command conform_command = {
    "conform", "[options]", "Holds a backend to PyTorch's results, operation by operation.",
    "  --backend NAME     \"cpu\", \"vulkan:1\", or the path of a plugin: the best found "
    "otherwise\n"
    "  --level LEVEL      memory, primitives (what every backend has to compute), or full, the "
    "default\n"
    "  --op PATTERN       the operations whose names match: \"conv*\", \"add.Tensor\"\n"
    "  --seed N           of the generator: 0\n"
    "  --samples FOLDER   where the samples are, if not beside the program\n"
    "  --second-derivatives  instead of the results: the derivatives of derivatives, against "
    "finite differences\n"
    "  --json             the report as JSON\n"
    "\nA sample passes when dtype, sizes and values are PyTorch's within "
    "torch.testing.assert_close's tolerances, its\n"
    "gradients too, and a second run gives the same bits. Where PyTorch refuses a call, it has to "
    "be refused.\nThe backend is held to its contract meanwhile, unless CRESSET_VALIDATE=0: "
    "outputs "
    "written in full, nothing else written,\nno input changed, the same results from each plan, "
    "nothing kept.\n\nAt the end stands what a backend lacks: primitives, and (at the full level, "
    "without --op) the operations that cost\nmost in short trainings of LeNet, a ResNet and a GPT "
    "while it has no plan of its own for them, as the wrapper trace\nsees them.\n",
    run_conform};

/* The end of cresset conform: what a backend's author needs next. The figures are those of the wrapper `trace`, read from its
 * table. */
#include "conform_hints.h"

#include "cli.h"
#include "models.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEPS = 3, MOST_SECONDS = 120, SLOW_SECONDS = 4, SHOWN = 6 };

/* ---- training, in a process of its own ---- */

static training lenet(void)
{
    training t = {.net = make_lenet(), .x = cr_randn(CR_INTS(4, 1, 28, 28))};
    t.y = cr_randint(10, CR_INTS(4));
    t.optimizer = cr_sgd(t.net, .lr = 0.01, .momentum = 0.9);
    return t;
}

static training resnet(void)
{
    training t = {.net = make_resnet18(4), .x = cr_randn(CR_INTS(2, 3, 32, 32))};
    t.y = cr_randint(10, CR_INTS(2));
    t.optimizer = cr_sgd(t.net, .lr = 0.01, .momentum = 0.9);
    return t;
}

static training gpt(void)
{
    training t = {.net = make_gpt(2, 32), .x = cr_randint(GPT_VOCABULARY, CR_INTS(2, 16))};
    t.y = t.x;
    t.optimizer = cr_adamw(t.net);
    return t;
}

static const struct {
    const char *name;
    training (*make)(void);
} models[HINT_MODELS] = {{"LeNet", lenet}, {"ResNet", resnet}, {"GPT", gpt}};

/* The backend that "auto" would take. */
static const char *best_backend(void)
{
    const char *best = NULL;
    int32_t rank = -1;
    for (size_t i = 0; i < cr_backend_count(); i++) {
        const cr_backend_candidate *c = cr_backend_get(i);
        for (int d = 0; c && !c->refused && d < c->device_count; d++) {
            cr_device_info info;
            if (!cr_backend_device_info(i, d, &info) && info.rank > rank) {
                best = c->name;
                rank = info.rank;
            }
        }
    }
    return best;
}

static int train(int model, int steps, const char *backend, const char *table)
{
    char device[1100];
    setenv("CRESSET_VALIDATE", "0", 1);
    setenv("CRESSET_DETERMINISTIC", "1", 1); /* the backend's own plans */
    setenv("CRESSET_TRACE", "none", 1);
    setenv("CRESSET_TRACE_TABLE", table, 1);
    const char *set = getenv("CRESSET_BACKEND");
    backend = backend ? backend : set && strcmp(set, "auto") ? set : best_backend();
    snprintf(device, sizeof device, "trace:%.*s", (int)strcspn(backend ? backend : "", ","),
             backend ? backend : "");
    setenv("CRESSET_BACKEND", device, 1);
    cr_manual_seed(0);
    CR_SCOPE {
        training t = models[model].make();
        for (int i = 0; i < steps && !cr_error(); i++)
            CR_SCOPE
                train_step(&t);
    }
    return cr_exit();
}

/* A row of the table of `trace`. */
typedef struct seen_row {
    char op[64];
    bool said; /* with others: of the second part of the table */
    uint64_t calls, elsewhere;
    double ms;
} seen_row;

typedef struct seen {
    seen_row rows[256];
    int count;
    char failed[400]; /* why there is no table; else empty */
} seen;

/* Runs the training and waits for it. What it says on stderr, if it fails, is the reason. */
static void run_apart(seen *s, int model, int steps, const char *backend, const char *table)
{
    int ends[2], status = 0;
    fflush(NULL);
    pid_t child = pipe(ends) ? -1 : fork();
    if (child < 0) {
        snprintf(s->failed, sizeof s->failed, "no process could be started");
        return;
    }
    if (!child) {
        dup2(ends[1], 2);
        dup2(ends[1], 1);
        close(ends[0]);
        alarm(MOST_SECONDS);
        status = train(model, steps, backend, table);
        fflush(NULL);
        _exit(status);
    }
    close(ends[1]);
    size_t length = 0;
    char piece[256];
    for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;) /* all, or it would wait */
        for (ssize_t i = 0; i < n && length < sizeof s->failed - 1; i++)
            s->failed[length++] = piece[i];
    close(ends[0]);
    waitpid(child, &status, 0);
    s->failed[length] = 0;
    s->failed[strcspn(s->failed, "\n")] = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(s->failed, sizeof s->failed, "it takes longer than %d seconds", MOST_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(s->failed, sizeof s->failed, "it is ended by signal %d", WTERMSIG(status));
    else if (!WEXITSTATUS(status))
        *s->failed = 0;
    else if (!*s->failed)
        snprintf(s->failed, sizeof s->failed, "it fails");
}

/* ---- the table of `trace` ---- */

static bool read_table(seen *s, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1024];
    enum { BEFORE, OPERATIONS, SAID, BEYOND } part = BEFORE;
    while (file && fgets(line, sizeof line, file) && s->count < 256) {
        seen_row row = {.said = part == SAID};
        unsigned long long calls, bytes, plans, refused, elsewhere = 0;
        double share, plan_ms;
        if (!strncmp(line, "operation ", 10))
            part = OPERATIONS;
        else if (!strncmp(line, "said with others ", 17))
            part = SAID;
        else if (!strncmp(line, "memory ", 7))
            part = BEYOND;
        else if (part == OPERATIONS
                     ? sscanf(line, "%63s %llu %lf %lf %llu %llu %lf %llu %llu", row.op, &calls,
                              &row.ms, &share, &bytes, &plans, &plan_ms, &refused, &elsewhere) == 9
                     : part == SAID &&
                           sscanf(line, "%63s %llu %lf", row.op, &calls, &row.ms) == 3) {
            row.calls = calls;
            row.elsewhere = elsewhere;
            s->rows[s->count++] = row;
        }
    }
    if (file)
        fclose(file);
    return part != BEFORE;
}

static void measure(seen *s, int model, int steps, const char *backend, const char *table)
{
    bool empty = !truncate(table, 0);
    memset(s, 0, sizeof *s);
    run_apart(s, model, steps, backend, table);
    if (!*s->failed && !(empty && read_table(s, table)))
        snprintf(s->failed, sizeof s->failed, "the wrapper trace wrote no table");
}

static const seen_row *row_like(const seen *s, const seen_row *row)
{
    for (int i = 0; i < s->count; i++)
        if (s->rows[i].said == row->said && !strcmp(s->rows[i].op, row->op))
            return &s->rows[i];
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    const hint_row *x = a, *y = b;
    return x->ms < y->ms ? 1 : x->ms > y->ms ? -1 : strcmp(x->op, y->op);
}

/* Of two runs the shorter time of each row, of which the share of the calls counts that the first step, and making the model,
 * had not. */
static void conclude(hint_model *m, const seen *first, const seen *one, const seen *other)
{
    const seen *all[] = {first, one, other};
    for (int i = 0; i < 3 && !*m->failed; i++)
        memcpy(m->failed, all[i]->failed, sizeof m->failed);
    for (int i = 0; i < one->count && !*m->failed; i++) {
        seen_row row = one->rows[i];
        const seen_row *before = row_like(first, &row), *again = row_like(other, &row);
        uint64_t calls = row.calls - (before && before->calls < row.calls ? before->calls : 0);
        uint64_t elsewhere = row.elsewhere - (before ? before->elsewhere : 0);
        double each = (again && again->ms < row.ms ? again->ms : row.ms) / (double)row.calls;
        if (before && before->calls >= row.calls)
            continue;
        if (!row.said)
            m->ms += each * (double)calls;
        if ((!row.said && !elsewhere) || m->count == HINT_ROWS)
            continue;
        hint_row *hint = &m->rows[m->count++];
        memcpy(hint->op, row.op, sizeof hint->op);
        hint->fell_back = !row.said;
        hint->calls = row.said ? calls : elsewhere;
        hint->ms = (double)(int64_t)(each * (double)hint->calls * 1e3 + 0.5) / 1e3; /* as shown */
    }
    qsort(m->rows, (size_t)m->count, sizeof *m->rows, by_time);
}

hints *hints_measure(const char *backend)
{
    hints *h = calloc(1, sizeof *h);
    seen *s = calloc(3, sizeof *s);
    char table[] = "/tmp/cresset-conform-XXXXXX";
    int file = h && s ? mkstemp(table) : -1;
    if (file < 0) {
        free(h);
        free(s);
        return NULL;
    }
    close(file);
    h->steps = STEPS;
    for (int i = 0; i < HINT_MODELS; i++) {
        h->models[i].name = models[i].name;
        time_t began = time(NULL);
        measure(&s[0], i, 1, backend, table);
        measure(&s[1], i, 1 + STEPS, backend, table);
        bool is_slow = time(NULL) - began > SLOW_SECONDS; /* then so little disturbs it little */
        if (is_slow)
            s[2] = s[1];
        else
            measure(&s[2], i, 1 + STEPS, backend, table);
        conclude(&h->models[i], &s[0], &s[1], &s[2]);
    }
    unlink(table);
    free(s);
    return h;
}

/* ---- primitives ---- */

/* The name of the primitive that the row's counts are of; null for other rows. */
static const char *primitive_of(const char *op)
{
    cr_op_info info;
    if (!strcmp(op, "_to_copy"))
        return "copy"; /* what a plan of it is called */
    for (size_t i = 0; i < cr_op_count(); i++)
        if (!cr_op_describe(i, &info) && !strcmp(info.name, op))
            return info.kind == CR_OP_PRIMITIVE ? op : NULL;
    return NULL;
}

/* Those that fell back; where some calls did not, they are missing in part. Returns how many. */
static int print_primitives(const cr_op_counts *counts, size_t n, bool partly, bool json)
{
    int found = 0, column = 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = counts[i].fallback ? primitive_of(counts[i].op) : NULL;
        if (!name || partly != (counts[i].native > 0))
            continue;
        int length = (int)strlen(name) + 2;
        if (!json && column + length > 100)
            column = 0;
        if (json)
            printf("%s\"%s\"", found ? ", " : "", name);
        else
            printf("%s%s", !found ? "  " : column ? ", " : ",\n  ", name);
        column += length;
        found++;
    }
    return found;
}

static void print_missing(const cr_op_counts *counts, size_t n, bool json)
{
    if (json) {
        printf(",\n\"missing_primitives\": [");
        print_primitives(counts, n, false, true);
        printf("],\n\"partly_missing_primitives\": [");
        print_primitives(counts, n, true, true);
        printf("]");
        return;
    }
    printf("\nprimitives that are missing, and run on cpu:\n");
    puts(print_primitives(counts, n, false, false) ? "" : "  none");
    printf("primitives that are missing for some dtypes or forms:\n");
    puts(print_primitives(counts, n, true, false) ? "" : "  none");
}

/* ---- both ---- */

static void print_model(const hint_model *m, bool json)
{
    if (json) {
        char why[sizeof m->failed];
        snprintf(why, sizeof why, "%s", m->failed);
        for (char *c = why; *c; c++)
            *c = *c == '"' || *c == '\\' || (unsigned char)*c < 0x20 ? '\'' : *c;
        printf("\n  {\"model\": \"%s\", \"failed\": \"%s\", \"ms\": %.3f, \"operations\": [",
               m->name, why, m->ms);
    } else if (*m->failed || !m->count) {
        printf("%-7s %s%s\n", m->name, *m->failed ? "no figures: " : "",
               *m->failed ? m->failed : "every operation is planned as it is");
    }
    for (int i = 0; i < m->count && (json || i < SHOWN); i++) {
        const hint_row *r = &m->rows[i];
        const char *how = r->fell_back ? "fallback" : "decomposed";
        double share = m->ms > 0 ? 100 * r->ms / m->ms : 0;
        printf(json ? "%s\n    {\"op\": \"%s\", \"how\": \"%s\", \"calls\": %llu, \"ms\": %.3f, "
                      "\"percent\": %.2f}"
                    : "%-7s %-38s %-11s %7llu %9.3f %6.2f\n",
               json ? i ? "," : ""
               : i  ? ""
                    : m->name,
               r->op, how, (unsigned long long)r->calls, r->ms, share);
    }
    if (json)
        printf("]}");
}

void hints_print(const hints *h, const char *device, bool json)
{
    cr_op_counts *counts = NULL;
    size_t n = cr_device_op_counts(device, NULL, 0);
    if (n != SIZE_MAX && (counts = malloc((n + 1) * sizeof *counts)))
        n = cr_device_op_counts(device, counts, n);
    print_missing(counts, counts ? n : 0, json);
    free(counts);
    if (!h)
        return;
    if (json)
        printf(",\n\"steps\": %d, \"training\": [", h->steps);
    else
        printf("what costs most in %d steps of training while the backend has no plan of its own "
               "for it:\n%-7s %-38s %-11s %7s %9s %6s\n",
               h->steps, "model", "operation", "how", "calls", "ms", "%");
    for (int i = 0; i < HINT_MODELS; i++) {
        if (json && i)
            putchar(',');
        print_model(&h->models[i], json);
    }
    if (json)
        printf("]");
}

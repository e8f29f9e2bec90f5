/* oneDNN's own convolutions, for cresset bench's rows of them: forward, gradient of the input and of the weights, each in the layout
 * that is the fastest of the library's choice, row-major and channels last, images and weights lying so already, on oneDNN's own threads:
 * the most that a user of the library gets who never has to reorder. conv_train is the three one after the other. tools/bench
 * builds it where oneDNN is (2.6 and later). Prints, with tabs between: row, median, unit, least, most.
 * usage: onednn_peer [--threads N] [--only PREFIX] [--layouts 1]   (the last: each layout's best, as comments) */
#include "../../backends/onednn/compat.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"

enum { REPEATS = 7, LAYOUTS = 3 };
typedef enum part { FORWARD, DATA, WEIGHTS, PARTS } part;
static const double budget = 0.25; /* seconds a repeat */
static const char *const names[PARTS] = {"conv_fwd", "conv_data", "conv_weights"};
static const char *only = "";
static int layouts_told;
static dnnl_engine_t engine;
static dnnl_stream_t stream;

typedef struct shape {
    const char *name;
    int64_t n, in, out, side, kernel, padding;
} shape;

typedef struct job {
    dnnl_primitive_t primitive;
    int count;
    dnnl_exec_arg_t args[4];
} job;

static void check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "onednn_peer: %s: dnnl_status_t %d\n", what, (int)status);
    exit(1);
}

static void add(job *j, int arg, dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    dnnl_memory_t memory;
    dn_md md;
    check(dn_md_of(&md, pd, what), "a descriptor");
    size_t count = dn_md_bytes(&md) / sizeof(float);
    float *values = aligned_alloc(64, (count * sizeof(float) + 4095) / 4096 * 4096);
    if (!values) {
        fprintf(stderr, "onednn_peer: no memory\n");
        exit(1);
    }
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((uint32_t)i * 2654435761u >> 8) / 8388608.0f - 1;
    check(dnnl_memory_create(&memory, dn_raw(&md), engine, values), "memory");
    j->args[j->count++] = (dnnl_exec_arg_t){arg, memory};
    dn_md_free(&md);
}

static void free_job(job *j)
{
    for (int i = 0; i < j->count; i++) {
        void *values;
        check(dnnl_memory_get_data_handle(j->args[i].memory, &values), "memory");
        dnnl_memory_destroy(j->args[i].memory);
        free(values);
    }
    if (j->primitive)
        dnnl_primitive_destroy(j->primitive);
    *j = (job){0};
}

/* One part with images of the layout; false where oneDNN has none. */
static int make(job *j, const shape *s, part which, dnnl_format_tag_t layout)
{
    const int64_t to = s->side + 2 * s->padding - s->kernel + 1;
    const int64_t xs[4] = {s->n, s->in, s->side, s->side}, ys[4] = {s->n, s->out, to, to};
    const int64_t ws[4] = {s->out, s->in, s->kernel, s->kernel};
    dn_window window = {
        .stride = {1, 1}, .before = {s->padding, s->padding}, .after = {s->padding, s->padding}};
    dn_md x, w, y;
    dnnl_primitive_desc_t forward = NULL, pd = NULL;
    check(dn_md_tag(&x, 4, xs, dnnl_f32, layout), "images");
    check(dn_md_tag(&y, 4, ys, dnnl_f32, layout), "images");
    check(dn_md_tag(&w, 4, ws, dnnl_f32, dnnl_format_tag_any), "weights");
    dnnl_status_t status = dn_pd_conv_forward(&forward, engine, NULL, &x, &w, NULL, &y, &window);
    if (!status && which == DATA)
        status = dn_pd_conv_data(&pd, engine, NULL, &x, &w, &y, &window, forward);
    else if (!status && which == WEIGHTS)
        status = dn_pd_conv_weights(&pd, engine, NULL, &x, &w, NULL, &y, &window, forward);
    dn_md_free(&x);
    dn_md_free(&w);
    dn_md_free(&y);
    *j = (job){0};
    dnnl_primitive_desc_t made = which == FORWARD ? forward : pd;
    if (!status) {
        static const struct {
            int arg;
            dnnl_query_t what;
        } of[PARTS][3] = {{{DNNL_ARG_SRC, dnnl_query_src_md},
                           {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
                           {DNNL_ARG_DST, dnnl_query_dst_md}},
                          {{DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md},
                           {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
                           {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md}},
                          {{DNNL_ARG_SRC, dnnl_query_src_md},
                           {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md},
                           {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md}}};
        for (int i = 0; i < 3; i++)
            add(j, of[which][i].arg, made, of[which][i].what);
        check(dnnl_primitive_create(&j->primitive, made), "a convolution");
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    return !status;
}

/* Seconds a call. */
static double run(job *const *jobs, int count, long times)
{
    double begun = now();
    for (long k = 0; k < times; k++)
        for (int i = 0; i < count; i++) {
            check(dnnl_primitive_execute(jobs[i]->primitive, stream, jobs[i]->count, jobs[i]->args),
                  "a convolution");
            check(dnnl_stream_wait(stream), "a stream");
        }
    return (now() - begun) / (double)times;
}

static double least(job *j, double seconds)
{
    double one = run(&j, 1, 2), best = one;
    for (double end = now() + seconds; now() < end;) {
        long times = one < 1e-3 ? (long)(1e-3 / one) : 1;
        one = run(&j, 1, times);
        best = one < best ? one : best;
    }
    return best;
}

/* The part in its fastest layout. */
static job fastest(const shape *s, part which)
{
    static const struct {
        const char *name;
        dnnl_format_tag_t tag;
    } layouts[LAYOUTS] = {{"any", dnnl_format_tag_any}, {"nchw", dnnl_nchw}, {"nhwc", dnnl_nhwc}};
    job best = {0};
    double seconds = 0, flops = 2e-9 * (double)(s->n * s->out * s->in * s->kernel * s->kernel);
    int64_t to = s->side + 2 * s->padding - s->kernel + 1;
    for (int i = 0; i < LAYOUTS; i++) {
        job j;
        if (!make(&j, s, which, layouts[i].tag))
            continue;
        double took = least(&j, 0.15);
        if (layouts_told)
            printf("# %s/%s %s %.4g GFLOP/s\n", names[which], s->name, layouts[i].name,
                   flops * (double)(to * to) / took);
        job slower = best.primitive && took >= seconds ? j : best;
        if (!best.primitive || took < seconds) {
            best = j;
            seconds = took;
        }
        free_job(&slower);
    }
    if (!best.primitive)
        check(dnnl_unimplemented, s->name);
    return best;
}

static void row(const char *name, double gflop, job *const *jobs, int count)
{
    double value[REPEATS], one = run(jobs, count, 1);
    one = run(jobs, count, 1 + (long)(0.01 / one));
    long times = budget / one > 1 ? (long)(budget / one) : 1;
    for (int i = 0; i < REPEATS; i++)
        value[i] = gflop / run(jobs, count, times);
    qsort(value, REPEATS, sizeof *value, by_value);
    printf("%s\t%.4g\tGFLOP/s\t%.4g\t%.4g\n", name, value[REPEATS / 2], value[0],
           value[REPEATS - 1]);
    fflush(stdout);
}

static void convolution(const shape *s)
{
    const int64_t to = s->side + 2 * s->padding - s->kernel + 1;
    double gflop = 2e-9 * (double)(s->n * s->out * to * to * s->in * s->kernel * s->kernel);
    char name[PARTS + 1][64];
    int wanted[PARTS + 1];
    job jobs[PARTS] = {{0}}, *all[PARTS];
    for (int i = 0; i <= PARTS; i++) {
        snprintf(name[i], sizeof name[i], "%s/%s", i < PARTS ? names[i] : "conv_train", s->name);
        wanted[i] = !strncmp(name[i], only, strlen(only));
    }
    for (int i = 0; i < PARTS; i++) {
        all[i] = &jobs[i];
        if (wanted[i] || wanted[PARTS])
            jobs[i] = fastest(s, (part)i);
        if (wanted[i])
            row(name[i], gflop, &all[i], 1);
    }
    if (wanted[PARTS])
        row(name[PARTS], PARTS * gflop, all, PARTS);
    for (int i = 0; i < PARTS; i++)
        free_job(&jobs[i]);
}

int main(int argc, char **argv)
{
    static const shape shapes[] = {{"lenet1", 64, 1, 6, 28, 5, 2},
                                   {"lenet2", 64, 6, 16, 14, 5, 0},
                                   {"res64", 8, 64, 64, 56, 3, 1},
                                   {"res256", 8, 256, 256, 14, 3, 1}};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--threads"))
            omp_set_num_threads(atoi(argv[i + 1]) > 0 ? atoi(argv[i + 1]) : 1);
        else if (!strcmp(argv[i], "--only"))
            only = argv[i + 1];
        else if (!strcmp(argv[i], "--layouts"))
            layouts_told = atoi(argv[i + 1]);
    }
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "an engine");
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "a stream");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        convolution(&shapes[i]);
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
    return 0;
}

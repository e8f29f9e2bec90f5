/* The benchmark's rows of daily life: files, einops beside the operations that it becomes, and how long a training step waits for
 * its batch. Files are made in a folder of their own under $TMPDIR (or /tmp) and removed. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "run.h"

/* ---- files ---- */

enum { CSV_ROWS = 600000, SAVED = 1 << 28 };
static const int64_t mapped = (int64_t)1 << 30;

typedef struct paths {
    char folder[512], csv[600], mapped[600], saved[600];
    cr_state_dict *dict; /* SAVED bytes */
} paths;

/* Seven columns: integers, numbers, short texts. Returns its bytes. */
static double write_table(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return 0;
    fprintf(file, "id,age,price,weight,city,score,label\n");
    static const char *const cities[] = {"Lisbon", "Oslo", "Quito", "Hanoi", "Accra"};
    for (unsigned i = 0; i < CSV_ROWS; i++) {
        unsigned r = i * 2654435761U;
        fprintf(file, "%u,%u,%.2f,%.4f,%s,%.6f,%u\n", i, r % 97, (r >> 8) / 1e3, (r >> 12) / 1e5,
                cities[r % 5], (r >> 4) / 3e8, r >> 31);
    }
    long bytes = ftell(file);
    return fclose(file) ? 0 : (double)bytes;
}

/* A file of 1 GiB with one tensor, whose zeros take no room on the disk. */
static bool write_large(const char *path)
{
    char header[128];
    int length = snprintf(header + 8, sizeof header - 8,
                          "{\"w\":{\"dtype\":\"F32\",\"shape\":[%lld],\"data_offsets\":[0,%lld]}}",
                          (long long)mapped / 4, (long long)mapped);
    while (length % 8) /* as every writer does, so that the data are aligned */
        header[8 + length++] = ' ';
    memset(header, 0, 8);
    header[0] = (char)length; /* below 256 */
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(header, 1, 8 + (size_t)length, file) == 8 + (size_t)length &&
                !fflush(file) && !ftruncate(fileno(file), 8 + length + mapped);
    return file && !fclose(file) && good;
}

static void read_csv(void *p)
{
    cr_load_csv(((paths *)p)->csv);
}

static void open_large(void *p)
{
    cr_state_dict *dict = cr_load(((paths *)p)->mapped);
    cr_item(cr_select(cr_state_dict_get(dict, "w"), 0, mapped / 4 - 1));
}

static void save(void *p)
{
    cr_save(((paths *)p)->saved, ((paths *)p)->dict);
}

/* What the disk does: the same bytes in one plain file, synced. */
static void write_plainly(void *p)
{
    paths *s = p;
    const char *bytes = cr_data_ptr(cr_state_dict_tensor(s->dict, 0));
    FILE *file = fopen(s->saved, "wb");
    if (!file || fwrite(bytes, 1, SAVED, file) != SAVED || fflush(file) || fsync(fileno(file)))
        fprintf(stderr, "cannot write %s\n", s->saved);
    if (file)
        fclose(file);
}

static void files(void)
{
    const char *base = getenv("TMPDIR");
    paths p = {.dict = NULL};
    snprintf(p.folder, sizeof p.folder, "%s/cresset-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(p.folder)) {
        fprintf(stderr, "no folder for files could be made: %s\n", p.folder);
        return;
    }
    snprintf(p.csv, sizeof p.csv, "%s/table.csv", p.folder);
    snprintf(p.mapped, sizeof p.mapped, "%s/large.safetensors", p.folder);
    snprintf(p.saved, sizeof p.saved, "%s/saved.safetensors", p.folder);
    double bytes = bench_wants("data/csv") ? write_table(p.csv) : 0;
    if (bytes > 0)
        bench_row("data/csv_read", "MB/s", bytes / 1e6, read_csv, &p);
    if (bench_wants("data/safetensors_open") && write_large(p.mapped))
        bench_row("data/safetensors_open_1gib", "us", 1, open_large, &p);
    if (bench_wants("data/safetensors_save") || bench_wants("data/plain_write")) {
        p.dict = cr_state_dict_new();
        cr_state_dict_set(p.dict, "w", cr_rand(CR_INTS(SAVED / 4), .device = "cpu"));
        bench_row("data/safetensors_save_256mib", "MB/s", SAVED / 1e6, save, &p);
        bench_row("data/plain_write_256mib", "MB/s", SAVED / 1e6, write_plainly, &p);
    }
    remove(p.csv);
    remove(p.mapped);
    remove(p.saved);
    rmdir(p.folder);
}

/* ---- einops ---- */

static void do_patches(void *x)
{
    cr_rearrange(x, "b c (h s) (w t) -> b (c s t) h w", {"s", 2}, {"t", 2});
}

static void do_patches_plainly(void *x)
{
    cr_tensor *y = cr_reshape(x, CR_INTS(2, 3, 4, 2, 4, 2));
    cr_reshape(cr_permute(y, CR_INTS(0, 1, 3, 5, 2, 4)), CR_INTS(2, 12, 4, 4));
}

static void do_turn(void *x)
{
    cr_rearrange(x, "b c h w -> b h w c");
}

static void do_turn_plainly(void *x)
{
    cr_permute(x, CR_INTS(0, 2, 3, 1));
}

static void do_pool(void *x)
{
    cr_reduce(x, "b c h w -> b c", "mean");
}

static void do_pool_plainly(void *x)
{
    cr_mean_dim(x, CR_INTS(2, 3));
}

static void do_repeat(void *x)
{
    cr_einops_repeat(x, "b c h w -> b c h w k", {"k", 3});
}

static void do_repeat_plainly(void *x)
{
    cr_expand(cr_unsqueeze(x, 4), CR_INTS(2, 3, 8, 8, 3));
}

static void einops(void)
{
    cr_tensor *x = cr_randn(CR_INTS(2, 3, 8, 8));
    bench_row("einops/patches", "us", 1, do_patches, x);
    bench_row("einops/patches_by_operations", "us", 1, do_patches_plainly, x);
    bench_row("einops/turn", "us", 1, do_turn, x);
    bench_row("einops/turn_by_operations", "us", 1, do_turn_plainly, x);
    bench_row("einops/pool", "us", 1, do_pool, x);
    bench_row("einops/pool_by_operations", "us", 1, do_pool_plainly, x);
    bench_row("einops/repeat", "us", 1, do_repeat, x);
    bench_row("einops/repeat_by_operations", "us", 1, do_repeat_plainly, x);
}

/* ---- the loader ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How long each step of an epoch of LeNet waits for its batch, the first apart, and how long it computes. */
static void feed(void)
{
    enum { STEPS = 500 };
    static double waits[STEPS], steps[STEPS];
    cr_tensor *x = cr_rand(CR_INTS(64 * STEPS, 1, 28, 28)),
              *y = cr_randint(10, CR_INTS(64 * STEPS));
    cr_loader *loader = cr_data_loader(cr_tensor_dataset(x, y), .batch_size = 64, .shuffle = true);
    cr_module *net = make_lenet();
    cr_optimizer *sgd = cr_sgd(net, .lr = 0.01, .momentum = 0.9);
    int n = 0;
    double before = now_seconds();
    CR_FOREACH_BATCH (batch, loader) {
        double begun = now_seconds();
        cr_zero_grad(sgd);
        cr_tensor *loss = cr_cross_entropy(cr_forward(net, batch.input), batch.target);
        cr_backward(loss);
        cr_step(sgd);
        cr_item(loss); /* waits for the device */
        waits[n] = begun - before;
        before = now_seconds();
        steps[n++] = before - begun;
    }
    if (n < 2 || cr_error())
        return;
    double *const rows[] = {waits + 1, steps + 1};
    static const char *const names[] = {"loader/lenet_b64_wait", "loader/lenet_b64_step"};
    for (int i = 0; i < 2; i++) {
        qsort(rows[i], (size_t)(n - 1), sizeof **rows, by_value);
        printf("%s\t%.4g\tus\t%.4g\t%.4g\n", names[i], 1e6 * rows[i][(n - 1) / 2], 1e6 * rows[i][0],
               1e6 * rows[i][n - 2]);
    }
}

void bench_data(void)
{
    if (bench_wants("data"))
        CR_SCOPE
            files();
    if (bench_wants("einops"))
        CR_SCOPE
            einops();
    if (bench_wants("loader"))
        CR_SCOPE
            feed();
}

/* A multilayer perceptron on a table: this program writes a CSV file with numbers, categories and missing cells, and learns
 * from it who buys.
 *
 *     tabular [epochs]
 *
 * Expected: test AUC 0.92 to 0.95 after 15 epochs (the default); a guess has 0.5. */
#include <cresset/cresset.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 6000, TEST = 1000 };

static double draw(void)
{
    return (double)rand() / RAND_MAX;
}

/* Age, income, city, visits, bought: the young buy in Oslo, the rich elsewhere, whoever comes often anywhere. */
static int write_table(const char *path)
{
    static const char *const cities[] = {"Oslo", "Rome", "\"Paris, France\""};
    static const double wishes[] = {1, -0.5, 0};
    FILE *f = fopen(path, "w");
    if (!f)
        return -1;
    srand(7);
    fprintf(f, "age,income,city,visits,bought\n");
    for (int i = 0; i < ROWS; i++) {
        int city = rand() % 3, visits = rand() % 12;
        double age = 18 + 60 * draw(), income = 20 + 80 * draw();
        double wish =
            wishes[city] + (city ? (income - 60) / 12 : (45 - age) / 8) + 0.3 * (visits - 6);
        fprintf(f, "%.0f,", age);
        if (rand() % 20)
            fprintf(f, "%.1f", income);
        fprintf(f, ",%s,%d,%d\n", cities[city], visits, draw() < 1 / (1 + exp(-1.5 * wish)));
    }
    return fclose(f);
}

/* Numbers are scaled to mean 0 and deviation 1, missing ones become the mean and set a column of their own; categories become
 * a column each. */
static cr_tensor *features(const cr_table *table)
{
    cr_tensor *columns[16];
    int64_t count = 0;
    for (int c = 0; c + 1 < cr_table_columns(table); c++) {
        cr_tensor *raw = cr_table_column(table, c);
        if (cr_table_kind(table, c) == CR_COLUMN_CATEGORY) {
            columns[count++] = cr_to_dtype(
                cr_one_hot(raw, .num_classes = CR_SOME(cr_table_categories(table, c))), CR_F32);
            continue;
        }
        cr_tensor *x = cr_to_dtype(raw, CR_F32), *missing = cr_isnan(x);
        cr_tensor *known = cr_masked_select(x, cr_logical_not(missing));
        x = cr_div(cr_sub(x, cr_mean(known)), cr_std(known));
        columns[count++] = cr_unsqueeze(cr_masked_fill_scalar(x, missing, 0), 1);
        if (cr_table_missing(table, c))
            columns[count++] = cr_unsqueeze(cr_to_dtype(missing, CR_F32), 1);
    }
    return cr_cat(cr_make_tensors(columns, (size_t)count), .dim = 1);
}

int main(int argc, char **argv)
{
    int64_t epochs = argc > 1 ? atoll(argv[1]) : 15;
    char path[64];
    snprintf(path, sizeof path, "/tmp/cresset-tabular-%ld.csv", (long)getpid());
    if (write_table(path))
        cr_fail("%s can't be written", path);
    cr_table *table = cr_load_csv(path);
    remove(path);
    if (!table)
        return cr_exit();
    for (int c = 0; c < cr_table_columns(table); c++)
        printf("%-8s %lld missing\n", cr_table_name(table, c),
               (long long)cr_table_missing(table, c));
    cr_tensor *x = features(table),
              *y = cr_to_dtype(cr_table_column(table, cr_table_find(table, "bought")), CR_F32);
    cr_manual_seed(1);
    cr_dataset *parts[2];
    cr_random_split(cr_tensor_dataset(x, cr_unsqueeze(y, 1)), CR_INTS(ROWS - TEST, TEST), parts);
    cr_module *net =
        cr_sequential(cr_linear(cr_tensor_size(x, 1), 32), cr_batch_norm1d(32), cr_relu_layer(),
                      cr_dropout(0.1), cr_linear(32, 32), cr_relu_layer(), cr_linear(32, 1));
    cr_history *history = cr_fit(
        net, cr_data_loader(parts[0], .batch_size = 64, .shuffle = true),
        .optimizer = cr_adamw(net, .lr = 3e-3), .loss = cr_bce_with_logits_loss(), .epochs = epochs,
        .validation = cr_data_loader(parts[1], .batch_size = TEST), .monitor = "val_auc",
        .metrics = CR_METRICS(cr_accuracy(.from_logits = true), cr_auc()),
        .write = cr_write_to_stream, .write_context = stdout);
    printf("test AUC %.4f\n", cr_history_best_value(history));
    return cr_exit();
}

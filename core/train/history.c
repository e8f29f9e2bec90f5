/* The history: a table that grows by rows. */
#include "core/train/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/text.h"

static void release(void *history)
{
    cr_history_release(history);
}

cr_history *cr_history_new(void)
{
    cr_history *h = calloc(1, sizeof *h);
    if (!h)
        return cr_fail_memory("a history", sizeof *h);
    atomic_init(&h->refs, 1);
    h->best_epoch = -1;
    h->best_value = NAN;
    h->reason = "finished";
    return cr_scope_add(h, release);
}

int cr_history_add_column(cr_history *h, const char *prefix, const char *name)
{
    cr_text text = {0};
    cr_text_add(&text, "%s%s", prefix, name);
    char *full = cr_text_take(&text);
    char **names = full ? realloc(h->names, (h->columns + 1) * sizeof *names) : NULL;
    if (!names) {
        free(full);
        return cr_fail_memory("a history", (h->columns + 1) * sizeof *names), -1;
    }
    h->names = names;
    if (cr_history_find(h, full) >= 0) {
        cr_fail("cr_fit: two metrics are named \"%s\"; give one .name", full);
        free(full);
        return -1;
    }
    names[h->columns++] = full;
    return 0;
}

double *cr_history_add_row(cr_history *h)
{
    if (h->rows == h->capacity) {
        size_t capacity = h->capacity ? 2 * h->capacity : 16;
        double *values = realloc(h->values, capacity * h->columns * sizeof *values);
        if (!values)
            return cr_fail_memory("a history", capacity * h->columns * sizeof *values);
        h->values = values;
        h->capacity = capacity;
    }
    double *row = h->values + h->rows++ * h->columns;
    for (size_t i = 0; i < h->columns; i++)
        row[i] = NAN;
    return row;
}

size_t cr_history_epochs(const cr_history *h)
{
    return h ? h->rows : 0;
}

size_t cr_history_columns(const cr_history *h)
{
    return h ? h->columns : 0;
}

const char *cr_history_name(const cr_history *h, size_t column)
{
    return h && column < h->columns ? h->names[column] : NULL;
}

int cr_history_find(const cr_history *h, const char *name)
{
    for (size_t i = 0; h && i < h->columns; i++)
        if (!strcmp(h->names[i], name))
            return (int)i;
    return -1;
}

double cr_history_at(const cr_history *h, size_t epoch, size_t column)
{
    return h && epoch < h->rows && column < h->columns ? h->values[epoch * h->columns + column]
                                                       : NAN;
}

double cr_history_get(const cr_history *h, size_t epoch, const char *name)
{
    int column = cr_history_find(h, name);
    return column < 0 ? NAN : cr_history_at(h, epoch, (size_t)column);
}

double cr_history_last(const cr_history *h, const char *name)
{
    return h && h->rows ? cr_history_get(h, h->rows - 1, name) : NAN;
}

int64_t cr_history_best_epoch(const cr_history *h)
{
    return h ? h->best_epoch : -1;
}

double cr_history_best_value(const cr_history *h)
{
    return h ? h->best_value : NAN;
}

const char *cr_history_reason(const cr_history *h)
{
    return h ? h->reason : NULL;
}

bool cr_history_interrupted(const cr_history *h)
{
    return h && !strcmp(h->reason, "interrupted");
}

int cr_history_save_csv(const cr_history *h, const char *path)
{
    if (!h || !path)
        return CR_FAIL_INT("cr_history_save_csv: the %s null", h ? "path is" : "history is");
    cr_text text = {0};
    cr_text_add(&text, "epoch");
    for (size_t i = 0; i < h->columns; i++)
        cr_text_add(&text, ",%s", h->names[i]);
    for (size_t e = 0; e < h->rows; e++) {
        cr_text_add(&text, "\n%zu", e + 1);
        for (size_t i = 0; i < h->columns; i++)
            cr_text_add(&text, ",%.9g", h->values[e * h->columns + i]);
    }
    cr_text_add(&text, "\n");
    size_t length = text.length;
    char *whole = cr_text_take(&text);
    int failed = whole ? cr_file_write(path, whole, length) : -1;
    free(whole);
    return failed;
}

cr_history *cr_history_retain(cr_history *h)
{
    if (h)
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void cr_history_release(cr_history *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < h->columns; i++)
        free(h->names[i]);
    free(h->names);
    free(h->values);
    free(h);
}

/* ConcatDataset: several data sets, one behind the other. */
#include <stdlib.h>

#include "core/base/error.h"
#include "core/data/dataset.h"

typedef struct concat {
    size_t count;
    int64_t *starts; /* [count + 1]: where each begins; the last is the length */
    cr_dataset **parts;
} concat;

static int64_t length(void *data)
{
    concat *c = data;
    return c->starts[c->count];
}

/* The part that holds index. */
static size_t find(const concat *c, int64_t index)
{
    size_t low = 0, high = c->count; /* starts[low] <= index < starts[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (c->starts[middle] <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int get_item(void *data, int64_t index, cr_sample *sample)
{
    concat *c = data;
    size_t part = find(c, index);
    return cr_dataset_get(c->parts[part], index - c->starts[part], sample);
}

static int get_fields(void *data, cr_field *fields)
{
    concat *c = data;
    int count = cr_dataset_fields(c->parts[0], fields);
    for (size_t i = 1; i < c->count && count > 0; i++) {
        cr_field others[CR_MAX_FIELDS];
        int n = cr_dataset_fields(c->parts[i], others);
        if (n < 0)
            return -1;
        for (int f = 0; f < count; f++)
            if (n != count || !cr_field_equal(&fields[f], &others[f]))
                return 0;
    }
    return count;
}

/* Runs of indices that fall into one part go to it together. */
static int get_batch(void *data, const int64_t *indices, int64_t count, void *const *to)
{
    enum { PIECE = 256 };
    concat *c = data;
    cr_field fields[CR_MAX_FIELDS];
    int nfields = cr_dataset_fields(c->parts[0], fields);
    if (nfields < 0)
        return -1;
    for (int64_t done = 0; done < count;) {
        int64_t mapped[PIECE], run = 0;
        size_t part = find(c, indices[done]);
        int64_t begin = c->starts[part], end = c->starts[part + 1];
        for (; run < PIECE && done + run < count; run++) {
            int64_t index = indices[done + run];
            if (index < begin || index >= end)
                break;
            mapped[run] = index - begin;
        }
        void *at[CR_MAX_FIELDS];
        for (int f = 0; f < nfields; f++) {
            size_t bytes = 0;
            cr_field_bytes(&fields[f], &bytes);
            at[f] = (unsigned char *)to[f] + (size_t)done * bytes;
        }
        if (cr_dataset_get_batch(c->parts[part], mapped, run, at))
            return -1;
        done += run;
    }
    return 0;
}

static void destroy(void *data)
{
    concat *c = data;
    for (size_t i = 0; i < c->count; i++)
        cr_dataset_release(c->parts[i]);
    free(c->parts);
    free(c->starts);
    free(c);
}

static const cr_dataset_class kind = {.name = "ConcatDataset",
                                      .length = length,
                                      .get_item = get_item,
                                      .fields = get_fields,
                                      .get_batch = get_batch,
                                      .destroy = destroy};

cr_dataset *cr_concat_dataset(cr_dataset *const *datasets, size_t count)
{
    if (!datasets || !count)
        return cr_fail("cr_concat_dataset: needs at least one data set");
    concat *c = calloc(1, sizeof *c);
    if (c && (c->parts = calloc(count, sizeof *c->parts)))
        c->starts = count < SIZE_MAX / 16 ? calloc(count + 1, sizeof *c->starts) : NULL;
    if (!c || !c->starts) {
        if (c)
            free(c->parts);
        free(c);
        return cr_fail_memory("a data set", count * sizeof *datasets);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t more = cr_dataset_length(datasets[i]);
        if (more < 0 || more > INT64_MAX - c->starts[i]) {
            destroy(c);
            return cr_fail("cr_concat_dataset: data set %zu is %s", i,
                           datasets[i] ? "too long" : "null");
        }
        c->parts[i] = cr_dataset_retain(datasets[i]);
        c->starts[i + 1] = c->starts[i] + more;
        c->count++;
    }
    return cr_dataset_new(&kind, c);
}

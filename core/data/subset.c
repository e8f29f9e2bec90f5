/* Subset: chosen samples of another data set; and random_split, which chooses them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/data/dataset.h"
#include "core/data/random.h"

typedef struct subset {
    cr_dataset *whole;
    int64_t length;
    int64_t indices[];
} subset;

static int64_t length(void *data)
{
    return ((subset *)data)->length;
}

static int get_item(void *data, int64_t index, cr_sample *sample)
{
    subset *s = data;
    return cr_dataset_get(s->whole, s->indices[index], sample);
}

static int get_fields(void *data, cr_field *fields)
{
    return cr_dataset_fields(((subset *)data)->whole, fields);
}

static int get_batch(void *data, const int64_t *indices, int64_t count, void *const *to)
{
    enum { PIECE = 256 };
    subset *s = data;
    cr_field fields[CR_MAX_FIELDS];
    int nfields = cr_dataset_fields(s->whole, fields);
    if (nfields < 0)
        return -1;
    for (int64_t done = 0; done < count; done += PIECE) {
        int64_t mapped[PIECE], piece = count - done < PIECE ? count - done : PIECE;
        void *at[CR_MAX_FIELDS];
        for (int64_t i = 0; i < piece; i++)
            mapped[i] = s->indices[indices[done + i]];
        for (int f = 0; f < nfields; f++) {
            size_t bytes = 0;
            cr_field_bytes(&fields[f], &bytes);
            at[f] = (unsigned char *)to[f] + (size_t)done * bytes;
        }
        if (cr_dataset_get_batch(s->whole, mapped, piece, at))
            return -1;
    }
    return 0;
}

static void destroy(void *data)
{
    subset *s = data;
    cr_dataset_release(s->whole);
    free(s);
}

static const cr_dataset_class kind = {.name = "Subset",
                                      .length = length,
                                      .get_item = get_item,
                                      .fields = get_fields,
                                      .get_batch = get_batch,
                                      .destroy = destroy};

cr_dataset *cr_subset(cr_dataset *dataset, const int64_t *indices, size_t count)
{
    if (!dataset || (count && !indices))
        return cr_fail("cr_subset: the %s null", dataset ? "indices are" : "data set is");
    int64_t whole = cr_dataset_length(dataset);
    for (size_t i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= whole)
            return cr_fail("cr_subset: index %" PRId64 " is out of range for %" PRId64 " samples",
                           indices[i], whole);
    subset *s = count < SIZE_MAX / 16 ? malloc(sizeof *s + count * sizeof *indices) : NULL;
    if (!s)
        return cr_fail_memory("a subset", count * sizeof *indices);
    s->whole = cr_dataset_retain(dataset);
    s->length = (int64_t)count;
    if (count)
        memcpy(s->indices, indices, count * sizeof *indices);
    return cr_dataset_new(&kind, s);
}

/* ---- random_split ---- */

static int check_lengths(const cr_random_split_options *o, const int64_t *lengths, int64_t whole)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < o->lengths.count; i++) {
        if (lengths[i] < 0 || lengths[i] > whole - sum)
            return CR_FAIL_INT("cr_random_split: length %" PRId64 " of part %" PRId64
                               " doesn't fit into the %" PRId64 " samples",
                               lengths[i], i, whole);
        sum += lengths[i];
    }
    if (sum != whole)
        return CR_FAIL_INT("cr_random_split: the lengths add up to %" PRId64
                           ", the data set has %" PRId64 " samples",
                           sum, whole);
    return 0;
}

int cr_random_split_with(const cr_random_split_options *o)
{
    const int64_t *lengths = o->lengths.data ? o->lengths.data : &o->lengths.one;
    if (!o->dataset || !o->parts)
        return CR_FAIL_INT("cr_random_split: the %s null",
                           o->dataset ? "array of parts is" : "data set is");
    for (int64_t i = 0; i < o->lengths.count; i++)
        o->parts[i] = NULL;
    int64_t whole = cr_dataset_length(o->dataset);
    if (check_lengths(o, lengths, whole))
        return -1;
    int64_t *order = malloc(((size_t)whole + 1) * sizeof *order);
    if (!order)
        return cr_fail_memory("a split", (size_t)whole * sizeof *order), -1;
    for (int64_t i = 0; i < whole; i++)
        order[i] = i;
    cr_random random = cr_random_begin(o->seed ? o->seed : cr_initial_seed(), 0);
    cr_random_shuffle(&random, order, whole, whole);
    int64_t at = 0, i = 0;
    for (; i < o->lengths.count; at += lengths[i++])
        if (!(o->parts[i] = cr_subset(o->dataset, order + at, (size_t)lengths[i])))
            break;
    free(order);
    if (i == o->lengths.count)
        return 0;
    while (i-- > 0)
        o->parts[i] = NULL; /* the scope has them */
    return -1;
}

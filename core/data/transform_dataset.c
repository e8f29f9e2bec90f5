/* The samples of another data set, one of their tensors through a transform. */
#include <stdlib.h>

#include "core/base/error.h"
#include "core/data/dataset.h"
#include "core/data/transform.h"

typedef struct transformed {
    cr_dataset *inner;
    cr_transform *transform;
    int field;
    uint64_t seed;
} transformed;

static int64_t length(void *data)
{
    return cr_dataset_length(((transformed *)data)->inner);
}

static int get_item(void *data, int64_t index, cr_sample *sample)
{
    transformed *t = data;
    if (cr_dataset_get(t->inner, index, sample))
        return -1;
    if (t->field >= sample->count)
        return CR_FAIL_INT("cr_transform_dataset: field %d of a sample with %d tensors", t->field,
                           sample->count);
    cr_tensor **place = &sample->tensors[t->field];
    /* another key in every epoch: the golden ratio's multiples are far from each other */
    uint64_t key = t->seed + cr_current_epoch() * UINT64_C(0x9E3779B97F4A7C15);
    *place = cr_transform_apply(t->transform, *place, key, (uint64_t)index);
    return *place ? 0 : -1;
}

static void destroy(void *data)
{
    transformed *t = data;
    cr_dataset_release(t->inner);
    cr_transform_release(t->transform);
    free(t);
}

static const cr_dataset_class kind = {
    .name = "transformed", .length = length, .get_item = get_item, .destroy = destroy};

cr_dataset *cr_transform_dataset_with(const cr_transform_dataset_options *o)
{
    if (!o->dataset || !o->transform || o->field < 0 || o->field >= CR_MAX_FIELDS)
        return cr_fail("cr_transform_dataset: %s", !o->dataset     ? "the data set is null"
                                                   : !o->transform ? "the transform is null"
                                                                   : "the field is out of range");
    if (o->dataset->iterable)
        return cr_fail("cr_transform_dataset: %s is iterable", o->dataset->kind->name);
    transformed *t = malloc(sizeof *t);
    if (!t)
        return cr_fail_memory("a data set", sizeof *t);
    *t = (transformed){cr_dataset_retain(o->dataset), cr_transform_retain(o->transform), o->field,
                       o->seed ? o->seed : cr_initial_seed()};
    return cr_dataset_new(&kind, t);
}

/* The data set object from inside: what the loader and the data sets made of others need. */
#ifndef CRESSET_CORE_DATA_DATASET_H
#define CRESSET_CORE_DATA_DATASET_H

#include <stdatomic.h>

#include <cresset/data.h>

struct cr_dataset {
    atomic_int refs;
    const cr_dataset_class *kind;
    void *data;
    const cr_iterable_class *iterable; /* or null; then kind is &own */
    cr_dataset_class own;
};

/* The fields of all samples and their number; 0 if there is only get_item; -1 with the error set.
 */
int cr_dataset_fields(cr_dataset *dataset, cr_field fields[CR_MAX_FIELDS]);
/* get_batch. Indices must be in range. Returns 0, or -1 with the error set. */
int cr_dataset_get_batch(cr_dataset *dataset, const int64_t *indices, int64_t count,
                         void *const *to);
/* Bytes of one sample's field; false where that overflows. */
bool cr_field_bytes(const cr_field *field, size_t *bytes);
bool cr_field_equal(const cr_field *a, const cr_field *b);

#endif

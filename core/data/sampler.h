/* The sampler object from inside. */
#ifndef CRESSET_CORE_DATA_SAMPLER_H
#define CRESSET_CORE_DATA_SAMPLER_H

#include <stdatomic.h>

#include <cresset/data.h>

struct cr_sampler {
    atomic_int refs;
    const cr_sampler_class *kind;
    void *data;
};

#endif

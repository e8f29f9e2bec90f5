/* Values as oneDNN sees them, its statuses as the core does, and how work is cut. */
#include <stdlib.h>
#include <unistd.h>

#include "half.h"
#include "onednn.h"

dnnl_data_type_t dn_type(int32_t dtype)
{
    switch (dtype) {
    case CR_F32: return dnnl_f32;
    case CR_F16: return dnnl_f16;
    case CR_BF16: return dnnl_bf16;
    case CR_I32: return dnnl_s32;
    case CR_I8: return dnnl_s8;
    case CR_U8: return dnnl_u8;
    default: return dnnl_data_type_undef;
    }
}

bool dn_multiplies(int32_t dtype)
{
    return dtype == CR_F32 || dtype == CR_BF16 || (DN_3 && dtype == CR_F16);
}

float dn_read(int32_t dtype, const void *from, int64_t at)
{
    switch (dtype) {
    case CR_F16: return cpu_f32_of_f16(((const uint16_t *)from)[at]);
    case CR_BF16: return dn_from_bf16(((const uint16_t *)from)[at]);
    default: return ((const float *)from)[at];
    }
}

void dn_write(int32_t dtype, void *to, int64_t at, float x)
{
    switch (dtype) {
    case CR_F16: ((uint16_t *)to)[at] = cpu_f16_of_f32(x); break;
    case CR_BF16: ((uint16_t *)to)[at] = dn_to_bf16(x); break;
    default: ((float *)to)[at] = x;
    }
}

/* The strides of a dense value whose dimensions lie in the given order, outermost first. oneDNN compares strides, those
 * of dimensions of size 1 too, where they say nothing. */
static void dense_strides(int rank, const int64_t *size, const int *order, int64_t *stride)
{
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[order[i]] = step;
        step *= size[order[i]] ? size[order[i]] : 1;
    }
}

static bool same_strides(const cr_meta *m, const int64_t *stride)
{
    for (int d = 0; d < m->rank; d++)
        if (m->size[d] > 1 && m->stride[d] != stride[d])
            return false;
    return true;
}

dnnl_status_t dn_md_of_meta(dn_md *md, const cr_meta *meta, const int64_t *size)
{
    dnnl_dims_t dims = {0}, strides = {0};
    dnnl_data_type_t type = dn_type(meta->dtype);
    int rank = meta->rank, rows[CR_MAX_RANK], last[CR_MAX_RANK];
    if (type == dnnl_data_type_undef || rank < 1)
        return dnnl_unimplemented;
    for (int d = 0; d < rank; d++) {
        rows[d] = d;
        last[d] = d == 0 ? 0 : d == rank - 1 ? 1 : d + 1; /* channels, dimension 1, come last */
        dims[d] = size ? size[d] : meta->size[d];
        if (meta->stride[d] == 0 && meta->size[d] > 1)
            return dnnl_unimplemented;
    }
    dense_strides(rank, meta->size, rows, strides);
    if (!same_strides(meta, strides)) {
        dense_strides(rank, meta->size, last, strides);
        if (!same_strides(meta, strides))
            memcpy(strides, meta->stride, (size_t)rank * sizeof *strides);
    }
    return dn_md_strided(md, rank, dims, type, strides);
}

int64_t dn_piece_of(int64_t items, double cost, int wanted)
{
    int64_t best = items;
    for (int64_t pieces = 1; pieces <= items && pieces <= 4096; pieces++) {
        if (items % pieces)
            continue;
        if (pieces > 1 && cost * (double)(items / pieces) < 20000)
            break;
        best = items / pieces;
        if (pieces >= wanted)
            break;
    }
    return best;
}

bool dn_takes_tiny(void)
{
    static atomic_int known;
    int value = atomic_load_explicit(&known, memory_order_relaxed);
    if (!value) {
        const char *asked = getuid() == geteuid() ? getenv("CRESSET_ONEDNN_TINY") : NULL;
        value = asked && !strcmp(asked, "1") ? 2 : 1;
        atomic_store(&known, value);
    }
    return value == 2;
}

static const char *name_of(dnnl_status_t status)
{
    switch (status) {
    case dnnl_out_of_memory: return "out of memory";
    case dnnl_invalid_arguments: return "invalid arguments";
    case dnnl_unimplemented: return "unimplemented";
    case DN_NO_IMPLEMENTATION: return "no implementation left";
    case dnnl_runtime_error: return "runtime error";
    case dnnl_not_required: return "not required";
    default: return "unknown status";
    }
}

cr_status dn_status(const dn_plan *plan, dnnl_status_t status, const char *doing)
{
    if (status == dnnl_success)
        return CR_OK;
    if (status == dnnl_unimplemented || status == DN_NO_IMPLEMENTATION)
        return CR_UNSUPPORTED;
    return cpu_host->fail(cpu_host, status == dnnl_out_of_memory ? CR_OUT_OF_MEMORY : CR_FAILED,
                          "oneDNN could not %s %s: %s (dnnl_status_t %d)", doing, plan->text,
                          name_of(status), (int)status);
}

/* Values as rows (rows.h): which dimensions make them, how they are cut into pieces, and the steps of a piece. */
#include "rows.h"

bool dn_rows_last(dn_rows *r, const cr_meta *meta, int inner)
{
    *r = (dn_rows){.rank = meta->rank, .inner = inner, .rows = 1, .m = 1};
    if (inner < 1 || inner > meta->rank)
        return false;
    for (int d = 0; d < meta->rank; d++) {
        r->order[d] = d;
        *(d < meta->rank - inner ? &r->rows : &r->m) *= meta->size[d];
    }
    return r->rows > 0 && r->m > 0;
}

bool dn_rows_along(dn_rows *r, const cr_meta *meta, int64_t dim)
{
    dim += dim < 0 ? meta->rank : 0;
    if (dim < 0 || dim >= meta->rank || !dn_rows_last(r, meta, 1))
        return false;
    for (int d = (int)dim; d + 1 < meta->rank; d++)
        r->order[d] = d + 1;
    r->order[meta->rank - 1] = (int)dim;
    r->m = meta->size[dim];
    r->rows = cpu_numel(meta) / r->m;
    return true;
}

/* The value with its dimensions as the primitive sees them; n of the outermost. */
static void ordered(const dn_rows *r, const cr_meta *meta, int64_t n, cr_meta *seen)
{
    *seen = *meta;
    for (int d = 0; d < r->rank; d++) {
        seen->size[d] = meta->size[r->order[d]];
        seen->stride[d] = meta->stride[r->order[d]];
    }
    if (n)
        seen->size[0] = n;
}

bool dn_rows_dense(const dn_rows *r, const cr_meta *meta)
{
    cr_meta seen;
    ordered(r, meta, 0, &seen);
    return cpu_is_contiguous(&seen);
}

static bool all_dense(const dn_rows *r, const dn_row_operand *operands, int count)
{
    bool dense = true;
    for (int i = 0; i < count; i++)
        dense = dense && (operands[i].form != DN_ROWS || dn_rows_dense(r, operands[i].meta));
    return dense;
}

/* Rows that go together: what lies within one place of the outermost dimension, where a value is strided. */
static int64_t together(const dn_rows *r, const dn_row_operand *operands, int count)
{
    if (all_dense(r, operands, count))
        return 1;
    const cr_meta *first = operands[0].meta;
    return r->rank > r->inner ? r->rows / first->size[r->order[0]] : r->rows;
}

int64_t dn_rows_piece(const dn_rows *r, const dn_row_operand *operands, int count, double cost,
                      int64_t *pieces)
{
    int64_t unit = together(r, operands, count), items = r->rows / unit;
    int64_t most = (int64_t)(cost * (double)r->rows / 20000), wanted = 4 * dn_most_threads();
    wanted = wanted < most ? wanted : most;
    int64_t piece = wanted < 2 ? items : (items + wanted - 1) / wanted;
    *pieces = (items + piece - 1) / piece;
    return piece * unit;
}

/* The value's rows as they lie, `rows` of them. */
static dnnl_status_t strided_md(const dn_rows *r, const cr_meta *meta, int64_t rows, int64_t unit,
                                dn_md *md)
{
    cr_meta seen;
    ordered(r, meta, rows / unit, &seen);
    if (r->rank == r->inner)
        seen.size[0] = meta->size[r->order[0]];
    return dn_md_strided(md, seen.rank, seen.size, dn_type(seen.dtype), seen.stride);
}

/* The same sizes without holes. */
static dnnl_status_t dense_md(const dn_rows *r, const cr_meta *meta, int64_t rows, int64_t unit,
                              dn_md *md)
{
    cr_meta seen;
    ordered(r, meta, rows / unit, &seen);
    if (r->rank == r->inner)
        seen.size[0] = meta->size[r->order[0]];
    for (int64_t d = seen.rank - 1, step = 1; d >= 0; d--) {
        seen.stride[d] = step;
        step *= seen.size[d];
    }
    return dn_md_strided(md, seen.rank, seen.size, dn_type(seen.dtype), seen.stride);
}

typedef struct part {
    dn_plan *plan;
    dn_stage *stage;
    const dn_rows *r;
    void (*after)(const dn_plan *plan, void *const *at, int64_t rows);
    int64_t rows, unit, whole; /* whole: the rows of a piece that is not the last */
    int variant, step;
} part;

/* A step that copies a value's piece out of its strides, or into them. */
static cr_status copy_step(part *p, const dn_row_operand *o, dn_where slot)
{
    dn_md there, here;
    memset(&there, 0, sizeof there);
    memset(&here, 0, sizeof here);
    size_t each = cpu_dtype_size(o->meta->dtype);
    int64_t items = p->unit == p->r->rows ? 0 : o->meta->stride[p->r->order[0]];
    dn_where value = dn_value(o->at, (size_t)items * each);
    dnnl_status_t made = strided_md(p->r, o->meta, p->rows, p->unit, &there);
    if (made == dnnl_invalid_arguments) /* elements that overlap */
        made = dnnl_unimplemented;
    made = made ? made : dense_md(p->r, o->meta, p->rows, p->unit, &here);
    cr_status status = dn_status(p->plan, made, "describe");
    if (status == CR_OK)
        status = o->written ? dn_step_reorder(p->plan, p->stage, p->step, p->variant, &here, slot,
                                              &there, value)
                            : dn_step_reorder(p->plan, p->stage, p->step, p->variant, &there, value,
                                              &here, slot);
    p->step++;
    dn_md_free(&there);
    dn_md_free(&here);
    return status;
}

static dnnl_status_t operand_md(const part *p, const dn_row_operand *o, dn_md *md)
{
    const int64_t sizes[2] = {p->rows, p->r->m};
    switch (o->form) {
    case DN_ROWS: return dn_md_tag(md, 2, sizes, dn_type(o->meta->dtype), dnnl_ab);
    case DN_EACH: return dn_md_tag(md, 1, sizes, dnnl_f32, dnnl_a);
    case DN_ONE: {
        const int64_t one[2] = {p->rows, 1};
        return dn_md_tag(md, 2, one, dn_type(o->meta->dtype), dnnl_ab);
    }
    default: return dn_md_tag(md, 1, sizes + 1, dnnl_f32, dnnl_a);
    }
}

/* The steps of one piece: copies in, the primitive, copies out. slots: where dense copies are, made by the first variant. */
static cr_status add_part(part *p, const dn_row_operand *operands, int count, dn_where *slots,
                          dn_rows_describe describe, const void *context)
{
    dn_md md[DN_OPERANDS];
    const dn_md *mds[DN_OPERANDS];
    dn_operand to[DN_OPERANDS];
    dnnl_primitive_desc_t pd = NULL;
    cr_status status = CR_OK;
    int made = 0;
    for (int i = 0; i < count && status == CR_OK; i++) {
        const dn_row_operand *o = &operands[i];
        bool rows = o->form == DN_ROWS, dense = !rows || dn_rows_dense(p->r, o->meta);
        size_t each = o->meta ? cpu_dtype_size(o->meta->dtype) : sizeof(float);
        if (!dense && !p->variant &&
            !dn_take_slot(p->plan, (size_t)(p->rows * p->r->m) * each, &slots[i]))
            return CR_UNSUPPORTED;
        if (!dense && !o->written)
            status = copy_step(p, o, slots[i]);
        to[i] = (dn_operand){o->arg, rows && !dense ? slots[i] : o->where};
        if (rows && dense)
            to[i].where = dn_value(o->at, (size_t)p->r->m * each * (size_t)p->unit);
        else if (o->form == DN_ONE)
            to[i].where = dn_value(o->at, each * (size_t)p->unit);
        else if (o->form == DN_EACH)
            to[i].where.advance =
                sizeof(float) * (size_t)(o->where.place == DN_VALUE ? p->unit : p->whole);
        mds[i] = &md[i];
        if (status == CR_OK)
            status = dn_status(p->plan, operand_md(p, o, &md[made++]), "describe");
    }
    if (status == CR_OK)
        status = dn_status(
            p->plan, describe(context, p->rows, p->r->m, dn_type(operands[0].meta->dtype), &pd),
            "describe");
    if (status == CR_OK) {
        p->stage->step[p->step].after = p->after;
        p->stage->step[p->step].unit = p->unit;
        status = dn_step_set(p->plan, p->stage, p->step++, p->variant, pd, to, mds, count);
    }
    for (int i = 0; i < count && status == CR_OK; i++)
        if (operands[i].form == DN_ROWS && operands[i].written &&
            !dn_rows_dense(p->r, operands[i].meta))
            status = copy_step(p, &operands[i], slots[i]);
    while (made)
        dn_md_free(&md[--made]);
    return status;
}

cr_status dn_rows_stage(dn_plan *plan, const dn_rows *r, const dn_row_operand *operands, int count,
                        double cost, dn_rows_describe describe, const void *context,
                        void (*after)(const dn_plan *plan, void *const *at, int64_t rows))
{
    dn_where slots[DN_OPERANDS];
    int64_t pieces, piece = dn_rows_piece(r, operands, count, cost, &pieces);
    int64_t unit = together(r, operands, count), last = r->rows % piece;
    if (count >= DN_OPERANDS)
        return CR_UNSUPPORTED;
    for (int i = 0; i < count;
         i++) /* a repeated row would be written, or read, by oneDNN as it likes */
        for (int d = 0; operands[i].form == DN_ROWS && d < operands[i].meta->rank; d++)
            if (operands[i].meta->stride[d] == 0 && operands[i].meta->size[d] > 1)
                return CR_UNSUPPORTED;
    dn_stage *stage = dn_stage_add(plan, r->rows / unit, piece / unit, cost * (double)unit);
    if (!stage)
        return CR_UNSUPPORTED;
    cr_status status = CR_OK;
    for (int v = 0; v < 2 && status == CR_OK && (v == 0 || last); v++) {
        part p = {plan, stage, r, after, v ? last : piece, unit, piece, v, 0};
        status = add_part(&p, operands, count, slots, describe, context);
    }
    return status;
}

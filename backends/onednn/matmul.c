/* The matrix products: for each of the batch, out = mat1 mat2, and the forms that add it to something. They are cut along
 * the batch, the rows or the columns. Large second operands are packed once and read by every piece. Products of int8 are
 * summed in int32, of which a result keeps the low byte: they wrap, where oneDNN's own int8 results stop at 127. */
#include <stdlib.h>

#include "posts.h"

typedef enum cut { BATCH, ROWS, COLUMNS } cut;

/* A value as a batch of matrices: strides in elements. */
typedef struct matrices {
    int at; /* -1: absent */
    int32_t dtype;
    int64_t batch, row, col;
} matrices;

typedef struct product {
    dn_plan plan;
    int64_t batch, m, n, k;
    matrices a, b, self, out;
    int alpha_at, beta_at;
    dn_plan *
        general; /* mat1 mat2 in f32, for alpha and beta that are not 1, made when first needed; or of int8 in i32 */
    dn_where room;            /* of int8: where sums and general's workspace are */
    matrices other[DN_POSTS]; /* of post-ops */
} product;

/* ---- descriptors ---- */

/* Of a rows x columns part of a batch of matrices. */
static dnnl_status_t part_md(const product *p, const matrices *x, int64_t batch, int64_t rows,
                             int64_t columns, dn_md *md)
{
    int first = p->batch > 1 ? 0 : 1;
    int64_t size[3] = {x->batch ? batch : 1, rows, columns};
    int64_t stride[3] = {x->batch ? x->batch : rows * columns, x->row, x->col};
    if (rows == 1) /* oneDNN reads the layout from strides that say nothing, too */
        stride[1] = x->col == 1 ? columns : 1;
    if (columns == 1)
        stride[2] = stride[1] == 1 && rows > 1 ? rows : 1;
    return dn_md_strided(md, 3 - first, size + first, dn_type(x->dtype), stride + first);
}

typedef struct piece_mds {
    dn_md a, b, bias, out, packed;
    dn_post_set posts;
} piece_mds;

static void free_mds(piece_mds *m)
{
    dn_md_free(&m->a);
    dn_md_free(&m->b);
    dn_md_free(&m->bias);
    dn_md_free(&m->out);
    dn_md_free(&m->packed);
    dn_post_set_free(&m->posts);
}

typedef enum addition { NOTHING, BIAS, OUTPUT } addition;

/* Describes the product of one piece; b is any layout with `pack`, m->packed says which then. */
static dnnl_status_t describe(const product *p, cut along, int64_t items, addition add, bool pack,
                              const dn_md *packed, piece_mds *m, dnnl_primitive_desc_t *pd)
{
    int64_t batch = along == BATCH ? items : p->batch, rows = along == ROWS ? items : p->m;
    int64_t columns = along == COLUMNS ? items : p->n;
    memset(m, 0, sizeof *m);
    dnnl_status_t status = part_md(p, &p->a, batch, rows, p->k, &m->a);
    status = status ? status : part_md(p, &p->b, batch, p->k, columns, &m->b);
    status = status ? status : part_md(p, &p->out, batch, rows, columns, &m->out);
    if (!status && add == BIAS) {
        const int64_t size[3] = {1, 1, columns}, stride[3] = {columns, columns, 1};
        int first = p->batch > 1 ? 0 : 1;
        status = dn_md_strided(&m->bias, 3 - first, size + first, dn_type(p->self.dtype),
                               stride + first);
    }
    if (!status && pack) {
        const int64_t size[2] = {p->k, columns};
        status = packed ? dn_md_copy(&m->packed, dn_raw(packed))
                        : dn_md_tag(&m->packed, 2, size, dn_type(p->b.dtype), dnnl_format_tag_any);
    }
    const dn_posts *posts = p->plan.posts;
    for (int i = 0; posts && i < posts->count && !status; i++)
        if (posts->op[i].binary)
            status = part_md(p, &p->other[i], batch, rows, columns, &m->posts.md[i]);
    if (!status && posts)
        status = dn_post_set_make(&m->posts, posts);
    const_dnnl_primitive_attr_t attr = posts           ? m->posts.attr
                                       : add == OUTPUT ? dn_attr_sum
                                                       : dn_attr;
    if (!status)
        status = dn_pd_matmul(pd, dn_engine, attr, &m->a, pack ? &m->packed : &m->b,
                              add == BIAS ? &m->bias : NULL, &m->out);
    if (!status && pack && !packed) {
        dn_md_free(&m->packed);
        status = dn_md_of(&m->packed, *pd, dnnl_query_weights_md);
    }
    return status;
}

/* ---- building ---- */

static size_t bytes_of(const matrices *x, int64_t elements)
{
    return (size_t)elements * cpu_dtype_size(x->dtype);
}

static dn_where place(const matrices *x, cut along, bool rows, bool columns)
{
    int64_t step = along == BATCH                ? x->batch
                   : along == ROWS && rows       ? x->row
                   : along == COLUMNS && columns ? x->col
                                                 : 0;
    return dn_value(x->at, bytes_of(x, step));
}

/* How many items a piece has: work of some tens of microseconds, and for rows whole tiles. One thread does all at once. */
static int64_t piece_of(const product *p, cut along, int64_t items, double cost)
{
    int64_t unit = along == ROWS ? 32 : along == COLUMNS ? 64 : 1;
    int64_t threads = dn_most_threads(), pieces = threads > 1 ? 4 * threads : 1;
    int64_t most = (int64_t)(cost * (double)items / 40000);
    pieces = pieces < most ? pieces : most;
    if (pieces < 2 || items < 2 * unit)
        return items;
    int64_t piece = (items + pieces - 1) / pieces;
    return (piece + unit - 1) / unit * unit;
}

typedef struct placing {
    const product *p;
    cut along;
} placing;

static dn_where place_other(const void *context, int i)
{
    const placing *c = context;
    return place(&c->p->other[i], c->along, true, true);
}

/* Whether a piece of the result is one row of elements for each item or, cut along columns, rows that hold one each. */
static bool lies_in_rows(const product *p, cut along)
{
    return along == COLUMNS ||
           ((p->m == 1 || p->out.row == p->n) && (along == ROWS || p->out.batch == p->m * p->n));
}

static cr_status add_product(dn_plan *plan, const product *p, addition add)
{
    cut along = p->batch > 1 ? BATCH : p->m >= 128 || p->m >= p->n ? ROWS : COLUMNS;
    dn_posts *posts = p->plan.posts;
    if (posts && posts->relu && !lies_in_rows(p, along))
        return CR_UNSUPPORTED;
    int64_t items = along == BATCH ? p->batch : along == ROWS ? p->m : p->n;
    bool half = p->a.dtype != CR_F32;
    double cost = 2 * (double)p->batch * (double)p->m * (double)p->n * (double)p->k /
                  (half ? 200 : 100) / (double)items;
    int64_t piece = piece_of(p, along, items, cost), last = items % piece;
    bool pack = along == ROWS && piece < items && p->m >= 256 && p->k > 1 && p->n > 1;
    piece_mds whole, part;
    dnnl_primitive_desc_t pd = NULL, last_pd = NULL;
    memset(&part, 0, sizeof part);
    dnnl_status_t made = describe(p, along, piece, add, pack, NULL, &whole, &pd);
    if (!made && last)
        made = describe(p, along, last, add, pack, pack ? &whole.packed : NULL, &part, &last_pd);
    cr_status status = dn_status(plan, made, "describe");
    dn_where b = place(&p->b, along, false, true);
    if (status == CR_OK && pack && !dn_md_equal(&whole.b, &whole.packed)) {
        const size_t bytes = dn_md_bytes(&whole.packed), each = cpu_dtype_size(p->b.dtype);
        const cr_meta like = {.rank = 2, .size = {p->k, p->n}};
        const dn_side from = {&whole.b, b, each};
        dn_side to = {&whole.packed, {0}, each};
        status = dn_take_shared(plan, bytes, &to.where)
                     ? dn_stage_reorder(plan, &like, (double)bytes * 0.1, &from, &to)
                     : CR_UNSUPPORTED;
        b = to.where;
    }
    dn_stage *stage = status == CR_OK ? dn_stage_add(plan, items, piece, cost) : NULL;
    if (status == CR_OK && !stage)
        status = CR_UNSUPPORTED;
    dn_operand operands[4 + DN_POSTS] = {
        {DNNL_ARG_SRC, place(&p->a, along, true, false)},
        {DNNL_ARG_WEIGHTS, b},
        {DNNL_ARG_DST, place(&p->out, along, true, true)},
        {DNNL_ARG_BIAS, dn_value(p->self.at, along == COLUMNS ? bytes_of(&p->self, 1) : 0)}};
    for (int v = 0; v < 2 && status == CR_OK && (v == 0 || last); v++) {
        piece_mds *m = v ? &part : &whole;
        const dn_md *mds[4 + DN_POSTS] = {&m->a, pack ? &m->packed : &m->b, &m->out, &m->bias};
        int count = add == BIAS ? 4 : 3;
        if (posts)
            count = dn_posts_operands(posts, &m->posts, operands, mds, count, place_other,
                                      &(placing){p, along});
        status = dn_step_set(plan, stage, 0, v, v ? last_pd : pd, operands, mds, count);
        *(v ? &last_pd : &pd) = NULL;
    }
    if (status == CR_OK && posts)
        dn_posts_after(posts, &stage->step[0],
                       along == BATCH  ? p->m * p->n
                       : along == ROWS ? p->n
                                       : 1,
                       along == COLUMNS ? p->m : 1, p->out.row);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (last_pd)
        dnnl_primitive_desc_destroy(last_pd);
    free_mds(&whole);
    free_mds(&part);
    return status;
}

/* ---- self, added by our own loops ---- */

typedef struct combination {
    const product *p;
    const void *sums; /* mat1 mat2, dense: floats, of int8 int32_t; null: 0 */
    const char *self;
    char *out;
    cr_number alpha, beta;
} combination;

/* out = alpha sums + beta self, by rows. */
static void combine(void *context, int64_t begin, int64_t end)
{
    const combination *c = context;
    const product *p = c->p;
    const float *sums = c->sums;
    float alpha = (float)c->alpha.f, beta = (float)c->beta.f;
    for (int64_t i = begin; i < end; i++) {
        int64_t batch = i / p->m, row = i % p->m;
        int64_t self = batch * p->self.batch + row * p->self.row;
        int64_t out = batch * p->out.batch + row * p->out.row;
        for (int64_t j = 0; j < p->n; j++) {
            float sum = sums ? alpha * sums[i * p->n + j] : 0;
            if (beta != 0)
                sum += beta * dn_read(p->self.dtype, c->self, self + j * p->self.col);
            dn_write(p->out.dtype, c->out, out + j * p->out.col, sum);
        }
    }
}

/* The same of int8, wrapping. */
static void combine_int8(void *context, int64_t begin, int64_t end)
{
    const combination *c = context;
    const product *p = c->p;
    const uint32_t *sums = c->sums, alpha = (uint32_t)c->alpha.i, beta = (uint32_t)c->beta.i;
    const int8_t *self = (const int8_t *)c->self;
    for (int64_t i = begin; i < end; i++) {
        int64_t batch = i / p->m, row = i % p->m;
        int64_t from = batch * p->self.batch + row * p->self.row;
        int8_t *out = (int8_t *)c->out + batch * p->out.batch + row * p->out.row;
        for (int64_t j = 0; j < p->n; j++) {
            uint32_t sum = alpha * sums[i * p->n + j];
            if (self)
                sum += beta * (uint32_t)self[from + j * p->self.col];
            out[j * p->out.col] = (int8_t)(uint8_t)sum;
        }
    }
}

/* Brings self to where the product is added to it, unless they are the same memory. */
static void copy_self(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    const product *p = (const product *)plan;
    combination c = {
        .p = p, .self = cpu_at(run, p->self.at), .out = cpu_at(run, p->out.at), .beta = {1, 1}};
    if (c.self != c.out)
        combine(&c, begin, end);
}

/* The plan of the product alone. */
static cr_status make_general(product *p)
{
    product into = *p;
    into.out = (matrices){p->out.at, p->a.dtype == CR_I8 ? CR_I32 : CR_F32,
                          p->batch > 1 ? p->m * p->n : 0, p->n, 1};
    if (!(p->general = dn_plan_within(&p->plan)))
        return CR_OUT_OF_MEMORY;
    int before = dn_enter();
    cr_status status = add_product(p->general, &into, NOTHING);
    dn_leave(before);
    if (status != CR_OK) {
        dn_plan_destroy(&p->general->base);
        free(p->general);
        p->general = NULL;
    }
    return status;
}

static size_t bytes_of_sums(const product *p)
{
    return ((size_t)(p->batch * p->m * p->n) * sizeof(float) + 63) / 64 * 64;
}

/* The product into memory of its own, then the sum. memory: for the sums and general's workspace. */
static cr_status run_within(const product *p, const cr_run *run, char *memory, cr_number alpha,
                            cr_number beta)
{
    cr_binding values[4];
    memcpy(values, run->values, (size_t)(p->out.at + 1) * sizeof *values);
    values[p->out.at] = (cr_binding){(cr_buffer *)memory, 0};
    cr_run inner = {.struct_size = sizeof inner,
                    .values = values,
                    .workspace = {(cr_buffer *)memory, bytes_of_sums(p)}};
    cr_status status = dn_plan_run(&p->general->base, &inner);
    combination c = {.p = p,
                     .sums = memory,
                     .self = p->self.at < 0 ? NULL : cpu_at(run, p->self.at),
                     .out = cpu_at(run, p->out.at),
                     .alpha = alpha,
                     .beta = beta};
    if (status == CR_OK)
        cpu_parallel(p->batch * p->m, 1, (double)p->n, p->a.dtype == CR_I8 ? combine_int8 : combine,
                     &c);
    return status;
}

/* For alpha and beta that are not both 1. */
static cr_status run_general(product *p, const cr_run *run, cr_number alpha, cr_number beta)
{
    cr_status status = p->general ? CR_OK : make_general(p);
    if (status != CR_OK)
        return status == CR_UNSUPPORTED ? CR_FAILED : status;
    size_t bytes = bytes_of_sums(p) + dn_plan_workspace(p->general);
    char *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory)
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "%s: no memory for %zu bytes of sums",
                              p->plan.text, bytes_of_sums(p));
    status = run_within(p, run, memory, alpha, beta);
    free(memory);
    return status;
}

static cr_status run_product(cr_plan *plan, const cr_run *run)
{
    product *p = (product *)plan;
    const cr_number one = {1, 1};
    cr_number alpha = p->alpha_at < 0 ? one : run->numbers[p->alpha_at];
    cr_number beta = p->beta_at < 0 ? one : run->numbers[p->beta_at];
    if (p->a.dtype == CR_I8)
        return run_within(p, run, dn_address(&p->plan, run, &p->room, 0), alpha, beta);
    return alpha.f == 1 && beta.f == 1 ? dn_plan_run(plan, run) : run_general(p, run, alpha, beta);
}

static void destroy_product(cr_plan *plan)
{
    product *p = (product *)plan;
    if (p->general) {
        dn_plan_destroy(&p->general->base);
        free(p->general);
    }
    dn_plan_destroy(plan);
}

/* ---- planning ---- */

static matrices matrices_of(const cr_meta *m, int at)
{
    matrices x = {.at = -1};
    if (m) {
        x.at = at;
        x.dtype = m->dtype;
        x.batch = m->rank == 3 && m->size[0] > 1 ? m->stride[0] : 0;
        x.row = m->stride[m->rank - 2];
        x.col = m->stride[m->rank - 1];
    }
    return x;
}

static void turn(matrices *x)
{
    int64_t row = x->row;
    x->row = x->col;
    x->col = row;
}

/* A matrix that oneDNN reads as it is: along rows or along columns. */
static bool is_plain(const matrices *x, int64_t rows, int64_t columns)
{
    return (x->col == 1 && (rows == 1 || x->row >= columns)) ||
           (x->row == 1 && (columns == 1 || x->col >= rows)) || (rows == 1 && x->col == 1) ||
           (columns == 1 && x->row == 1);
}

/* int8 where the processor's instruction for it does not stop at 32,767. */
static bool multiplies(int32_t dtype)
{
    const int vnni = dnnl_cpu_isa_avx512_core_vnni;
    return dn_multiplies(dtype) ||
           (dtype == CR_I8 && ((int)dnnl_get_effective_cpu_isa() & vnni) == vnni);
}

/* Where oneDNN is the faster: cpu's own kernels and OpenBLAS have less to do before they begin, and few rows go better
 * without packing. Of 16-bit floats the others convert first, of int8 they have plain loops. */
static bool takes(const product *p)
{
    double work = (double)p->batch * (double)p->m * (double)p->n * (double)p->k;
    if (dn_takes_tiny())
        return true;
    if (p->a.dtype != CR_F32)
        return work >= 4096 && p->k > 1;
    return work >= 2e6 && p->m >= 16 && p->n >= 16 && p->k >= 16;
}

/* What is added to the product, and how; false where oneDNN can't read a post-op's operand. */
static bool take_posts(product *p, const dn_posts *posts)
{
    for (int i = 0; i < posts->count; i++) {
        const dn_post *op = &posts->op[i];
        if (!op->binary)
            continue;
        if (op->other_at < 0)
            return false;
        p->other[i] = matrices_of(&op->other, op->other_at);
        if (op->other.layout || !is_plain(&p->other[i], p->m, p->n) || p->other[i].col != 1)
            return false;
    }
    return true;
}

/* The product of int8: general's, into memory of the workspace. */
static cr_status plan_int8(product *p)
{
    cr_status status = make_general(p);
    bool fits =
        status != CR_OK ||
        dn_take_shared(&p->plan, bytes_of_sums(p) + dn_plan_workspace(p->general), &p->room);
    return fits ? status : CR_UNSUPPORTED;
}

/* The product of floats and what is added to it. */
static cr_status add_whole(product *p, addition add)
{
    if (add == OUTPUT) {
        dn_stage *stage = dn_stage_add(&p->plan, p->batch * p->m, 0, (double)p->n);
        stage->plain = copy_self;
    }
    return add_product(&p->plan, p, add);
}

/* posts: of a chain, or null; taken over. */
static cr_status plan_of(const cpu_call *call, bool has_self, dn_posts *posts, cr_plan **out)
{
    const cr_meta *self = has_self ? call->in[0] : NULL, *y = call->out[0];
    const cr_meta *a = call->in[has_self], *b = call->in[has_self + 1];
    bool fits = a && b && y && (!has_self || self) && multiplies(a->dtype) &&
                (!posts || a->dtype == CR_F32 || a->dtype == CR_BF16) && b->dtype == a->dtype &&
                y->dtype == a->dtype &&
                (!self || (self->dtype == a->dtype && self->rank == y->rank)) &&
                a->rank == y->rank && b->rank == y->rank;
    product *p = fits ? dn_plan_new(call, sizeof *p) : NULL;
    if (!p) {
        free(posts);
        return fits ? CR_OUT_OF_MEMORY : CR_UNSUPPORTED;
    }
    p->plan.base.run = run_product;
    p->plan.base.destroy = destroy_product;
    if (posts)
        dn_posts_own(&p->plan, posts);
    p->batch = y->rank == 3 ? y->size[0] : 1;
    p->m = y->size[y->rank - 2];
    p->n = y->size[y->rank - 1];
    p->k = a->size[a->rank - 1];
    p->a = matrices_of(a, call->in_at[has_self]);
    p->b = matrices_of(b, call->in_at[has_self + 1]);
    p->self = matrices_of(self, has_self ? call->in_at[0] : -1);
    p->out = matrices_of(y, call->out_at[0]);
    p->alpha_at = has_self ? cpu_number_at(call->node, "alpha") : -1;
    p->beta_at = has_self ? cpu_number_at(call->node, "beta") : -1;
    if (p->out.col != 1 && p->n > 1 && !posts) { /* written along columns: out' = mat2' mat1' */
        matrices swap = p->a;
        p->a = p->b;
        p->b = swap;
        int64_t m = p->m;
        p->m = p->n;
        p->n = m;
        turn(&p->a);
        turn(&p->b);
        turn(&p->self);
        turn(&p->out);
    }
    cr_status status = CR_UNSUPPORTED;
    if (takes(p) && p->out.col == 1 && is_plain(&p->out, p->m, p->n) &&
        is_plain(&p->a, p->m, p->k) && is_plain(&p->b, p->k, p->n)) {
        addition add = !self                                                ? NOTHING
                       : !p->self.row && !p->self.batch && p->self.col == 1 ? BIAS
                                                                            : OUTPUT;
        if (a->dtype == CR_I8)
            status = plan_int8(p);
        else if (posts && (add == OUTPUT || !take_posts(p, posts)))
            status = CR_UNSUPPORTED;
        else
            status = add_whole(p, add);
    }
    return dn_plan_done(&p->plan, call, status, out);
}

static cr_status plan_product(const cpu_call *call, cr_plan **out)
{
    return plan_of(call, false, NULL, out);
}

static cr_status plan_add_product(const cpu_call *call, cr_plan **out)
{
    return plan_of(call, true, NULL, out);
}

cr_status dn_product_chain(const cpu_call *call, dn_posts *posts, cr_plan **out)
{
    bool added = !strcmp(call->node->op, "addmm") || !strcmp(call->node->op, "baddbmm");
    return plan_of(call, added, posts, out);
}

const cpu_op dn_family_matmul[] = {
    {"bmm", plan_product},         {"mm", plan_product}, {"addmm", plan_add_product},
    {"baddbmm", plan_add_product}, {NULL, NULL},
};

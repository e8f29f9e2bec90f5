/* Which kernel multiplies, in what tiles, and whether the terms are split. See product.h. */
#include "product.h"

#include <string.h>

enum { LANES = 8 }; /* of shaders/product_direct.comp */

/* ---- axes ---- */

void vk_axis_add(vk_axis *axes, int *rank, int64_t size, int64_t a, int64_t b, int64_t c,
                 int64_t c0)
{
    vk_dim d = vk_dim_of((uint32_t)size);
    axes[(*rank)++] = (vk_axis){.size = d.size,
                                .magic = d.magic,
                                .shift = d.shift,
                                .stride = {(uint32_t)a, (uint32_t)b, (uint32_t)c, (uint32_t)c0}};
}

static bool joins(const vk_axis *outer, const vk_axis *inner)
{
    for (int v = 0; v < VK_OPERANDS; v++)
        if (outer->stride[v] != inner->stride[v] * inner->size)
            return false;
    for (int c = 0; c < 3; c++)
        if (outer->coordinate[c] != inner->coordinate[c] * (int32_t)inner->size)
            return false;
    return true;
}

/* Drops dimensions of size 1 and merges those that lie as one. */
static void simplify(vk_axis *axes, int *rank)
{
    int n = 0;
    for (int i = 0; i < *rank; i++) {
        if (axes[i].size == 1 && (n || i + 1 < *rank))
            continue;
        if (n && axes[n - 1].size == 1)
            n--;
        if (n && joins(&axes[n - 1], &axes[i])) {
            vk_dim d = vk_dim_of(axes[n - 1].size * axes[i].size);
            axes[n - 1] = axes[i];
            axes[n - 1].size = d.size;
            axes[n - 1].magic = d.magic;
            axes[n - 1].shift = d.shift;
            continue;
        }
        axes[n++] = axes[i];
    }
    *rank = n;
}

/* Windows that never leave their operand are strides like any others. */
static void make_plain(vk_product *p)
{
    vk_product_block *b = &p->block;
    if (p->mode != VK_WINDOWS || b->base[0] || b->base[1] || b->base[2])
        return;
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < p->k_rank; k++)
            b->k_axis[k].stride[VK_B] += (uint32_t)b->k_axis[k].coordinate[i] * b->spatial[i];
        for (int n = 0; n < p->n_rank; n++)
            b->n_axis[n].stride[VK_B] += (uint32_t)b->n_axis[n].coordinate[i] * b->spatial[i];
    }
    for (int i = 0; i < 4; i++) {
        memset(b->k_axis[i].coordinate, 0, sizeof b->k_axis[i].coordinate);
        memset(b->n_axis[i].coordinate, 0, sizeof b->n_axis[i].coordinate);
    }
    p->mode = VK_PLAIN;
    p->spatial = 0;
}

static uint64_t size_of(const vk_axis *axes, int rank)
{
    uint64_t size = 1;
    for (int i = 0; i < rank; i++)
        size *= axes[i].size;
    return size;
}

/* ---- tiles ---- */

typedef struct tiling {
    vk_shader shader;
    uint32_t group, rows, columns; /* of C to a group */
    bool by_rows; /* of k, which a split may not cut; columns are those of one row of n */
} tiling;

/* Whether k and n end in the same row of B, one forwards and the other either way: a convolution's
 * windows, one step apart. */
static bool shares_rows(const vk_product *p)
{
    const vk_axis *k = &p->block.k_axis[p->k_rank - 1], *n = &p->block.n_axis[p->n_rank - 1];
    if (p->mode == VK_PLAIN)
        return k->stride[VK_B] == n->stride[VK_B];
    return !k->stride[VK_B] && !n->stride[VK_B] && n->coordinate[2] == 1 &&
           k->coordinate[2] == (p->mode == VK_SCATTERED ? -1 : 1) && p->block.divide_by[0] <= 1 &&
           p->block.divide_by[1] <= 1 && p->block.divide_by[2] <= 1;
}

/* The kernel for such a product; of no group where there is none, or too little for it. The window's
 * width is that of the terms, of a weight's gradient that of the columns. */
static tiling choose_rows(const vk_product *p, uint32_t m)
{
    static const vk_shader row[2][2][2] = {
        {{VK_SHADER_product_row_3_8, VK_SHADER_product_row_3_5},
         {VK_SHADER_product_row_5_8, VK_SHADER_product_row_5_5}},
        {{VK_SHADER_product_row_weight_3_8, VK_SHADER_product_row_weight_3_5},
         {VK_SHADER_product_row_weight_5_8, VK_SHADER_product_row_weight_5_5}}};
    uint32_t terms = p->block.k_axis[p->k_rank - 1].size,
             columns = p->block.n_axis[p->n_rank - 1].size;
    bool weight = columns < terms && p->mode != VK_SCATTERED;
    uint32_t window = weight ? columns : terms, length = weight ? terms : columns;
    if (p->from != CR_F32 || p->to != CR_F32 || m < 4 || length < 5 ||
        (window != 3 && window != 5) || !shares_rows(p))
        return (tiling){.group = 0};
    /* Shorter pieces have the same loads for less. */
    bool five = (length + 4) / 5 * 10 < (length + 7) / 8 * 13;
    return (tiling){row[weight][window == 5][five], LANES, 6, weight ? columns : (five ? 5 : 8),
                    true};
}

static tiling choose_tiling(const cr_device *d, const vk_product *p, vk_class class, uint32_t m,
                            uint32_t n, uint32_t k)
{
    static const vk_shader tiled[] = {VK_SHADER_product_tiled_f32, VK_SHADER_product_tiled_f64,
                                      VK_SHADER_product_tiled_i32, VK_SHADER_product_tiled_i64};
    static const struct {
        vk_shader shader;
        uint8_t tm, tn;
    } direct[] = {{VK_SHADER_product_direct_8x4, 8, 4}, {VK_SHADER_product_direct_6x4, 6, 4},
                  {VK_SHADER_product_direct_4x4, 4, 4}, {VK_SHADER_product_direct_2x4, 2, 4},
                  {VK_SHADER_product_direct_8x2, 8, 2}, {VK_SHADER_product_direct_8x1, 8, 1}};
    /* What scattered products find outside is no term, which a matrix can't say. */
    tiling matrices = {.rows = 64, .columns = 64};
    if (m >= 16 && n >= 16 && k >= 16 && p->mode != VK_SCATTERED &&
        vk_matrix_kernel(d, p->from, &matrices.shader, &matrices.group))
        return matrices;
    if (!d->direct_products || class != VK_FLOAT)
        return (tiling){tiled[class], 128, 64, 64, false};
    tiling rows = choose_rows(p, m);
    if (rows.group)
        return rows;
    /* The cost of a tile's term: its loads, and a share for each product; padding counts. */
    double least = 0;
    tiling best = {0};
    for (size_t i = 0; i < sizeof direct / sizeof *direct; i++) {
        uint32_t tm = direct[i].tm, tn = direct[i].tn, columns = tn * LANES;
        double tiles = (double)((m + tm - 1) / tm) * ((n + columns - 1) / columns);
        double cost = tiles * (6 + tm + 8.0 * tn + 0.7 * tm * tn);
        if (!best.group || cost < least) {
            least = cost;
            best = (tiling){direct[i].shader, LANES, tm, columns, false};
        }
    }
    return best;
}

/* How many parts for so many groups, at least one: enough groups to fill the device, each with terms
 * enough to be worth its start. */
static uint32_t choose_splits(const cr_device *d, uint64_t groups, uint32_t k)
{
    uint64_t wanted = d->is_cpu ? 8 : 256, least = d->is_cpu ? 256 : 128;
    uint64_t at_once = d->loops / 4; /* terms; an invocation has about one iteration for each */
    if (at_once && k > at_once)
        return (uint32_t)((k + at_once - 1) / at_once);
    if (!groups || groups >= wanted || k < 2 * least)
        return 1;
    uint64_t splits = (wanted + groups - 1) / groups, most = k / least;
    return (uint32_t)(splits < most ? splits : most);
}

/* ---- steps ---- */

/* The terms of an empty sum: C is beta C0, or 0. One split without terms does it. */
cr_status vk_product_add(cr_plan *plan, const vk_product *product, cr_plan_info *info,
                         vk_product_steps *s)
{
    static const vk_shader join[] = {VK_SHADER_product_join_f32, VK_SHADER_product_join_f64,
                                     VK_SHADER_product_join_i32, VK_SHADER_product_join_i64};
    cr_device *d = plan->device;
    s->product = *product;
    s->first = plan->nsteps;
    vk_product *p = &s->product;
    vk_product_block *b = &p->block;
    make_plain(p);
    simplify(b->m_axis, &p->m_rank);
    simplify(b->k_axis, &p->k_rank);
    simplify(b->n_axis, &p->n_rank);
    uint64_t m = size_of(b->m_axis, p->m_rank), n = size_of(b->n_axis, p->n_rank),
             k = size_of(b->k_axis, p->k_rank), batch = b->b_axis[0].size;
    s->empty = !m || !n || !batch;
    if (s->empty)
        return CR_OK;
    vk_class class = vk_class_of(d, p->from);
    tiling t = choose_tiling(d, p, class, (uint32_t)m, (uint32_t)n, (uint32_t)k);
    uint64_t x = (n + t.columns - 1) / t.columns, y = (m + t.rows - 1) / t.rows;
    if (t.by_rows) {
        uint32_t length = b->n_axis[p->n_rank - 1].size;
        x = (n / length * ((length + t.columns - 1) / t.columns) + LANES - 1) / LANES;
    }
    b->m = (uint32_t)m;
    b->n = (uint32_t)n;
    b->k = (uint32_t)k;
    b->batch = (uint32_t)batch;
    b->splits = choose_splits(d, x * y * batch, b->k);
    b->chunk = (b->k + b->splits - 1) / b->splits;
    if (t.by_rows && b->splits > 1) {
        uint32_t row = b->k_axis[p->k_rank - 1].size;
        b->chunk = (b->chunk + row - 1) / row * row;
        b->splits = (b->k + b->chunk - 1) / b->chunk;
    }
    uint64_t elements = m * n * batch;
    if (elements * b->splits >= INT32_MAX || k >= INT32_MAX)
        return CR_UNSUPPORTED;
    s->split = b->splits > 1;
    uint32_t adds = p->at[VK_C0] >= 0 || p->alpha_at >= 0;
    uint32_t ends = adds | (uint32_t)p->follow.adds << 1 | p->follow.function << 2;
    uint32_t divides = b->divide_by[0] > 1 || b->divide_by[1] > 1 || b->divide_by[2] > 1 ? 1u : 0u;
    uint32_t special[] = {(uint32_t)p->mode,
                          (uint32_t)p->from,
                          (uint32_t)p->to,
                          (uint32_t)p->m_rank,
                          (uint32_t)p->k_rank,
                          (uint32_t)p->n_rank,
                          s->split ? 0 : ends,
                          s->split,
                          (uint32_t)p->spatial,
                          b->k_axis[p->k_rank - 1].stride[VK_A] == 1,
                          p->mode == VK_PLAIN ? b->k_axis[p->k_rank - 1].stride[VK_B] == 1
                                              : t.by_rows && b->spatial[2] == 1,
                          divides};
    cr_status status =
        vk_plan_step(plan, t.shader, t.group, special, 12, b, sizeof *b, x, y, batch * b->splits);
    if (status != CR_OK || !s->split)
        return status;
    s->parts = vk_workspace(info, (size_t)elements * b->splits *
                                      (class == VK_FLOAT || class == VK_INT ? 4 : 8));
    special[6] = ends;
    special[7] = 0;
    return vk_plan_step(plan, join[class], d->is_cpu ? 16 : 0, special, 12, NULL, 0,
                        vk_groups(d, (int64_t)elements * (d->is_cpu ? 4 : 1)), 1, 1);
}

static void bind_numbers(vk_launch *launch, const cr_plan *plan, const vk_product *p,
                         const cr_run *run)
{
    static const cr_number one = {1, 1}, zero;
    vk_class class = vk_class_of(plan->device, p->from);
    const cr_number *alpha = p->alpha_at < 0 ? &one : &run->numbers[p->alpha_at];
    const cr_number *beta = p->at[VK_C0] < 0 ? &zero
                            : p->beta_at < 0 ? &one
                                             : &run->numbers[p->beta_at];
    launch->args.number[0] = vk_number_bits(alpha, class, CR_DTYPE_NONE);
    launch->args.number[1] = vk_number_bits(beta, class, CR_DTYPE_NONE);
    for (int k = 0; k < VK_FOLLOW_NUMBERS && (p->follow.adds || p->follow.function); k++) {
        int at = p->follow.number[k].at;
        launch->args.word[k] = (uint32_t)vk_number_bits(at < 0 ? &one : &run->numbers[at], VK_FLOAT,
                                                        p->follow.number[k].dtype);
    }
}

cr_status vk_product_run(const cr_plan *plan, const vk_product_steps *s, const cr_run *run)
{
    const vk_product *p = &s->product;
    if (s->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, s->first);
    vk_bind(&launch, 1, &run->values[p->at[VK_A]], 0, false);
    vk_bind(&launch, 2, &run->values[p->at[VK_B]], 0, false);
    if (s->split) {
        vk_bind(&launch, 0, &run->workspace, s->parts, true);
        cr_status status = vk_record(plan->device, &launch);
        if (status != CR_OK)
            return status;
        launch = vk_step_launch(plan, s->first + 1);
        vk_bind(&launch, 1, &run->workspace, s->parts, false);
    }
    if (p->at[VK_C0] >= 0)
        vk_bind(&launch, 3, &run->values[p->at[VK_C0]], 0, false);
    if (p->follow.adds)
        vk_bind(&launch, 4, &run->values[p->follow.other_at], 0, false);
    vk_bind(&launch, 0, &run->values[p->at[VK_C]], 0, true);
    bind_numbers(&launch, plan, p, run);
    return vk_record(plan->device, &launch);
}

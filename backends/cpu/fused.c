/* Several operations as one pass over memory: the values are cut into tiles that stay in the first caches, and each node runs
 * on a tile with its own family's plan, made once for dense vectors of the lengths that occur. Nothing is compiled at run
 * time, and a node computes exactly what it computes alone. Behind a product or a convolution, the chain works on what is just
 * written; a reduction at the end takes the last tile, and no value between is ever in memory. */
#include "fused.h"
#include "convert.h"

#include <math.h>

typedef struct fused_job {
    const fused_plan *plan;
    const cr_run *run;
} fused_job;

typedef float tile_buffer[FUSED_TILE];

static char *workspace_at(const cr_run *run, size_t offset)
{
    return (char *)run->workspace.buffer + run->workspace.offset + offset;
}

/* ---- values that repeat ---- */

/* Elements [from, from + n) of value[i / each % period]. */
static void repeat(const float *value, int64_t each, int64_t period, int64_t from, int64_t n,
                   float *to)
{
    int64_t at = from / each % period, left = each - from % each;
    for (int64_t i = 0; i < n;) {
        if (each == 1) {
            int64_t run = period - at < n - i ? period - at : n - i;
            for (int64_t k = 0; k < run; k++)
                to[i + k] = value[at + k];
            i += run;
            at = 0;
            continue;
        }
        int64_t run = left < n - i ? left : n - i;
        for (int64_t k = 0; k < run; k++)
            to[i + k] = value[at];
        i += run;
        left = each;
        at = at + 1 == period ? 0 : at + 1;
    }
}

/* ---- batch norm by running statistics ---- */

static void prepare_norm(const fused_norm *norm, const cr_run *run)
{
    float *mean = (float *)(void *)workspace_at(run, norm->workspace);
    float *scale = mean + norm->channels, *shift = scale + norm->channels;
    const float *m = cpu_at(run, norm->mean_at), *v = cpu_at(run, norm->var_at);
    const float *w = norm->weight_at >= 0 ? cpu_at(run, norm->weight_at) : NULL;
    const float *b = norm->bias_at >= 0 ? cpu_at(run, norm->bias_at) : NULL;
    double eps = norm->eps_at >= 0 ? run->numbers[norm->eps_at].f : 1e-5;
    for (int64_t c = 0; c < norm->channels; c++) {
        float rstd = (float)(1 / sqrt((double)v[c] + eps));
        mean[c] = m[c];
        scale[c] = rstd * (w ? w[c] : 1);
        shift[c] = b ? b[c] : 0;
    }
}

/* As norm.c does it; x and y may be one. */
static void run_norm(const fused_norm *norm, const cr_run *run, int64_t from, int64_t n,
                     const float *x, float *y)
{
    const float *mean = (const float *)(const void *)workspace_at(run, norm->workspace);
    const float *scale = mean + norm->channels, *shift = scale + norm->channels;
    int64_t c = from / norm->each % norm->channels, left = norm->each - from % norm->each;
    for (int64_t i = 0; i < n;) {
        int64_t end = left < n - i ? i + left : n;
        const float a = mean[c], s = scale[c], b = shift[c];
#pragma omp simd
        for (int64_t k = i; k < end; k++)
            y[k] = (x[k] - a) * s + b;
        i = end;
        left = norm->each;
        c = c + 1 == norm->channels ? 0 : c + 1;
    }
}

/* ---- tiles ---- */

static cr_binding memory(const void *p)
{
    return (cr_binding){(cr_buffer *)(uintptr_t)p, 0};
}

/* Where each value of the chain has elements [from, …). */
static void place_values(const fused_job *job, int64_t from, int64_t n, tile_buffer *tiles,
                         cr_binding *where)
{
    const fused_plan *p = job->plan;
    for (int v = 0; v < p->nvalues; v++) {
        const fused_value *value = &p->value[v];
        if (value->place == FUSED_UNSEEN)
            continue;
        if (value->place == FUSED_MEMORY || (value->place == FUSED_OUTPUT && !p->stream)) {
            where[v] = job->run->values[value->at];
            where[v].offset += (size_t)from * sizeof(float);
            continue;
        }
        where[v] = memory(tiles[value->tile]);
        if (value->place == FUSED_REPEAT && value->period > 1)
            repeat(cpu_at(job->run, value->at), value->each, value->period, from, n,
                   tiles[value->tile]);
    }
}

/* A node by pieces, before each of which lines for other nodes are brought into the second cache: the first node has those
 * fetched that the tile's outputs will be written to, another one those of an input for the next tile. Else they would be
 * waited for with nothing else under way, since the work on a tile is longer than the processor looks ahead. (GCC 12 leaves out
 * a function of nothing but prefetches, as one without effect.) */
static void run_fetching(const fused_job *job, const fused_node *node, int64_t from, int64_t n,
                         cr_run *r, cr_binding *bind)
{
    enum { LINE = 64 / sizeof(float) };
    from += node == job->plan->node ? 0 : n;
    for (int64_t i = 0; i < n; i += FUSED_PIECE) {
        for (uint64_t left = node->fetched; left; left &= left - 1) {
            int at = job->plan->value[__builtin_ctzll(left)].at;
            for (int64_t k = 0; k < FUSED_PIECE; k += LINE)
                __builtin_prefetch((const float *)cpu_at(job->run, at) + from + i + k, 0, 2);
        }
        node->piece->run(node->piece, r);
        for (int v = 0; v < node->nvalues; v++)
            bind[v].offset += FUSED_PIECE * sizeof(float);
    }
}

static void run_node(const fused_job *job, const fused_node *node, int which, int64_t from,
                     const cr_binding *where)
{
    const fused_plan *p = job->plan;
    cr_binding bind[FUSED_OPERANDS + 1];
    for (int i = 0; i < node->nvalues; i++)
        bind[i] = where[node->value[i]];
    cr_run r = {
        .struct_size = sizeof r, .values = bind, .numbers = job->run->numbers + node->number_at};
    if (node->norm)
        run_norm(node->norm, job->run, from, p->length[which], cpu_at(&r, 0), cpu_at(&r, 1));
    else if (node->piece && p->length[which] % FUSED_PIECE == 0)
        run_fetching(job, node, from, p->length[which], &r, bind);
    else
        node->plan[which]->run(node->plan[which], &r);
}

/* to: where the tile's rows, or its piece of a row, go. */
static void run_tail(const fused_tail *tail, int which, const cr_binding *where, float *to)
{
    cr_binding bind[2] = {where[tail->value], memory(to)};
    cr_run r = {.struct_size = sizeof r, .values = bind};
    tail->plan[which]->run(tail->plan[which], &r);
}

static int length_for(const fused_plan *p, int64_t n)
{
    int which = 0;
    while (p->length[which] > n)
        which++;
    return which;
}

/* Elements [from, from + length[which]) through all nodes. */
static void run_tile(const fused_job *job, int64_t from, int which, tile_buffer *tiles,
                     cr_binding *where)
{
    const fused_plan *p = job->plan;
    int64_t n = p->length[which];
    place_values(job, from, n, tiles, where);
    for (int k = 0; k < p->nnodes; k++)
        run_node(job, &p->node[k], which, from, where);
    for (int v = 0; v < p->nvalues && p->stream; v++)
        if (p->value[v].place == FUSED_OUTPUT)
            CPU_NAME(cpu_stream)
    ((size_t)n * sizeof(float), tiles[p->value[v].tile],
     (float *)cpu_at(job->run, p->value[v].at) + from);
}

static void fill_constants(const fused_job *job, int64_t n, tile_buffer *tiles)
{
    const fused_plan *p = job->plan;
    for (int v = 0; v < p->nvalues; v++)
        if (p->value[v].place == FUSED_REPEAT && p->value[v].period == 1)
            repeat(cpu_at(job->run, p->value[v].at), FUSED_TILE, 1, 0,
                   n < FUSED_TILE ? n : FUSED_TILE, tiles[p->value[v].tile]);
}

static void run_range(void *context, int64_t begin, int64_t end)
{
    const fused_job *job = context;
    const fused_plan *p = job->plan;
    _Alignas(64) tile_buffer tiles[FUSED_TILES];
    cr_binding where[FUSED_VALUES];
    fill_constants(job, end - begin, tiles);
    for (int64_t i = begin; i < end;) {
        int which = length_for(p, end - i);
        run_tile(job, i, which, tiles, where);
        if (p->tail.there)
            run_tail(&p->tail, which, where,
                     (float *)cpu_at(job->run, p->tail.at) + i / p->tail.terms);
        i += p->length[which];
    }
}

/* Pieces of rows that are longer than a tile. */
static void run_pieces(void *context, int64_t begin, int64_t end)
{
    const fused_job *job = context;
    const fused_plan *p = job->plan;
    const fused_tail *tail = &p->tail;
    _Alignas(64) tile_buffer tiles[FUSED_TILES];
    cr_binding where[FUSED_VALUES];
    float *parts = (float *)(void *)workspace_at(job->run, tail->workspace);
    fill_constants(job, FUSED_TILE, tiles);
    for (int64_t piece = begin; piece < end; piece++) {
        int64_t at = piece % tail->pieces * FUSED_TILE;
        int which = length_for(p, tail->terms - at);
        run_tile(job, piece / tail->pieces * tail->terms + at, which, tiles, where);
        run_tail(tail, which, where, parts + piece);
    }
}

/* ---- the whole ---- */

static cr_status run_chain(fused_job *job)
{
    const fused_plan *p = job->plan;
    if (!p->tail.pieces_plan) {
        cpu_parallel(p->numel, p->length[0], p->cost, run_range, job);
        return CR_OK;
    }
    cpu_parallel(p->tail.rows * p->tail.pieces, 1, p->cost * FUSED_TILE, run_pieces, job);
    cr_binding bind[2] = {memory(workspace_at(job->run, p->tail.workspace)),
                          job->run->values[p->tail.at]};
    cr_run r = {.struct_size = sizeof r, .values = bind};
    return p->tail.pieces_plan->run(p->tail.pieces_plan, &r);
}

cr_status CPU_NAME(fused_run)(cr_plan *plan, const cr_run *run)
{
    const fused_plan *p = (const fused_plan *)plan;
    fused_job job = {p, run};
    for (int k = 0; k < p->nnodes; k++)
        if (p->node[k].norm)
            prepare_norm(p->node[k].norm, run);
    cr_plan *head = p->head.plan;
    if (!head)
        return run_chain(&job);
    cr_binding bind[FUSED_HEAD_VALUES];
    for (int i = 0; i < p->head.nvalues; i++)
        bind[i] = run->values[p->head.at[i]];
    cr_run r = {.struct_size = sizeof r,
                .values = bind,
                .numbers = run->numbers,
                .workspace = run->workspace};
    head->written = head->tells ? run_range : NULL;
    head->written_context = &job;
    cr_status status = head->run(head, &r);
    head->written = NULL;
    return status == CR_OK && !head->tells ? run_chain(&job) : status;
}

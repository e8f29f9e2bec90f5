/* Reorders: images turned in a step, and weights, or any value, in a stage of their own. */
#include <stdlib.h>

#include "blocked.h"

static cr_status out_of_memory(const dn_plan *plan)
{
    return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "%s: no memory for a plan", plan->text);
}

/* A job as a plan holds it; null after the host was told why. */
static void *copy_of(const dn_plan *plan, const void *job, size_t bytes)
{
    void *copy = malloc(bytes);
    if (copy)
        memcpy(copy, job, bytes);
    else
        out_of_memory(plan);
    return copy;
}

/* ---- steps ---- */

/* A step of two operands, which a kernel of ours does. */
static cr_status add_step(dn_plan *plan, dn_stage *stage, int number, dn_where where_from,
                          dn_where where_to)
{
    if (number >= DN_STEPS || stage->items % stage->piece)
        return cpu_host->fail(cpu_host, CR_FAILED, "%s: too many steps, or pieces that differ",
                              plan->text);
    dn_step *step = &stage->step[number];
    step->operand = calloc(2, sizeof *step->operand);
    if (!step->operand)
        return out_of_memory(plan);
    step->count = 2;
    step->operand[0].where = where_from;
    step->operand[1].where = where_to;
    stage->nsteps = number >= stage->nsteps ? number + 1 : stage->nsteps;
    return CR_OK;
}

cr_status dn_step_turn(dn_plan *plan, dn_stage *stage, int number, const dn_turn_job *job,
                       dn_where where_from, dn_where where_to)
{
    cr_status status = add_step(plan, stage, number, where_from, where_to);
    if (status == CR_OK && !(stage->step[number].turn = copy_of(plan, job, sizeof *job)))
        status = CR_OUT_OF_MEMORY;
    return status;
}

/* Whether the places of a kernel lie as in one row, `tap` apart. */
static bool is_row(const dn_blocks *b, int rank, int64_t *taps, int64_t *tap)
{
    *taps = 1;
    *tap = b->stride[rank - 1];
    for (int d = rank - 1; d >= 2; d--) {
        if (b->size[d] > 1 && b->stride[d] != *taps * *tap)
            return false;
        *taps *= b->size[d];
    }
    return true;
}

bool dn_turns_weights(const cr_meta *like, const dn_md *blocked, bool in, dn_weights_job *job)
{
    dn_blocks b;
    *job = (dn_weights_job){.in = in};
    if (like->dtype != CR_F32 || like->layout || like->rank < 3 || !cpu_is_contiguous(like) ||
        like->size[0] % 16 || !dn_md_blocks(blocked, like->rank, &b) ||
        !is_row(&b, like->rank, &job->taps, &job->tap))
        return false;
    job->outputs = like->size[0];
    job->inputs = like->size[1];
    job->output = b.stride[0];
    if (b.count == 1 && b.dimension[0] == 0 && b.block[0] % 16 == 0) {
        job->block = b.block[0];
        job->input = 16 * b.stride[1];
        job->input_step = b.stride[1];
        return true;
    }
    job->inputs_beside = b.dimension[1] == 1;
    job->block = job->input_step = 16;
    job->input = b.stride[1];
    return b.count == 2 && b.block[0] == 16 && b.block[1] == 16 &&
           b.dimension[0] + b.dimension[1] == 1 && b.dimension[0] != b.dimension[1];
}

cr_status dn_step_weights(dn_plan *plan, dn_stage *stage, int number, const dn_weights_job *job,
                          dn_where where_from, dn_where where_to)
{
    cr_status status = add_step(plan, stage, number, where_from, where_to);
    if (status == CR_OK && !(stage->step[number].weights = copy_of(plan, job, sizeof *job)))
        status = CR_OUT_OF_MEMORY;
    return status;
}

/* ---- stages, for all threads ---- */

/* Of the first dimension in a piece: oneDNN's blocks of it have 32 at the most. */
enum { ROWS = 32 };

/* The first ROWS of a side, whose `where` advances to the next. */
static bool cut(const dn_side *side, const cr_meta *like, dn_md *part, dn_where *where)
{
    int64_t size[CR_MAX_RANK], offset, none;
    dn_md next;
    memcpy(size, like->size, sizeof size);
    size[0] = ROWS;
    dnnl_status_t made = dn_md_part(&next, side->md, like->rank, size, ROWS, &offset);
    dn_md_free(&next);
    if (made || dn_md_part(part, side->md, like->rank, size, 0, &none))
        return false;
    *where = side->where;
    where->advance = (size_t)offset * side->each / (where->place == DN_VALUE ? ROWS : 1);
    return true;
}

/* False: not taken. */
static bool turn_weights(dn_plan *plan, const cr_meta *like, double cost, const dn_side *from,
                         const dn_side *to, cr_status *status)
{
    dn_weights_job job;
    dn_md rows;
    if (dn_md_of_meta(&rows, like, NULL))
        return false;
    const bool in = dn_md_equal(&rows, from->md), out = dn_md_equal(&rows, to->md);
    dn_md_free(&rows);
    if (in == out || !dn_turns_weights(like, in ? to->md : from->md, in, &job))
        return false;
    const int64_t items = dn_weights_items(&job);
    dn_stage *stage = dn_stage_add(plan, items, 0, cost / (double)(items ? items : 1));
    *status = stage ? CR_OK : CR_UNSUPPORTED;
    if (!stage)
        return true;
    stage->weights = copy_of(plan, &job, sizeof job);
    if (!stage->weights)
        *status = CR_OUT_OF_MEMORY;
    stage->from = from->where;
    stage->to = to->where;
    return true;
}

cr_status dn_stage_reorder(dn_plan *plan, const cr_meta *like, double cost, const dn_side *from,
                           const dn_side *to)
{
    cr_status status = CR_OK;
    if (like && turn_weights(plan, like, cost, from, to, &status))
        return status;
    dn_md from_part = {0}, to_part = {0};
    dn_where from_where, to_where;
    const int64_t rows = like && like->rank ? like->size[0] : 1;
    if (rows > ROWS && rows % ROWS == 0 && cut(from, like, &from_part, &from_where) &&
        cut(to, like, &to_part, &to_where)) {
        dn_stage *stage = dn_stage_add(plan, rows, ROWS, cost / (double)rows);
        status =
            stage ? dn_step_reorder(plan, stage, 0, 0, &from_part, from_where, &to_part, to_where)
                  : CR_UNSUPPORTED;
        dn_md_free(&from_part);
        dn_md_free(&to_part);
        return status;
    }
    dn_md_free(&from_part);
    dn_md_free(&to_part);
    from_where = from->where;
    to_where = to->where;
    from_where.advance = to_where.advance = 0;
    dn_stage *stage = dn_stage_add(plan, 1, 1, cost);
    return stage ? dn_step_reorder(plan, stage, 0, 0, from->md, from_where, to->md, to_where)
                 : CR_UNSUPPORTED;
}

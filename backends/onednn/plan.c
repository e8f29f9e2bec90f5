/* Plans: building their stages, and running these piece by piece. */
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "blocked.h"
#include "posts.h"

enum { MOST_SLOTS = 64, ALIGN = 64 };

/* ---- oneDNN's threads ---- */

int dn_enter(void)
{
    int before = omp_get_max_threads();
    if (before != 1)
        omp_set_num_threads(1);
    return before;
}

void dn_leave(int before)
{
    if (before != 1)
        omp_set_num_threads(before);
}

int dn_most_threads(void)
{
    static int known;
    if (!known) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        known = cores < 1 ? 1 : cores > MOST_SLOTS ? MOST_SLOTS : (int)cores;
    }
    return known;
}

/* ---- running ---- */

void *dn_address(const dn_plan *plan, const cr_run *run, const dn_where *where, int slot)
{
    if (where->place == DN_VALUE)
        return (char *)cpu_at(run, where->at) + where->offset;
    size_t at = where->offset;
    if (where->place == DN_SLOT)
        at += plan->shared + (size_t)slot * plan->slot;
    return (char *)run->workspace.buffer + run->workspace.offset + at;
}

typedef struct stage_run {
    dn_plan *plan;
    const dn_stage *stage;
    const cr_run *run;
    atomic_int status; /* the first failure's dnnl_status_t */
} stage_run;

/* A slot that nobody uses. There are as many as threads were possible when the plan was made; a thread beyond them
 * waits for a piece to end. */
static int take_slot(dn_plan *plan, int slots)
{
    for (;;) {
        unsigned long long taken = atomic_load(&plan->taken);
        for (int i = 0; i < slots; i++)
            if (!(taken >> i & 1)) {
                if (atomic_compare_exchange_weak(&plan->taken, &taken, taken | 1ull << i))
                    return i;
                i = -1; /* taken was read anew */
            }
        sched_yield();
    }
}

/* Where a piece's part of an operand is. */
static char *operand_at(const stage_run *r, const dn_operand *operand, int64_t piece, int slot)
{
    const dn_where *where = &operand->where;
    int64_t steps = where->place == DN_VALUE ? piece * r->stage->piece : piece;
    return (char *)dn_address(r->plan, r->run, where, slot) + (size_t)steps * where->advance;
}

static void run_turn(const stage_run *r, const dn_step *step, int64_t piece, int slot)
{
    void *from = operand_at(r, &step->operand[0], piece, slot);
    void *to = operand_at(r, &step->operand[1], piece, slot);
    if (step->turn) {
        dn_turn_job job = *step->turn;
        job.plain = job.in ? from : to;
        job.blocked = job.in ? to : from;
        dn_kernels()->turn_images(&job, 0, dn_turn_items(&job));
    } else {
        dn_weights_job job = *step->weights;
        job.plain = job.in ? from : to;
        job.blocked = job.in ? to : from;
        dn_kernels()->turn_weights(&job, 0, dn_weights_items(&job));
    }
}

static dnnl_status_t run_step(const stage_run *r, const dn_step *step, int64_t piece, int slot)
{
    if (step->turn || step->weights) {
        run_turn(r, step, piece, slot);
        return dnnl_success;
    }
    const dn_stage *stage = r->stage;
    int variant = piece * stage->piece + stage->piece > stage->items;
    dnnl_memory_t *memory = step->memory[variant] + (size_t)slot * (size_t)step->count;
    dnnl_exec_arg_t args[DN_OPERANDS];
    void *address[DN_OPERANDS];
    for (int i = 0; i < step->count; i++) {
        char *at = operand_at(r, &step->operand[i], piece, slot);
        dnnl_status_t status = dnnl_memory_set_data_handle(memory[i], at);
        if (status != dnnl_success)
            return status;
        args[i] = (dnnl_exec_arg_t){step->operand[i].arg, memory[i]};
        address[i] = at;
    }
    dnnl_status_t status =
        dnnl_primitive_execute(step->primitive[variant], dn_stream, step->count, args);
    if (step->after)
        step->after(r->plan, address,
                    (variant ? stage->items - piece * stage->piece : stage->piece) * step->unit);
    return status;
}

static void run_pieces(void *context, int64_t begin, int64_t end)
{
    stage_run *r = context;
    const dn_stage *stage = r->stage;
    int slot = take_slot(r->plan, stage->slots), before = dn_enter();
    for (int64_t piece = begin; piece < end && !atomic_load(&r->status); piece++)
        for (int i = 0; i < stage->nsteps; i++) {
            int status = (int)run_step(r, &stage->step[i], piece, slot);
            if (status != dnnl_success) {
                atomic_store(&r->status, status);
                break;
            }
        }
    dn_leave(before);
    atomic_fetch_and(&r->plan->taken, ~(1ull << slot));
}

static void run_plain(void *context, int64_t begin, int64_t end)
{
    stage_run *r = context;
    r->stage->plain(r->plan, r->run, begin, end);
}

static void run_weights(void *context, int64_t begin, int64_t end)
{
    const stage_run *r = context;
    const dn_stage *stage = r->stage;
    dn_weights_job job = *stage->weights;
    job.plain = dn_address(r->plan, r->run, job.in ? &stage->from : &stage->to, 0);
    job.blocked = dn_address(r->plan, r->run, job.in ? &stage->to : &stage->from, 0);
    dn_kernels()->turn_weights(&job, begin, end);
}

cr_status dn_plan_run(cr_plan *base, const cr_run *run)
{
    dn_plan *plan = (dn_plan *)base;
    for (int i = 0; i < plan->nstages; i++) {
        const dn_stage *stage = &plan->stage[i];
        stage_run r = {.plan = plan, .stage = stage, .run = run};
        if (stage->plain || stage->weights) {
            cpu_parallel(stage->items, 1, stage->cost, stage->plain ? run_plain : run_weights, &r);
            continue;
        }
        int64_t pieces = (stage->items + stage->piece - 1) / stage->piece;
        cpu_parallel(pieces, 1, stage->cost * (double)stage->piece, run_pieces, &r);
        int status = atomic_load(&r.status);
        if (status != dnnl_success) {
            cr_status failed = dn_status(plan, (dnnl_status_t)status, "run");
            return failed == CR_UNSUPPORTED ? CR_FAILED : failed;
        }
    }
    return CR_OK;
}

/* ---- building ---- */

static void free_step(dn_step *step, int slots)
{
    for (int v = 0; v < 2; v++) {
        for (int i = 0; step->memory[v] && i < slots * step->count; i++)
            if (step->memory[v][i])
                dnnl_memory_destroy(step->memory[v][i]);
        free(step->memory[v]);
        if (step->primitive[v])
            dnnl_primitive_destroy(step->primitive[v]);
    }
    free(step->operand);
    free(step->turn);
    free(step->weights);
}

void dn_plan_destroy(cr_plan *base)
{
    dn_plan *plan = (dn_plan *)base;
    for (int i = 0; i < plan->nstages; i++) {
        for (int j = 0; j < DN_STEPS; j++)
            free_step(&plan->stage[i].step[j], plan->stage[i].slots);
        free(plan->stage[i].weights);
    }
    free(plan->posts);
}

static void describe(dn_plan *plan, const cpu_call *call)
{
    static const char *const names[] = {
#define NAME_(name, number, bytes, text) [number] = text,
        CR_DTYPES(NAME_)
#undef NAME_
    };
    size_t room = sizeof plan->text, at = 0;
#define SAY(...) at += at < room ? (size_t)snprintf(plan->text + at, room - at, __VA_ARGS__) : 0
    SAY("%s(", call->node->op);
    for (uint32_t i = 0; i < call->nin; i++) {
        const cr_meta *m = call->in[i];
        SAY("%s%s[", i ? ", " : "", m ? names[m->dtype] : "none");
        for (int d = 0; m && d < m->rank; d++)
            SAY("%s%lld", d ? ", " : "", (long long)m->size[d]);
        SAY("]");
    }
    SAY(")");
#undef SAY
}

void *dn_plan_new(const cpu_call *call, size_t bytes)
{
    dn_plan *plan = cpu_plan_new(bytes, dn_plan_run, dn_plan_destroy);
    if (plan) {
        describe(plan, call);
        plan->slots = 1;
    }
    return plan;
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

dn_plan *dn_plan_within(const dn_plan *of)
{
    dn_plan *plan = cpu_plan_new(sizeof *plan, dn_plan_run, dn_plan_destroy);
    if (plan) {
        memcpy(plan->text, of->text, sizeof plan->text);
        plan->slots = 1;
    }
    return plan;
}

size_t dn_plan_workspace(const dn_plan *plan)
{
    return plan->shared + plan->slot * (size_t)plan->slots;
}

cr_status dn_plan_done(dn_plan *plan, const cpu_call *call, cr_status status, cr_plan **out)
{
    size_t slots = 0;
    if (status == CR_OK && (__builtin_mul_overflow(plan->slot, (size_t)plan->slots, &slots) ||
                            __builtin_add_overflow(plan->shared, slots, &call->info->workspace)))
        status =
            cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "%s: its workspace overflows", plan->text);
    if (status == CR_OK) {
        *out = &plan->base;
    } else {
        plan->base.destroy(&plan->base);
        free(plan);
    }
    return status;
}

dn_stage *dn_stage_add(dn_plan *plan, int64_t items, int64_t piece, double cost)
{
    if (plan->nstages == DN_STAGES)
        return NULL;
    dn_stage *stage = &plan->stage[plan->nstages++];
    stage->items = items;
    stage->piece = piece ? piece : items;
    stage->cost = cost;
    int64_t pieces = (items + stage->piece - 1) / stage->piece;
    stage->slots = pieces < dn_most_threads() ? (int)pieces : dn_most_threads();
    plan->slots = stage->slots > plan->slots ? stage->slots : plan->slots;
    plan->slot_now = 0;
    return stage;
}

bool dn_take_shared(dn_plan *plan, size_t bytes, dn_where *where)
{
    *where = (dn_where){.place = DN_SHARED, .offset = plan->shared_now};
    if (bytes >= SIZE_MAX - ALIGN ||
        __builtin_add_overflow(plan->shared_now, rounded(bytes), &plan->shared_now))
        return false;
    plan->shared = plan->shared_now > plan->shared ? plan->shared_now : plan->shared;
    return true;
}

void dn_free_shared(dn_plan *plan)
{
    plan->shared_now = 0;
}

bool dn_take_slot(dn_plan *plan, size_t bytes, dn_where *where)
{
    *where = (dn_where){.place = DN_SLOT, .offset = plan->slot_now};
    if (bytes >= SIZE_MAX - ALIGN ||
        __builtin_add_overflow(plan->slot_now, rounded(bytes), &plan->slot_now))
        return false;
    plan->slot = plan->slot_now > plan->slot ? plan->slot_now : plan->slot;
    return true;
}

/* oneDNN's plain loops, there to be right and not to be fast: the cpu backend's are better. Recurrent layers have that name
 * where they are made of products, which are fast. */
static bool is_reference(dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    dnnl_primitive_kind_t kind = dnnl_undefined_primitive;
    return dnnl_primitive_desc_query(pd, dnnl_query_primitive_kind, 0, &kind) == dnnl_success &&
           kind != dnnl_rnn &&
           dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
           name && (!strncmp(name, "ref", 3) || !strncmp(name, "x64:ref", 7));
}

static dnnl_status_t make_memories(dn_step *step, int variant, int slots, const dn_md *const *mds)
{
    size_t count = (size_t)slots * (size_t)step->count;
    dnnl_memory_t *memory = step->memory[variant] = calloc(count ? count : 1, sizeof *memory);
    if (!memory)
        return dnnl_out_of_memory;
    for (int s = 0; s < slots; s++)
        for (int i = 0; i < step->count; i++) {
            dnnl_status_t status = dnnl_memory_create(memory + s * step->count + i, dn_raw(mds[i]),
                                                      dn_engine, DNNL_MEMORY_NONE);
            if (status != dnnl_success)
                return status;
        }
    return dnnl_success;
}

/* Sets a step with its scratchpad; the descriptor stays the caller's. */
static cr_status set_step(dn_plan *plan, dn_stage *stage, int number, int variant,
                          dnnl_primitive_desc_t pd, const dn_operand *operands,
                          const dn_md *const *mds, int count)
{
    dn_step *step = &stage->step[number];
    dn_md scratchpad;
    const dn_md *all[DN_OPERANDS];
    if (number >= DN_STEPS || count >= DN_OPERANDS)
        return cpu_host->fail(cpu_host, CR_FAILED, "%s: too many steps or operands", plan->text);
    if (is_reference(pd))
        return CR_UNSUPPORTED;
    if (!step->operand && !(step->operand = calloc((size_t)count + 1, sizeof *step->operand)))
        return cpu_host->fail(cpu_host, CR_OUT_OF_MEMORY, "%s: no memory for a plan", plan->text);
    stage->nsteps = number >= stage->nsteps ? number + 1 : stage->nsteps;
    dnnl_status_t status = dn_md_of(&scratchpad, pd, dnnl_query_scratchpad_md);
    size_t bytes = status == dnnl_success ? dn_md_bytes(&scratchpad) : 0;
    memcpy(all, mds, (size_t)count * sizeof *all);
    memcpy(step->operand, operands, (size_t)count * sizeof *operands);
    if (bytes) {
        all[count] = &scratchpad;
        step->operand[count].arg = DNNL_ARG_SCRATCHPAD;
        if (bytes > step->scratch && !dn_take_slot(plan, bytes, &step->operand[count].where))
            status = dnnl_out_of_memory;
        step->scratch = bytes > step->scratch ? bytes : step->scratch; /* both variants' */
        count++;
    }
    if (variant && step->count != count) { /* memories of both variants are laid out alike */
        if (status == dnnl_success || bytes)
            dn_md_free(&scratchpad);
        return CR_UNSUPPORTED;
    }
    step->count = count;
    if (status == dnnl_success)
        status = dnnl_primitive_create(&step->primitive[variant], pd);
    if (status == dnnl_success)
        status = make_memories(step, variant, stage->slots, all);
    dn_md_free(&scratchpad);
    return dn_status(plan, status, "make");
}

cr_status dn_step_set(dn_plan *plan, dn_stage *stage, int step, int variant,
                      dnnl_primitive_desc_t pd, const dn_operand *operands, const dn_md *const *mds,
                      int count)
{
    cr_status status = set_step(plan, stage, step, variant, pd, operands, mds, count);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

cr_status dn_step_reorder(dn_plan *plan, dn_stage *stage, int step, int variant, const dn_md *from,
                          dn_where where_from, const dn_md *to, dn_where where_to)
{
    dnnl_primitive_desc_t pd;
    dnnl_status_t made = dn_pd_reorder(&pd, dn_engine, dn_attr, from, to);
    if (made != dnnl_success)
        return dn_status(plan, made, "reorder for");
    const dn_operand operands[2] = {{DNNL_ARG_FROM, where_from}, {DNNL_ARG_TO, where_to}};
    const dn_md *mds[2] = {from, to};
    return dn_step_set(plan, stage, step, variant, pd, operands, mds, 2);
}

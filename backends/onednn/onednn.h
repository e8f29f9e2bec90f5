/* The onednn backend's inner contract. A planner (the same shape as the cpu backend's) turns a node into a dn_plan: stages
 * that run one after the other, each a chain of oneDNN primitives over pieces of its items (images, rows, batches).
 * Pieces are shared out over the backend's threads, and each piece runs on one thread: oneDNN's own threading is not
 * used, so small work stays on the calling thread and a busy neighbour costs no more than its share. */
#ifndef CRESSET_BACKENDS_ONEDNN_H
#define CRESSET_BACKENDS_ONEDNN_H

#include <stdatomic.h>

#include "compat.h"
#include "cpu.h"

extern dnnl_engine_t dn_engine;
extern dnnl_stream_t dn_stream;
/* Scratchpads come from the caller; _sum: the result is added to the output. */
extern dnnl_primitive_attr_t dn_attr, dn_attr_sum;

enum { DN_OPERANDS = 20, DN_STEPS = 6, DN_STAGES = 8 };

/* Where an operand's memory lies. */
typedef enum dn_place {
    DN_VALUE,  /* the graph's value number `at`, `offset` bytes in */
    DN_SHARED, /* the workspace, `offset` bytes in: one for all pieces */
    DN_SLOT    /* the part of the workspace of whoever runs the piece, `offset` bytes in */
} dn_place;

typedef struct dn_where {
    dn_place place;
    int at;
    size_t offset;
    size_t
        advance; /* bytes: DN_VALUE from one item to the next, DN_SHARED from one piece to the next */
} dn_where;

typedef struct dn_operand {
    int arg; /* DNNL_ARG_… */
    dn_where where;
} dn_operand;

typedef struct dn_plan dn_plan;

struct dn_turn_job; /* both: blocked.h */
struct dn_weights_job;

/* One primitive, or a turn. [0] is for whole pieces, [1] for a shorter last one. */
typedef struct dn_step {
    dnnl_primitive_t primitive[2];
    dnnl_memory_t *memory[2]; /* [slots · count] */
    int count;
    size_t scratch;      /* bytes of the scratchpad, the last operand; 0: there is none */
    dn_operand *operand; /* [count] */
    /* Optional: follows the primitive; at[i] is where operand i is, of `rows` rows, `unit` of them an item. */
    void (*after)(const dn_plan *plan, void *const *at, int64_t rows);
    int64_t unit;
    /* Instead of a primitive: images or weights out of blocks or into them, operand 0 to 1; owned. */
    struct dn_turn_job *turn;
    struct dn_weights_job *weights;
} dn_step;

typedef struct dn_stage {
    int64_t items, piece; /* the last piece is shorter where piece does not divide items */
    double cost;          /* nanoseconds an item, roughly */
    int slots;            /* how many of its pieces can run at once */
    int nsteps;
    dn_step step[DN_STEPS];
    /* Instead of steps: plain work on the items. */
    void (*plain)(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end);
    /* Or: weights turned by a kernel, one to the other, items as it counts them; owned. */
    struct dn_weights_job *weights;
    dn_where from, to;
} dn_stage;

struct dn_plan {
    struct cr_plan base;
    char text[256];              /* for messages: the operation and its inputs' shapes */
    int slots;                   /* of the stage with the most */
    size_t shared, slot;         /* bytes: what comes before the slots, a slot */
    size_t shared_now, slot_now; /* the same, as far as it is taken by what is being built */
    atomic_ullong taken;         /* slots in use, as bits */
    struct dn_posts *posts;      /* what follows in the graph (posts.h), owned; or null */
    int nstages;
    dn_stage stage[DN_STAGES];
};

/* A plan of `bytes`, which begin with a dn_plan, for the call; null after the host was told why. */
void *dn_plan_new(const cpu_call *call, size_t bytes);
/* Closes the plan: tells the core how much workspace is needed. Frees the plan and gives the status on failure; `status`
 * is what building it gave. */
cr_status dn_plan_done(dn_plan *plan, const cpu_call *call, cr_status status, cr_plan **out);

/* A plan of the backend's own, for a part of `of`, and the way to run and to free it. The workspace is
 * dn_plan_workspace bytes. */
dn_plan *dn_plan_within(const dn_plan *of);
size_t dn_plan_workspace(const dn_plan *plan);
cr_status dn_plan_run(cr_plan *plan, const cr_run *run);
void dn_plan_destroy(cr_plan *plan); /* what it holds, but not itself */

/* The next stage; its pieces are all made alike by steps added after it. piece 0 is all items in one. Null when there are
 * too many. */
dn_stage *dn_stage_add(dn_plan *plan, int64_t items, int64_t piece, double cost);

/* Adds a primitive for whole pieces (variant 0) or the last (variant 1) to the stage: step number `step`. Takes the
 * descriptor over. mds[i] describes operands[i]; the scratchpad is added. A primitive that would run oneDNN's reference
 * code is CR_UNSUPPORTED. */
cr_status dn_step_set(dn_plan *plan, dn_stage *stage, int step, int variant,
                      dnnl_primitive_desc_t pd, const dn_operand *operands, const dn_md *const *mds,
                      int count);
/* The same for a reorder. */
cr_status dn_step_reorder(dn_plan *plan, dn_stage *stage, int step, int variant, const dn_md *from,
                          dn_where where_from, const dn_md *to, dn_where where_to);
/* The same for images that a kernel of our own turns (blocked.h), a piece's; the job has no addresses yet. */
cr_status dn_step_turn(dn_plan *plan, dn_stage *stage, int step, const struct dn_turn_job *job,
                       dn_where where_from, dn_where where_to);
/* The same for a convolution's weights. */
cr_status dn_step_weights(dn_plan *plan, dn_stage *stage, int step,
                          const struct dn_weights_job *job, dn_where where_from, dn_where where_to);
/* Whether our own kernel brings weights of the sizes `like`, f32 and row-major, to the layout `blocked` or back, and the job. */
bool dn_turns_weights(const cr_meta *like, const dn_md *blocked, bool in,
                      struct dn_weights_job *job);

/* A value on one side of a reorder: what it is, where it lies (its advance is not read), and the bytes of an element. */
typedef struct dn_side {
    const dn_md *md;
    dn_where where;
    size_t each;
} dn_side;
/* A stage that reorders. like: the sizes of both, of which the first dimension is cut for all threads where both sides' blocks
 * allow; null: it is one piece. cost: of the whole. */
cr_status dn_stage_reorder(dn_plan *plan, const cr_meta *like, double cost, const dn_side *from,
                           const dn_side *to);

/* Room in the workspace. False when the sum overflows. */
bool dn_take_shared(dn_plan *plan, size_t bytes, dn_where *where);
/* The stages to come no longer need what those before have taken together. */
void dn_free_shared(dn_plan *plan);
bool dn_take_slot(dn_plan *plan, size_t bytes, dn_where *where);

/* The address of an operand's first item. */
void *dn_address(const dn_plan *plan, const cr_run *run, const dn_where *where, int slot);

/* The graph's value `at`. */
static inline dn_where dn_value(int at, size_t advance)
{
    return (dn_where){DN_VALUE, at, 0, advance};
}

/* ---- values ---- */

/* dnnl_data_type_undef where oneDNN has no such dtype. */
dnnl_data_type_t dn_type(int32_t dtype);
/* Whether products and convolutions are made of it: f32, bf16, and from oneDNN 3 on f16. */
bool dn_multiplies(int32_t dtype);
/* Element `at` of an array of such floats. */
float dn_read(int32_t dtype, const void *from, int64_t at);
void dn_write(int32_t dtype, void *to, int64_t at, float x);
/* The value's descriptor with other sizes (null: its own), as a row-major or channels-last one where it is such. Broadcast
 * dimensions (stride 0) are dnnl_unimplemented. */
dnnl_status_t dn_md_of_meta(dn_md *md, const cr_meta *meta, const int64_t *size);
/* How many pieces `items` should be cut into: piece sizes that divide it, work of at least `grain` nanoseconds each. */
int64_t dn_piece_of(int64_t items, double cost, int wanted);
int dn_most_threads(void);
/* Whether values that are too small to be worth a primitive get one all the same: CRESSET_ONEDNN_TINY=1, for tests. */
bool dn_takes_tiny(void);

static inline float dn_from_bf16(uint16_t bits)
{
    uint32_t word = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &word, sizeof f);
    return f;
}

/* Rounded to nearest even. */
static inline uint16_t dn_to_bf16(float f)
{
    uint32_t word;
    memcpy(&word, &f, sizeof word);
    if ((word & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(word >> 16 | 0x40);
    return (uint16_t)((word + 0x7fff + (word >> 16 & 1)) >> 16);
}

/* ---- failing ---- */

/* CR_OK, CR_UNSUPPORTED for what oneDNN lacks, or an error that was told to the host with oneDNN's word for it, the
 * operation and its inputs. */
cr_status dn_status(const dn_plan *plan, dnnl_status_t status, const char *doing);

/* oneDNN on this thread uses one thread between enter and leave. */
int dn_enter(void);
void dn_leave(int before);

/* ---- the families ---- */

extern const cpu_op dn_family_matmul[], dn_family_conv[], dn_family_eltwise[];
extern const cpu_op dn_family_layout[], dn_family_norm[], dn_family_pool[];
extern const cpu_op dn_family_softmax[], dn_family_layer_norm[], dn_family_reduce[];
extern const cpu_op dn_family_resample[], dn_family_binary[], dn_family_rnn[];

#endif

/* The table, made from ops.def at the first use: rows, their in-place and out forms, and their
 * parsed schemas. */
#include "core/ops/table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/device.h"
#include "core/ops/autocast.h"
#include "core/ops/functions.h"

typedef struct row {
    const char *schema;
    bool inplace;
    const char *out;
    bool (*infer)(cr_frame *);
    cr_how how;
    cr_op_function function;
    const char *derivative;
} row;

#define cr_infer_any     NULL
#define I                true
#define N                false
#define primitive        CR_HOW_PRIMITIVE, NULL
#define memory           CR_HOW_MEMORY, NULL
#define primitive_or(fn) CR_HOW_PRIMITIVE, cr_decompose_##fn
#define kernel(fn)       CR_HOW_KERNEL, cr_decompose_##fn
#define composite(fn)    CR_HOW_COMPOSITE, cr_composite_##fn
#define view(fn)         CR_HOW_VIEW, cr_view_##fn
#define OP(id, schema, inplace, out, infer, how, grad) \
    {schema, inplace, out, cr_infer_##infer, how, #grad},

static const row rows[] = {
#include "core/ops/ops.def"
};
#undef OP

enum { NROWS = sizeof rows / sizeof *rows };

/* Summaries by row; null without a DOC. */
enum {
#define OP(id, schema, inplace, out, infer, how, grad) ROW_##id,
#include "core/ops/ops.def"
#undef OP
};
static const char *const summaries[NROWS] = {
#define DOC(id, text) [ROW_##id] = text,
#include "core/ops/op_docs.def"
#undef DOC
};

const int64_t cr_empty_list = 0;
cr_op *cr_ops_made;
static size_t nops;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static cr_schema *parse(const char *text)
{
    cr_schema whole;
    char why[128];
    if (!cr_schema_parse(text, &whole, why, sizeof why)) {
        cr_log_message(CR_LOG_WARNING, "schema %s: %s", text, why);
        return NULL;
    }
    size_t bytes = offsetof(cr_schema, args) + whole.nargs * sizeof whole.args[0];
    cr_schema *kept = malloc(bytes);
    if (!kept)
        return NULL;
    memcpy(kept, &whole, bytes);
    for (int i = 0; i < kept->nargs; i++) { /* defaults point into their own argument */
        cr_arg *arg = &kept->args[i];
        if (arg->fallback.tag == CR_INT_LIST) {
            if (arg->fixed > 1 && arg->fallback.count == arg->fixed && arg->fixed <= 3) {
                /* one number for all: the second stands for the third too, through a shared static
                 * list */
                static const int64_t zeros[3] = {0, 0, 0}, ones[3] = {1, 1, 1};
                arg->fallback.as.ints = arg->fallback_ints[0] ? ones : zeros;
            } else {
                arg->fallback.as.ints = arg->fallback_ints;
            }
        } else if (arg->fallback.tag == CR_STRING) {
            arg->fallback.as.s = arg->fallback_text;
        }
    }
    return kept;
}

static bool add(cr_op *ops, size_t r, cr_variant variant, const char *text)
{
    cr_op *op = &ops[nops];
    char *kept = variant == CR_FUNCTIONAL ? (char *)(uintptr_t)text : strdup(text);
    cr_schema *schema = kept ? parse(kept) : NULL;
    if (!schema)
        return false;
    *op = (cr_op){.name = schema->name,
                  .text = kept,
                  .schema = schema,
                  .index = (uint16_t)nops,
                  .row = (uint16_t)r,
                  .how = (uint8_t)rows[r].how,
                  .variant = (uint8_t)variant,
                  .nargs = (uint8_t)(schema->nargs - (variant == CR_OUT)),
                  .autocast = variant == CR_FUNCTIONAL ? cr_autocast_list(schema->name) : 0,
                  .infer = rows[r].infer,
                  .function = rows[r].function};
    for (int a = 0; a < schema->nargs; a++) {
        unsigned kind = op->kinds[a] = schema->args[a].type;
        op->has_lists |= kind == CR_ARG_TENSORS || kind == CR_ARG_STRING || kind == CR_ARG_DEVICE ||
                         kind == CR_ARG_INTS || kind == CR_ARG_FLOATS || kind == CR_ARG_BOOLS;
    }
    /* What inference makes of these depends on the numbers' values, not on their kinds alone. */
    op->numbers_in_key = op->infer == cr_infer_arange || op->infer == cr_infer_uniform ||
                         op->infer == cr_infer_native_dropout ||
                         op->infer == cr_infer_vector_norm ||
                         !strncmp(rows[r].schema, "pow.Tensor_Scalar", 17);
    op->own_inplace = variant == CR_FUNCTIONAL && schema->nargs && schema->args[0].written &&
                      schema->args[0].type == CR_ARG_TENSOR;
    nops++;
    return true;
}

static size_t count_names(void)
{
    return nops;
}

static const char *count_name(size_t op)
{
    return cr_op_at(op)->name;
}

static void make(void)
{
    cr_op *ops = calloc(3 * NROWS, sizeof *ops);
    char text[512];
    bool well = ops != NULL;
    for (size_t r = 0; well && r < NROWS; r++) {
        const cr_op *functional = &ops[nops];
        size_t first = nops;
        well = add(ops, r, CR_FUNCTIONAL, rows[r].schema);
        if (well && rows[r].inplace)
            well = cr_schema_inplace_text(rows[r].schema, text, sizeof text) &&
                   add(ops, r, CR_INPLACE, text);
        if (well && rows[r].out)
            well = cr_schema_out_text(rows[r].schema, rows[r].out, text, sizeof text) &&
                   add(ops, r, CR_OUT, text);
        for (size_t i = first; i < nops; i++)
            ops[i].functional = functional;
    }
    if (!well) {
        cr_fail("the table of operations could not be made (row %zu)", nops);
        return; /* what was allocated stays: nothing can go on without the table */
    }
    cr_count_names = count_names;
    cr_count_name = count_name;
    __atomic_store_n(&cr_ops_made, ops, __ATOMIC_RELEASE);
}

const cr_op *cr_ops(void)
{
    pthread_once(&once, make);
    return cr_ops_made;
}

size_t cr_op_count(void)
{
    cr_ops();
    return nops;
}

const char *cr_op_name(size_t i)
{
    const cr_op *ops = cr_ops();
    return ops && i < nops ? ops[i].name : NULL;
}

const cr_op *cr_op_find(const char *name)
{
    const cr_op *ops = cr_ops();
    const cr_op *bare = NULL;
    if (!name || !ops)
        return NULL;
    size_t length = strlen(name);
    for (size_t i = 0; i < nops; i++) {
        if (*ops[i].name != *name || strncmp(ops[i].name, name, length))
            continue;
        if (!ops[i].name[length])
            return &ops[i];
        if (!bare && ops[i].schema->bare == length)
            bare = &ops[i];
    }
    return bare;
}

int cr_op_describe(size_t i, cr_op_info *info)
{
    if (i >= cr_op_count())
        return CR_FAIL_INT("cr_op_describe: there is no row %zu", i);
    const cr_op *op = cr_op_at(i);
    const char *derivative = rows[op->row].derivative;
    *info = (cr_op_info){.name = op->name,
                         .schema = op->text,
                         .kind = (cr_op_kind)op->how,
                         .decomposes = op->function && op->how != CR_HOW_VIEW,
                         .derivative = strcmp(derivative, "none") ? derivative : NULL,
                         .summary = summaries[op->row] ? summaries[op->row] : ""};
    return 0;
}

const char *cr_op_schema(const char *name)
{
    const cr_op *op = cr_op_find(name);
    return op ? op->text : NULL;
}

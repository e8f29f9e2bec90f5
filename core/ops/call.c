/* The boxed call: values are matched with a schema, brought into its types, and the operation is
 * invoked. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "core/ops/table.h"

_Static_assert(sizeof(cr_value) == 24, "cr_value is 24 bytes, as bindings lay it out");

/* ---- one value into one argument ---- */

static const char *tag_name(int32_t tag)
{
    static const char *const names[] = {"none",  "Tensor",  "int",    "float",
                                        "bool",  "str",     "dtype",  "Device",
                                        "int[]", "float[]", "bool[]", "Tensor[]"};
    return (size_t)tag < sizeof names / sizeof *names ? names[tag] : "an unknown tag";
}

typedef struct room {
    int64_t ints[CR_MAX_ARGS][8]; /* numbers spread into fixed lists */
    double floats[CR_MAX_ARGS][8];
} room;

/* Whether v can stand where arg is; to gets it in the argument's type. */
static bool fit(const cr_arg *arg, int a, const cr_value *v, cr_value *to, room *m)
{
    *to = *v;
    if (v->tag == CR_NONE)
        return arg->optional || arg->type == CR_ARG_LAYOUT || arg->type == CR_ARG_GENERATOR ||
               arg->type == CR_ARG_MEMORY_FORMAT;
    switch (arg->type) {
    case CR_ARG_TENSOR: return v->tag == CR_TENSOR;
    case CR_ARG_TENSORS: return v->tag == CR_TENSOR_LIST;
    case CR_ARG_SCALAR: return v->tag == CR_INT || v->tag == CR_FLOAT || v->tag == CR_BOOL;
    case CR_ARG_INT: return v->tag == CR_INT || v->tag == CR_BOOL;
    case CR_ARG_FLOAT:
        if (v->tag == CR_INT || v->tag == CR_BOOL)
            *to = cr_v_float((double)v->as.i);
        return v->tag == CR_INT || v->tag == CR_FLOAT || v->tag == CR_BOOL;
    case CR_ARG_BOOL:
        if (v->tag == CR_INT && (v->as.i == 0 || v->as.i == 1))
            to->tag = CR_BOOL;
        return to->tag == CR_BOOL;
    case CR_ARG_STRING: return v->tag == CR_STRING;
    case CR_ARG_DEVICE: to->tag = CR_DEVICE; return v->tag == CR_DEVICE || v->tag == CR_STRING;
    case CR_ARG_DTYPE:
        if (v->tag == CR_STRING) {
            to->as.i = cr_dtype_by_name(v->as.s);
            to->tag = CR_DTYPE;
        }
        return to->tag == CR_DTYPE && cr_dtype_size((cr_dtype)to->as.i);
    case CR_ARG_INTS:
        if (v->tag == CR_INT && arg->fixed && arg->fixed <= 8) { /* an int goes where int[N] is */
            for (int i = 0; i < arg->fixed; i++)
                m->ints[a][i] = v->as.i;
            *to = cr_v_ints(m->ints[a], arg->fixed);
            return true;
        }
        if (v->tag == CR_INT_LIST && !v->count)
            to->as.ints = &cr_empty_list;
        if (v->tag == CR_INT_LIST && v->count == 1 && arg->fixed > 1 && arg->fixed <= 8) {
            for (int i = 0; i < arg->fixed; i++)
                m->ints[a][i] = v->as.ints[0];
            *to = cr_v_ints(m->ints[a], arg->fixed);
        }
        return v->tag == CR_INT_LIST;
    case CR_ARG_BOOLS: return v->tag == CR_BOOL_LIST && (!arg->fixed || v->count == arg->fixed);
    case CR_ARG_FLOATS:
        if (v->tag == CR_INT_LIST && v->count <= 8) {
            for (int64_t i = 0; i < v->count; i++)
                m->floats[a][i] = (double)v->as.ints[i];
            to->tag = CR_FLOAT_LIST;
            to->as.floats = m->floats[a];
        }
        return to->tag == CR_FLOAT_LIST;
    case CR_ARG_MEMORY_FORMAT: return v->tag == CR_INT;
    default: return false; /* layouts and generators: only none */
    }
}

/* ---- all values into one schema ---- */

static int find_arg(const cr_schema *s, const char *name)
{
    for (int a = 0; a < s->nargs; a++)
        if (!strcmp(s->args[a].name, name))
            return a;
    return -1;
}

static bool explain(char *why, size_t size, const char *format, ...) CR_PRINTF_(3, 4);
static bool explain(char *why, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return false;
}

static bool bind(const cr_op *op, const cr_value *args, size_t nargs, const cr_keyword *kw,
                 size_t nkw, cr_value *to, room *m, char *why, size_t size)
{
    const cr_schema *s = op->schema;
    bool given[CR_MAX_ARGS] = {false};
    int positional = 0;
    char type[64];
    while (positional < s->nargs && !s->args[positional].keyword_only)
        positional++;
    if (nargs > (size_t)positional)
        return explain(why, size, "takes %d positional argument%s but %zu were given", positional,
                       positional == 1 ? "" : "s", nargs);
    for (size_t a = 0; a < nargs + nkw; a++) {
        bool keyword = a >= nargs;
        int at = (int)a;
        const cr_value *v = keyword ? &kw[a - nargs].value : &args[a];
        if (keyword) {
            const char *name = kw[a - nargs].name;
            at = name ? find_arg(s, name) : -1;
            if (at < 0)
                return explain(why, size, "got an unknown keyword argument '%s'",
                               name ? name : "(null)");
            if (given[at])
                return explain(why, size, "got multiple values for argument '%s'", name);
        }
        const cr_arg *arg = &s->args[at];
        given[at] = true;
        if (v->tag == CR_TENSOR && !v->as.tensor && arg->type == CR_ARG_TENSOR && !arg->optional)
            return explain(why, size, "argument '%s' is a null tensor", arg->name);
        if (!fit(arg, at, v, &to[at], m))
            return explain(why, size, "argument '%s' (position %d) must be %s, not %s", arg->name,
                           at + 1, cr_arg_type_name(arg, type, sizeof type), tag_name(v->tag));
        if (arg->type == CR_ARG_TENSORS && v->tag == CR_TENSOR_LIST)
            for (int64_t i = 0; i < v->count; i++)
                if (!v->as.tensors[i] && !arg->elements_optional)
                    return explain(why, size, "argument '%s' has a null tensor at %lld", arg->name,
                                   (long long)i);
    }
    for (int a = 0; a < s->nargs; a++) {
        if (given[a])
            continue;
        if (!s->args[a].has_default &&
            !(s->args[a].optional && a >= (int)nargs && s->args[a].keyword_only))
            return explain(why, size, "missing value for argument '%s'", s->args[a].name);
        to[a] = s->args[a].fallback;
    }
    return true;
}

/* ---- results ---- */

static int deliver(const cr_op *op, cr_results *results, cr_value *outs, size_t cap, size_t *nouts)
{
    const cr_schema *s = op->schema;
    size_t n = s->nreturns;
    if (nouts)
        *nouts = n;
    for (size_t i = 0; i < n && i < cap; i++) {
        outs[i] = (cr_value){.tag = CR_TENSOR};
        if (s->returns[i].list) {
            outs[i].tag = CR_TENSOR_LIST;
            outs[i].count = results->nlist;
            outs[i].as.tensors = results->list;
        } else if (!(outs[i].as.tensor = results->t[i])) {
            outs[i].tag = CR_NONE;
        }
    }
    return 0;
}

int cr_op_call(const cr_op *op, const cr_value *args, size_t nargs, const cr_keyword *kw,
               size_t nkw, cr_value *outs, size_t cap, size_t *nouts)
{
    if (!op || (nargs && !args) || (nkw && !kw) || (cap && !outs))
        return cr_error() ? -1 : CR_FAIL_INT("cr_op_call: %s is null", op ? "an array" : "op");
    cr_value full[CR_MAX_ARGS];
    char why[256];
    room m;
    memset(full, 0, sizeof full);
    if (nouts)
        *nouts = 0;
    if (!bind(op, args, nargs, kw, nkw, full, &m, why, sizeof why))
        return CR_FAIL_INT("%s: %s. Schema: %s", op->name, why, op->text);
    cr_results results;
    int failed = cr_invoke(op, full, &results);
    return failed ? -1 : deliver(op, &results, outs, cap, nouts);
}

/* ---- by name ---- */

/* A bare name: the first schema that the values fit. */
int cr_call(const char *name, const cr_value *args, size_t nargs, const cr_keyword *kw, size_t nkw,
            cr_value *outs, size_t cap, size_t *nouts)
{
    const cr_op *ops = cr_ops();
    if (!name || !ops || (nargs && !args) || (nkw && !kw))
        return cr_error() ? -1 : CR_FAIL_INT("cr_call: %s is null", name ? "an array" : "name");
    size_t length = strlen(name), candidates = 0;
    char why[256] = "";
    const cr_op *last = NULL;
    for (size_t i = 0; i < cr_op_count(); i++) {
        const cr_op *op = &ops[i];
        if (*op->name != *name)
            continue;
        bool exact = !strcmp(op->name, name);
        if (!exact &&
            (strchr(name, '.') || op->schema->bare != length || strncmp(op->name, name, length)))
            continue;
        if (exact && strchr(name, '.'))
            return cr_op_call(op, args, nargs, kw, nkw, outs, cap, nouts);
        cr_value full[CR_MAX_ARGS];
        room m;
        candidates++;
        if (!last)
            last = op;
        char reason[256];
        reason[0] = 0;
        bool fits = bind(op, args, nargs, kw, nkw, full, &m, reason, sizeof reason);
        if (!why[0])
            snprintf(why, sizeof why, "%s", reason);
        if (fits)
            return cr_op_call(op, args, nargs, kw, nkw, outs, cap, nouts);
    }
    if (!candidates)
        return cr_op_unknown(name);
    if (candidates == 1)
        return CR_FAIL_INT("%s: %s. Schema: %s", name, why, last->text);
    cr_text all = {0};
    for (size_t i = 0; i < cr_op_count(); i++)
        if (ops[i].schema->bare == length && !strncmp(ops[i].name, name, length))
            cr_text_add(&all, "%s%s", all.length ? "; " : "", ops[i].text);
    cr_fail("%s: no overload fits: %s. Schemas: %s", name, why, all.data ? all.data : "");
    cr_text_free(&all);
    return -1;
}

void cr_value_clear(cr_value *value)
{
    if (!value)
        return;
    if (value->tag == CR_TENSOR) {
        cr_drop(value->as.tensor);
    } else if (value->tag == CR_TENSOR_LIST && value->as.tensors) {
        for (int64_t i = 0; i < value->count; i++)
            cr_drop(value->as.tensors[i]);
        if (cr_scope_forget((void *)(uintptr_t)value->as.tensors))
            free((void *)(uintptr_t)value->as.tensors);
    }
    *value = (cr_value){0};
}

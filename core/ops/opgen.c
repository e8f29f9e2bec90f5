/* Writes what is generated from the table: the typed functions' header (ops.h) and code
 * (ops_typed.c), and the table's places by C name (op_index.h). Runs at build time: opgen ops.h
 * ops_typed.c op_index.h */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ops/schema.h"

typedef struct row {
    const char *id, *schema;
    bool inplace;
    const char *out;
} row;

#define I                                              true
#define N                                              false
#define OP(id, schema, inplace, out, infer, how, grad) {#id, schema, inplace, out},
static const row rows[] = {
#include "core/ops/ops.def"
};
#undef OP

typedef struct doc {
    const char *id, *text;
} doc;
#define DOC(id, text) {#id, text},
static const doc docs[] = {
#include "core/ops/op_docs.def"
    {NULL, NULL}};
#undef DOC

#define SHAPES(id, text) {#id, text},
static const doc shapes[] = {
#include "core/ops/op_shapes.def"
    {NULL, NULL}};
#undef SHAPES

static const char *doc_of(const doc *list, const char *id)
{
    for (; list->id; list++)
        if (!strcmp(list->id, id))
            return list->text;
    return NULL;
}

/* ---- C types ---- */

/* Arguments that C programs have no use for. */
static bool is_hidden(const cr_arg *a)
{
    return a->type == CR_ARG_LAYOUT || a->type == CR_ARG_GENERATOR ||
           a->type == CR_ARG_MEMORY_FORMAT || !strcmp(a->name, "pin_memory") ||
           !strcmp(a->name, "non_blocking") || !strcmp(a->name, "sparse_grad");
}

static bool is_option(const cr_arg *a)
{
    return a->has_default && !is_hidden(a);
}

/* A default other than zero needs "was it given". */
static bool is_nonzero(const cr_arg *a)
{
    return a->has_default && a->fallback.tag && a->fallback.as.i != 0;
}

static bool is_negated(const cr_arg *a)
{
    return a->type == CR_ARG_BOOL && is_nonzero(a);
}

static const char *c_type(const cr_arg *a)
{
    switch (a->type) {
    case CR_ARG_TENSOR: return "cr_tensor *";
    case CR_ARG_TENSORS: return "cr_tensors ";
    case CR_ARG_SCALAR: return "cr_scalar ";
    case CR_ARG_INT: return a->optional || is_nonzero(a) ? "cr_opt_int " : "int64_t ";
    case CR_ARG_FLOAT: return a->optional || is_nonzero(a) ? "cr_opt_float " : "double ";
    case CR_ARG_BOOL: return "bool ";
    case CR_ARG_STRING:
    case CR_ARG_DEVICE: return "const char *";
    case CR_ARG_DTYPE: return "cr_dtype ";
    case CR_ARG_INTS: return "cr_ints ";
    case CR_ARG_BOOLS: return "const uint8_t *"; /* as many as the schema fixes */
    default: return "const double *";
    }
}

/* ---- one function ---- */

typedef struct function {
    char id[80];   /* without cr_ */
    char with[96]; /* the plain function's name */
    cr_schema s;
    const char *text;
    size_t index;
    bool options;
} function;

static void print_params(FILE *f, const function *fn)
{
    bool any = false;
    for (int i = 0; i < fn->s.nargs; i++) {
        const cr_arg *a = &fn->s.args[i];
        if (is_hidden(a) || is_option(a))
            continue;
        fprintf(f, "%s%s%s", any ? ", " : "", c_type(a), a->name);
        any = true;
    }
    if (fn->options)
        fprintf(f, "%sconst cr_%s_options *options", any ? ", " : "", fn->id);
    else if (!any)
        fprintf(f, "void");
}

static void print_return_type(FILE *f, const function *fn)
{
    if (!fn->s.nreturns)
        fprintf(f, "int ");
    else if (fn->s.nreturns > 1)
        fprintf(f, "cr_%s_result ", fn->id);
    else
        fprintf(f, fn->s.returns[0].list ? "cr_tensors " : "cr_tensor *");
}

static const char *return_name(const function *fn, int i, char *buffer, size_t size)
{
    if (fn->s.returns[i].name[0])
        return fn->s.returns[i].name;
    snprintf(buffer, size, "output%d", i);
    return buffer;
}

/* Words in lines of a comment. */
static void print_lines(FILE *f, const char *words)
{
    enum { WIDE = 116 };
    while (*words) {
        size_t end = 0, at = 0, width = 0;
        for (; words[at] && width < WIDE; at++) {
            width += ((unsigned char)words[at] & 0xc0) != 0x80; /* characters, not bytes */
            if (words[at] == ' ')
                end = at;
        }
        if (!words[at] || !end)
            end = words[at] ? at + strcspn(words + at, " ") : at;
        fprintf(f, "%.*s\n * ", (int)end, words);
        words += end;
        words += *words == ' ';
    }
}

/* A default as a member's comment; what is 0, false or null anyway is not said. */
static void print_default(FILE *f, const cr_arg *a)
{
    const cr_value *v = &a->fallback;
    if (is_negated(a))
        fprintf(f, " /* %s: true */", a->name);
    else if (v->tag == CR_INT && v->as.i)
        fprintf(f, " /* %lld */", (long long)v->as.i);
    else if (v->tag == CR_FLOAT && v->as.f != 0)
        fprintf(f, " /* %.7g */", v->as.f);
    else if (v->tag == CR_STRING)
        fprintf(f, " /* \"%.*s\" */", (int)v->count, a->fallback_text);
    else if (v->tag == CR_INT_LIST && v->count && a->fallback_ints[0])
        fprintf(f, " /* %lld */", (long long)a->fallback_ints[0]);
    else if (a->optional && a->type != CR_ARG_TENSOR && a->type != CR_ARG_DTYPE &&
             a->type != CR_ARG_DEVICE)
        fprintf(f, " /* none */");
}

static void print_header(FILE *f, const function *fn, const char *text_of_row)
{
    char name[40];
    fprintf(f, "\n/* ");
    const char *words = doc_of(docs, text_of_row), *more = doc_of(shapes, text_of_row);
    if (words)
        print_lines(f, words);
    if (more)
        print_lines(f, more);
    fprintf(f, "%s */\n", fn->text);
    if (fn->s.nreturns > 1) {
        fprintf(f, "typedef struct cr_%s_result {\n    cr_tensor ", fn->id);
        for (int i = 0; i < fn->s.nreturns; i++)
            fprintf(f, "%s*%s", i ? ", " : "", return_name(fn, i, name, sizeof name));
        fprintf(f, ";\n} cr_%s_result;\n", fn->id);
    }
    if (fn->options) {
        fprintf(f, "typedef struct cr_%s_options {\n    cr_keywords_only_ begin_;\n", fn->id);
        for (int i = 0; i < fn->s.nargs; i++) {
            const cr_arg *a = &fn->s.args[i];
            if (!is_option(a))
                continue;
            fprintf(f, "    %s%s%s;", c_type(a), is_negated(a) ? "no_" : "", a->name);
            print_default(f, a);
            fprintf(f, "\n");
        }
        fprintf(f, "    int end_;\n} cr_%s_options;\n", fn->id);
    }
    fprintf(f, "CR_API ");
    print_return_type(f, fn);
    fprintf(f, "%s(", fn->with);
    print_params(f, fn);
    fprintf(f, ");\n");

    /* The macro: keywords after the required arguments; numbers and sizes as plain C numbers. */
    bool wraps = false;
    int required = 0, seen = 0;
    for (int i = 0; i < fn->s.nargs; i++) {
        const cr_arg *a = &fn->s.args[i];
        if (is_hidden(a) || is_option(a))
            continue;
        required++;
        wraps = wraps || a->type == CR_ARG_SCALAR || a->type == CR_ARG_INTS;
    }
    if (!wraps && !fn->options)
        return;
    fprintf(f, "#ifndef __cplusplus\n#define cr_%s(", fn->id);
    for (int i = 0; i < required - (fn->options ? 1 : 0); i++)
        fprintf(f, "%sp%d_", i ? ", " : "", i);
    if (fn->options)
        fprintf(f, "%s...", required > 1 ? ", " : "");
    fprintf(f, ") %s(", fn->with);
    for (int i = 0; i < fn->s.nargs; i++) {
        const cr_arg *a = &fn->s.args[i];
        if (is_hidden(a) || is_option(a))
            continue;
        const char *wrap = a->type == CR_ARG_SCALAR ? "CR_S("
                           : a->type == CR_ARG_INTS ? "CR_I("
                                                    : "";
        bool last = fn->options && seen == required - 1;
        fprintf(f, "%s%s", seen ? ", " : "", wrap);
        if (last)
            fprintf(f, "CR_FIRST_(__VA_ARGS__, 0)");
        else
            fprintf(f, "p%d_", seen);
        fprintf(f, "%s", *wrap ? ")" : "");
        seen++;
    }
    if (fn->options && required)
        fprintf(f, ", &(const cr_%s_options){CR_REST_(__VA_ARGS__, .end_ = 0)}", fn->id);
    else if (fn->options)
        fprintf(f, "&(const cr_%s_options){__VA_ARGS__}", fn->id);
    fprintf(f, ")\n#endif\n");
}

/* The expression that makes argument i's cr_value. */
static void print_value(FILE *f, const cr_arg *a, int index)
{
    char x[64];
    snprintf(x, sizeof x, "%s%s%s", is_option(a) ? "o->" : "",
             is_option(a) && is_negated(a) ? "no_" : "", a->name);
    if (is_hidden(a)) {
        if (a->type == CR_ARG_BOOL && a->fallback.tag)
            fprintf(f, "cr_v_bool(%s)", a->fallback.as.i ? "true" : "false");
        else
            fprintf(f, "(cr_value){0}");
        return;
    }
    switch (a->type) {
    case CR_ARG_TENSOR:
        fprintf(f, a->optional ? "cr_v_opt_tensor(%s)" : "cr_v_tensor(%s)", x);
        break;
    case CR_ARG_TENSORS: fprintf(f, "from_tensors(%s)", x); break;
    case CR_ARG_SCALAR:
        if (a->has_default && a->fallback.tag)
            fprintf(f, "%s.tag ? cr_v_scalar(%s) : fallback[%d].fallback", x, x, index);
        else
            fprintf(f, "cr_v_scalar(%s)", x);
        break;
    case CR_ARG_INT:
    case CR_ARG_FLOAT: {
        const char *make = a->type == CR_ARG_INT ? "cr_v_int" : "cr_v_float";
        if (is_nonzero(a))
            fprintf(f, "%s.given ? %s(%s.value) : fallback[%d].fallback", x, make, x, index);
        else if (a->optional)
            fprintf(f, "%s.given ? %s(%s.value) : (cr_value){0}", x, make, x);
        else
            fprintf(f, "%s(%s)", make, x);
        break;
    }
    case CR_ARG_BOOL: fprintf(f, is_negated(a) ? "cr_v_bool(!%s)" : "cr_v_bool(%s)", x); break;
    case CR_ARG_STRING:
        if (a->has_default && a->fallback.tag)
            fprintf(f, "%s ? from_string(%s) : fallback[%d].fallback", x, x, index);
        else
            fprintf(f, "from_string(%s)", x);
        break;
    case CR_ARG_DEVICE: fprintf(f, "from_device(%s)", x); break;
    case CR_ARG_DTYPE:
        if (a->has_default && a->fallback.tag)
            fprintf(f, "%s ? from_dtype(%s) : fallback[%d].fallback", x, x, index);
        else
            fprintf(f, "from_dtype(%s)", x);
        break;
    case CR_ARG_BOOLS: fprintf(f, "from_bools(%s, %d)", x, a->fixed); break;
    default: fprintf(f, "(cr_value){0}"); break;
    }
}

static void print_code(FILE *f, const function *fn)
{
    fprintf(f, "\n");
    print_return_type(f, fn);
    fprintf(f, "(%s)(", fn->with);
    print_params(f, fn);
    fprintf(f, ")\n{\n    const cr_op *op = cr_op_at(%zu);\n", fn->index);
    bool needs_fallback = false;
    for (int i = 0; i < fn->s.nargs; i++) {
        const cr_arg *a = &fn->s.args[i];
        bool value = a->fallback.tag != CR_NONE && a->type != CR_ARG_BOOL;
        bool zero_int = (a->type == CR_ARG_INT || a->type == CR_ARG_FLOAT) && !is_nonzero(a);
        needs_fallback =
            needs_fallback || (is_option(a) && (a->type == CR_ARG_INTS || (value && !zero_int)));
    }
    if (needs_fallback)
        fprintf(f, "    const cr_arg *fallback = op->schema->args;\n");
    if (fn->options)
        fprintf(f,
                "    static const cr_%s_options none = {.end_ = 0};\n    const cr_%s_options *o = "
                "options ? options : &none;\n",
                fn->id, fn->id);
    for (int i = 0; i < fn->s.nargs; i++) /* fixed lists given as one number are spread into here */
        if (fn->s.args[i].type == CR_ARG_INTS && !is_hidden(&fn->s.args[i])) {
            fprintf(f, "    int64_t spread[%d][4];\n", fn->s.nargs);
            break;
        }
    fprintf(f, "    const cr_value args[] = {");
    for (int i = 0; i < fn->s.nargs; i++) {
        fprintf(f, "%s", i ? ",\n                             " : "");
        const cr_arg *a = &fn->s.args[i];
        if (a->type == CR_ARG_INTS && !is_hidden(a)) {
            char x[64];
            snprintf(x, sizeof x, "%s%s", is_option(a) ? "o->" : "", a->name);
            fprintf(f, "from_ints(&%s, %d, spread[%d], ", x, a->fixed, i);
            if (a->has_default)
                fprintf(f, "&fallback[%d].fallback)", i);
            else
                fprintf(f, "NULL)");
        } else {
            print_value(f, a, i);
        }
    }
    fprintf(f, "};\n    cr_results r;\n    int failed = cr_invoke(op, args, &r);\n");
    if (!fn->s.nreturns) {
        fprintf(f, "    return failed;\n");
    } else if (fn->s.nreturns > 1) {
        char name[40];
        fprintf(f, "    cr_%s_result result = {0};\n    if (!failed) {\n", fn->id);
        for (int i = 0; i < fn->s.nreturns; i++)
            fprintf(f, "        result.%s = r.t[%d];\n", return_name(fn, i, name, sizeof name), i);
        fprintf(f, "    }\n    return result;\n");
    } else if (fn->s.returns[0].list) {
        fprintf(f, "    return failed ? (cr_tensors){0} : (cr_tensors){r.list, r.nlist};\n");
    } else {
        fprintf(f, "    return failed ? NULL : r.t[0];\n");
    }
    fprintf(f, "}\n");
}

static size_t index_;

static void emit(FILE *header, FILE *code, FILE *places, const char *id, const char *suffix,
                 const char *text)
{
    static function fn;
    char why[128];
    memset(&fn, 0, sizeof fn);
    if (!cr_schema_parse(text, &fn.s, why, sizeof why)) {
        fprintf(stderr, "ops.def: %s: %s\n", text, why);
        exit(1);
    }
    snprintf(fn.id, sizeof fn.id, "%s%s", id, suffix);
    fn.text = text;
    fn.index = index_++;
    for (int i = 0; i < fn.s.nargs; i++)
        fn.options = fn.options || is_option(&fn.s.args[i]);
    /* cr_add_with; in place cr_add_with_ */
    bool trailing = fn.id[strlen(fn.id) - 1] == '_';
    if (!fn.options)
        snprintf(fn.with, sizeof fn.with, "cr_%s", fn.id);
    else
        snprintf(fn.with, sizeof fn.with, "cr_%.*s%s", (int)strlen(fn.id) - trailing, fn.id,
                 trailing ? "_with_" : "_with");
    print_header(header, &fn, id);
    print_code(code, &fn);
    fprintf(places, "    CR_OP_%s = %zu,\n", fn.id, fn.index);
}

int main(int argc, char **argv)
{
    FILE *header = argc == 4 ? fopen(argv[1], "w") : NULL;
    FILE *code = header ? fopen(argv[2], "w") : NULL;
    FILE *places = code ? fopen(argv[3], "w") : NULL;
    if (!places) {
        fprintf(stderr, "usage: opgen ops.h ops_typed.c op_index.h\n");
        return 2;
    }
    fprintf(header,
            "/* The operations on tensors, as typed functions. Generated from core/ops/ops.def: "
            "the last line "
            "above each function is its\n"
            " * schema in PyTorch's notation, and it means what PyTorch means by it. Of "
            "torch.nn.functional's the "
            "shapes are said, N being the\n"
            " * batch, C channels, (*) any shape; what is none of them is in functional.h.\n"
            " *\n"
            " * Required arguments come by position; those with a default are members of an "
            "options struct, "
            "written as keywords behind them:\n"
            " * cr_sum_dim(x, 1, .keepdim = true). A member left out is the default, which stands "
            "beside it unless "
            "it is 0, false or null.\n"
            " * Numbers (Scalar) and lists (int[]) among the required arguments take plain C "
            "numbers; in options "
            "write CR_S(0.5),\n"
            " * CR_INTS(2, 2) and, for an optional integer or float, CR_SOME(1). A bool whose "
            "default is true is "
            "written negated:\n"
            " * .no_largest = true.\n"
            " *\n"
            " * Results belong to the scope. Null arguments give null; failures set cr_error. "
            "Names that end in '_' "
            "change their first\n"
            " * argument and return it; names that end in '_out' write into `out`. */\n"
            "#ifndef CRESSET_OPS_H\n#define CRESSET_OPS_H\n\n#include <cresset/tensor.h>\n\n#ifdef "
            "__cplusplus\nextern \"C\" {\n#endif\n");
    fprintf(code, "/* Generated from core/ops/ops.def: each typed function fills its arguments in "
                  "and calls the operation. */\n"
                  "#include <cresset/ops.h>\n\n#include \"core/ops/typed.h\"\n");
    fprintf(places,
            "/* Generated from core/ops/ops.def: where each operation stands in the table. */\n"
            "#ifndef CRESSET_CORE_OPS_OP_INDEX_H\n#define CRESSET_CORE_OPS_OP_INDEX_H\n\nenum "
            "cr_op_index {\n");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        char text[512];
        emit(header, code, places, rows[r].id, "", rows[r].schema);
        if (rows[r].inplace) {
            if (!cr_schema_inplace_text(rows[r].schema, text, sizeof text))
                return 1;
            emit(header, code, places, rows[r].id, "_", text);
        }
        if (rows[r].out) {
            if (!cr_schema_out_text(rows[r].schema, rows[r].out, text, sizeof text))
                return 1;
            emit(header, code, places, rows[r].id, "_out", text);
        }
    }
    fprintf(header, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
    fprintf(places, "};\n\n#endif\n");
    return fclose(header) || fclose(code) || fclose(places);
}

/* Tensors as text, in PyTorch's form. The rules are torch._tensor_str's: one format for all
 * elements, chosen from the finite ones; integers shown as such; scientific notation when the range
 * asks for it; summaries above a threshold. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/autograd.h>
#include <cresset/ops.h>

#include "core/base/text.h"
#include "core/tensor/tensor.h"

static cr_print_options options = {4, 1000, 3, 80, 0};

void cr_set_print_options(const cr_print_options *o)
{
    static const cr_print_options defaults = {4, 1000, 3, 80, 0};
    options = defaults;
    if (!o)
        return;
    if (o->precision > 0)
        options.precision = o->precision > 15 ? 15 : o->precision;
    if (o->threshold > 0)
        options.threshold = o->threshold;
    if (o->edge_items > 0)
        options.edge_items = o->edge_items;
    if (o->line_width > 0)
        options.line_width = o->line_width;
    options.sci_mode = o->sci_mode;
}

typedef struct printer {
    cr_text text;
    const unsigned char *data;
    const cr_tensor *t;
    size_t size;
    bool floating, whole, sci, summarize;
    int width;
} printer;

/* ---- one element ---- */

static int format(const printer *p, const void *at, char *into, size_t size)
{
    cr_dtype dtype = (cr_dtype)p->t->dtype;
    if (dtype == CR_B8)
        return snprintf(into, size, "%s", *(const unsigned char *)at ? "True" : "False");
    if (!p->floating)
        return snprintf(into, size, "%" PRId64, cr_element_i(at, dtype));
    double v = cr_element_f(at, dtype);
    if (isnan(v))
        return snprintf(into, size, "nan");
    if (isinf(v))
        return snprintf(into, size, v < 0 ? "-inf" : "inf");
    if (p->sci)
        return snprintf(into, size, "%.*e", options.precision, v);
    if (p->whole)
        return snprintf(into, size, "%.0f.", v);
    return snprintf(into, size, "%.*f", options.precision, v);
}

/* ---- the shown elements, all of them or the edges ---- */

static bool is_shown(const printer *p, int dim, int64_t i)
{
    return !p->summarize || p->t->size[dim] <= 2 * options.edge_items || i < options.edge_items ||
           i >= p->t->size[dim] - options.edge_items;
}

typedef void (*visitor)(printer *p, const void *at, void *context);

static void visit(printer *p, int dim, const unsigned char *at, visitor seen, void *context)
{
    if (dim == p->t->dim) {
        seen(p, at, context);
        return;
    }
    size_t step = p->size;
    for (int d = dim + 1; d < p->t->dim; d++)
        step *= (size_t)p->t->size[d];
    for (int64_t i = 0; i < p->t->size[dim]; i++)
        if (is_shown(p, dim, i))
            visit(p, dim + 1, at + (size_t)i * step, seen, context);
}

typedef struct range {
    double least, most;
    bool any, whole;
} range;

static void measure(printer *p, const void *at, void *context)
{
    range *r = context;
    double v = fabs(cr_element_f(at, (cr_dtype)p->t->dtype));
    if (!isfinite(v) || v == 0)
        return;
    r->whole = r->whole && v == ceil(v);
    r->least = !r->any || v < r->least ? v : r->least;
    r->most = !r->any || v > r->most ? v : r->most;
    r->any = true;
}

/* PyTorch leaves zeros and what isn't finite out of the width, so nan may stand out of line. */
static void widen(printer *p, const void *at, void *context)
{
    char word[400];
    (void)context;
    if (p->floating) {
        double v = cr_element_f(at, (cr_dtype)p->t->dtype);
        if (!isfinite(v) || v == 0)
            return;
    }
    int width = format(p, at, word, sizeof word);
    if (width > p->width)
        p->width = width;
}

static void choose_format(printer *p)
{
    range r = {0, 0, false, true};
    p->floating = cr_dtype_is_floating((cr_dtype)p->t->dtype);
    if (p->floating) {
        visit(p, 0, p->data, measure, &r);
        if (r.any && r.whole) {
            p->whole = true;
            p->sci = r.most / r.least > 1000 || r.most > 1e8;
        } else if (r.any) {
            p->sci = r.most / r.least > 1000 || r.most > 1e8 || r.least < 1e-4;
        } else {
            p->whole = true; /* nothing but zeros, or nothing finite */
        }
        if (options.sci_mode)
            p->sci = options.sci_mode > 0;
    }
    visit(p, 0, p->data, widen, NULL);
}

/* ---- layout ---- */

static void put_element(printer *p, const void *at)
{
    char word[400];
    format(p, at, word, sizeof word);
    cr_text_add(&p->text, "%*s", p->t->dim ? p->width : 0, word);
}

static void put_vector(printer *p, int indent, const unsigned char *at)
{
    int64_t n = p->t->size[p->t->dim - 1];
    int length = p->width + 2, per_line = (options.line_width - indent) / length, column = 0;
    bool skipped = false;
    if (per_line < 1)
        per_line = 1;
    cr_text_add_bytes(&p->text, "[", 1);
    for (int64_t i = 0; i < n; i++) {
        bool shown = is_shown(p, p->t->dim - 1, i);
        if (!shown && skipped)
            continue;
        if (column && column % per_line == 0)
            cr_text_add(&p->text, ",\n%*s", indent + 1, "");
        else if (column)
            cr_text_add_bytes(&p->text, ", ", 2);
        column++;
        if (shown) {
            put_element(p, at + (size_t)i * p->size);
        } else {
            cr_text_add(&p->text, " ...");
            skipped = true;
        }
    }
    cr_text_add_bytes(&p->text, "]", 1);
}

static void put(printer *p, int dim, int indent, const unsigned char *at)
{
    if (!p->t->dim) {
        put_element(p, at);
        return;
    }
    if (dim == p->t->dim - 1) {
        put_vector(p, indent, at);
        return;
    }
    size_t step = p->size;
    for (int d = dim + 1; d < p->t->dim; d++)
        step *= (size_t)p->t->size[d];
    bool first = true, skipped = false;
    cr_text_add_bytes(&p->text, "[", 1);
    for (int64_t i = 0; i < p->t->size[dim]; i++) {
        bool shown = is_shown(p, dim, i);
        if (!shown && skipped)
            continue;
        if (!first) {
            cr_text_add_bytes(&p->text, ",", 1);
            for (int k = dim; k < p->t->dim - 1; k++)
                cr_text_add_bytes(&p->text, "\n", 1);
            cr_text_add(&p->text, "%*s", indent + 1, "");
        }
        first = false;
        if (shown) {
            put(p, dim + 1, indent + 1, at + (size_t)i * step);
        } else {
            cr_text_add(&p->text, "...");
            skipped = true;
        }
    }
    cr_text_add_bytes(&p->text, "]", 1);
}

/* A remark after the elements: on the same line if it fits. */
static void remark(printer *p, int *column, const char *words)
{
    int length = (int)strlen(words);
    if (*column + length + 2 > options.line_width) {
        cr_text_add(&p->text, ",\n       %s", words);
        *column = 7 + length;
    } else {
        cr_text_add(&p->text, ", %s", words);
        *column += 2 + length;
    }
}

char *cr_tensor_to_string(const cr_tensor *tensor)
{
    if (!tensor)
        return cr_error() ? NULL : cr_fail("cr_tensor_to_string: tensor is null");
    cr_dtype dtype = (cr_dtype)tensor->dtype;
    size_t size = cr_dtype_size(dtype), bytes = (size_t)tensor->numel * size;
    unsigned char *data = malloc(bytes ? bytes : 1);
    if (!data || cr_tensor_read(tensor, data, bytes)) {
        if (!data)
            cr_fail_memory("printing a tensor", bytes);
        free(data);
        return NULL;
    }
    printer p = {
        .data = data, .t = tensor, .size = size, .summarize = tensor->numel > options.threshold};
    cr_text_add(&p.text, "tensor(");
    char words[512];
    if (tensor->numel) {
        choose_format(&p);
        put(&p, 0, 7, data);
    } else {
        cr_text_add(&p.text, "[]");
    }
    const char *line = p.text.data ? strrchr(p.text.data, '\n') : NULL;
    int column =
        p.text.data ? (int)(p.text.length - (size_t)(line ? line + 1 - p.text.data : 0)) : 0;
    if (!tensor->numel && tensor->dim != 1) {
        snprintf(words, sizeof words, "size=(%s", cr_sizes_text(tensor->dim, tensor->size) + 1);
        words[strlen(words) - 1] = ')';
        remark(&p, &column, words);
    }
    if (strcmp(cr_tensor_device(tensor), "cpu")) {
        snprintf(words, sizeof words, "device='%s'", cr_tensor_device(tensor));
        remark(&p, &column, words);
    }
    bool plain =
        dtype == cr_default_dtype() || (tensor->numel && (dtype == CR_I64 || dtype == CR_B8));
    if (!plain) {
        snprintf(words, sizeof words, "dtype=torch.%s", cr_dtype_name(dtype));
        remark(&p, &column, words);
    }
    const char *name = cr_grad_node_name(cr_grad_fn(tensor));
    if (name) {
        snprintf(words, sizeof words, "grad_fn=<%s>", name);
        remark(&p, &column, words);
    } else if (cr_requires_grad(tensor)) {
        remark(&p, &column, "requires_grad=True");
    }
    cr_text_add_bytes(&p.text, ")", 1);
    free(data);
    return cr_text_take(&p.text);
}

int cr_print(const cr_tensor *tensor)
{
    char *text = cr_tensor_to_string(tensor);
    if (!text)
        return -1;
    int failed = puts(text) < 0;
    cr_free(text);
    return failed ? CR_FAIL_INT("cr_print: writing to stdout failed") : 0;
}

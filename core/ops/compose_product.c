/* Products of many kinds, brought to matrix products: einsum, tensordot, attention and the add… family. */
#include <math.h>
#include <stdio.h>

#include "core/ops/compose.h"

/* A sum in the dtype of its terms: products of integers don't widen as torch.sum does. */
static cr_tensor *narrow_sum(cr_tensor *x, cr_ints dims, bool keepdim)
{
    return x ? cr_sum_dim(x, dims, .keepdim = keepdim, .dtype = dtype_of(x)) : NULL;
}

COMPOSITE(addmv)
GIVE(cr_add(cr_mul_scalar(T(0), S(3)), cr_mul_scalar(cr_mv(T(1), T(2)), S(4))))
COMPOSITE(addr)
GIVE(cr_add(cr_mul_scalar(T(0), S(3)), cr_mul_scalar(cr_outer(T(1), T(2)), S(4))))
COMPOSITE(addbmm)
GIVE(cr_add(cr_mul_scalar(T(0), S(3)),
            cr_mul_scalar(narrow_sum(cr_bmm(T(1), T(2)), CR_INTS(0), false), S(4))))
COMPOSITE(inner)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    if (!a->dim || !b->dim)
        return cr_give(r, cr_mul(a, b));
    if (a->size[a->dim - 1] != b->size[b->dim - 1])
        return CR_FAIL_INT(
            "inner() the last dimension must match on both input tensors but got shapes %s and %s",
            cr_sizes_text(a->dim, a->size), cr_sizes_text(b->dim, b->size));
    cr_ints last_a = CR_INTS(a->dim - 1), last_b = CR_INTS(b->dim - 1);
    return cr_give(r, cr_tensordot(a, b, last_a, last_b));
}

/* (…, n) by (…, n) with the dimensions named summed over: a as (rest, summed), b as (summed, rest). */
COMPOSITE(tensordot)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    cr_ints da = L(2), db = L(3);
    int64_t order_a[CR_MAX_RANK], order_b[CR_MAX_RANK], sizes[2 * CR_MAX_RANK], summed = 1;
    bool in_a[CR_MAX_RANK] = {false}, in_b[CR_MAX_RANK] = {false};
    int n = (int)da.count, na = 0, nb = 0, rank = 0;
    if (da.count != db.count || n > a->dim || n > b->dim)
        return CR_FAIL_INT(
            "both dimension lists should have same length, and no more dimensions than "
            "their tensors");
    for (int i = 0; i < n; i++) {
        int x = cr_wrap_dim("tensordot", da.data[i], a->dim),
            y = cr_wrap_dim("tensordot", db.data[i], b->dim);
        if (x < 0 || y < 0)
            return -1;
        if (a->size[x] != b->size[y] || in_a[x] || in_b[y])
            return CR_FAIL_INT("contracted dimensions need to match, but first has size %lld in "
                               "dim %d and second has size %lld in dim %d",
                               (long long)a->size[x], x, (long long)b->size[y], y);
        in_a[x] = in_b[y] = true;
        order_a[a->dim - n + i] = x;
        order_b[nb++] = y;
        summed *= a->size[x];
    }
    for (int d = 0; d < a->dim; d++)
        if (!in_a[d]) {
            order_a[na++] = d;
            sizes[rank++] = a->size[d];
        }
    for (int d = 0; d < b->dim; d++)
        if (!in_b[d]) {
            order_b[nb++] = d;
            sizes[rank++] = b->size[d];
        }
    if (rank > CR_MAX_RANK)
        return CR_FAIL_INT("tensordot: the result would have %d dimensions", rank);
    int64_t rows = 1, columns = 1;
    for (int i = 0; i < rank; i++)
        *(i < na ? &rows : &columns) *= sizes[i];
    cr_tensor *left =
        cr_reshape(cr_permute(a, cr_make_ints(order_a, a->dim)), CR_INTS(rows, summed));
    cr_tensor *right =
        cr_reshape(cr_permute(b, cr_make_ints(order_b, b->dim)), CR_INTS(summed, columns));
    return cr_give(r, cr_reshape(cr_mm(left, right), cr_make_ints(sizes, (size_t)rank)));
}

COMPOSITE(kron)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    int rank = a->dim > b->dim ? a->dim : b->dim;
    int64_t wide_a[2 * CR_MAX_RANK], wide_b[2 * CR_MAX_RANK], sizes[CR_MAX_RANK];
    if (2 * rank > CR_MAX_RANK)
        return CR_FAIL_INT("kron: at most %d dimensions", CR_MAX_RANK / 2);
    for (int d = 0; d < rank; d++) {
        int64_t x = d - (rank - a->dim) < 0 ? 1 : a->size[d - (rank - a->dim)];
        int64_t y = d - (rank - b->dim) < 0 ? 1 : b->size[d - (rank - b->dim)];
        wide_a[2 * d] = x;
        wide_a[2 * d + 1] = 1;
        wide_b[2 * d] = 1;
        wide_b[2 * d + 1] = y;
        sizes[d] = x * y;
    }
    cr_tensor *product = cr_mul(cr_reshape(a, cr_make_ints(wide_a, 2 * (size_t)rank)),
                                cr_reshape(b, cr_make_ints(wide_b, 2 * (size_t)rank)));
    return cr_give(r, cr_reshape(product, cr_make_ints(sizes, (size_t)rank)));
}

COMPOSITE(cross)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    int dim = cr_wrap_dim("linalg_cross", INT(2), a->dim);
    if (dim < 0)
        return -1;
    if (a->dim != b->dim || a->size[dim] != 3 || b->size[dim] != 3)
        return CR_FAIL_INT("linalg.cross: inputs dimension %d must have length 3. Got %s and %s",
                           dim, cr_sizes_text(a->dim, a->size), cr_sizes_text(b->dim, b->size));
    cr_tensor *a1 = cr_roll(a, 2, .dims = CR_INTS(dim)), *b1 = cr_roll(b, 1, .dims = CR_INTS(dim));
    cr_tensor *a2 = cr_roll(a, 1, .dims = CR_INTS(dim)), *b2 = cr_roll(b, 2, .dims = CR_INTS(dim));
    return cr_give(r, cr_sub(cr_mul(a1, b1), cr_mul(a2, b2)));
}

/* y = x1ᵀ A x2 + b; weight (out, in1, in2). */
COMPOSITE(bilinear)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1), *w = T(2);
    if (w->dim != 3 || !a->dim || !b->dim || a->size[a->dim - 1] != w->size[1] ||
        b->size[b->dim - 1] != w->size[2])
        return CR_FAIL_INT("bilinear(): inputs %s and %s don't fit weight %s",
                           cr_sizes_text(a->dim, a->size), cr_sizes_text(b->dim, b->size),
                           cr_sizes_text(w->dim, w->size));
    cr_tensor *left = cr_tensordot(a, w, CR_INTS(a->dim - 1), CR_INTS(1)); /* …, out, in2 */
    cr_tensor *y = narrow_sum(cr_mul(left, cr_unsqueeze(b, -2)), CR_INTS(-1), false);
    return cr_give(r, T(3) ? cr_add(y, T(3)) : y);
}

/* ---- einsum ---- */

enum { MOST_LABELS = 64, MOST_OPERANDS = 16 };

static int label_of(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? 26 + c - 'a' : -1;
}

typedef struct einsum {
    const char *equation;
    int count[52]; /* of each letter, over all operands */
    int64_t size[MOST_LABELS];
    int place
        [MOST_LABELS]; /* of letters and of the ellipsis's dimensions (from 52 on), among all; -1: not there */
    int nplaces, nkept; /* kept ones come first */
    int dots;           /* dimensions of the ellipsis */
} einsum;

/* The labels of one operand's subscripts, the ellipsis's dimensions among them; how many, or -1. */
static int labels_of(const einsum *e, const char *text, size_t length, int dots, int *labels)
{
    int n = 0;
    bool seen_dots = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == ' ')
            continue;
        if (text[i] == '.') {
            if (i + 2 >= length || text[i + 1] != '.' || text[i + 2] != '.' || seen_dots)
                return CR_FAIL_INT("einsum(): found '.' in \"%s\" that is not part of any ellipsis",
                                   e->equation);
            for (int d = 0; d < dots && n < CR_MAX_RANK; d++)
                labels[n++] = 52 + e->dots - dots + d;
            seen_dots = true;
            i += 2;
            continue;
        }
        if (label_of(text[i]) < 0)
            return CR_FAIL_INT("einsum(): invalid subscript given at index %zu in the equation "
                               "string \"%s\", subscripts must be in [a-zA-Z]",
                               (size_t)(text + i - e->equation), e->equation);
        if (n == CR_MAX_RANK)
            return CR_FAIL_INT("einsum(): more than %d subscripts in \"%s\"", CR_MAX_RANK,
                               e->equation);
        labels[n++] = label_of(text[i]);
    }
    return n;
}

/* An operand with one dimension for each place, in the places' order; repeated labels take the diagonal. */
static cr_tensor *arranged(einsum *e, cr_tensor *x, int *labels, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n && x; j++)
            if (labels[i] == labels[j]) {
                if (x->size[i] != x->size[j])
                    return cr_fail("einsum(): subscript is repeated for dimensions of sizes %lld "
                                   "and %lld in \"%s\"",
                                   (long long)x->size[i], (long long)x->size[j], e->equation);
                x = cr_diagonal(x, .dim1 = j, .dim2 = CR_SOME(i)); /* goes last */
                x = cr_movedim(x, -1, i);
                memmove(labels + j, labels + j + 1, (size_t)(n - j - 1) * sizeof *labels);
                n--;
                j--;
            }
    int64_t order[MOST_LABELS], sizes[MOST_LABELS];
    int m = 0;
    for (int p = 0; p < e->nplaces; p++) {
        sizes[p] = 1;
        for (int i = 0; i < n && x; i++)
            if (e->place[labels[i]] == p) {
                order[m++] = i;
                sizes[p] = x->size[i];
            }
    }
    return x ? cr_reshape(cr_permute(x, cr_make_ints(order, (size_t)m)),
                          cr_make_ints(sizes, (size_t)e->nplaces))
             : NULL;
}

/* a and b over all places; those summed here, where only these two have them, by a batched matrix product. */
static cr_tensor *multiply(const einsum *e, cr_tensor *a, cr_tensor *b, const bool *sums)
{
    int64_t order[4 * CR_MAX_RANK], back[CR_MAX_RANK], sizes[CR_MAX_RANK];
    int kind[CR_MAX_RANK], n = 0, rank = e->nplaces;
    for (int p = 0; p < rank; p++) { /* 0 in both and kept, 1 in a alone, 2 in b alone, 3 summed */
        bool in_a = a->size[p] != 1, in_b = b->size[p] != 1;
        kind[p] = sums[p] && in_a && in_b ? 3 : in_a && !in_b ? 1 : in_b && !in_a ? 2 : 0;
        if (sums[p] && in_a != in_b) { /* one of them has it: summed at once */
            cr_tensor **x = in_a ? &a : &b;
            *x = narrow_sum(*x, CR_INTS(p), true);
            if (!*x)
                return NULL;
            kind[p] = 0;
        }
    }
    int64_t batch = 1, rows = 1, columns = 1, inner = 1;
    static const int order_a[4] = {0, 1, 3, 2}, order_b[4] = {0, 3, 2, 1};
    cr_tensor *flat[2];
    for (int side = 0; side < 2; side++) {
        n = 0;
        for (int k = 0; k < 4; k++)
            for (int p = 0; p < rank; p++)
                if (kind[p] == (side ? order_b : order_a)[k])
                    order[n++] = p;
        flat[side] = cr_permute(side ? b : a, cr_make_ints(order, (size_t)rank));
    }
    for (int p = 0; p < rank; p++) {
        int64_t size = a->size[p] > b->size[p] ? a->size[p] : b->size[p];
        size = a->size[p] == 0 || b->size[p] == 0 ? 0 : size;
        *(kind[p] == 0 ? &batch : kind[p] == 1 ? &rows : kind[p] == 2 ? &columns : &inner) *= size;
        sizes[p] = kind[p] == 3 ? 1 : size;
    }
    cr_tensor *product = cr_bmm(cr_reshape(flat[0], CR_INTS(batch, rows, inner)),
                                cr_reshape(flat[1], CR_INTS(batch, inner, columns)));
    int64_t out[CR_MAX_RANK];
    n = 0;
    for (int k = 0; k < 4; k++)
        for (int p = 0; p < rank; p++)
            if (kind[p] == k) {
                back[p] = n;
                out[n++] = sizes[p];
            }
    return cr_permute(cr_reshape(product, cr_make_ints(out, (size_t)rank)),
                      cr_make_ints(back, (size_t)rank));
}

static int einsum_places(einsum *e, const char *arrow)
{
    for (int l = 0; l < MOST_LABELS; l++)
        e->place[l] = -1;
    if (arrow) {
        int labels[CR_MAX_RANK];
        int n = labels_of(e, arrow + 2, strlen(arrow + 2), strstr(arrow + 2, "...") ? e->dots : 0,
                          labels);
        if (n < 0)
            return -1;
        for (int i = 0; i < n; i++) {
            if (e->place[labels[i]] >= 0)
                return CR_FAIL_INT(
                    "einsum(): output subscript appears more than once in the output of \"%s\"",
                    e->equation);
            if (labels[i] < 52 && !e->count[labels[i]])
                return CR_FAIL_INT("einsum(): output subscript does not appear in the equation for "
                                   "any input operand: \"%s\"",
                                   e->equation);
            e->place[labels[i]] = e->nplaces++;
        }
    } else {
        for (int d = 0; d < e->dots; d++)
            e->place[52 + d] = e->nplaces++;
        for (int l = 0; l < 52; l++)
            if (e->count[l] == 1)
                e->place[l] = e->nplaces++;
    }
    e->nkept = e->nplaces;
    for (int l = 0; l < MOST_LABELS; l++)
        if (e->place[l] < 0 && (l < 52 ? e->count[l] > 0 : l - 52 < e->dots))
            e->place[l] = e->nplaces++;
    if (e->nplaces > CR_MAX_RANK)
        return CR_FAIL_INT("einsum(): \"%s\" has %d subscripts; at most %d", e->equation,
                           e->nplaces, CR_MAX_RANK);
    return 0;
}

COMPOSITE(einsum)
{
    (void)op;
    char text[256];
    einsum e = {.equation = text};
    int labels[MOST_OPERANDS][CR_MAX_RANK], nlabels[MOST_OPERANDS];
    int64_t n = args[1].count;
    cr_tensor *x[MOST_OPERANDS], *const *in = args[1].as.tensors;
    if (args[0].count >= (int64_t)sizeof text || n < 1 || n > MOST_OPERANDS)
        return CR_FAIL_INT(
            "einsum(): an equation of at most %zu characters and 1 to %d operands are expected",
            sizeof text - 1, MOST_OPERANDS);
    snprintf(text, sizeof text, "%.*s", (int)args[0].count, args[0].as.s);
    const char *arrow = strstr(text, "->"), *end = arrow ? arrow : text + strlen(text);
    for (int pass = 0; pass < 2; pass++) { /* first the ellipsis's dimensions, then the labels */
        const char *at = text;
        for (int64_t i = 0; i < n; i++) {
            size_t length = strcspn(at, ",");
            length = at + length > end ? (size_t)(end - at) : length;
            int letters = 0, dots = 0;
            for (size_t k = 0; k < length; k++) {
                letters += label_of(at[k]) >= 0;
                dots += at[k] == '.';
            }
            int extra = dots ? in[i]->dim - letters : 0;
            if (letters + extra != in[i]->dim || extra < 0)
                return CR_FAIL_INT("einsum(): the number of subscripts in the equation \"%s\" does "
                                   "not match the number of dimensions (%d) "
                                   "for operand %lld",
                                   text, in[i]->dim, (long long)i);
            if (!pass) {
                e.dots = extra > e.dots ? extra : e.dots;
            } else {
                nlabels[i] = labels_of(&e, at, length, extra, labels[i]);
                if (nlabels[i] < 0)
                    return -1;
                for (int k = 0; k < nlabels[i]; k++)
                    if (labels[i][k] < 52) {
                        e.count[labels[i][k]]++;
                    }
            }
            at += length;
            if ((i + 1 < n && (at >= end || *at != ',')) || (i + 1 == n && at != end))
                return CR_FAIL_INT("einsum(): \"%s\" has %s operands than were given (%lld)", text,
                                   at >= end ? "fewer" : "more", (long long)n);
            at++;
        }
    }
    if (e.dots > MOST_LABELS - 52 || einsum_places(&e, arrow))
        return cr_error() ? -1 : CR_FAIL_INT("einsum(): too many dimensions in \"%s\"", text);
    for (int64_t i = 0; i < n; i++)
        if (!(x[i] = arranged(&e, in[i], labels[i], nlabels[i])))
            return -1;
    for (int p = 0; p < e.nplaces; p++) {
        int64_t size = 1;
        for (int64_t i = 0; i < n; i++) {
            if (x[i]->size[p] != 1 && size != 1 && x[i]->size[p] != size)
                return CR_FAIL_INT("einsum(): operands do not broadcast in \"%s\": a subscript has "
                                   "sizes %lld and %lld",
                                   text, (long long)size, (long long)x[i]->size[p]);
            size = x[i]->size[p] != 1 ? x[i]->size[p] : size;
        }
    }
    cr_tensor *y = x[0];
    for (int64_t i = 1; i <= n; i++) {
        bool sums[CR_MAX_RANK] = {false};
        for (int p = e.nkept; p < e.nplaces; p++) { /* nobody later has it */
            sums[p] = true;
            for (int64_t k = i + 1; k < n; k++)
                sums[p] = sums[p] && x[k]->size[p] == 1;
        }
        if (i < n) {
            if (!y || !(y = multiply(&e, y, x[i], sums)))
                return -1;
            continue;
        }
        int64_t dims[CR_MAX_RANK];
        size_t count = 0;
        for (int p = e.nkept; p < e.nplaces; p++)
            dims[count++] = p;
        y = count    ? n == 1 ? cr_sum_dim(y, cr_make_ints(dims, count))
                              : narrow_sum(y, cr_make_ints(dims, count), false)
               : n == 1 ? cr_alias(y)
                     : y;
    }
    return cr_give(r, y);
}

/* ONNX's TfIdfVectorizer, over numbers of words (texts themselves are strings, which there are none of). */
#include <stdlib.h>
#include <string.h>

#include "core/io/onnx.h"

/* Sequences of words that are counted. Those of one word come first in the pool, then those of two, and so on; counts[n] is where those
 * of n + 1 words begin. */
typedef struct grams {
    const onnx_attribute *pool, *counts, *places, *weights;
    int64_t least, most, skips; /* words of one; words that may be left out between two */
    int64_t outputs;
    bool frequency, inverse; /* what counts: how often, by weight; else 1 */
} grams;

static bool read_grams(const onnx_run *run, grams *g)
{
    const char *mode = onnx_text(run, "mode", "TF");
    *g = (grams){.pool = onnx_find(run, "pool_int64s"),
                 .counts = onnx_find(run, "ngram_counts"),
                 .places = onnx_find(run, "ngram_indexes"),
                 .weights = onnx_find(run, "weights"),
                 .least = onnx_int(run, "min_gram_length", 1),
                 .most = onnx_int(run, "max_gram_length", 1),
                 .skips = onnx_int(run, "max_skip_count", 0),
                 .frequency = strcmp(mode, "IDF") != 0,
                 .inverse = strcmp(mode, "TF") != 0};
    if (!g->pool || !g->counts || !g->places)
        return onnx_fail(run, "it has no words, or they are strings, which are not supported");
    if (g->least < 1 || g->most < g->least || g->most > (int64_t)g->counts->nints || g->most > 64 ||
        g->skips < 0 || g->skips > 1 << 20)
        return onnx_fail(run, "its lengths are out of range");
    size_t known = 0;
    for (size_t n = 0; n < g->counts->nints; n++) {
        int64_t from = g->counts->ints[n], to = (int64_t)g->pool->nints;
        to = n + 1 < g->counts->nints ? g->counts->ints[n + 1] : to;
        if (from < 0 || from > to || to > (int64_t)g->pool->nints ||
            (to - from) % (int64_t)(n + 1) || (!n && from))
            return onnx_fail(run, "its ngram_counts don't fit the pool");
        known += (size_t)(to - from) / (n + 1);
    }
    if (known != g->places->nints || (g->weights && g->weights->nfloats != known))
        return onnx_fail(run, "its ngram_indexes or weights don't fit the pool");
    for (size_t i = 0; i < known; i++) {
        int64_t place = g->places->ints[i];
        if (place < 0 || place > 1 << 24)
            return onnx_fail(run, "its ngram_indexes are out of range");
        g->outputs = place >= g->outputs ? place + 1 : g->outputs;
    }
    return true;
}

/* How often n words stand in a row of `count`, with the same distance between each two. */
static int64_t occurrences(const grams *g, const int64_t *words, int64_t n, const int64_t *row,
                           int64_t count)
{
    int64_t found = 0;
    for (int64_t step = 1; step <= (n > 1 ? g->skips + 1 : 1); step++)
        for (int64_t from = 0; from + (n - 1) * step < count; from++) {
            int64_t i = 0;
            while (i < n && row[from + i * step] == words[i])
                i++;
            found += i == n;
        }
    return found;
}

static void count_row(const grams *g, const int64_t *row, int64_t count, float *to)
{
    const int64_t *words = g->pool->ints, *end = words + g->pool->nints;
    int64_t n = 1;
    for (size_t i = 0; words < end; i++, words += n) {
        while (n < (int64_t)g->counts->nints && words - g->pool->ints >= g->counts->ints[n])
            n++;
        int64_t often = n < g->least || n > g->most ? 0 : occurrences(g, words, n, row, count);
        float weight = g->inverse && g->weights ? g->weights->floats[i] : 1;
        to[g->places->ints[i]] += weight * (float)(g->frequency ? often : often > 0);
    }
}

static bool op_tf_idf_vectorizer(onnx_run *run)
{
    cr_tensor *x = onnx_in(run, 0), *y = NULL;
    grams g;
    if (!x || !read_grams(run, &g))
        return false;
    int rank = cr_tensor_dim(x);
    if (rank < 1 || rank > 2 || cr_is_floating_point(x))
        return onnx_fail(run, "needs integers of one or two dimensions");
    int64_t rows = rank == 2 ? cr_tensor_size(x, 0) : 1, count = cr_tensor_size(x, -1);
    double work = (double)rows * (double)count * (double)(g.skips + 1) * (double)g.pool->nints;
    if (work > 1e11 || (g.outputs && rows > ((int64_t)1 << 32) / g.outputs))
        return onnx_fail(run, "its input or output is too large");
    size_t numbers = (size_t)(rows * count);
    int64_t *list = malloc((numbers + 1) * sizeof *list);
    if (!list)
        return cr_fail_memory("words", numbers * sizeof *list);
    if (!cr_tensor_read(cr_to_dtype(x, CR_I64), list, numbers * sizeof *list)) {
        y = cr_zeros(CR_INTS(rows, g.outputs), .dtype = CR_F32, .device = "cpu");
        float *to = cr_data_ptr(y);
        for (int64_t i = 0; to && i < rows; i++)
            count_row(&g, list + i * count, count, to + i * g.outputs);
        y = onnx_place(run, rank == 2 ? y : cr_reshape(y, CR_INTS(g.outputs)));
    }
    free(list);
    return onnx_out(run, 0, y);
}

const onnx_entry onnx_text_operators[] = {{"TfIdfVectorizer", op_tf_idf_vectorizer}, {NULL, NULL}};

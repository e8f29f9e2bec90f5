/* Packed and padded sequences. Packing is one selection of rows by places that are worked out here; padding too, from the data
 * with one row of padding behind it. */
#include <string.h>

#include <cresset/rnn.h>

#include "core/nn/layer.h"

/* ---- lengths and places ---- */

/* The lengths as numbers; the caller's to free. Null, with the error set, unless there are `count` of int64 (-1: any). */
static int64_t *read_lengths(const char *who, cr_tensor *lengths, int64_t count)
{
    int64_t n = cr_tensor_numel(lengths);
    if (!lengths)
        return cr_fail("%s: the lengths are null", who);
    if (cr_tensor_dtype(lengths) != CR_I64 || cr_tensor_dim(lengths) != 1 || n < 1)
        return cr_fail("%s: lengths must be a vector of int64, got %s of %s", who,
                       cr_shape_text(lengths), cr_dtype_name(cr_tensor_dtype(lengths)));
    if (count >= 0 && n != count)
        return cr_fail("%s: Expected `len(lengths)` to be equal to batch_size, but got %lld "
                       "(batch_size=%lld)",
                       who, (long long)n, (long long)count);
    int64_t *values = malloc((size_t)n * sizeof *values);
    if (!values)
        return cr_fail_memory("lengths", (size_t)n * sizeof *values);
    if (!cr_tensor_read(lengths, values, (size_t)n * sizeof *values))
        return values;
    free(values);
    return NULL;
}

/* A vector of int64 from `values`, which are freed. */
static cr_tensor *take_vector(int64_t *values, int64_t n, const char *device)
{
    cr_tensor *t = values ? cr_tensor_copy_from(values, CR_I64, 1, &n, device) : NULL;
    free(values);
    return t;
}

static int64_t *numbers(int64_t count)
{
    int64_t *values = malloc((size_t)(count > 0 ? count : 1) * sizeof *values);
    return values ? values : cr_fail_memory("places", (size_t)count * sizeof *values);
}

/* x [first, second, *] as rows [first · second, *], and rows as that. */
static cr_tensor *as_rows(cr_tensor *x)
{
    int64_t sizes[CR_MAX_RANK];
    int dim = cr_tensor_dim(x);
    if (dim < 2)
        return NULL;
    memcpy(sizes, cr_tensor_sizes(x) + 1, (size_t)(dim - 1) * sizeof *sizes);
    sizes[0] *= cr_tensor_sizes(x)[0];
    return cr_reshape(x, cr_make_ints(sizes, (size_t)dim - 1));
}

static cr_tensor *as_table(cr_tensor *rows, int64_t first, int64_t second)
{
    int64_t sizes[CR_MAX_RANK];
    int dim = cr_tensor_dim(rows);
    if (dim < 1 || dim >= CR_MAX_RANK)
        return dim < 0 ? NULL : cr_fail("padding needs a tensor of fewer dimensions");
    memcpy(sizes + 1, cr_tensor_sizes(rows), (size_t)dim * sizeof *sizes);
    sizes[0] = first;
    sizes[1] = second;
    return cr_reshape(rows, cr_make_ints(sizes, (size_t)dim + 1));
}

/* Rows by their places; the place after the last is a row of the padding value. */
static cr_tensor *select_padded(cr_tensor *rows, int64_t *places, int64_t count, double value)
{
    int64_t sizes[CR_MAX_RANK];
    int dim = cr_tensor_dim(rows);
    cr_tensor *at =
        dim < 1 ? (free(places), NULL) : take_vector(places, count, cr_tensor_device(rows));
    if (!at)
        return NULL;
    memcpy(sizes, cr_tensor_sizes(rows), (size_t)dim * sizeof *sizes);
    sizes[0] = 1;
    cr_tensor *padding = cr_full(cr_make_ints(sizes, (size_t)dim), value,
                                 .dtype = cr_tensor_dtype(rows), .device = cr_tensor_device(rows));
    return cr_index_select(cr_cat(CR_TENSORS(rows, padding)), 0, at);
}

/* ---- packing ---- */

/* Packs rows: sequence b's step t is row b · by_sequence + t · by_step. lengths don't increase and belong to this function;
 * order[b] (null: b) is the sequence that comes b-th. */
static cr_packed_sequence pack_rows(cr_tensor *rows, int64_t *lengths, int64_t batch,
                                    const int64_t *order, const int64_t *begins, int64_t by_step)
{
    cr_packed_sequence result = {NULL, NULL, NULL, NULL};
    int64_t total = 0, at = 0, n = batch, steps = lengths[0];
    for (int64_t b = 0; b < batch; b++)
        total += lengths[b];
    int64_t *places = numbers(total), *sizes = numbers(steps);
    if (places && sizes) {
        for (int64_t t = 0; t < steps; t++) {
            while (lengths[n - 1] <= t)
                n--;
            sizes[t] = n;
            for (int64_t b = 0; b < n; b++)
                places[at++] = begins[order ? order[b] : b] + t * by_step;
        }
        cr_tensor *index = take_vector(places, total, cr_tensor_device(rows));
        result.batch_sizes = take_vector(sizes, steps, "cpu");
        result.data = result.batch_sizes ? cr_index_select(rows, 0, index) : NULL;
    } else {
        free(places);
        free(sizes);
    }
    return result;
}

/* Orders by length, longest first, of equal ones as they came. Insertion: batches are short. */
static void sort_lengths(int64_t *lengths, int64_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t value = lengths[i], j = i;
        for (; j > 0 && lengths[j - 1] < value; j--) {
            lengths[j] = lengths[j - 1];
            order[j] = order[j - 1];
        }
        lengths[j] = value;
        order[j] = i;
    }
}

/* lengths as they came; begins[b] is the first row of sequence b. Frees both. */
static cr_packed_sequence pack(const char *who, cr_tensor *rows, int64_t *lengths, int64_t batch,
                               int64_t *begins, int64_t by_step, bool sort)
{
    cr_packed_sequence result = {NULL, NULL, NULL, NULL};
    int64_t *order = sort ? numbers(batch) : NULL, *back = sort ? numbers(batch) : NULL;
    bool good = begins && (!sort || (order && back));
    for (int64_t b = 0; b < batch && good; b++)
        if (lengths[b] <= 0) {
            cr_fail("%s: Length of all samples has to be greater than 0, but found an element in "
                    "'lengths' that is <= 0",
                    who);
            good = false;
        }
    if (good && sort)
        sort_lengths(lengths, order, batch);
    for (int64_t b = 1; b < batch && good; b++)
        if (lengths[b] > lengths[b - 1]) {
            cr_fail(
                "%s: `lengths` array must be sorted in decreasing order when `enforce_sorted` is "
                "True. You can pass .no_enforce_sorted = true to sidestep this requirement",
                who);
            good = false;
        }
    if (good)
        result = pack_rows(rows, lengths, batch, order, begins, by_step);
    if (result.data && sort) {
        for (int64_t b = 0; b < batch; b++)
            back[order[b]] = b;
        result.sorted_indices = take_vector(order, batch, cr_tensor_device(rows));
        result.unsorted_indices = take_vector(back, batch, cr_tensor_device(rows));
        if (!result.sorted_indices || !result.unsorted_indices)
            result.data = NULL;
    } else {
        free(order);
        free(back);
    }
    free(begins);
    free(lengths);
    return result;
}

cr_packed_sequence cr_pack_padded_sequence_with(cr_tensor *input, cr_tensor *lengths,
                                                const cr_pack_sequence_options *o)
{
    const char *who = "pack_padded_sequence";
    cr_packed_sequence failed = {NULL, NULL, NULL, NULL};
    bool batch_first = CR_OPTION(o, batch_first);
    if (!input || cr_tensor_dim(input) < 2) {
        if (input)
            cr_fail("%s: input must have at least 2 dimensions, got %s", who, cr_shape_text(input));
        return failed;
    }
    int64_t batch = cr_tensor_size(input, batch_first ? 0 : 1),
            steps = cr_tensor_size(input, batch_first ? 1 : 0);
    int64_t *values = read_lengths(who, lengths, batch);
    for (int64_t b = 0; values && b < batch; b++)
        if (values[b] > steps) {
            cr_fail("%s: a length of %lld is more than the input's %lld steps", who,
                    (long long)values[b], (long long)steps);
            free(values);
            return failed;
        }
    cr_tensor *rows = values ? as_rows(input) : NULL;
    int64_t *begins = rows ? numbers(batch) : NULL;
    if (!begins) {
        free(values);
        return failed;
    }
    for (int64_t b = 0; b < batch; b++)
        begins[b] = batch_first ? b * steps : b;
    return pack(who, rows, values, batch, begins, batch_first ? 1 : batch,
                CR_OPTION(o, no_enforce_sorted));
}

/* All sequences behind one another; the caller frees *lengths and *begins. */
static cr_tensor *join(const char *who, cr_tensors sequences, int64_t **lengths, int64_t **begins)
{
    int64_t n = sequences.count, row = 0;
    *lengths = *begins = NULL;
    if (n < 1 || !sequences.data)
        return cr_fail("%s: received an empty list of sequences", who);
    *lengths = numbers(n);
    *begins = numbers(n);
    for (int64_t i = 0; i < n && *lengths && *begins; i++) {
        if (cr_tensor_dim(sequences.data[i]) < 1)
            return sequences.data[i] ? cr_fail("%s: sequence %lld is a scalar", who, (long long)i)
                                     : NULL;
        (*lengths)[i] = cr_tensor_sizes(sequences.data[i])[0];
        (*begins)[i] = row;
        row += (*lengths)[i];
    }
    return *lengths && *begins ? cr_cat(sequences) : NULL;
}

cr_packed_sequence cr_pack_sequence_with(cr_tensors sequences, const cr_pack_sequence_options *o)
{
    cr_packed_sequence failed = {NULL, NULL, NULL, NULL};
    int64_t *lengths, *begins;
    cr_tensor *rows = join("pack_sequence", sequences, &lengths, &begins);
    if (rows)
        return pack("pack_sequence", rows, lengths, sequences.count, begins, 1,
                    CR_OPTION(o, no_enforce_sorted));
    free(lengths);
    free(begins);
    return failed;
}

/* ---- padding ---- */

cr_tensor *cr_pad_sequence_with(cr_tensors sequences, const cr_pad_sequence_options *o)
{
    int64_t *lengths, *begins, batch = sequences.count, longest = 0;
    bool batch_first = CR_OPTION(o, batch_first);
    cr_tensor *rows = join("pad_sequence", sequences, &lengths, &begins), *y = NULL;
    for (int64_t b = 0; rows && b < batch; b++)
        longest = lengths[b] > longest ? lengths[b] : longest;
    int64_t *places = rows ? numbers(batch * longest) : NULL;
    if (places) {
        int64_t padding = cr_tensor_sizes(rows)[0];
        for (int64_t b = 0; b < batch; b++)
            for (int64_t t = 0; t < longest; t++)
                places[batch_first ? b * longest + t : t * batch + b] =
                    t < lengths[b] ? begins[b] + t : padding;
        y = select_padded(rows, places, batch * longest, CR_OPTION(o, padding_value));
        y = as_table(y, batch_first ? batch : longest, batch_first ? longest : batch);
    }
    free(lengths);
    free(begins);
    return y;
}

/* Where sequence b's steps lie: order[b] is its place among the packed ones (null: b). */
static cr_tensor *pad_rows(const cr_packed_sequence *s, const int64_t *sizes, int64_t steps,
                           const int64_t *order, int64_t total, cr_tensor **lengths,
                           const cr_pad_sequence_options *o)
{
    int64_t batch = sizes[0], row = 0, padding = cr_tensor_sizes(s->data)[0];
    bool batch_first = CR_OPTION(o, batch_first);
    int64_t *places = numbers(batch * total), *count = numbers(batch);
    if (!places || !count) {
        free(places);
        free(count);
        return NULL;
    }
    memset(count, 0, (size_t)batch * sizeof *count);
    for (int64_t t = 0; t < total; t++) {
        int64_t n = t < steps ? sizes[t] : 0;
        for (int64_t b = 0; b < batch; b++) {
            int64_t at = order ? order[b] : b;
            places[batch_first ? b * total + t : t * batch + b] = at < n ? row + at : padding;
            count[b] += at < n;
        }
        row += n;
    }
    cr_tensor *y = select_padded(s->data, places, batch * total, CR_OPTION(o, padding_value));
    cr_tensor *found = take_vector(count, batch, "cpu");
    if (lengths)
        *lengths = found;
    return found ? as_table(y, batch_first ? batch : total, batch_first ? total : batch) : NULL;
}

cr_tensor *cr_pad_packed_sequence_with(cr_packed_sequence s, cr_tensor **lengths,
                                       const cr_pad_sequence_options *o)
{
    const char *who = "pad_packed_sequence";
    if (lengths)
        *lengths = NULL;
    if (!s.data)
        return NULL;
    int64_t *sizes = read_lengths(who, s.batch_sizes, -1), *order = NULL, rows = 0;
    if (!sizes)
        return NULL;
    int64_t steps = cr_tensor_numel(s.batch_sizes);
    int64_t total = CR_OPTION(o, total_length) ? o->total_length : steps;
    cr_tensor *y = NULL;
    bool good = cr_tensor_dim(s.data) >= 1;
    for (int64_t t = 0; t < steps && good; t++) {
        good = sizes[t] >= 1 && sizes[t] <= sizes[t ? t - 1 : 0];
        rows += sizes[t];
    }
    if (!good || rows != cr_tensor_sizes(s.data)[0])
        cr_fail("%s: batch_sizes don't fit data of shape %s", who, cr_shape_text(s.data));
    else if (total < steps)
        cr_fail("%s: Expected total_length to be at least the length of the longest sequence in "
                "input, but got total_length=%lld and max sequence length being %lld",
                who, (long long)total, (long long)steps);
    else if (!s.unsorted_indices || (order = read_lengths(who, s.unsorted_indices, sizes[0])))
        y = pad_rows(&s, sizes, steps, order, total, lengths, o);
    free(sizes);
    free(order);
    return y;
}

/* ---- taking apart ---- */

cr_tensors cr_unpad_sequence_with(cr_tensor *padded, cr_tensor *lengths,
                                  const cr_pad_sequence_options *o)
{
    const char *who = "unpad_sequence";
    cr_tensors list = {NULL, 0};
    int dim = CR_OPTION(o, batch_first) ? 0 : 1;
    if (!padded || cr_tensor_dim(padded) < 2) {
        if (padded)
            cr_fail("%s: the padded tensor must have at least 2 dimensions, got %s", who,
                    cr_shape_text(padded));
        return list;
    }
    int64_t batch = cr_tensor_size(padded, dim), steps = cr_tensor_size(padded, 1 - dim);
    int64_t *values = read_lengths(who, lengths, batch);
    cr_tensor **items = values ? malloc((size_t)batch * sizeof *items) : NULL;
    if (values && !items)
        cr_fail_memory("a list of sequences", (size_t)batch * sizeof *items);
    bool good = items && cr_scope_add(items, free);
    for (int64_t b = 0; b < batch && good; b++) {
        if (values[b] < 0 || values[b] > steps)
            cr_fail("%s: a length of %lld in %lld steps", who, (long long)values[b],
                    (long long)steps);
        items[b] = values[b] < 0 || values[b] > steps
                       ? NULL
                       : cr_narrow(cr_select(padded, dim, b), 0, 0, values[b]);
        good = items[b] != NULL;
    }
    free(values);
    if (good)
        list = cr_make_tensors(items, (size_t)batch);
    return list;
}

cr_tensors cr_unpack_sequence(cr_packed_sequence sequence)
{
    cr_tensor *lengths;
    cr_tensor *padded = cr_pad_packed_sequence(sequence, &lengths, .batch_first = true);
    return cr_unpad_sequence(padded, lengths, .batch_first = true);
}

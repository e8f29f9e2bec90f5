/* ONNX's operators for detection: boxes that overlap are dropped, and regions of a picture are pooled. What depends on the values of
 * boxes is found out on the host; the regions' elements are gathered and weighted by operations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/onnx.h"

/* A tensor's elements on the host as double, the caller's to free; null, and the error. Tensors that are missing fail. */
static double *doubles_of(const onnx_run *run, cr_tensor *t, int rank)
{
    if (t && cr_tensor_dim(t) != rank)
        return onnx_fail(run, "an input has %d dimensions, expected are %d", cr_tensor_dim(t),
                         rank),
               NULL;
    t = t ? cr_to_dtype(t, CR_F64) : NULL;
    if (!t)
        return NULL;
    size_t count = (size_t)cr_tensor_numel(t);
    double *list = malloc((count + 1) * sizeof *list);
    if (!list)
        return cr_fail_memory("boxes", count * sizeof *list);
    if (!cr_tensor_read(t, list, count * sizeof *list))
        return list;
    free(list);
    return NULL;
}

/* ---- NonMaxSuppression ---- */

typedef struct box {
    double top, left, bottom, right;
} box;

static box box_of(const double *b, bool centre)
{
    if (centre) /* x, y, width, height of the centre */
        return (box){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    return (box){fmin(b[0], b[2]), fmin(b[1], b[3]), fmax(b[0], b[2]), fmax(b[1], b[3])};
}

static double area(box a)
{
    return (a.bottom - a.top) * (a.right - a.left);
}

/* Intersection over union. */
static double overlap(box a, box b)
{
    double height = fmin(a.bottom, b.bottom) - fmax(a.top, b.top);
    double width = fmin(a.right, b.right) - fmax(a.left, b.left);
    double both = height > 0 && width > 0 ? height * width : 0, all = area(a) + area(b) - both;
    return all > 0 ? both / all : 0;
}

typedef struct candidate {
    double score;
    int64_t index;
    box box;
} candidate;

/* The best first; among equals the one that comes first. */
static int by_score(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->index > y->index) - (x->index < y->index);
}

/* What was chosen so far: batch, class and box of each. */
typedef struct chosen {
    int64_t (*rows)[3];
    size_t count, room;
} chosen;

static bool choose(chosen *c, int64_t batch, int64_t class, int64_t index)
{
    if (c->count == c->room) {
        size_t more = c->room ? 2 * c->room : 64;
        int64_t(*bigger)[3] = realloc(c->rows, more * sizeof *bigger);
        if (!bigger)
            return cr_fail_memory("boxes", more * sizeof *bigger);
        c->rows = bigger;
        c->room = more;
    }
    c->rows[c->count][0] = batch;
    c->rows[c->count][1] = class;
    c->rows[c->count++][2] = index;
    return true;
}

/* Of n candidates, sorted, keeps those at the front that overlap none of the better ones; at most `most`. */
static bool suppress(candidate *list, size_t n, size_t most, double limit, chosen *c, int64_t batch,
                     int64_t class)
{
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < most; i++) {
        bool good = true;
        for (size_t k = 0; k < kept && good; k++)
            good = overlap(list[i].box, list[k].box) <= limit;
        if (!good)
            continue;
        list[kept++] = list[i];
        if (!choose(c, batch, class, list[i].index))
            return false;
    }
    return true;
}

static bool select_boxes(const onnx_run *run, const double *boxes, const double *scores, chosen *c)
{
    cr_tensor *t = onnx_in(run, 1);
    int64_t batches = cr_tensor_size(t, 0), classes = cr_tensor_size(t, 1);
    size_t count = (size_t)cr_tensor_size(t, 2), n;
    double most = onnx_number(run, 2, NULL, 0), limit = onnx_number(run, 3, NULL, 0);
    double least = onnx_number(run, 4, NULL, -INFINITY);
    bool centre = onnx_int(run, "center_point_box", 0), good = true;
    candidate *list = malloc((count + 1) * sizeof *list);
    if (!list)
        return cr_fail_memory("boxes", count * sizeof *list);
    for (int64_t b = 0; b < batches && good; b++) {
        for (int64_t k = 0; k < classes && good && most > 0; k++, scores += count) {
            n = 0;
            for (size_t i = 0; i < count; i++)
                if (scores[i] > least)
                    list[n++] = (candidate){scores[i], (int64_t)i, box_of(boxes + 4 * i, centre)};
            qsort(list, n, sizeof *list, by_score);
            good = suppress(list, n, most < (double)n ? (size_t)most : n, limit, c, b, k);
        }
        boxes += 4 * count;
    }
    free(list);
    return good;
}

static bool op_non_max_suppression(onnx_run *run)
{
    cr_tensor *b = onnx_in(run, 0), *s = onnx_in(run, 1), *rows = NULL;
    double *boxes = doubles_of(run, b, 3), *scores = boxes ? doubles_of(run, s, 3) : NULL;
    chosen c = {NULL, 0, 0};
    if (boxes && scores) {
        bool fit = cr_tensor_size(b, 2) == 4 && cr_tensor_size(b, 0) == cr_tensor_size(s, 0) &&
                   cr_tensor_size(b, 1) == cr_tensor_size(s, 2);
        if (!fit)
            onnx_fail(run, "its boxes and scores don't fit each other");
        else if (select_boxes(run, boxes, scores, &c))
            rows = cr_tensor_copy_from(c.rows, CR_I64, 2, (int64_t[]){(int64_t)c.count, 3}, "cpu");
    }
    free(boxes);
    free(scores);
    free(c.rows);
    return onnx_out(run, 0, rows);
}

/* ---- RoiAlign ---- */

typedef struct align {
    int64_t height, width; /* of the picture */
    int64_t out_height, out_width,
        samples; /* the last: in each direction, 0: by the region's size */
    double scale, offset;
    bool at_least_one, max; /* regions are at least one element wide; the greatest sample counts */
} align;

/* Where one sample lies between four elements of a plane, and what each of them counts. */
static void corners(const align *a, double y, double x, int64_t *at, float *weights)
{
    bool outside = !(y >= -1 && y <= (double)a->height && x >= -1 && x <= (double)a->width);
    y = fmin(fmax(y, 0), (double)(a->height - 1));
    x = fmin(fmax(x, 0), (double)(a->width - 1));
    for (int k = 0; k < 4; k++) {
        at[k] = 0;
        weights[k] = 0;
        if (outside || !(y >= 0) || !(x >= 0))
            continue;
        int64_t row = (int64_t)y, column = (int64_t)x;
        double down = y - (double)row, right = x - (double)column;
        row += (k >> 1) && row + 1 < a->height;
        column += (k & 1) && column + 1 < a->width;
        at[k] = row * a->width + column;
        weights[k] = (float)((k >> 1 ? down : 1 - down) * (k & 1 ? right : 1 - right));
    }
}

static int64_t samples_of(const align *a, double size, int64_t bins)
{
    double count = a->samples > 0 ? (double)a->samples : ceil(size / (double)bins);
    return count >= 1 ? count < 4096 ? (int64_t)count : 4096 : 1;
}

/* One region (left, top, right, bottom) of one picture, (C, H, W): (C, out_height, out_width). */
static cr_tensor *align_one(const onnx_run *run, const align *a, cr_tensor *x, const double *region)
{
    double left = region[0] * a->scale - a->offset, top = region[1] * a->scale - a->offset;
    double width = region[2] * a->scale - a->offset - left;
    double height = region[3] * a->scale - a->offset - top;
    if (a->at_least_one) {
        width = fmax(width, 1);
        height = fmax(height, 1);
    }
    int64_t ny = samples_of(a, height, a->out_height), nx = samples_of(a, width, a->out_width);
    int64_t each = ny * nx, bins = a->out_height * a->out_width, channels = cr_tensor_size(x, 0);
    if (each * bins > 1 << 22)
        return onnx_fail(run, "a region has more than %d samples", 1 << 22), NULL;
    cr_tensor *index = cr_empty(CR_INTS(bins * each * 4), .dtype = CR_I64, .device = "cpu");
    cr_tensor *weight = cr_empty(CR_INTS(bins * each * 4), .dtype = CR_F32, .device = "cpu");
    int64_t *at = cr_data_ptr(index);
    float *weights = cr_data_ptr(weight);
    for (int64_t i = 0; at && weights && i < bins * each; i++) {
        int64_t bin = i / each, sample = i % each;
        double row = (double)(bin / a->out_width) + ((double)(sample / nx) + 0.5) / (double)ny;
        double column = (double)(bin % a->out_width) + ((double)(sample % nx) + 0.5) / (double)nx;
        corners(a, top + row * height / (double)a->out_height,
                left + column * width / (double)a->out_width, at + 4 * i, weights + 4 * i);
    }
    const char *device = cr_tensor_device(x);
    cr_tensor *y = cr_index_select(cr_reshape(x, CR_INTS(channels, a->height * a->width)), 1,
                                   cr_tensor_to(index, device));
    y = cr_mul(y, cr_to_dtype(cr_tensor_to(weight, device), cr_tensor_dtype(x)));
    y = cr_sum_dim(cr_reshape(y, CR_INTS(channels, bins, each, 4)), 3);
    y = a->max ? cr_amax(y, .dim = CR_INTS(2)) : cr_mean_dim(y, 2);
    return cr_reshape(y, CR_INTS(channels, a->out_height, a->out_width));
}

static bool op_roi_align(onnx_run *run)
{
    cr_tensor *x = onnx_in(run, 0), *regions = onnx_in(run, 1), *which = onnx_in(run, 2);
    if (!x || !regions || !which)
        return false;
    const char *old =
        run->model->opset && run->model->opset < 16 ? "output_half_pixel" : "half_pixel";
    bool half = !strcmp(onnx_text(run, "coordinate_transformation_mode", old), "half_pixel");
    align a = {.out_height = onnx_int(run, "output_height", 1),
               .out_width = onnx_int(run, "output_width", 1),
               .samples = onnx_int(run, "sampling_ratio", 0),
               .scale = onnx_float(run, "spatial_scale", 1),
               .offset = half ? 0.5 : 0,
               .at_least_one = !half,
               .max = !strcmp(onnx_text(run, "mode", "avg"), "max")};
    bool fit = cr_tensor_dim(x) == 4 && cr_tensor_dim(regions) == 2 && cr_tensor_dim(which) == 1 &&
               cr_tensor_size(regions, 1) == 4 && cr_tensor_size(x, 2) > 0 &&
               cr_tensor_size(x, 3) > 0 && cr_tensor_size(which, 0) == cr_tensor_size(regions, 0);
    if (!fit || a.out_height < 1 || a.out_width < 1 || a.out_height > 4096 || a.out_width > 4096)
        return onnx_fail(run, "its inputs or the output's size are out of range");
    a.height = cr_tensor_size(x, 2);
    a.width = cr_tensor_size(x, 3);
    int64_t count = cr_tensor_size(regions, 0);
    if (!count)
        return onnx_out(run, 0,
                        cr_zeros(CR_INTS(0, cr_tensor_size(x, 1), a.out_height, a.out_width),
                                 .dtype = cr_tensor_dtype(x), .device = cr_tensor_device(x)));
    double *list = doubles_of(run, regions, 2), *pictures = list ? doubles_of(run, which, 1) : NULL;
    cr_tensor **made = pictures ? calloc((size_t)count, sizeof *made) : NULL, *y = NULL;
    bool good = made;
    for (int64_t i = 0; i < count && good; i++) {
        double at = pictures[i];
        good = (at >= 0 && at < (double)cr_tensor_size(x, 0)) ||
               onnx_fail(run, "region %lld is of a picture that isn't there", (long long)i);
        made[i] = good ? align_one(run, &a, cr_select(x, 0, (int64_t)at), list + 4 * i) : NULL;
        good = made[i];
    }
    if (good)
        y = cr_stack(cr_make_tensors(made, (size_t)count));
    free(list);
    free(pictures);
    free(made);
    return onnx_out(run, 0, y);
}

const onnx_entry onnx_detect_operators[] = {
    {"NonMaxSuppression", op_non_max_suppression}, {"RoiAlign", op_roi_align}, {NULL, NULL}};

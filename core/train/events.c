/* TensorBoard's event files: records of length, checksum, an Event message, checksum (TFRecord); scalars, histograms and
 * images. The graph is in events_graph.c. Field numbers are those of tensorflow/core/util/event.proto and
 * framework/summary.proto. */
#include "core/train/events.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cresset/io.h>
#include <cresset/ops.h>
#include <cresset/transforms.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/scope.h"
#include "core/io/crc32c.h"
#include "core/train/numbers.h"

enum { EVENT_TIME = 1, EVENT_STEP, EVENT_VERSION, EVENT_GRAPH, EVENT_SUMMARY };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_IMAGE = 4, VALUE_HISTOGRAM = 5 };
enum { BUCKETS = 30 };

struct cr_event_writer {
    FILE *file;
    char *path;
};

/* ---- records ---- */

static uint32_t masked(const void *bytes, size_t count)
{
    uint32_t crc = cr_crc32c(bytes, count);
    return (crc >> 15 | crc << 17) + 0xA282EAD8U;
}

static void put_little(unsigned char *to, uint64_t v, int count)
{
    for (int i = 0; i < count; i++)
        to[i] = (unsigned char)(v >> 8 * i);
}

static int write_record(cr_event_writer *w, const cr_text *event)
{
    unsigned char head[12], tail[4];
    put_little(head, event->length, 8);
    put_little(head + 8, masked(head, 8), 4);
    put_little(tail, masked(event->data, event->length), 4);
    if (fwrite(head, 1, 12, w->file) == 12 &&
        fwrite(event->data, 1, event->length, w->file) == event->length &&
        fwrite(tail, 1, 4, w->file) == 4)
        return 0;
    return CR_FAIL_INT("%s: can't write: %s", w->path, strerror(errno));
}

int cr_event_write(cr_event_writer *w, uint32_t field, cr_text *content, int64_t step)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    cr_text event = {0};
    cr_proto_double(&event, EVENT_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    cr_proto_put_varint(&event, EVENT_STEP, (uint64_t)step);
    cr_proto_message(&event, field, content);
    int failed =
        event.failed ? (cr_fail_memory("an event", event.length), -1) : write_record(w, &event);
    cr_text_free(&event);
    return failed;
}

/* ---- the writer ---- */

static int finish(cr_event_writer *w)
{
    int failed = fclose(w->file) ? CR_FAIL_INT("%s: can't write: %s", w->path, strerror(errno)) : 0;
    free(w->path);
    free(w);
    return failed;
}

static void release(void *writer)
{
    finish(writer);
}

static FILE *create(const char *folder, char **path)
{
    static int number;
    char host[64] = "localhost";
    gethostname(host, sizeof host - 1);
    cr_text text = {0};
    cr_text_add(&text, "%s/events.out.tfevents.%lld.%s.%ld.%d", folder, (long long)time(NULL), host,
                (long)getpid(), __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
    *path = cr_text_take(&text);
    FILE *file = *path ? fopen(*path, "wbx") : NULL;
    if (!file && *path)
        cr_fail("%s: can't be made: %s", *path, strerror(errno));
    return file;
}

cr_event_writer *cr_event_writer_open(const char *folder)
{
    if (!folder)
        return cr_fail("cr_event_writer_open: the folder is null");
    if (cr_file_make_folders(folder))
        return NULL;
    cr_event_writer *w = calloc(1, sizeof *w);
    if (!w)
        return cr_fail_memory("an event writer", sizeof *w);
    if (!(w->file = create(folder, &w->path))) {
        free(w->path);
        free(w);
        return NULL;
    }
    cr_text version = {0};
    cr_text_add(&version, "brain.Event:2");
    if (cr_event_write(w, EVENT_VERSION, &version, 0)) {
        finish(w);
        return NULL;
    }
    return cr_scope_add(w, release);
}

const char *cr_event_writer_path(const cr_event_writer *w)
{
    return w ? w->path : NULL;
}

int cr_event_writer_flush(cr_event_writer *w)
{
    if (!w)
        return CR_FAIL_INT("cr_event_writer_flush: the writer is null");
    return fflush(w->file) ? CR_FAIL_INT("%s: can't write: %s", w->path, strerror(errno)) : 0;
}

int cr_event_writer_close(cr_event_writer *w)
{
    if (!w)
        return CR_FAIL_INT("cr_event_writer_close: the writer is null");
    return cr_scope_forget(w) ? finish(w) : 0;
}

/* ---- summaries ---- */

static int check(const char *who, const cr_event_writer *w, const char *tag)
{
    return w && tag && *tag
               ? 0
               : CR_FAIL_INT("%s: the %s", who, !w ? "writer is null" : "tag is null or empty");
}

/* A Summary of one value, which is freed. */
static int write_value(cr_event_writer *w, cr_text *value, int64_t step)
{
    cr_text summary = {0};
    cr_proto_message(&summary, SUMMARY_VALUE, value);
    return cr_event_write(w, EVENT_SUMMARY, &summary, step);
}

int cr_event_scalar(cr_event_writer *w, const char *tag, double number, int64_t step)
{
    if (check("cr_event_scalar", w, tag))
        return -1;
    cr_text value = {0};
    cr_proto_string(&value, VALUE_TAG, tag);
    cr_proto_float(&value, VALUE_SIMPLE, (float)number);
    return write_value(w, &value, step);
}

static void put_histogram(cr_text *to, const double *v, int64_t n)
{
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0, count = 0;
    double limits[BUCKETS], buckets[BUCKETS] = {0};
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            continue;
        low = fmin(low, v[i]);
        high = fmax(high, v[i]);
        sum += v[i];
        squares += v[i] * v[i];
        count++;
    }
    double width = (high - low) / BUCKETS;
    for (int k = 0; k < BUCKETS; k++)
        limits[k] = k + 1 < BUCKETS ? low + width * (k + 1) : high;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            continue;
        int k = width > 0 ? (int)((v[i] - low) / width) : 0;
        buckets[k < BUCKETS ? k : BUCKETS - 1]++;
    }
    const double numbers[] = {low, high, count, sum, squares};
    for (uint32_t i = 0; i < 5; i++)
        cr_proto_double(to, i + 1, numbers[i]);
    cr_text packed[2] = {{0}, {0}};
    for (int k = 0; k < BUCKETS; k++) /* packed doubles are doubles without their keys */
        for (int which = 0; which < 2; which++) {
            cr_text one = {0};
            cr_proto_double(&one, 1, which ? buckets[k] : limits[k]);
            if (!one.failed)
                cr_text_add_bytes(&packed[which], one.data + 1, 8);
            packed[which].failed = packed[which].failed || one.failed;
            cr_text_free(&one);
        }
    cr_proto_message(to, 6, &packed[0]);
    cr_proto_message(to, 7, &packed[1]);
}

int cr_event_histogram(cr_event_writer *w, const char *tag, cr_tensor *values, int64_t step)
{
    if (check("cr_event_histogram", w, tag))
        return -1;
    int64_t n = cr_tensor_numel(values), finite = 0;
    double *v = cr_numbers_read(values);
    if (!v)
        return cr_error() ? -1 : CR_FAIL_INT("cr_event_histogram: %s: the tensor is null", tag);
    for (int64_t i = 0; i < n; i++)
        finite += isfinite(v[i]) != 0;
    if (!finite) {
        free(v);
        return CR_FAIL_INT("cr_event_histogram: %s: none of %lld elements is finite", tag,
                           (long long)n);
    }
    cr_text value = {0}, histogram = {0};
    put_histogram(&histogram, v, n);
    free(v);
    cr_proto_string(&value, VALUE_TAG, tag);
    cr_proto_message(&value, VALUE_HISTOGRAM, &histogram);
    return write_value(w, &value, step);
}

int cr_event_image(cr_event_writer *w, const char *tag, cr_tensor *image, int64_t step)
{
    size_t size;
    if (check("cr_event_image", w, tag))
        return -1;
    unsigned char *png = cr_encode_png(image, &size);
    if (!png)
        return -1;
    int dim = cr_tensor_dim(image);
    cr_text value = {0}, message = {0};
    cr_proto_put_varint(&message, 1, (uint64_t)cr_tensor_size(image, dim - 2));
    cr_proto_put_varint(&message, 2, (uint64_t)cr_tensor_size(image, dim - 1));
    cr_proto_put_varint(&message, 3, dim == 3 ? (uint64_t)cr_tensor_size(image, 0) : 1);
    cr_proto_bytes(&message, 4, png, size);
    free(png);
    cr_proto_string(&value, VALUE_TAG, tag);
    cr_proto_message(&value, VALUE_IMAGE, &message);
    return write_value(w, &value, step);
}

int cr_event_images(cr_event_writer *w, const char *tag, cr_tensor *images, int64_t step)
{
    int failed = -1;
    CR_SCOPE {
        cr_tensor *grid = cr_make_grid(images);
        failed = grid ? cr_event_image(w, tag, grid, step) : -1;
    }
    return failed;
}

/* ---- cr_fit's callback ---- */

static int write_epoch(void *context, const cr_fit_state *state)
{
    cr_event_writer *w = context;
    const cr_history *h = state->history;
    size_t row = cr_history_epochs(h) - 1;
    for (size_t c = 0; c < cr_history_columns(h); c++)
        if (cr_event_scalar(w, cr_history_name(h, c), cr_history_at(h, row, c), state->epoch + 1))
            return -1;
    CR_FOREACH_PARAMETER (p, state->net)
        if (cr_event_histogram(w, p.name, p.tensor, state->epoch + 1))
            return -1;
    return cr_event_writer_flush(w);
}

cr_callback cr_event_callback(cr_event_writer *writer)
{
    return (cr_callback){.context = writer, .on_epoch_end = writer ? write_epoch : NULL};
}

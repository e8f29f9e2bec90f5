/* Event files read back by a reader of their own, which checks the records' lengths and checksums; graphs for Graphviz.
 *
 * That TensorBoard itself opens such a file was seen with TensorBoard 2.21 (pip install tensorboard): its EventAccumulator
 * lists, of what what_is_written_can_be_read writes, the scalar with all steps, the histogram with its 30 buckets, both images
 * with their sizes, and the graph with its four nodes; its server gives the same to a browser. */
#include <check.h>
#include <cresset/cresset.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/cresset-events-XXXXXX";

/* ---- a reader ---- */

typedef struct bytes {
    const unsigned char *at;
    size_t size;
} bytes;

/* Bit by bit, from the definition. */
static uint32_t crc32c(bytes b)
{
    uint32_t crc = ~0U;
    for (size_t i = 0; i < b.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            uint32_t low = (crc ^ (uint32_t)(b.at[i] >> bit)) & 1;
            crc = crc >> 1 ^ (low ? 0x82F63B78U : 0);
        }
    return ~crc;
}

static uint64_t little(const unsigned char *at, int count)
{
    uint64_t v = 0;
    for (int i = 0; i < count; i++)
        v |= (uint64_t)at[i] << 8 * i;
    return v;
}

static uint32_t unmasked(uint32_t v)
{
    v -= 0xA282EAD8U;
    return v >> 17 | v << 15;
}

static uint64_t varint(bytes *b)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        ck_assert(b->size > 0 && shift < 70);
        unsigned char c = *b->at++;
        b->size--;
        v |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return v;
    }
}

typedef struct field {
    uint32_t number;
    uint64_t bits; /* of numbers */
    bytes content; /* of strings and messages */
} field;

static bool next_field(bytes *b, field *f)
{
    if (!b->size)
        return false;
    uint64_t key = varint(b);
    size_t size = 0;
    *f = (field){.number = (uint32_t)(key >> 3)};
    switch (key & 7) {
    case 0: f->bits = varint(b); break;
    case 1: size = 8; break;
    case 5: size = 4; break;
    case 2: size = varint(b); break;
    default: ck_abort_msg("wire type %d", (int)(key & 7));
    }
    ck_assert_uint_le(size, b->size);
    f->content = (bytes){b->at, size};
    if ((key & 7) != 2 && size)
        f->bits = little(b->at, (int)size);
    b->at += size;
    b->size -= size;
    return true;
}

/* The n-th field of that number; content of size 0 if there is none. */
static field find(bytes b, uint32_t number, int n)
{
    field f;
    while (next_field(&b, &f))
        if (f.number == number && !n--)
            return f;
    return (field){0};
}

static double as_double(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

static double as_float(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float v;
    memcpy(&v, &low, 4);
    return (double)v;
}

static bool is(field f, const char *text)
{
    return f.content.size == strlen(text) && !memcmp(f.content.at, text, f.content.size);
}

enum { MOST = 256 };
static unsigned char file[1 << 20];
static bytes events[MOST];

/* All events of a file, whose checksums must be right. */
static int read_events(const char *path)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t size = fread(file, 1, sizeof file, f), at = 0;
    fclose(f);
    int count = 0;
    while (at < size) {
        ck_assert_uint_ge(size - at, 16);
        size_t length = little(file + at, 8);
        ck_assert_uint_le(length, size - at - 16);
        ck_assert_uint_eq(unmasked((uint32_t)little(file + at + 8, 4)),
                          crc32c((bytes){file + at, 8}));
        events[count] = (bytes){file + at + 12, length};
        ck_assert_uint_eq(unmasked((uint32_t)little(file + at + 12 + length, 4)),
                          crc32c(events[count]));
        at += 16 + length;
        ck_assert_int_lt(++count, MOST);
    }
    return count;
}

/* The value of the summary with that tag and step. */
static bytes value_of(int count, const char *tag, uint64_t step)
{
    for (int i = 0; i < count; i++) {
        bytes value = find(find(events[i], 5, 0).content, 1, 0).content;
        if (value.size && is(find(value, 1, 0), tag) && find(events[i], 2, 0).bits == step)
            return value;
    }
    ck_abort_msg("no %s", tag);
    return (bytes){0};
}

/* ---- tests ---- */

START_TEST(checksums_are_castagnolis)
{
    ck_assert_uint_eq(crc32c((bytes){(const unsigned char *)"123456789", 9}), 0xE3069283U);
}
END_TEST

START_TEST(what_is_written_can_be_read)
{
    cr_event_writer *w = cr_event_writer_open(folder);
    ck_assert_msg(w != NULL, "%s", cr_error());
    char path[512];
    snprintf(path, sizeof path, "%s", cr_event_writer_path(w));
    ck_assert_ptr_nonnull(strstr(path, "/events.out.tfevents."));
    cr_event_scalar(w, "loss", 0.25, 300);
    cr_tensor *v = cr_cat(CR_TENSORS(cr_linspace(-1, 1, 90), cr_full(1, cr_float_scalar(NAN))));
    cr_event_histogram(w, "weights", v, 3);
    cr_event_image(w, "image", cr_rand(CR_INTS(3, 5, 7)), 4);
    cr_event_images(w, "images", cr_rand(CR_INTS(10, 1, 4, 4)), 4);
    cr_module *net = cr_sequential("fc1", cr_linear(3, 4), "act", cr_relu_layer(), "inner",
                                   cr_sequential(cr_linear(4, 2)));
    cr_event_graph(w, net, CR_TENSORS(cr_ones(CR_INTS(2, 3))));
    ck_assert_int_eq(cr_event_writer_close(w), 0);
    ck_assert_msg(!cr_error(), "%s", cr_error());
    int n = read_events(path);
    ck_assert_int_eq(n, 6);
    ck_assert(is(find(events[0], 3, 0), "brain.Event:2"));
    ck_assert_double_gt(as_double(find(events[0], 1, 0).bits), 1.6e9);
    ck_assert_double_eq(as_float(find(value_of(n, "loss", 300), 2, 0).bits), 0.25);
    bytes h = find(value_of(n, "weights", 3), 5, 0).content;
    ck_assert_double_eq(as_double(find(h, 1, 0).bits), -1);
    ck_assert_double_eq(as_double(find(h, 2, 0).bits), 1);
    ck_assert_double_eq(as_double(find(h, 3, 0).bits), 90);
    bytes limits = find(h, 6, 0).content, counts = find(h, 7, 0).content;
    ck_assert_uint_eq(limits.size, 240);
    ck_assert_uint_eq(counts.size, 240);
    double sum = 0;
    for (int i = 0; i < 30; i++)
        sum += as_double(little(counts.at + 8 * i, 8));
    ck_assert_double_eq(sum, 90);
    ck_assert_double_eq(as_double(little(limits.at + 8 * 29, 8)), 1);
    bytes image = find(value_of(n, "image", 4), 4, 0).content;
    ck_assert_uint_eq(find(image, 1, 0).bits, 5);
    ck_assert_uint_eq(find(image, 2, 0).bits, 7);
    ck_assert_mem_eq(find(image, 4, 0).content.at, "\x89PNG\r\n\x1a\n", 8);
    bytes grid = find(value_of(n, "images", 4), 4, 0).content;
    ck_assert_uint_eq(find(grid, 1, 0).bits, 2 + 2 * 6);
    ck_assert_uint_eq(find(grid, 2, 0).bits, 2 + 8 * 6);
    bytes graph = find(events[5], 4, 0).content;
    static const char *const names[] = {"input_0", "fc1", "act", "inner/0"};
    for (int i = 0; i < 4; i++) {
        bytes node = find(graph, 1, i).content;
        ck_assert(is(find(node, 1, 0), names[i]));
        ck_assert(i == 0 || is(find(node, 3, 0), names[i - 1]));
    }
    remove(path);
}
END_TEST

START_TEST(a_training_is_written_by_its_callback)
{
    cr_event_writer *w = cr_event_writer_open(folder);
    char path[512];
    snprintf(path, sizeof path, "%s", cr_event_writer_path(w));
    cr_module *net = cr_linear(2, 1);
    cr_dataset *set = cr_tensor_dataset(cr_ones(CR_INTS(4, 2)), cr_zeros(CR_INTS(4, 1)));
    cr_history *h = cr_fit(net, cr_data_loader(set, .batch_size = 2),
                           .optimizer = cr_sgd(net, .lr = 0.1), .loss = cr_mse_loss_layer(),
                           .epochs = 2, .callbacks = CR_CALLBACKS(cr_event_callback(w)));
    ck_assert_msg(h != NULL, "%s", cr_error());
    int n = read_events(path);
    ck_assert_double_eq_tol(as_float(find(value_of(n, "loss", 2), 2, 0).bits),
                            cr_history_last(h, "loss"), 1e-6);
    ck_assert_uint_gt(find(value_of(n, "weight", 1), 5, 0).content.size, 400);
    cr_event_writer_close(w);
    remove(path);
}
END_TEST

START_TEST(mistakes_are_named)
{
    ck_assert_ptr_null(cr_event_writer_open("/proc/nowhere"));
    cr_clear_error();
    cr_event_writer *w = cr_event_writer_open(folder);
    ck_assert_int_ne(cr_event_scalar(w, "", 1, 1), 0);
    cr_clear_error();
    ck_assert_int_ne(cr_event_image(w, "x", cr_ones(CR_INTS(2, 3, 3)), 1), 0);
    ck_assert_ptr_nonnull(strstr(cr_error(), "2 channels"));
    cr_clear_error();
    ck_assert_int_ne(cr_event_histogram(w, "x", cr_zeros(CR_INTS(0)), 1), 0);
    cr_clear_error();
    remove(cr_event_writer_path(w));
}
END_TEST

static int occurrences(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++)
        n++;
    return n;
}

START_TEST(graphs_for_graphviz)
{
    cr_module *net = cr_sequential("fc", cr_linear(3, 2), "act", cr_relu_layer());
    cr_tensor *y = cr_forward(net, cr_ones(CR_INTS(1, 3)));
    char *dot = cr_tensor_to_dot(cr_sum(cr_add(y, y)), net);
    ck_assert_msg(dot != NULL, "%s", cr_error());
    ck_assert_int_eq(occurrences(dot, "label=\"ReluBackward0\""), 1); /* once, though used twice */
    ck_assert_int_eq(occurrences(dot, "label=\"AddmmBackward0\""), 1);
    ck_assert_ptr_nonnull(strstr(dot, "label=\"fc.weight\\n[2, 3]\""));
    ck_assert_ptr_nonnull(strstr(dot, "label=\"fc.bias\\n[2]\""));
    cr_free(dot);
    dot = cr_to_dot(net);
    ck_assert_ptr_nonnull(strstr(dot, "\"/fc\" [label=\"fc: Linear\\n8 parameters\"]"));
    ck_assert_ptr_nonnull(strstr(dot, "\"/\" -> \"/act\""));
    cr_free(dot);
    cr_tensor *deep = cr_requires_grad_(cr_ones(1), 1);
    for (int i = 0; i < 2000; i++)
        deep = cr_add_scalar(deep, 1);
    dot = cr_to_dot(deep);
    ck_assert_int_eq(occurrences(dot, "AddBackward0"), 2000);
    cr_free(dot);
    ck_assert_ptr_null(cr_error());
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    Suite *suite = suite_create("events");
    TCase *tests = tcase_create("events");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, checksums_are_castagnolis);
    tcase_add_test(tests, what_is_written_can_be_read);
    tcase_add_test(tests, a_training_is_written_by_its_callback);
    tcase_add_test(tests, mistakes_are_named);
    tcase_add_test(tests, graphs_for_graphviz);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    rmdir(folder);
    return failed != 0;
}

/* Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): 28 by 28 grey images of ten kinds of clothing, in
 * four idx files. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/io.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/text.h"
#include "core/base/thread.h"
#include "core/data/dataset.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10 };

typedef struct fashion {
    int64_t length;
    cr_tensor *images, *labels; /* uint8 [length, 28, 28] and [length] */
    const unsigned char *pixels, *classes;
    float value[256]; /* what each byte becomes: at a load a pixel, as fast as arithmetic, and exact
                       */
} fashion;

static int64_t length(void *data)
{
    return ((fashion *)data)->length;
}

static int get_fields(void *data, cr_field *fields)
{
    (void)data;
    fields[0] = (cr_field){.dtype = CR_F32, .dim = 3, .sizes = {1, SIDE, SIDE}};
    fields[1] = (cr_field){.dtype = CR_I64, .dim = 0};
    return 2;
}

static int get_batch(void *data, const int64_t *indices, int64_t count, void *const *to)
{
    const fashion *f = data;
    float *image = to[0];
    int64_t *label = to[1];
    for (int64_t i = 0; i < count; i++, image += PIXELS) {
        const unsigned char *pixels = f->pixels + (size_t)indices[i] * PIXELS;
        for (int p = 0; p < PIXELS; p++)
            image[p] = f->value[pixels[p]];
        label[i] = f->classes[indices[i]];
    }
    return 0;
}

static void destroy(void *data)
{
    fashion *f = data;
    cr_release(f->images);
    cr_release(f->labels);
    free(f);
}

static const cr_dataset_class kind = {.name = "FashionMNIST",
                                      .length = length,
                                      .fields = get_fields,
                                      .get_batch = get_batch,
                                      .destroy = destroy};

/* The folder, the caller's to free. */
static char *find_root(const char *root)
{
    const char *set = root ? NULL : cr_env("CRESSET_DATA");
    if (set)
        return cr_file_join(set, "fashion-mnist");
    return cr_file_join("", root ? root : "/usr/share/datasets/fashion-mnist");
}

/* Loads "<name>" or "<name>.gz", which must be uint8 of dim dimensions; the caller's reference. */
static cr_tensor *load(const char *root, const char *name, int dim)
{
    char *plain = cr_file_join(root, name), *gzip = NULL;
    cr_tensor *tensor = NULL;
    if (plain && !cr_file_exists(plain)) {
        cr_text suffixed = {0};
        cr_text_add(&suffixed, "%s.gz", plain);
        gzip = cr_text_take(&suffixed);
    }
    const char *path = gzip ? gzip : plain;
    if (path && !cr_file_exists(path))
        cr_fail("Fashion-MNIST: there is no %s: install the Debian package dataset-fashion-mnist, "
                "or name the folder that has its four files, with CRESSET_DATA (then "
                "$CRESSET_DATA/fashion-mnist) or as cr_fashion_mnist's first argument",
                path);
    else if (path)
        tensor = cr_load_idx(path);
    if (tensor && (cr_tensor_dtype(tensor) != CR_U8 || cr_tensor_dim(tensor) != dim)) {
        cr_fail("%s: expected uint8 of %d dimensions, found %s of %d", path, dim,
                cr_dtype_name(cr_tensor_dtype(tensor)), cr_tensor_dim(tensor));
        cr_drop(tensor);
        tensor = NULL;
    }
    if (tensor) {
        cr_retain(tensor);
        cr_drop(tensor);
    }
    free(plain);
    free(gzip);
    return tensor;
}

static int check_sizes(const char *root, const fashion *f)
{
    const int64_t *sizes = cr_tensor_sizes(f->images);
    int64_t labels = cr_tensor_size(f->labels, 0);
    if (sizes[1] == SIDE && sizes[2] == SIDE && sizes[0] == labels && labels)
        return 0;
    return CR_FAIL_INT("%s: expected as many images of [28, 28] as labels, found %" PRId64
                       " of [%" PRId64 ", %" PRId64 "] and %" PRId64 " labels",
                       root, sizes[0], sizes[1], sizes[2], labels);
}

static int check_labels(const char *root, const fashion *f)
{
    for (int64_t i = 0; i < cr_tensor_size(f->labels, 0); i++)
        if (f->classes[i] >= CLASSES)
            return CR_FAIL_INT("%s: label %" PRId64 " is %d, expected 0 to 9", root, i,
                               f->classes[i]);
    return 0;
}

cr_dataset *cr_fashion_mnist_with(const cr_fashion_mnist_options *o)
{
    double std = o->std ? o->std : 1;
    if ((o->split != CR_TRAIN && o->split != CR_TEST) || !isfinite(o->mean) || !isfinite(std) ||
        std <= 0)
        return cr_fail("cr_fashion_mnist: expected CR_TRAIN or CR_TEST, a finite mean and a std "
                       "above 0, got split %d, mean %g, std %g",
                       (int)o->split, o->mean, o->std);
    fashion *f = calloc(1, sizeof *f);
    char *root = f ? find_root(o->root) : cr_fail_memory("a data set", sizeof *f);
    bool train = o->split == CR_TRAIN;
    bool good =
        root &&
        (f->images = load(root, train ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte", 3)) &&
        (f->labels = load(root, train ? "train-labels-idx1-ubyte" : "t10k-labels-idx1-ubyte", 1)) &&
        !check_sizes(root, f) && (f->pixels = cr_data_ptr(f->images)) &&
        (f->classes = cr_data_ptr(f->labels)) && !check_labels(root, f);
    free(root);
    if (!good) {
        if (f)
            destroy(f);
        return NULL;
    }
    f->length = cr_tensor_size(f->images, 0);
    for (int v = 0; v < 256; v++) /* float32 throughout, as torchvision */
        f->value[v] = ((float)v / 255.0f - (float)o->mean) / (float)std;
    return cr_dataset_new(&kind, f);
}

const char *cr_fashion_mnist_class(int64_t label)
{
    static const char *const names[CLASSES] = {
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot",
    };
    return label >= 0 && label < CLASSES ? names[label] : NULL;
}

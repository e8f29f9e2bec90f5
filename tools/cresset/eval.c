/* cresset eval and cresset predict: what a checkpoint of LeNet knows. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double mean = 0.2860, deviation = 0.3530; /* as trained with */
enum { CLASSES = 10, SIDE = 28 };

static bool ends(const char *path, const char *with)
{
    size_t n = strlen(path), m = strlen(with);
    return n > m && !strcmp(path + n - m, with);
}

/* The model with a checkpoint's values, in evaluation mode; null after an error. */
static cr_module *load_model(const char *path)
{
    bool torch = ends(path, ".pt") || ends(path, ".pth");
    cr_state_dict *dict = torch ? cr_load_torch(path) : cr_load(path);
    cr_module *net = make_lenet();
    if (!dict || !net || cr_module_load_state_dict(net, dict))
        return NULL;
    return cr_eval(net);
}

/* ---- eval ---- */

typedef struct tally {
    double loss;
    int64_t count, confusion[CLASSES][CLASSES]; /* [label][predicted] */
} tally;

static int measure(cr_module *net, cr_loader *loader, tally *t)
{
    CR_NO_GRAD {
        CR_FOREACH_BATCH (batch, loader) {
            int64_t labels[1000], predicted[1000];
            size_t bytes = (size_t)batch.count * 8;
            cr_tensor *out = cr_forward(net, batch.input);
            t->loss += cr_item(cr_cross_entropy(out, batch.target)) * (double)batch.count;
            if (cr_tensor_read(batch.target, labels, bytes) ||
                cr_tensor_read(cr_argmax(out, .dim = CR_SOME(1)), predicted, bytes))
                break;
            for (int64_t i = 0; i < batch.count; i++)
                t->confusion[labels[i]][predicted[i]]++;
            t->count += batch.count;
        }
    }
    return cr_error() ? -1 : 0;
}

static void print_tally(const tally *t)
{
    int64_t right = 0;
    printf("%-14s %9s %9s %9s %7s\n", "class", "precision", "recall", "f1", "images");
    for (int c = 0; c < CLASSES; c++) {
        int64_t hits = t->confusion[c][c], said = 0, were = 0;
        for (int k = 0; k < CLASSES; k++) {
            said += t->confusion[k][c];
            were += t->confusion[c][k];
        }
        right += hits;
        printf("%-14s %9.4f %9.4f %9.4f %7lld\n", cr_fashion_mnist_class(c),
               said ? (double)hits / (double)said : 0, were ? (double)hits / (double)were : 0,
               said + were ? 2 * (double)hits / (double)(said + were) : 0, (long long)were);
    }
    printf("loss %.4f  accuracy %.4f  images %lld\n", t->loss / (double)t->count,
           (double)right / (double)t->count, (long long)t->count);
}

static int run_eval(int argc, char **argv)
{
    const char *data = NULL, *backend = NULL, *path[1];
    bool training = false;
    const option options[] = {{"data", OPTION_TEXT, &data},
                              {"backend", OPTION_TEXT, &backend},
                              {"train", OPTION_FLAG, &training},
                              {NULL, OPTION_FLAG, NULL}};
    int n = read_options(&eval_command, options, argc, argv, path, 1);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (n != 1) {
        fprintf(stderr, "cresset eval: which checkpoint? see cresset eval --help\n");
        return CLI_USAGE;
    }
    if (backend && cr_set_default_device(backend))
        return report_error();
    cr_module *net = load_model(path[0]);
    cr_dataset *set =
        net ? cr_fashion_mnist(data, training ? CR_TRAIN : CR_TEST, .mean = mean, .std = deviation)
            : NULL;
    static tally t;
    if (!set || measure(net, cr_data_loader(set, .batch_size = 1000), &t))
        return report_error();
    print_tally(&t);
    return 0;
}
const command eval_command = {
    "eval", "CHECKPOINT [options]",
    "Measures a LeNet checkpoint on Fashion-MNIST: loss, accuracy, and each class.",
    "  --data DIR       the four idx files: $CRESSET_DATA/fashion-mnist or "
    "/usr/share/datasets/fashion-mnist\n"
    "  --train          on the training images instead of the test images\n"
    "  --backend NAME   \"cpu\", \"vulkan:1\"; the best found otherwise\n"
    "\n"
    "CHECKPOINT is a .safetensors file, or a .pt or .pth file of PyTorch with a state_dict.\n",
    run_eval};

/* ---- predict ---- */

/* A picture of any size, made grey and 28 x 28. */
static cr_tensor *read_picture(const char *path)
{
    cr_tensor *image = cr_load_image(path, .mode = CR_IMAGE_GRAY);
    cr_transform *resize = cr_transform_resize(.size_hw = {SIDE, SIDE});
    return image ? cr_transform_apply(resize, image, 0, 0) : NULL;
}

/* Images of a file as (N, 1, 28, 28) floats, normalised; null after an error. */
static cr_tensor *read_images(const char *path)
{
    bool picture = ends(path, ".png") || ends(path, ".jpg") || ends(path, ".jpeg");
    cr_tensor *raw = picture              ? read_picture(path)
                     : ends(path, ".npy") ? cr_load_npy(path)
                                          : cr_load_idx(path);
    int dim = cr_tensor_dim(raw);
    if (!raw)
        return NULL;
    if (dim < 2 || cr_tensor_size(raw, dim - 1) != SIDE || cr_tensor_size(raw, dim - 2) != SIDE)
        return cr_fail("%s: expected images of %d x %d in the last two dimensions", path, SIDE,
                       SIDE);
    bool bytes = cr_tensor_dtype(raw) == CR_U8;
    if (!bytes && !cr_is_floating_point(raw))
        return cr_fail("%s: expected uint8, or floating from 0 to 1, not %s", path,
                       cr_dtype_name(cr_tensor_dtype(raw)));
    cr_tensor *x = cr_reshape(cr_to_dtype(raw, CR_F32), CR_INTS(-1, 1, SIDE, SIDE));
    if (bytes)
        x = cr_div_scalar(x, 255.0);
    x = cr_div_scalar(cr_sub_scalar(x, mean), deviation);
    return cr_tensor_to(x, cr_default_device());
}

/* A line an image: where it is from, the likeliest classes. */
static int print_answers(cr_module *net, cr_tensor *images, const char *name, int64_t first)
{
    double p[CLASSES];
    int failed = 0;
    CR_NO_GRAD
        for (int64_t i = 0; i < cr_tensor_size(images, 0) && !failed; i++)
            CR_SCOPE {
                cr_tensor *out = cr_softmax(cr_forward(net, cr_narrow(images, 0, i, 1)), 1);
                failed = cr_tensor_read(cr_to_dtype(out, CR_F64), p, sizeof p);
                printf("%s[%lld]", name, (long long)(first + i));
                for (int k = 0; k < 3 && !failed; k++) {
                    int best = 0;
                    for (int c = 1; c < CLASSES; c++)
                        best = p[c] > p[best] ? c : best;
                    printf("  %s %.4f", cr_fashion_mnist_class(best), p[best]);
                    p[best] = -1;
                }
                printf("\n");
            }
    return failed;
}

static int predict_sample(cr_module *net, const char *data, int64_t index)
{
    cr_sample sample;
    cr_dataset *set = cr_fashion_mnist(data, CR_TEST, .mean = mean, .std = deviation);
    if (!set || cr_dataset_get(set, index, &sample))
        return -1;
    printf("labelled %s\n", cr_fashion_mnist_class(cr_item_int(sample.tensors[1])));
    return print_answers(net, cr_tensor_to(cr_unsqueeze(sample.tensors[0], 0), cr_default_device()),
                         "test", index);
}

static int run_predict(int argc, char **argv)
{
    const char *data = NULL, *backend = NULL, *paths[64];
    int64_t index = -1;
    const option options[] = {{"data", OPTION_TEXT, &data},
                              {"index", OPTION_INT, &index},
                              {"backend", OPTION_TEXT, &backend},
                              {NULL, OPTION_FLAG, NULL}};
    int n = read_options(&predict_command, options, argc, argv, paths, 64);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (n < 1 || (n == 1) == (index < 0)) {
        fprintf(stderr,
                "cresset predict: give a checkpoint, and image files or --index N; see cresset "
                "predict --help\n");
        return CLI_USAGE;
    }
    if (backend && cr_set_default_device(backend))
        return report_error();
    cr_module *net = load_model(paths[0]);
    if (!net || (n == 1 && predict_sample(net, data, index)))
        return report_error();
    for (int i = 1; i < n; i++) {
        cr_tensor *images = read_images(paths[i]);
        if (!images || print_answers(net, images, paths[i], 0))
            return report_error();
    }
    return 0;
}
const command predict_command = {
    "predict", "CHECKPOINT [FILE…] [options]",
    "Says what a LeNet checkpoint sees in images: the three likeliest classes of each.",
    "  --index N        the N-th test image of Fashion-MNIST instead of files\n"
    "  --data DIR       the four idx files: $CRESSET_DATA/fashion-mnist or "
    "/usr/share/datasets/fashion-mnist\n"
    "  --backend NAME   \"cpu\", \"vulkan:1\"; the best found otherwise\n"
    "\n"
    "A FILE is .npy or idx (also gzipped) and holds images of 28 x 28, uint8 or floating from 0 to "
    "1;\nor a picture, .png or .jpg, light on dark, which is made grey and 28 x 28.\n",
    run_predict};

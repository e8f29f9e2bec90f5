/* Images for training: torchvision.transforms, data sets that apply them, and folders of images.
 *
 *     cr_transform *augment = cr_compose(cr_transform_random_crop(32, .padding = 4),
 *                                        cr_transform_random_horizontal_flip(0.5),
 *                                        cr_transform_to_float(),
 *                                        cr_transform_normalize(0.5, 0.25));
 *     cr_dataset *set = cr_transform_dataset(images, augment, .seed = 1);
 *
 * An image is a tensor (C, H, W) in host memory: uint8 from 0 to 255, or floating, as a rule from 0
 * to 1. Transforms compute in float32; a uint8 image stays uint8, its values rounded and kept within
 * 0 to 255. Names, options, formulas and probabilities are torchvision's. What is random depends on a
 * seed and a number alone, so a data set's samples are the same however many threads make them.
 * Transforms belong to the scope; whoever is given one holds a reference. */
#ifndef CRESSET_TRANSFORMS_H
#define CRESSET_TRANSFORMS_H

#include <cresset/data.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_transform cr_transform;
typedef struct cr_draws cr_draws; /* a stream of random numbers */

/* From low (with) to high (without). */
CR_API double cr_draw_uniform(cr_draws *draws, double low, double high);
/* From 0 to below - 1; below > 0. */
CR_API int64_t cr_draw_below(cr_draws *draws, int64_t below);

/* A transform of one's own: returns the changed image, of the scope, or null after cr_fail; called
 * from several threads at once. destroy (or null) is called with context when the last reference
 * goes, also on failure. */
typedef cr_tensor *(*cr_transform_function)(void *context, cr_tensor *image, cr_draws *draws);
CR_API cr_transform *cr_transform_new(cr_transform_function function, void *context,
                                      void (*destroy)(void *context));
CR_API cr_transform *cr_transform_retain(cr_transform *transform);
CR_API void cr_transform_release(cr_transform *transform);

/* One image through a transform, with draws from seed and stream. The result belongs to the scope
 * and may be the image itself. */
CR_API cr_tensor *cr_transform_apply(cr_transform *transform, cr_tensor *image, uint64_t seed,
                                     uint64_t stream);

/* One after the other. */
CR_API cr_transform *cr_compose_with(cr_transform *const *transforms, size_t count);
/* One of them, drawn at random, each equally likely: RandomChoice. All with probability p together:
 * RandomApply. */
CR_API cr_transform *cr_random_choice_with(cr_transform *const *transforms, size_t count);
CR_API cr_transform *cr_random_apply(cr_transform *transform, double p);

/* ---- values ---- */

/* uint8 to float32 from 0 to 1; floating images stay as they are: what ToTensor does to values. */
CR_API cr_transform *cr_transform_to_float(void);
/* (x - mean[c]) / std[c]: one value for all channels or one for each (1 to 8). Floating images only.
 * Errors: a std that is 0, another number of channels. */
CR_API cr_transform *cr_transform_normalize_with(const double *mean, size_t nmean,
                                                 const double *std, size_t nstd);
/* 0.2989 R + 0.587 G + 0.114 B in num_output_channels (1 or 3) equal channels. */
CR_API cr_transform *cr_transform_grayscale(int num_output_channels);
/* The same with probability p, in as many channels as the image has. */
CR_API cr_transform *cr_transform_random_grayscale(double p);

typedef struct cr_color_jitter_options {
    double brightness, contrast, saturation; /* factors from max(0, 1 - x) to 1 + x */
    double hue;                              /* shift of -x to x of the circle; at most 0.5 */
    /* or from the first to the second: {0, 0} is not given */
    double brightness_range[2], contrast_range[2], saturation_range[2], hue_range[2];
    int end_;
} cr_color_jitter_options;
/* Brightness, contrast, saturation and hue changed at random, in a random order. Images have 3
 * channels, or 1, which have no saturation and hue. */
CR_API cr_transform *cr_transform_color_jitter_with(const cr_color_jitter_options *options);

/* ---- places ---- */

typedef struct cr_resize_options {
    int64_t size;       /* the shorter edge's; the other keeps the ratio */
    int64_t size_hw[2]; /* or both */
    bool nearest;       /* instead of bilinear */
    bool no_antialias;  /* bilinear shrinking looks at two pixels a direction only */
    int end_;
} cr_resize_options;
CR_API cr_transform *cr_transform_resize_with(const cr_resize_options *options);

/* The middle; smaller images get zeros around. */
CR_API cr_transform *cr_transform_center_crop(int64_t height, int64_t width);

typedef enum cr_pad_mode {
    CR_PAD_CONSTANT,
    CR_PAD_EDGE,
    CR_PAD_REFLECT,
    CR_PAD_SYMMETRIC
} cr_pad_mode;

typedef struct cr_random_crop_options {
    int64_t size; /* a square, or */
    int64_t size_hw[2];
    int64_t padding; /* on all sides, before */
    bool pad_if_needed;
    double fill;
    cr_pad_mode padding_mode;
    int end_;
} cr_random_crop_options;
/* A part at a random place. Errors when used: an image smaller than that. */
CR_API cr_transform *cr_transform_random_crop_with(const cr_random_crop_options *options);

typedef struct cr_random_resized_crop_options {
    int64_t size;
    int64_t size_hw[2];
    double scale[2]; /* 0.08 to 1: part of the area */
    double ratio[2]; /* 3/4 to 4/3: width to height */
    bool nearest, no_antialias;
    int end_;
} cr_random_resized_crop_options;
/* A part of random area and shape, resized: ten tries, then the largest middle of a ratio allowed. */
CR_API cr_transform *cr_transform_random_resized_crop_with(
    const cr_random_resized_crop_options *options);

CR_API cr_transform *cr_transform_random_horizontal_flip(double p);
CR_API cr_transform *cr_transform_random_vertical_flip(double p);

typedef struct cr_random_rotation_options {
    double degrees;  /* from -degrees to degrees, counter-clockwise, or */
    double range[2]; /* between these */
    bool bilinear;   /* instead of the nearest pixel */
    double fill;     /* outside of the image */
    int end_;
} cr_random_rotation_options;
/* Turned about the centre; the size stays. */
CR_API cr_transform *cr_transform_random_rotation_with(const cr_random_rotation_options *options);

typedef struct cr_transform_pad_options {
    int64_t padding;         /* on all sides, or */
    int64_t padding_ltrb[4]; /* left, top, right, bottom */
    double fill;
    cr_pad_mode padding_mode;
    int end_;
} cr_transform_pad_options;
/* Errors when used: reflecting further than the image goes. */
CR_API cr_transform *cr_transform_pad_with(const cr_transform_pad_options *options);

/* ---- looking at them ---- */

typedef struct cr_make_grid_options {
    int64_t nrow;    /* images in a row: 8 */
    int64_t padding; /* pixels between and around them: 2 */
    bool no_padding;
    bool normalize; /* values from the smallest to the largest become 0 to 1 */
    double pad_value;
    int end_;
} cr_make_grid_options;
/* Images (N, C, H, W) side by side as one (C or 3, H', W'), as torchvision.utils.make_grid: grey ones
 * get three channels. */
CR_API cr_tensor *cr_make_grid_with(cr_tensor *images, const cr_make_grid_options *options);

/* ---- data sets ---- */

typedef struct cr_transform_dataset_options {
    cr_dataset *dataset;
    cr_transform *transform;
    int field;     /* which of a sample's tensors: 0 */
    uint64_t seed; /* 0: cr_initial_seed() when the data set is made */
    int end_;
} cr_transform_dataset_options;
/* The samples of another data set with one tensor transformed. What is random depends on seed,
 * epoch (cr_current_epoch) and index. */
CR_API cr_dataset *cr_transform_dataset_with(const cr_transform_dataset_options *options);

/* Reads an image file: a tensor (C, H, W) of the scope, or null after cr_fail. Called from several
 * threads. */
typedef cr_tensor *(*cr_image_reader)(void *context, const char *path);

typedef struct cr_image_folder_options {
    const char *root; /* holds a folder a class, each with its images, also in folders below */
    cr_transform *transform; /* null: none */
    const char *extensions;  /* ".png .jpg .jpeg .ppm .pgm" unless given; compared without case */
    cr_image_reader reader;  /* null: PNG and JPEG (image.h), binary PPM and PGM, as RGB */
    void *reader_context;
    uint64_t seed; /* of the transform; 0: cr_initial_seed() */
    int end_;
} cr_image_folder_options;
/* torchvision's ImageFolder: sample (image, class), class int64, 0-d: classes are numbered in the
 * order of their folders' names (bytes), samples ordered by path within. Errors: a folder that can't
 * be read, no class, a class without an image. */
CR_API cr_dataset *cr_image_folder_with(const cr_image_folder_options *options);
/* Of such a data set: how many classes, and a class's name, borrowed; 0 and null for others. */
CR_API int64_t cr_image_folder_class_count(const cr_dataset *dataset);
CR_API const char *cr_image_folder_class(const cr_dataset *dataset, int64_t index);

#ifndef __cplusplus
#define CR_TRANSFORMS_(...)               \
    (cr_transform *const[]){__VA_ARGS__}, \
        sizeof((cr_transform *const[]){__VA_ARGS__}) / sizeof(cr_transform *)
#define cr_compose(...)       cr_compose_with(CR_TRANSFORMS_(__VA_ARGS__))
#define cr_random_choice(...) cr_random_choice_with(CR_TRANSFORMS_(__VA_ARGS__))
/* One value each for all channels. */
#define cr_transform_normalize(mean, std) \
    cr_transform_normalize_with((const double[]){mean}, 1, (const double[]){std}, 1)
#define cr_transform_color_jitter(...) \
    cr_transform_color_jitter_with(&(const cr_color_jitter_options){__VA_ARGS__, .end_ = 0})
#define cr_transform_resize(...) \
    cr_transform_resize_with(&(const cr_resize_options){__VA_ARGS__, .end_ = 0})
#define cr_transform_random_crop(...) \
    cr_transform_random_crop_with(&(const cr_random_crop_options){__VA_ARGS__, .end_ = 0})
#define cr_transform_random_resized_crop(...) \
    cr_transform_random_resized_crop_with(    \
        &(const cr_random_resized_crop_options){__VA_ARGS__, .end_ = 0})
#define cr_transform_random_rotation(...) \
    cr_transform_random_rotation_with(&(const cr_random_rotation_options){__VA_ARGS__, .end_ = 0})
#define cr_transform_pad(...) \
    cr_transform_pad_with(&(const cr_transform_pad_options){__VA_ARGS__, .end_ = 0})
#define cr_make_grid(...)                        \
    cr_make_grid_with(CR_FIRST_(__VA_ARGS__, 0), \
                      &(const cr_make_grid_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_transform_dataset(...) \
    cr_transform_dataset_with(&(const cr_transform_dataset_options){__VA_ARGS__, .end_ = 0})
#define cr_image_folder(...) \
    cr_image_folder_with(&(const cr_image_folder_options){__VA_ARGS__, .end_ = 0})
#endif

#ifdef __cplusplus
}
#endif
#endif

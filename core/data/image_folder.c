/* ImageFolder: a folder a class, images in it and below; and PPM and PGM, which need no library. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <cresset/image.h>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/data/dataset.h"
#include "core/data/transform.h"
#include "core/io/memory.h"

typedef struct names {
    char **data;
    size_t count, capacity;
} names;

typedef struct folder {
    names classes, paths;
    int64_t *labels; /* [paths.count] */
    cr_image_reader reader;
    void *context;
    cr_transform *transform;
    uint64_t seed;
} folder;

enum { DEPTH = 32 };

static int add(names *n, char *name)
{
    if (!name)
        return -1;
    if (n->count == n->capacity) {
        size_t capacity = n->capacity ? 2 * n->capacity : 64;
        char **data = realloc(n->data, capacity * sizeof *data);
        if (!data) {
            free(name);
            return cr_fail_memory("a folder's names", capacity * sizeof *data), -1;
        }
        n->data = data;
        n->capacity = capacity;
    }
    n->data[n->count++] = name;
    return 0;
}

static void free_names(names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->data[i]);
    free(n->data);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *copy(const char *text)
{
    char *to = malloc(strlen(text) + 1);
    return to ? strcpy(to, text) : cr_fail_memory("a name", strlen(text) + 1);
}

/* Whether the name ends in one of the extensions, which are separated by spaces. */
static bool fits(const char *name, const char *extensions)
{
    size_t length = strlen(name);
    while (*extensions) {
        size_t n = strcspn(extensions, " ");
        if (n && n < length && !strncasecmp(name + length - n, extensions, n))
            return true;
        extensions += n + (extensions[n] == ' ');
    }
    return false;
}

static bool is_folder(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

/* Names in a folder, sorted: folders only, or all. */
static int list(const char *path, bool folders, names *to)
{
    DIR *dir = opendir(path);
    if (!dir)
        return CR_FAIL_INT("cr_image_folder: can't read the folder %s: %s", path, strerror(errno));
    int status = 0;
    for (struct dirent *e; !status && (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        char *full = cr_file_join(path, e->d_name);
        status = full ? 0 : -1;
        if (!status && (!folders || is_folder(full)))
            status = add(to, copy(e->d_name));
        free(full);
    }
    closedir(dir);
    if (to->count)
        qsort(to->data, to->count, sizeof *to->data, by_name);
    return status;
}

/* All images in a folder and below. */
static int collect(const char *path, const char *extensions, int depth, names *to)
{
    names here = {0};
    int status = depth > DEPTH ? CR_FAIL_INT("cr_image_folder: %s lies too deep", path)
                               : list(path, false, &here);
    for (size_t i = 0; i < here.count && !status; i++) {
        char *full = cr_file_join(path, here.data[i]);
        if (!full)
            status = -1;
        else if (is_folder(full))
            status = collect(full, extensions, depth + 1, to);
        else if (fits(here.data[i], extensions)) {
            status = add(to, full);
            full = NULL;
        }
        free(full);
    }
    free_names(&here);
    return status;
}

/* ---- PPM and PGM, binary: netpbm.sourceforge.net/doc/ppm.html ---- */

/* The next number of a header, past spaces and comments; -1 if there is none. */
static int64_t number(const unsigned char *bytes, size_t size, size_t *at)
{
    while (*at < size && (bytes[*at] == '#' || strchr(" \t\r\n", bytes[*at]))) {
        if (bytes[*at] == '#')
            while (*at < size && bytes[*at] != '\n')
                ++*at;
        else
            ++*at;
    }
    int64_t value = -1;
    for (; *at < size && bytes[*at] >= '0' && bytes[*at] <= '9' && value < 1 << 24; ++*at)
        value = (value < 0 ? 0 : value * 10) + bytes[*at] - '0';
    return value;
}

static bool is_pnm(const unsigned char *bytes, size_t size)
{
    return size > 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6');
}

static cr_tensor *read_pnm(const char *path, const unsigned char *bytes, size_t size)
{
    size_t at = 2;
    int64_t channels = bytes[1] == '6' ? 3 : 1, width = number(bytes, size, &at),
            height = number(bytes, size, &at), most = number(bytes, size, &at);
    at++; /* one space */
    if (width < 1 || height < 1 || width > 1 << 20 || height > 1 << 20 || most != 255 ||
        at > size || size - at < (size_t)(channels * width * height))
        return cr_fail("%s: no binary PPM or PGM of 8 bits, or cut short", path);
    const int64_t sizes[] = {3, height, width};
    unsigned char *memory = cr_io_allocate("an image", (size_t)(3 * width * height));
    for (int64_t i = 0; i < width * height && memory; i++)
        for (int64_t c = 0; c < 3; c++)
            memory[c * width * height + i] =
                bytes[at + (size_t)(i * channels + (channels == 3 ? c : 0))];
    return memory ? cr_io_adopt(memory, CR_U8, 3, sizes, NULL) : NULL;
}

/* Any image as RGB, told by its first bytes. */
static cr_tensor *read_image(void *context, const char *path)
{
    (void)context;
    cr_file_map *map = cr_file_map_open(path);
    if (!map)
        return NULL;
    const unsigned char *bytes = cr_file_map_data(map);
    size_t size = cr_file_map_size(map);
    cr_tensor *image = is_pnm(bytes, size) ? read_pnm(path, bytes, size)
                                           : cr_load_image(path, .mode = CR_IMAGE_RGB);
    cr_file_map_release(map);
    return image;
}

/* ---- the data set ---- */

static int64_t length(void *data)
{
    return (int64_t)((folder *)data)->paths.count;
}

static int get_item(void *data, int64_t index, cr_sample *sample)
{
    folder *f = data;
    cr_tensor *image = f->reader(f->context, f->paths.data[index]);
    if (!image)
        return cr_error() ? -1 : CR_FAIL_INT("%s: can't be read", f->paths.data[index]);
    if (f->transform)
        image = cr_transform_apply(f->transform, image,
                                   f->seed + cr_current_epoch() * UINT64_C(0x9E3779B97F4A7C15),
                                   (uint64_t)index);
    sample->tensors[0] = image;
    sample->tensors[1] = cr_tensor_copy_from(&f->labels[index], CR_I64, 0, NULL, "cpu");
    sample->count = 2;
    return image && sample->tensors[1] ? 0 : -1;
}

static void destroy(void *data)
{
    folder *f = data;
    free_names(&f->classes);
    free_names(&f->paths);
    free(f->labels);
    cr_transform_release(f->transform);
    free(f);
}

static const cr_dataset_class kind = {
    .name = "ImageFolder", .length = length, .get_item = get_item, .destroy = destroy};

static int fill(folder *f, const cr_image_folder_options *o, const char *extensions)
{
    if (list(o->root, true, &f->classes))
        return -1;
    if (!f->classes.count)
        return CR_FAIL_INT("cr_image_folder: %s has no folder, so no class", o->root);
    for (size_t c = 0; c < f->classes.count; c++) {
        size_t before = f->paths.count;
        char *path = cr_file_join(o->root, f->classes.data[c]);
        int status = path ? collect(path, extensions, 0, &f->paths) : -1;
        free(path);
        if (status)
            return -1;
        if (f->paths.count == before)
            return CR_FAIL_INT("cr_image_folder: class %s in %s has no image (%s)",
                               f->classes.data[c], o->root, extensions);
        int64_t *labels = realloc(f->labels, f->paths.count * sizeof *labels);
        if (!labels)
            return cr_fail_memory("labels", f->paths.count * sizeof *labels), -1;
        f->labels = labels;
        for (size_t i = before; i < f->paths.count; i++)
            labels[i] = (int64_t)c;
    }
    return 0;
}

cr_dataset *cr_image_folder_with(const cr_image_folder_options *o)
{
    if (!o->root)
        return cr_fail("cr_image_folder: the root is null");
    folder *f = calloc(1, sizeof *f);
    if (!f)
        return cr_fail_memory("a data set", sizeof *f);
    f->reader = o->reader ? o->reader : read_image;
    f->context = o->reader_context;
    f->transform = cr_transform_retain(o->transform);
    f->seed = o->seed ? o->seed : cr_initial_seed();
    if (fill(f, o, o->extensions ? o->extensions : ".png .jpg .jpeg .ppm .pgm")) {
        destroy(f);
        return NULL;
    }
    return cr_dataset_new(&kind, f);
}

int64_t cr_image_folder_class_count(const cr_dataset *dataset)
{
    return dataset && dataset->kind == &kind ? (int64_t)((folder *)dataset->data)->classes.count
                                             : 0;
}

const char *cr_image_folder_class(const cr_dataset *dataset, int64_t index)
{
    return index >= 0 && index < cr_image_folder_class_count(dataset)
               ? ((folder *)dataset->data)->classes.data[index]
               : NULL;
}

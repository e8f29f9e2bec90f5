/* PPM and PGM images of image folders. */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>

static char root[64], folder[80], path[96];

static void clean(void)
{
    unlink(path);
    rmdir(folder);
    rmdir(root);
}

static void prepare(void)
{
    snprintf(root, sizeof root, "/tmp/cresset-fuzz-XXXXXX");
    if (!mkdtemp(root))
        abort();
    snprintf(folder, sizeof folder, "%s/class", root);
    snprintf(path, sizeof path, "%s/image.ppm", folder);
    mkdir(folder, 0700);
    atexit(clean);
}

/* The folder's one file. In the fuzzers' builds it stays empty: what is read comes from memory. */
static void put(const uint8_t *data, size_t size)
{
#ifdef CRESSET_FUZZ
    fuzz_file(data, size);
    if (!access(path, F_OK))
        return;
    data = (const uint8_t *)"";
    size = 0;
#endif
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cr_dataset *set;
    if (size < 2 || data[0] != 'P' || (data[1] != '5' && data[1] != '6'))
        return 0;
    if (!*root)
        prepare();
    put(data, size);
    if (!set)
        set = cr_image_folder(root);
    CR_SCOPE {
        cr_sample sample;
        if (!cr_dataset_get(set, 0, &sample))
            fuzz_touch(sample.tensors[0]);
        else if (!cr_error())
            abort();
        cr_clear_error();
    }
    return 0;
}

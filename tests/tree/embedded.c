/* A program that embeds Cresset: its backends are part of the library, and nothing is loaded. It
 * puts itself before dlopen, so that a load would be counted, and looks at what is mapped. */
#define _GNU_SOURCE
#include <cresset/cresset.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int loads;

void *dlopen(const char *file, int flags)
{
    void *(*real)(const char *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "dlopen");
    if (file) {
        loads++;
        fprintf(stderr, "dlopen(\"%s\")\n", file);
    }
    return real ? real(file, flags) : NULL;
}

static int mapped_backends(void)
{
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        found += strstr(line, "libcresset_") != NULL;
    if (!maps)
        return -1;
    fclose(maps);
    return found;
}

/* Of sum(2x @ x), row sums and column sums of x twice: 80 in all for 1 2 3 4. */
static double gradient(void)
{
    cr_tensor *x = cr_requires_grad_(cr_tensor_f32(CR_INTS(2, 2), 1, 2, 3, 4), 1);
    cr_backward(cr_sum(cr_matmul(cr_add(x, x), x)));
    return cr_item(cr_sum(cr_grad(x)));
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "cpu";
    const char *device = cr_default_device();
    int as_wanted = device && !strcmp(device, wanted); /* its name goes with cr_exit */
    printf("device %s\n", device ? device : "none");
    printf("gradient %g\n", gradient());
    cr_tensor *image = cr_ones(CR_INTS(1, 3, 8, 8)), *weight = cr_ones(CR_INTS(4, 3, 3, 3));
    printf("convolution %g\n", cr_item(cr_sum(cr_f_conv2d(image, weight))));
    for (size_t i = 0; i < cr_backend_count(); i++)
        printf("backend %s %s\n", cr_backend_get(i)->name, cr_backend_get(i)->path);
    if (cr_backend_load("/lib/libcresset_cpu.so"))
        puts("a file was loaded");
    else
        printf("refused: %s\n", cr_error());
    cr_clear_error();
    printf("loads %d, mapped %d\n", loads, mapped_backends());
    return cr_exit() || !as_wanted ? EXIT_FAILURE : EXIT_SUCCESS;
}

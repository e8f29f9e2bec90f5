/* The loader's own functions, for tests that have functions of the same names, which the backend then calls. */
#ifndef CRESSET_TESTS_VULKAN_LOADER_H
#define CRESSET_TESTS_VULKAN_LOADER_H

#include <dlfcn.h>
#include <vulkan/vulkan.h>

/* A function of this program that stands before the loader's. */
#define INSTEAD __attribute__((visibility("default")))

static inline void *of_the_loader(const char *name)
{
    static void *loader;
    if (!loader)
        loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    return loader ? dlsym(loader, name) : NULL;
}

/* Calls the loader's function of that name. */
#define CALL_REAL(name, ...)                     \
    __extension__({                              \
        PFN_##name real_;                        \
        *(void **)&real_ = of_the_loader(#name); \
        real_(__VA_ARGS__);                      \
    })

#endif

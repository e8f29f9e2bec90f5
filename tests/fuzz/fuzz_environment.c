/* The environment. Each line sets a variable: its first letter chooses which (from A the value is
 * repeated until it is longer than any name, from N until longer than any path), the rest is the
 * value. Then the library is used as if it had just been loaded, and left.
 *
 * Real runs map the files of the backends once, so that opening one again only counts up; a replay
 * maps and leaves them each time, as a program does. */
#include "fuzz.h"

#include <dirent.h>
#include <dlfcn.h>

#include "chaos.h"

static const char *const variables[] = {"CRESSET_BACKEND",
                                        "CRESSET_BACKEND_PATH",
                                        "CRESSET_NUM_THREADS",
                                        "OMP_NUM_THREADS",
                                        "CRESSET_FALLBACK",
                                        "CRESSET_VALIDATE",
                                        "CRESSET_LOG",
                                        "CRESSET_DATA",
                                        "CRESSET_CPU_ISA",
                                        "CRESSET_CHAOS",
                                        "CRESSET_ONLY_PRIMITIVES",
                                        "CRESSET_CHAOS_SEED",
                                        "CRESSET_TRACE_EVENTS"};
enum {
    VARIABLES = sizeof variables / sizeof *variables,
    LONG_NAME = 600,
    LONG_PATH = 6000,
    LINE = 2048
};

/* The parser of CRESSET_CHAOS is compiled in: loading its plugin each time would take longer. */
static cr_status refuse(const cr_host *host, cr_status status, const char *format, ...)
{
    (void)host, (void)format;
    return status;
}
static const cr_host services = {.struct_size = sizeof services, .fail = refuse};
const cr_host *wrap_host = &services;

static void ignore(void *context, cr_log_level level, const char *words)
{
    (void)context, (void)level, (void)words;
}

/* By putenv: setenv of glibc keeps every value that it was ever given. */
static void set(char letter, const char *value)
{
    static char texts[VARIABLES][LONG_PATH + LINE];
    int which = (unsigned char)(letter | 32) % VARIABLES;
    char *text = texts[which];
    size_t length = strlen(value), start = strlen(variables[which]) + 1, at = start, least = start;
    if (length && letter >= 'A' && letter <= 'Z')
        least += letter < 'N' ? LONG_NAME : LONG_PATH;
    unsetenv(variables[which]);
    snprintf(text, sizeof *texts, "%s=", variables[which]);
    do {
        memcpy(text + at, value, length + 1);
        at += length;
    } while (at < least);
    putenv(text);
}

/* Maps the backends of the first folder that the fuzzer was given, for good. */
static void map_backends(const char *folders)
{
#ifdef CRESSET_FUZZ
    char *folder = strndup(folders, strcspn(folders, ":"));
    DIR *files = folder ? opendir(folder) : NULL;
    for (struct dirent *file; files && (file = readdir(files));) {
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%s", folder, file->d_name) < (int)sizeof path &&
            strstr(file->d_name, ".so"))
            dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    if (files)
        closedir(files);
    free(folder);
#else
    (void)folders;
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *folder;
    if (!folder) { /* where the backends are that the fuzzer was given */
        const char *given = getenv("CRESSET_BACKEND_PATH");
        folder = strdup(given ? given : "");
        map_backends(folder);
    }
    for (int i = 0; i < VARIABLES; i++)
        unsetenv(variables[i]);
    setenv("CRESSET_BACKEND_PATH", folder, 1);
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size;
        char line[LINE];
        if (length && length < sizeof line) {
            memcpy(line, data, length);
            line[length] = 0;
            set(line[0], line + 1);
        }
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
    cr_set_log(ignore, NULL);
    int threads = cr_num_threads();
    if (threads < 1 || threads > 1024)
        abort();
    chaos_rule rules[CHAOS_RULES];
    if (chaos_read_rules(getenv("CRESSET_CHAOS"), rules) > CHAOS_RULES)
        abort();
    const char *device = cr_default_device();
    fuzz_finish(device);
    CR_SCOPE {
        if (device) {
            cr_tensor *x = cr_ones(CR_INTS(2));
            fuzz_touch(cr_add(x, x));
            fuzz_finish(x);
        }
        fuzz_finish(cr_ones(CR_INTS(2), .device = "cpu"));
    }
    return cr_exit();
}

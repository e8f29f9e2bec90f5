/* The environment. Each line sets a variable: its first letter chooses which (of large letters the
 * value is repeated until it is very long), the rest is the value. Then the library is used as if
 * it had just been loaded, and left. */
#include "fuzz.h"

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
enum { VARIABLES = sizeof variables / sizeof *variables, LONG = 6000, LINE = 2048 };

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

static void set(char letter, const char *value)
{
    static char text[LONG + LINE];
    size_t length = strlen(value), at = 0;
    bool repeat = letter >= 'A' && letter <= 'Z' && length;
    do {
        memcpy(text + at, value, length + 1);
        at += length;
    } while (repeat && at < LONG);
    setenv(variables[(unsigned char)(letter | 32) % VARIABLES], text, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *folder;
    if (!folder) { /* where the backends are that the fuzzer was given */
        const char *given = getenv("CRESSET_BACKEND_PATH");
        folder = strdup(given ? given : "");
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
    fuzz_finish(cr_default_device());
    CR_SCOPE {
        cr_tensor *x = cr_ones(CR_INTS(2));
        fuzz_touch(cr_add(x, x));
        fuzz_finish(x);
        fuzz_finish(cr_ones(CR_INTS(2), .device = "cpu"));
    }
    return cr_exit();
}

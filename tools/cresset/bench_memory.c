/* The most memory that a process has resident which trains a model for a few steps: of the whole process, and beyond what it had before.
 * The most lasts as long as the process, so only the first row that it is asked for is true: tools/bench asks for one at a time. */
#include "bench.h"

#include "cli.h"
#include "models.h"

#include <stdio.h>
#include <string.h>

enum { STEPS = 4 };

/* A line of /proc/self/status in MiB, 0 where there is none. */
static double status_mib(const char *name)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), ": %lf", &kib);
    if (f)
        fclose(f);
    return kib / 1024;
}

static cr_tensor *loss_of(void *context, cr_module *net, cr_tensor *const *in, size_t n)
{
    (void)context, (void)n;
    cr_tensor *out = cr_forward(net, in[0]);
    if (!out)
        return NULL;
    return cr_cross_entropy(cr_reshape(out, CR_INTS(-1, cr_tensor_size(out, -1))),
                            cr_reshape(in[1], CR_INTS(-1)));
}

static void train(training *s, bool captured)
{
    cr_compiled *step = captured ? cr_compile_step(s->net, s->optimizer, loss_of, NULL) : NULL;
    for (int i = 0; i < STEPS; i++)
        CR_SCOPE {
            if (captured)
                cr_compiled_call(step, s->x, s->y);
            else
                train_step(s);
        }
}

static void images(training *s, cr_module *net, int64_t batch, int64_t channels, int64_t side)
{
    s->net = net;
    s->optimizer = cr_sgd(net, .lr = 0.01, .momentum = 0.9);
    s->x = cr_randn(CR_INTS(batch, channels, side, side));
    s->y = cr_randint(10, CR_INTS(batch));
}

static void lenet(training *s)
{
    images(s, make_lenet(), 64, 1, 28);
}

static void resnet32(training *s)
{
    images(s, make_resnet18(64), 8, 3, 32);
}

static void resnet112(training *s)
{
    images(s, make_resnet18(64), 8, 3, 112);
}

static void gpt(training *s)
{
    s->net = make_gpt(4, 256);
    s->optimizer = cr_adamw(s->net);
    s->x = s->y = cr_randint(GPT_VOCABULARY, CR_INTS(8, GPT_CONTEXT));
}

void bench_memory(void)
{
    static const struct {
        const char *name;
        void (*make)(training *s);
    } rows[] = {{"memory/lenet_b64", lenet},
                {"memory/resnet18_b8_32px", resnet32},
                {"memory/resnet18_b8_112px", resnet112},
                {"memory/gpt_4l_d256_b8_t128", gpt}};
    char name[64];
    for (size_t i = 0; i < 2 * (sizeof rows / sizeof *rows); i++) {
        snprintf(name, sizeof name, "%s%s", i % 2 ? "captured/" : "", rows[i / 2].name);
        if (!bench_wants(name))
            continue;
        double before = status_mib("VmRSS");
        CR_SCOPE {
            training s = {0};
            rows[i / 2].make(&s);
            train(&s, i % 2);
        }
        double most = status_mib("VmHWM"), grown = most - before;
        if (!cr_error() && most > 0)
            printf("%s\t%.4g\tMiB\t%.4g\t%.4g\n%s/grown\t%.4g\tMiB\t%.4g\t%.4g\n", name, most, most,
                   most, name, grown, grown, grown);
        fflush(stdout);
    }
}

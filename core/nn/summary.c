/* The table that torchkeras prints of a model, in its layout: hooks on every module that is no container watch one call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/nn/nn.h"

/* A module that is watched: its hook, its mode before. */
typedef struct watched {
    cr_module *module;
    int64_t hook; /* 0: none */
    bool training;
} watched;

typedef struct summary {
    watched *modules;
    size_t nmodules;
    const cr_tensor **counted; /* parameters in a row already */
    size_t ncounted;
    int rows;
    double outputs; /* elements, for a batch of one */
    cr_text text;
} summary;

static void add_line(cr_text *text, char c)
{
    char line[76];
    memset(line, c, 74);
    line[74] = '\n';
    cr_text_add_bytes(text, line, 75);
}

/* "54,273" */
static const char *with_commas(int64_t value, char *to, size_t bytes)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value);
    size_t n = 0;
    for (int i = 0; i < length && n + 2 < bytes; i++) {
        if (i && (length - i) % 3 == 0)
            to[n++] = ',';
        to[n++] = digits[i];
    }
    to[n] = 0;
    return to;
}

static bool count_once(summary *s, const cr_tensor *parameter)
{
    for (size_t i = 0; i < s->ncounted; i++)
        if (s->counted[i] == parameter)
            return false;
    s->counted[s->ncounted++] = parameter;
    return true;
}

/* A module's own parameters that no earlier row had. */
static int64_t new_parameters(summary *s, cr_module *module)
{
    int64_t count = 0;
    const cr_slots *parameters = &module->state_->parameters;
    for (size_t i = 0; i < parameters->count; i++)
        if (count_once(s, parameters->data[i].as.tensor))
            count += cr_tensor_numel(parameters->data[i].as.tensor);
    return count;
}

static int see_call(void *context, cr_module *module, cr_tensor *const *inputs, size_t ninputs,
                    cr_tensor **outputs, size_t noutputs)
{
    (void)inputs, (void)ninputs, (void)noutputs;
    summary *s = context;
    char layer[96], count[32], shape[32 + 21 * CR_MAX_RANK] = "[-1";
    const int64_t *size = cr_tensor_sizes(outputs[0]);
    double elements = 1;
    size_t n = 3;
    for (int i = 1; i < cr_tensor_dim(outputs[0]); i++) {
        n += (size_t)snprintf(shape + n, sizeof shape - n, ", %lld", (long long)size[i]);
        elements *= (double)size[i];
    }
    snprintf(shape + n, sizeof shape - n, "]");
    snprintf(layer, sizeof layer, "%.80s-%d", module->type->name, ++s->rows);
    s->outputs += elements;
    cr_text_add(&s->text, "%-20s %31s %20s\n", layer, shape,
                with_commas(new_parameters(s, module), count, sizeof count));
    return 0;
}

static bool is_watched(const cr_module *module, const cr_module *net)
{
    const cr_module_type *type = module->type;
    return type->forward && module != net && type != &cr_sequential_type;
}

/* Notes every module inside, with its mode, and hooks those that are watched. */
static bool watch(summary *s, cr_module *net)
{
    size_t parameters = 0, modules = 0;
    CR_FOREACH_MODULE(m, net)
    {
        parameters += m.module->state_->parameters.count;
        modules++;
    }
    s->modules = calloc(modules + 1, sizeof *s->modules);
    s->counted = calloc(parameters + 1, sizeof *s->counted);
    if (!s->modules || !s->counted)
        return cr_fail_memory("a summary", modules * sizeof *s->modules);
    CR_FOREACH_MODULE(m, net)
    {
        watched *w = &s->modules[s->nmodules++];
        *w = (watched){.module = m.module, .training = m.module->training};
        m.module->training = false;
        if (is_watched(m.module, net) &&
            !(w->hook = cr_register_forward_hook(m.module, see_call, s)))
            return false;
    }
    return s->nmodules == modules;
}

static void unwatch(summary *s)
{
    for (size_t i = 0; i < s->nmodules; i++) {
        s->modules[i].module->training = s->modules[i].training;
        if (s->modules[i].hook)
            cr_module_remove_hook(s->modules[i].module, s->modules[i].hook);
    }
    free(s->modules);
    free((void *)s->counted);
}

/* Where the module's parameters are, or the default device and dtype. */
static cr_tensor *sample(cr_module *net, cr_ints shape)
{
    int64_t sizes[CR_MAX_RANK] = {2};
    if (shape.count < 1 || shape.count >= CR_MAX_RANK)
        return cr_fail("cr_summary: the input's shape needs 1 to %d sizes, got %lld",
                       CR_MAX_RANK - 1, (long long)shape.count);
    for (int64_t i = 0; i < shape.count; i++)
        sizes[i + 1] = shape.data ? shape.data[i] : shape.one;
    cr_named_tensor first = cr_parameters(net);
    cr_next_tensor(&first);
    return cr_rand(cr_make_ints(sizes, (size_t)shape.count + 1),
                   .dtype = cr_tensor_dtype(first.tensor),
                   .device = first.tensor ? cr_tensor_device(first.tensor) : NULL);
}

/* Exactly one of shape and inputs is used: inputs where there are any. */
static bool run(cr_module *net, cr_ints shape, cr_tensors inputs)
{
    bool good = false;
    uint64_t state[2];
    cr_get_rng_state(state);
    CR_SCOPE
        CR_NO_GRAD {
            cr_tensor *x = inputs.count ? NULL : sample(net, shape);
            good = inputs.count ? cr_forward_with(net, inputs.data, (size_t)inputs.count) != NULL
                                : x && cr_forward(net, x);
        }
    cr_set_rng_state(state);
    return good;
}

/* Elements of one sample of all inputs together. */
static double input_elements(cr_ints shape, cr_tensors inputs)
{
    double all = 0, one = 1;
    for (int64_t i = 0; i < inputs.count; i++) {
        const int64_t *sizes = cr_tensor_sizes(inputs.data[i]);
        double elements = 1;
        for (int d = 1; d < cr_tensor_dim(inputs.data[i]); d++)
            elements *= (double)sizes[d];
        all += elements;
    }
    for (int64_t i = 0; i < shape.count; i++)
        one *= (double)(shape.data ? shape.data[i] : shape.one);
    return inputs.count ? all : one;
}

static void add_totals(summary *s, cr_module *net, double input_count)
{
    const double mega = 1024.0 * 1024.0;
    int64_t total = cr_parameter_count(net), trainable = cr_trainable_parameter_count(net);
    double input = input_count * 4 / mega, output = 2 * s->outputs * 4 / mega,
           parameters = (double)total * 4 / mega;
    char text[32];
    add_line(&s->text, '=');
    cr_text_add(&s->text, "Total params: %s\n", with_commas(total, text, sizeof text));
    cr_text_add(&s->text, "Trainable params: %s\n", with_commas(trainable, text, sizeof text));
    cr_text_add(&s->text, "Non-trainable params: %s\n",
                with_commas(total - trainable, text, sizeof text));
    add_line(&s->text, '-');
    cr_text_add(&s->text,
                "Input size (MB): %f\nForward/backward pass size (MB): %f\nParams size (MB): %f\n",
                input, output, parameters);
    cr_text_add(&s->text, "Estimated Total Size (MB): %f\n", input + output + parameters);
    add_line(&s->text, '-');
}

static char *summarise(cr_module *net, cr_ints shape, cr_tensors inputs)
{
    if (!cr_is_module(net, "cr_summary"))
        return NULL;
    summary s = {0};
    add_line(&s.text, '-');
    cr_text_add(&s.text, "%-20s %31s %20s\n", "Layer (type)", "Output Shape", "Param #");
    add_line(&s.text, '=');
    bool good = watch(&s, net) && run(net, shape, inputs);
    unwatch(&s);
    if (!good) {
        cr_text_free(&s.text);
        return NULL;
    }
    add_totals(&s, net, input_elements(shape, inputs));
    return cr_text_take(&s.text);
}

static int print(char *text)
{
    if (!text)
        return -1;
    int failed = fputs(text, stdout) < 0;
    cr_free(text);
    return failed ? CR_FAIL_INT("cr_summary: standard output can't be written to") : 0;
}

char *cr_summary_to_string(cr_module *net, cr_ints input_shape)
{
    return summarise(net, input_shape, (cr_tensors){NULL, 0});
}

char *cr_summary_inputs_to_string(cr_module *net, cr_tensors inputs)
{
    if (inputs.count < 1)
        return cr_fail("cr_summary_inputs: no inputs are given");
    return summarise(net, (cr_ints){NULL, 0, 0}, inputs);
}

int cr_summary_with(cr_module *net, cr_ints input_shape)
{
    return print(cr_summary_to_string(net, input_shape));
}

int cr_summary_inputs(cr_module *net, cr_tensors inputs)
{
    return print(cr_summary_inputs_to_string(net, inputs));
}

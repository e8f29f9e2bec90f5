/* Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict. */
#include <stdio.h>

#include "core/base/scope.h"
#include "core/nn/nn.h"
#include "core/nn/repr.h"

static size_t forward_sequential(cr_module *self, cr_tensor *const *inputs, size_t n,
                                 cr_tensor **outputs)
{
    const cr_slots *children = &self->state_->children;
    if (!children->count) {
        outputs[0] = inputs[0];
        return cr_module_check_inputs(self, 1, n);
    }
    for (size_t i = 0; i < children->count; i++) {
        cr_tensor *before = outputs[0];
        outputs[0] = i ? cr_forward_with(children->data[i].as.module, outputs, 1)
                       : cr_forward_with(children->data[i].as.module, inputs, n);
        if (!outputs[0])
            return 0;
        if (i && before != outputs[0])
            cr_scope_drop(before);
    }
    return 1;
}

/* ParameterList and ParameterDict print their tensors. The one names dtypes as PyTorch does now, the other as it used to. */
static void describe_parameters(const cr_module *self, cr_text *text)
{
    static const struct {
        cr_dtype dtype;
        const char *name;
    } types[] = {{CR_F32, "FloatTensor"},
                 {CR_F64, "DoubleTensor"},
                 {CR_F16, "HalfTensor"},
                 {CR_BF16, "BFloat16Tensor"}};
    bool is_dict = self->type == &cr_parameter_dict_type;
    const cr_slots *parameters = &self->state_->parameters;
    for (size_t i = 0; i < parameters->count; i++) {
        const cr_tensor *t = parameters->data[i].as.tensor;
        const char *name = cr_dtype_name(cr_tensor_dtype(t));
        for (size_t k = 0; is_dict && k < sizeof types / sizeof *types; k++)
            if (types[k].dtype == cr_tensor_dtype(t))
                name = types[k].name;
        cr_text_add(text, "%s  (%s): Parameter containing: [torch.%s of size ", i ? "\n" : "",
                    parameters->data[i].name, name);
        for (int d = 0; d < cr_tensor_dim(t); d++)
            cr_text_add(text, d ? "x%lld" : "%lld", (long long)cr_tensor_sizes(t)[d]);
        cr_text_add(text, "]");
    }
}

static int parameters_repr(const cr_module *self, char *to, size_t bytes)
{
    cr_text text = {0};
    describe_parameters(self, &text);
    if (self->state_->parameters.count)
        cr_text_add(&text, "\n"); /* so that even a single one stands on a line of its own */
    return cr_repr_finish(&text, to, bytes);
}

const cr_module_type cr_sequential_type = {
    .name = "Sequential", .size = sizeof(cr_module), .forward = forward_sequential};
const cr_module_type cr_module_list_type = {.name = "ModuleList", .size = sizeof(cr_module)};
const cr_module_type cr_module_dict_type = {.name = "ModuleDict", .size = sizeof(cr_module)};
const cr_module_type cr_parameter_list_type = {
    .name = "ParameterList", .size = sizeof(cr_module), .extra_repr = parameters_repr};
const cr_module_type cr_parameter_dict_type = {
    .name = "ParameterDict", .size = sizeof(cr_module), .extra_repr = parameters_repr};

static bool is_name(const void *item)
{
    return *(const unsigned char *)item != 0xFF;
}

cr_module *cr_module_append(cr_module *container, cr_module *child)
{
    if (!cr_is_module(container, "cr_module_append"))
        return NULL;
    char name[24];
    snprintf(name, sizeof name, "%zu", container->state_->children.count);
    return cr_register_module(container, name, child);
}

cr_tensor *cr_parameter_append(cr_module *container, cr_tensor *parameter)
{
    if (!cr_is_module(container, "cr_parameter_append"))
        return NULL;
    char name[24];
    snprintf(name, sizeof name, "%zu", container->state_->parameters.count);
    return cr_register_parameter(container, name, parameter);
}

/* Registers items, each a module or a name with a module behind it. */
static cr_module *fill(cr_module *container, const void *const *items, size_t count,
                       bool names_required)
{
    for (size_t i = 0; container && i < count; i++) {
        const char *type = container->type->name, *name = NULL;
        if (!items[i])
            return cr_fail("%s: argument %zu is null", type, i + 1);
        if (is_name(items[i])) {
            name = items[i];
            if (++i == count || !items[i] || is_name(items[i]))
                return cr_fail("%s: the name \"%s\" is followed by %s, not by a module", type, name,
                               i == count ? "nothing"
                               : items[i] ? "another name"
                                          : "null");
        } else if (names_required) {
            return cr_fail("%s: argument %zu is a module without a name before it", type, i + 1);
        }
        cr_module *child = (cr_module *)(uintptr_t)items[i];
        if (!(name ? cr_register_module(container, name, child)
                   : cr_module_append(container, child)))
            return NULL;
    }
    return container;
}

cr_module *cr_sequential_with(const void *const *items, size_t count)
{
    return fill(cr_module_new(&cr_sequential_type, NULL), items, count, false);
}

cr_module *cr_module_dict_with(const void *const *items, size_t count)
{
    return fill(cr_module_new(&cr_module_dict_type, NULL), items, count, true);
}

cr_module *cr_module_list_with(cr_module *const *modules, size_t count)
{
    cr_module *list = cr_module_new(&cr_module_list_type, NULL);
    for (size_t i = 0; list && i < count; i++)
        if (!cr_module_append(list, modules[i]))
            return NULL;
    return list;
}

cr_module *cr_parameter_list_with(cr_tensor *const *parameters, size_t count)
{
    cr_module *list = cr_module_new(&cr_parameter_list_type, NULL);
    for (size_t i = 0; list && i < count; i++)
        if (!cr_parameter_append(list, parameters[i]))
            return NULL;
    return list;
}

cr_module *cr_parameter_dict(void)
{
    return cr_module_new(&cr_parameter_dict_type, NULL);
}

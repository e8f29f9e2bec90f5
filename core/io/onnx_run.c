/* ONNX models as modules: loading, running node after node, and what operators ask for. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/thread.h"
#include "core/io/onnx.h"
#include "core/tensor/tensor.h"

/* ---- running ---- */

static void drop(cr_tensor **value)
{
    cr_release(*value);
    *value = NULL;
}

static bool run_node(onnx_run *run, size_t i)
{
    const onnx_node *node = run->node = &run->model->nodes[i];
    bool good = false;
    CR_SCOPE {
        good = node->run(run);
        if (!good && !cr_error())
            onnx_fail(run, "an input is missing");
    }
    for (size_t k = 0; k < node->ninputs + node->noutputs; k++) {
        int slot = node->inputs[k]; /* outputs lie behind the inputs */
        if (slot >= 0 && run->model->last_use[slot] <= i)
            drop(&run->values[slot]);
    }
    return good;
}

static size_t forward(cr_module *module, cr_tensor *const *inputs, size_t n, cr_tensor **outputs)
{
    const onnx_model *m = (const onnx_model *)(const void *)module;
    if (!cr_module_check_inputs(module, m->ninputs, n))
        return 0;
    onnx_run run = {.model = m, .values = calloc(m->slots.count + 1, sizeof *run.values)};
    if (!run.values)
        return cr_fail_memory("a model's values", m->slots.count * sizeof *run.values), 0;
    run.device = n && inputs[0] ? cr_tensor_device(inputs[0]) : "cpu";
    for (size_t i = 0; i < m->nweights; i++)
        run.values[i] = cr_retain(m->weights[i]);
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        run.values[m->inputs[i]] = cr_retain(inputs[i]);
        good &= inputs[i] != NULL;
    }
    for (size_t i = 0; i < m->nnodes && good; i++)
        good = run_node(&run, i);
    for (size_t i = 0; i < m->noutputs && good; i++) {
        /* one more reference for the scope; a value may be two outputs */
        cr_tensor *value = run.values[m->outputs[i]];
        if (!value) /* a node that names more outputs than it has results */
            cr_fail("ONNX: no node gave the output '%.100s'", m->slots.entries[m->outputs[i]].key);
        outputs[i] = value ? cr_tensor_to_scope(cr_retain(value)) : NULL;
        good = outputs[i] != NULL;
    }
    for (size_t i = 0; i < m->slots.count; i++)
        cr_release(run.values[i]);
    free(run.values);
    return good ? m->noutputs : 0;
}

static void destroy(cr_module *module)
{
    onnx_model *m = (onnx_model *)(void *)module;
    for (size_t i = 0; i < m->nnodes; i++)
        for (size_t k = 0; k < m->nodes[i].nattributes; k++)
            cr_release(m->nodes[i].attributes[k].tensor);
    for (size_t i = 0; i < m->nmemory; i++)
        free(m->memory[i]);
    free(m->memory);
    cr_map_free(&m->slots);
    cr_file_map_release(m->map);
}

static const cr_module_type onnx_type = {
    .name = "ONNX", .size = sizeof(onnx_model), .forward = forward, .destroy = destroy};

/* ---- loading ---- */

/* Makes the weights buffers: dots in names become underscores, and a name that is taken gets its slot's number. */
static bool register_weights(onnx_model *m)
{
    cr_map names = {0};
    bool good = true;
    for (size_t i = 0; i < m->nweights && good; i++) {
        size_t length = strlen(m->slots.entries[i].key);
        char *name = malloc(length + 32);
        if (!name) {
            good = cr_fail_memory("a name", length);
            break;
        }
        memcpy(name, m->slots.entries[i].key, length + 1);
        for (char *c = name; *c; c++)
            if (*c == '.')
                *c = '_';
        if (cr_map_find(&names, name))
            snprintf(name + length, 32, "_%zu", i);
        cr_tensor *t = m->weights[i];
        m->weights[i] = NULL;
        good = cr_map_set(&names, name, m) &&
               cr_module_set_buffer(&m->module, name, &m->weights[i], t);
        free(name);
    }
    cr_map_free(&names);
    return good;
}

static bool find_last_uses(onnx_model *m)
{
    m->last_use = onnx_take(m, m->slots.count * sizeof *m->last_use);
    if (!m->last_use)
        return false;
    for (size_t i = 0; i < m->nnodes; i++)
        for (size_t k = 0; k < m->nodes[i].ninputs + m->nodes[i].noutputs; k++)
            if (m->nodes[i].inputs[k] >= 0)
                m->last_use[m->nodes[i].inputs[k]] = i;
    for (size_t i = 0; i < m->noutputs; i++)
        m->last_use[m->outputs[i]] = SIZE_MAX;
    return true;
}

cr_module *cr_load_onnx(const char *path)
{
    cr_file_map *map = cr_file_map_open(path);
    if (!map)
        return NULL;
    onnx_model *m = cr_module_new(&onnx_type, NULL);
    if (!m) {
        cr_file_map_release(map);
        return NULL;
    }
    m->path = path;
    m->map = map;
    m->module.training = false;
    bool good = false;
    CR_SCOPE {
        good = onnx_parse(m) && register_weights(m) && find_last_uses(m);
    }
    m->path = NULL;
    return good ? &m->module : NULL;
}

onnx_operator onnx_find_operator(const char *name)
{
    static const onnx_entry *const tables[] = {
        onnx_math_operators, onnx_shape_operators,     onnx_index_operators,  onnx_nn_operators,
        onnx_rnn_operators,  onnx_quantized_operators, onnx_detect_operators, onnx_signal_operators,
        onnx_text_operators, onnx_pool_operators};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const onnx_entry *e = tables[i]; e->name; e++)
            if (!strcmp(e->name, name))
                return e->run;
    return NULL;
}

bool cr_onnx_knows(const char *op_type)
{
    return op_type && onnx_find_operator(op_type);
}

static const onnx_model *model_of(const cr_module *module)
{
    return module && module->type == &onnx_type ? (const onnx_model *)(const void *)module : NULL;
}

size_t cr_onnx_inputs(const cr_module *module)
{
    return model_of(module) ? model_of(module)->ninputs : 0;
}

size_t cr_onnx_outputs(const cr_module *module)
{
    return model_of(module) ? model_of(module)->noutputs : 0;
}

const char *cr_onnx_input(const cr_module *module, size_t i)
{
    const onnx_model *m = model_of(module);
    return m && i < m->ninputs ? m->slots.entries[m->inputs[i]].key : NULL;
}

const char *cr_onnx_output(const cr_module *module, size_t i)
{
    const onnx_model *m = model_of(module);
    return m && i < m->noutputs ? m->slots.entries[m->outputs[i]].key : NULL;
}

/* ---- for operators ---- */

bool onnx_fail(const onnx_run *run, const char *format, ...)
{
    char text[CR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *name = run->node->name ? run->node->name : "";
    return cr_fail("ONNX node '%.100s' (%.60s): %s", name, run->node->type, text);
}

cr_tensor *onnx_in(const onnx_run *run, size_t i)
{
    int slot = i < run->node->ninputs ? run->node->inputs[i] : -1;
    return slot >= 0 ? run->values[slot] : NULL;
}

bool onnx_out(onnx_run *run, size_t i, cr_tensor *tensor)
{
    int slot = i < run->node->noutputs ? run->node->outputs[i] : -1;
    if (tensor && slot >= 0 && !run->values[slot])
        run->values[slot] = cr_retain(tensor);
    return tensor != NULL;
}

cr_tensor *onnx_place(const onnx_run *run, cr_tensor *tensor)
{
    bool here =
        !tensor || !cr_is_floating_point(tensor) || !strcmp(cr_tensor_device(tensor), run->device);
    return here ? tensor : cr_tensor_to(tensor, run->device);
}

const onnx_attribute *onnx_find(const onnx_run *run, const char *name)
{
    for (size_t i = 0; i < run->node->nattributes; i++)
        if (!strcmp(run->node->attributes[i].name, name))
            return &run->node->attributes[i];
    return NULL;
}

int64_t onnx_int(const onnx_run *run, const char *name, int64_t fallback)
{
    const onnx_attribute *a = onnx_find(run, name);
    return a ? a->i : fallback;
}

double onnx_float(const onnx_run *run, const char *name, double fallback)
{
    const onnx_attribute *a = onnx_find(run, name);
    return a ? (double)a->f : fallback;
}

const char *onnx_text(const onnx_run *run, const char *name, const char *fallback)
{
    const onnx_attribute *a = onnx_find(run, name);
    return a && a->text ? a->text : fallback;
}

bool onnx_list(const onnx_run *run, const char *name, size_t count, int64_t fallback, int64_t *list)
{
    const onnx_attribute *a = onnx_find(run, name);
    if (a && a->nints != count)
        return onnx_fail(run, "%s has %zu numbers, expected are %zu", name, a->nints, count);
    for (size_t i = 0; i < count; i++)
        list[i] = a ? a->ints[i] : fallback;
    return true;
}

int onnx_ints(const onnx_run *run, size_t input, const char *name, int64_t *list)
{
    cr_tensor *t = onnx_in(run, input);
    const onnx_attribute *a = t || !name ? NULL : onnx_find(run, name);
    int64_t count = t ? cr_tensor_numel(t) : a ? (int64_t)a->nints : -1;
    if (count > ONNX_INTS) {
        onnx_fail(run, "a list has %lld numbers, at most %d are read", (long long)count, ONNX_INTS);
        return -2;
    }
    if (a && count)
        memcpy(list, a->ints, (size_t)count * sizeof *list);
    if (t && count) {
        t = cr_to_dtype(t, CR_I64);
        if (!t || cr_tensor_read(t, list, (size_t)count * sizeof *list))
            return -2;
    }
    return (int)count;
}

double onnx_number(const onnx_run *run, size_t input, const char *name, double fallback)
{
    cr_tensor *t = onnx_in(run, input);
    return t ? cr_item(t) : name ? onnx_float(run, name, fallback) : fallback;
}

int onnx_axis(const onnx_run *run, int64_t axis, int rank)
{
    if (axis >= -rank && axis < rank)
        return (int)(axis < 0 ? axis + rank : axis);
    onnx_fail(run, "the axis %lld is outside of %d dimensions", (long long)axis, rank);
    return -1;
}

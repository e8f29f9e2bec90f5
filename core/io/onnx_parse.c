/* A model's file parsed: nodes with their attributes, values by name, weights. */
#include <stdlib.h>
#include <string.h>

#include "core/io/onnx.h"

void *onnx_take(onnx_model *model, size_t bytes)
{
    if (model->nmemory == model->memory_room) {
        size_t more = model->memory_room ? model->memory_room * 2 : 64;
        void **bigger = realloc(model->memory, more * sizeof *bigger);
        if (!bigger)
            return cr_fail_memory("a model", more * sizeof *bigger);
        model->memory = bigger;
        model->memory_room = more;
    }
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        return cr_fail_memory("a model", bytes);
    return model->memory[model->nmemory++] = memory;
}

static bool damaged(const onnx_model *m)
{
    return cr_fail("%s: it is no ONNX model, or damaged", m->path);
}

static char *take_text(onnx_model *m, const cr_wire_field *f)
{
    if (f->wire != CR_WIRE_BYTES) {
        damaged(m);
        return NULL;
    }
    char *text = onnx_take(m, f->size + 1);
    if (text && f->size)
        memcpy(text, f->bytes, f->size);
    return text;
}

/* How often a field is there. */
static size_t count_fields(cr_wire message, uint32_t number)
{
    size_t count = 0;
    cr_wire_field f;
    while (cr_wire_next(&message, &f))
        count += f.number == number;
    return count;
}

/* The slot of a value by its name; new ones only if `make`. -1: not known, or failed. */
static int slot_of(onnx_model *m, const char *name, bool make)
{
    cr_map_entry *known = cr_map_find(&m->slots, name);
    if (known)
        return (int)(known - m->slots.entries);
    if (!make || m->slots.count > INT32_MAX / 2 || !cr_map_set(&m->slots, name, NULL))
        return -1;
    return (int)m->slots.count - 1;
}

/* ---- attributes ---- */

enum { A_NAME = 1, A_F, A_I, A_S, A_T, A_G, A_FLOATS, A_INTS, A_STRINGS };

static bool add_ints(onnx_model *m, onnx_attribute *a, const cr_wire_field *f)
{
    /* a varint has a byte at least, so there are at most this many */
    size_t most = f->wire == CR_WIRE_BYTES ? f->size : 1;
    int64_t *list = onnx_take(m, (a->nints + most) * sizeof *list);
    if (!list)
        return false;
    if (a->nints)
        memcpy(list, a->ints, a->nints * sizeof *list);
    a->ints = list;
    if (f->wire != CR_WIRE_BYTES) {
        list[a->nints++] = (int64_t)f->value;
        return true;
    }
    cr_wire packed = cr_wire_of(f->bytes, f->size);
    uint64_t value;
    while (packed.at < packed.end) {
        if (!cr_wire_varint(&packed, &value))
            return damaged(m);
        list[a->nints++] = (int64_t)value;
    }
    return true;
}

static bool add_floats(onnx_model *m, onnx_attribute *a, const cr_wire_field *f)
{
    uint32_t one = (uint32_t)f->value;
    const unsigned char *bytes = f->wire == CR_WIRE_BYTES ? f->bytes : (unsigned char *)&one;
    size_t count = f->wire == CR_WIRE_BYTES ? f->size / 4 : 1;
    float *list = onnx_take(m, (a->nfloats + count) * sizeof *list);
    if (!list)
        return false;
    if (a->nfloats)
        memcpy(list, a->floats, a->nfloats * sizeof *list);
    if (count)
        memcpy(list + a->nfloats, bytes, count * sizeof *list);
    a->floats = list;
    a->nfloats += count;
    return true;
}

/* Strings of a list are one text, with commas between. */
static bool add_string(onnx_model *m, onnx_attribute *a, const cr_wire_field *f)
{
    char *more = take_text(m, f);
    size_t before = a->text ? strlen(a->text) : 0;
    char *text = more ? onnx_take(m, before + strlen(more) + 2) : NULL;
    if (!text)
        return false;
    if (before) {
        memcpy(text, a->text, before);
        text[before++] = ',';
    }
    memcpy(text + before, more, strlen(more));
    a->text = text;
    return true;
}

static bool parse_attribute(onnx_model *m, onnx_attribute *a, cr_wire message)
{
    cr_wire_field f;
    /* lists that come one by one are copied each time: too many of them would take forever */
    size_t singles = 0;
    while (cr_wire_next(&message, &f)) {
        uint32_t bits = (uint32_t)f.value;
        bool good = true;
        if (f.number >= A_FLOATS && f.number <= A_STRINGS && singles++ == 1024)
            return damaged(m);
        switch (f.number) {
        case A_NAME: good = (a->name = take_text(m, &f)) != NULL; break;
        case A_F: memcpy(&a->f, &bits, sizeof bits); break;
        case A_I: a->i = (int64_t)f.value; break;
        case A_S: good = (a->text = take_text(m, &f)) != NULL; break;
        case A_T:
            if (f.wire != CR_WIRE_BYTES || a->tensor)
                return damaged(m);
            a->tensor = cr_retain(onnx_read_tensor(m->path, m->map, f.bytes, f.size));
            good = a->tensor;
            break;
        case A_G: return cr_fail("%s: control flow (If, Loop, Scan) is not supported", m->path);
        case A_FLOATS: good = add_floats(m, a, &f); break;
        case A_INTS: good = add_ints(m, a, &f); break;
        case A_STRINGS: good = add_string(m, a, &f); break;
        default: break;
        }
        if (!good)
            return false;
    }
    return (!message.damaged && a->name) || damaged(m);
}

/* ---- nodes ---- */

enum { N_INPUT = 1, N_OUTPUT, N_NAME, N_TYPE, N_ATTRIBUTE, N_DOMAIN = 7 };

static bool parse_input(onnx_model *m, onnx_node *node, const cr_wire_field *f)
{
    char *name = take_text(m, f);
    if (!name)
        return false;
    int slot = *name ? slot_of(m, name, false) : -1;
    if (*name && slot < 0)
        return cr_fail("%s: a node takes the value '%.100s' that nothing has made", m->path, name);
    node->inputs[node->ninputs++] = slot;
    return true;
}

static bool parse_output(onnx_model *m, onnx_node *node, const cr_wire_field *f)
{
    char *name = take_text(m, f);
    if (!name)
        return false;
    if (*name && slot_of(m, name, false) >= 0)
        return cr_fail("%s: the value '%.100s' is made twice", m->path, name);
    int slot = *name ? slot_of(m, name, true) : -1;
    node->outputs[node->noutputs++] = slot;
    return slot >= 0 || !*name;
}

static bool parse_node(onnx_model *m, onnx_node *node, cr_wire message)
{
    cr_wire_field f;
    size_t inputs = count_fields(message, N_INPUT), outputs = count_fields(message, N_OUTPUT);
    node->inputs = onnx_take(m, (inputs + outputs) * sizeof *node->inputs);
    node->attributes = onnx_take(m, count_fields(message, N_ATTRIBUTE) * sizeof *node->attributes);
    if (!node->inputs || !node->attributes)
        return false;
    node->outputs = node->inputs + inputs;
    cr_wire again = message;
    const char *domain = "";
    while (cr_wire_next(&message, &f)) {
        bool good = true;
        switch (f.number) {
        case N_INPUT: good = parse_input(m, node, &f); break;
        case N_NAME: good = (node->name = take_text(m, &f)) != NULL; break;
        case N_TYPE: good = (node->type = take_text(m, &f)) != NULL; break;
        case N_DOMAIN: good = (domain = take_text(m, &f)) != NULL; break;
        case N_ATTRIBUTE:
            good = f.wire == CR_WIRE_BYTES
                       ? parse_attribute(m, &node->attributes[node->nattributes++],
                                         cr_wire_of(f.bytes, f.size))
                       : damaged(m);
            break;
        default: break;
        }
        if (!good)
            return false;
    }
    while (cr_wire_next(&again, &f))
        if (f.number == N_OUTPUT && !parse_output(m, node, &f))
            return false;
    if (message.damaged || !node->type)
        return damaged(m);
    bool standard = !*domain || !strcmp(domain, "ai.onnx");
    node->run = standard ? onnx_find_operator(node->type) : NULL;
    if (!node->run)
        return cr_fail("%s: the operator %.60s%s%.60s is not supported", m->path,
                       standard ? "" : domain, standard ? "" : ".", node->type);
    return true;
}

/* ---- the graph ---- */

enum { G_NODE = 1, G_INITIALIZER = 5, G_INPUT = 11, G_OUTPUT, G_SPARSE = 15 };
enum { T_NAME = 8, V_NAME = 1 };

static char *name_within(onnx_model *m, const cr_wire_field *field, uint32_t number)
{
    cr_wire message = cr_wire_of(field->bytes, field->size);
    cr_wire_field f;
    char *name = NULL;
    if (field->wire == CR_WIRE_BYTES)
        while (!name && cr_wire_next(&message, &f))
            if (f.number == number && f.wire == CR_WIRE_BYTES)
                name = take_text(m, &f);
    if (!name || !*name) {
        damaged(m);
        return NULL;
    }
    return name;
}

static bool parse_weight(onnx_model *m, const cr_wire_field *f)
{
    char *name = name_within(m, f, T_NAME);
    if (!name)
        return false;
    if (slot_of(m, name, false) >= 0)
        return cr_fail("%s: the weight '%.100s' is there twice", m->path, name);
    int slot = slot_of(m, name, true);
    cr_tensor *t = onnx_read_tensor(m->path, m->map, f->bytes, f->size);
    if (slot < 0 || !t)
        return false;
    m->weights[slot] = t; /* the scope's, until it becomes a buffer */
    m->nweights++;
    return true;
}

/* Walks over the graph once for fields of one kind. */
static bool parse_fields(onnx_model *m, cr_wire graph, uint32_t number)
{
    cr_wire_field f;
    while (cr_wire_next(&graph, &f)) {
        if (f.number != number)
            continue;
        if (f.wire != CR_WIRE_BYTES)
            return damaged(m);
        if (number == G_INITIALIZER && !parse_weight(m, &f))
            return false;
        if (number == G_NODE && !parse_node(m, &m->nodes[m->nnodes++], cr_wire_of(f.bytes, f.size)))
            return false;
        if (number == G_INPUT) {
            char *name = name_within(m, &f, V_NAME);
            if (!name)
                return false;
            int slot = slot_of(m, name, false);
            if (slot >= 0 && (size_t)slot < m->nweights)
                continue;
            if (slot >= 0)
                return cr_fail("%s: the input '%.100s' is there twice", m->path, name);
            if ((slot = slot_of(m, name, true)) < 0)
                return false;
            m->inputs[m->ninputs++] = slot;
        }
        if (number == G_OUTPUT) {
            char *name = name_within(m, &f, V_NAME);
            int slot = name ? slot_of(m, name, false) : -1;
            if (slot < 0)
                return name ? cr_fail("%s: the output '%.100s' is made by no node", m->path, name)
                            : false;
            m->outputs[m->noutputs++] = slot;
        }
    }
    return !graph.damaged || damaged(m);
}

static bool parse_graph(onnx_model *m, cr_wire graph)
{
    if (count_fields(graph, G_SPARSE))
        return cr_fail("%s: sparse weights are not supported", m->path);
    size_t weights = count_fields(graph, G_INITIALIZER);
    m->weights = onnx_take(m, weights * sizeof *m->weights);
    m->nodes = onnx_take(m, count_fields(graph, G_NODE) * sizeof *m->nodes);
    m->inputs = onnx_take(m, count_fields(graph, G_INPUT) * sizeof *m->inputs);
    m->outputs = onnx_take(m, count_fields(graph, G_OUTPUT) * sizeof *m->outputs);
    if (!m->weights || !m->nodes || !m->inputs || !m->outputs)
        return false;
    static const uint32_t order[] = {G_INITIALIZER, G_INPUT, G_NODE, G_OUTPUT};
    for (int i = 0; i < 4; i++)
        if (!parse_fields(m, graph, order[i]))
            return false;
    if (!m->noutputs || m->noutputs > CR_MODULE_OUTPUTS)
        return cr_fail("%s: it has %zu outputs, from 1 to %d are supported", m->path, m->noutputs,
                       CR_MODULE_OUTPUTS);
    return true;
}

enum { M_GRAPH = 7, M_OPSET = 8 };

static void parse_opset(onnx_model *m, const cr_wire_field *field)
{
    cr_wire message = cr_wire_of(field->bytes, field->size);
    cr_wire_field f;
    int64_t version = 0;
    bool standard = true;
    while (cr_wire_next(&message, &f)) {
        if (f.number == 1)
            standard = !f.size || (f.size == 7 && !memcmp(f.bytes, "ai.onnx", 7));
        if (f.number == 2)
            version = (int64_t)f.value;
    }
    if (standard)
        m->opset = version;
}

bool onnx_parse(onnx_model *m)
{
    cr_wire message = cr_wire_of(cr_file_map_data(m->map), cr_file_map_size(m->map));
    cr_wire_field f, graph = {0};
    while (cr_wire_next(&message, &f)) {
        if (f.number == M_GRAPH && f.wire == CR_WIRE_BYTES)
            graph = f;
        if (f.number == M_OPSET && f.wire == CR_WIRE_BYTES)
            parse_opset(m, &f);
    }
    if (message.damaged || !graph.bytes)
        return damaged(m);
    return parse_graph(m, cr_wire_of(graph.bytes, graph.size));
}

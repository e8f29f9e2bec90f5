/* A module's printed form, exactly PyTorch's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nn/nn.h"
#include "core/nn/repr.h"

void cr_repr_tuple(cr_text *text, const int64_t *values, int count)
{
    cr_text_add(text, "(");
    for (int i = 0; i < count; i++)
        cr_text_add(text, i ? ", %lld" : "%lld", (long long)values[i]);
    cr_text_add(text, count == 1 ? ",)" : ")");
}

/* As Python prints a float: the shortest form that reads back as the same, with a point or an exponent. */
void cr_repr_float(cr_text *text, double value)
{
    char digits[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    double magnitude = value < 0 ? -value : value;
    if (strchr(digits, 'e') && magnitude >= 1e-4 && magnitude < 1e16)
        snprintf(digits, sizeof digits, "%.0f", value);
    cr_text_add(text, strpbrk(digits, ".en") ? "%s" : "%s.0", digits);
}

int cr_repr_finish(cr_text *text, char *to, size_t bytes)
{
    int length = text->failed ? -1 : (int)text->length;
    if (bytes)
        snprintf(to, bytes, "%s", text->data ? text->data : "");
    cr_text_free(text);
    return length;
}

/* What the type says between the parentheses; the caller's to free, null and no error for nothing. */
static char *extra_repr(const cr_module *module)
{
    if (!module->type->extra_repr)
        return NULL;
    int length = module->type->extra_repr(module, NULL, 0);
    char *text = length > 0 ? malloc((size_t)length + 1) : NULL;
    if (length > 0 && !text)
        return cr_fail_memory("a module's text", (size_t)length + 1);
    if (text)
        module->type->extra_repr(module, text, (size_t)length + 1);
    return text;
}

static void indent(cr_text *text, int depth)
{
    for (int i = 0; i < depth; i++)
        cr_text_add(text, "  ");
}

/* Lines of an extra_repr: the first after the parenthesis if there is only one and nothing follows, else indented. */
static void add_lines(cr_text *text, const char *lines, int depth)
{
    while (*lines) {
        size_t length = strcspn(lines, "\n");
        cr_text_add(text, "\n");
        indent(text, depth);
        cr_text_add_bytes(text, lines, length);
        lines += length + (lines[length] == '\n');
    }
}

static void add_module(cr_text *text, const cr_module *module, int depth)
{
    const cr_slots *children = &module->state_->children;
    char *extra = extra_repr(module);
    cr_text_add(text, "%s(", module->type->name);
    if (extra && !children->count && !strchr(extra, '\n')) {
        cr_text_add(text, "%s)", extra);
        free(extra);
        return;
    }
    if (extra)
        add_lines(text, extra, depth + 1);
    for (size_t i = 0; i < children->count; i++) {
        cr_text_add(text, "\n");
        indent(text, depth + 1);
        cr_text_add(text, "(%s): ", children->data[i].name);
        add_module(text, children->data[i].as.module, depth + 1);
    }
    if (extra || children->count) {
        cr_text_add(text, "\n");
        indent(text, depth);
    }
    cr_text_add(text, ")");
    free(extra);
}

char *cr_module_to_string(const cr_module *module)
{
    if (!cr_is_module(module, "cr_module_to_string"))
        return NULL;
    cr_text text = {0};
    add_module(&text, module, 0);
    return cr_text_take(&text);
}

int cr_module_print(const cr_module *module)
{
    char *text = cr_module_to_string(module);
    if (!text)
        return -1;
    int failed = puts(text) < 0;
    cr_free(text);
    return failed ? CR_FAIL_INT("cr_module_print: standard output can't be written to") : 0;
}

/* The growing string. */
#include "core/base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"

static bool reserve(cr_text *text, size_t more)
{
    if (text->failed || more > SIZE_MAX / 4 - text->length) {
        text->failed = true;
        return false;
    }
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = need < 64 ? 64 : need + need / 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void cr_text_add_bytes(cr_text *text, const char *bytes, size_t count)
{
    if (!reserve(text, count))
        return;
    if (count)
        memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = 0;
}

void cr_text_add(cr_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        text->failed = true;
        return;
    }
    if (!reserve(text, (size_t)length))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

void cr_text_add_sizes(cr_text *text, const int64_t *sizes, int count)
{
    cr_text_add_bytes(text, "[", 1);
    for (int i = 0; i < count; i++)
        cr_text_add(text, i ? ", %" PRId64 : "%" PRId64, sizes[i]);
    cr_text_add_bytes(text, "]", 1);
}

char *cr_text_take(cr_text *text)
{
    cr_text_add_bytes(text, "", 0);
    char *data = text->data;
    if (text->failed) {
        free(data);
        data = cr_fail_memory("a string", text->length);
    }
    *text = (cr_text){0};
    return data;
}

void cr_text_free(cr_text *text)
{
    free(text->data);
    *text = (cr_text){0};
}

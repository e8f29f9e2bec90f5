/* Text and images of the report. */
#include "report_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void put(page *p, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && p->length + (size_t)n + 1 > p->capacity && !p->failed) {
        size_t capacity = 2 * (p->length + (size_t)n) + 4096;
        char *data = realloc(p->data, capacity);
        p->failed = !data;
        if (data) {
            p->data = data;
            p->capacity = capacity;
        }
    }
    if (n >= 0 && !p->failed)
        p->length += (size_t)vsnprintf(p->data + p->length, p->capacity - p->length, format, again);
    va_end(again);
}

void put_escaped(page *p, const char *text)
{
    for (; text && *text; text++)
        if (*text == '<')
            put(p, "&lt;");
        else if (*text == '&')
            put(p, "&amp;");
        else if (*text == '"')
            put(p, "&quot;");
        else
            put(p, "%c", *text);
}

static void put_base64(page *p, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)bytes[i] << 16 | (i + 1 < n ? (unsigned)bytes[i + 1] << 8 : 0) |
                     (i + 2 < n ? bytes[i + 2] : 0);
        put(p, "%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63],
            i + 1 < n ? digits[v >> 6 & 63] : '=', i + 2 < n ? digits[v & 63] : '=');
    }
}

void put_pixels(page *p, const unsigned char *pixels)
{
    unsigned char *png = NULL;
    size_t size = 0;
    CR_SCOPE {
        const int64_t sizes[] = {28, 28};
        png = cr_encode_png(cr_tensor_copy_from(pixels, CR_U8, 2, sizes, "cpu"), &size);
    }
    if (!png) {
        p->failed = true;
        return;
    }
    put(p, "data:image/png;base64,");
    put_base64(p, png, size);
    cr_free(png);
}

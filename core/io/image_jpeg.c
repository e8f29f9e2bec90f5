/* JPEG by libjpeg, whose errors jump. */
#include "core/io/image.h"

#include "core/base/error.h"

#ifdef CRESSET_JPEG
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct failure {
    struct jpeg_error_mgr manager;
    jmp_buf back;
    char words[JMSG_LENGTH_MAX];
} failure;

bool cr_has_jpeg(void)
{
    return true;
}

static void stop(j_common_ptr jpeg)
{
    failure *f = (failure *)(void *)jpeg->err;
    f->manager.format_message(jpeg, f->words);
    longjmp(f->back, 1);
}

/* A warning is a damaged file: libjpeg would fill it up with grey. */
static void note(j_common_ptr jpeg, int level)
{
    if (level < 0)
        stop(jpeg);
}

static void decode(const cr_load_image_options *o, struct jpeg_decompress_struct *jpeg,
                   const unsigned char *bytes, size_t size, cr_pixels *p)
{
    jpeg_mem_src(jpeg, bytes, size);
    jpeg_read_header(jpeg, TRUE);
    bool gray = o->mode ? o->mode == CR_IMAGE_GRAY : jpeg->jpeg_color_space == JCS_GRAYSCALE;
    jpeg->out_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
    *p = (cr_pixels){NULL, jpeg->image_width, jpeg->image_height, gray ? 1 : 3};
    if (!cr_pixels_make(o, p))
        return;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        unsigned char *row =
            p->data + (size_t)jpeg->output_scanline * (size_t)p->width * (size_t)p->channels;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
}

bool cr_read_jpeg(const cr_load_image_options *o, const unsigned char *bytes, size_t size,
                  cr_pixels *p)
{
    if (o->mode == CR_IMAGE_GRAY_ALPHA || o->mode == CR_IMAGE_RGBA)
        return cr_fail("%s: a JPEG image has no alpha channel", o->path);
    struct jpeg_decompress_struct jpeg = {0};
    failure f;
    jpeg.err = jpeg_std_error(&f.manager);
    f.manager.error_exit = stop;
    f.manager.emit_message = note;
    if (setjmp(f.back)) {
        jpeg_destroy_decompress(&jpeg);
        return cr_fail("%s: is no JPEG image that can be read: %s", o->path, f.words);
    }
    jpeg_create_decompress(&jpeg);
    /* progressive files hold their coefficients in memory while they are read */
    jpeg.mem->max_memory_to_use = 1L << 30;
    decode(o, &jpeg, bytes, size, p);
    jpeg_destroy_decompress(&jpeg);
    return p->data != NULL;
}
#else
bool cr_has_jpeg(void)
{
    return false;
}

bool cr_read_jpeg(const cr_load_image_options *o, const unsigned char *bytes, size_t size,
                  cr_pixels *p)
{
    return cr_fail("%s: this library was built without JPEG", o->path);
}
#endif

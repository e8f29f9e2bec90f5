/* What the tests of files share: a folder that comes and goes, bytes in and out, golden files, and
 * expected errors. */
#ifndef CRESSET_TESTS_FILES_H
#define CRESSET_TESTS_FILES_H

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cresset/io.h>

static char folder[64];

static inline void make_folder(void)
{
    strcpy(folder, "/tmp/cresset-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* Removes the folder, and fails if a temporary file was left in it. */
static inline void remove_folder(void)
{
    DIR *opened = opendir(folder);
    int left = 0;
    for (struct dirent *entry; opened && (entry = readdir(opened));) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        size_t length = strlen(name);
        left += length > 4 && !strcmp(name + length - 4, ".tmp");
        unlink(name);
    }
    if (opened)
        closedir(opened);
    rmdir(folder);
    cr_exit();
    ck_assert_msg(!left, "%d temporary files were left", left);
}

/* "folder/name"; a few at a time. */
static inline const char *at(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* A file of tests/golden/io. */
static inline const char *golden(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], CR_TESTS_FOLDER "/golden/io/%s", name);
    return path;
}

static inline unsigned char *read_bytes(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s can't be opened", path);
    unsigned char *bytes = malloc(1 << 20);
    *count = fread(bytes, 1, 1 << 20, file);
    ck_assert(*count < 1 << 20);
    fclose(file);
    return bytes;
}

static inline void write_bytes(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

static inline void assert_same_files(const char *a, const char *b)
{
    size_t x, y;
    unsigned char *p = read_bytes(a, &x), *q = read_bytes(b, &y);
    ck_assert_msg(x == y && !memcmp(p, q, x), "%s and %s differ", a, b);
    free(p);
    free(q);
}

/* The thread has an error that contains words; forgets it. */
static inline void assert_error(const char *words)
{
    ck_assert_msg(cr_error() != NULL, "expected an error with '%s', there is none", words);
    ck_assert_msg(strstr(cr_error(), words) != NULL, "expected '%s' in: %s", words, cr_error());
    cr_clear_error();
}

static inline void assert_no_error(void)
{
    ck_assert_msg(!cr_error(), "unexpected: %s", cr_error());
}

/* Runs load on every shortened version of a file, each of which must be refused by an error that
 * names it; and on every version with one bit changed in each byte, which must not crash. */
static inline void try_damaged(const char *original, const char *copy, bool (*load)(const char *))
{
    size_t count;
    unsigned char *bytes = read_bytes(original, &count);
    for (size_t n = 0; n < count; n++) {
        write_bytes(copy, bytes, n);
        CR_SCOPE {
            ck_assert_msg(!load(copy), "%s cut to %zu of %zu bytes loads", original, n, count);
            assert_error(copy);
        }
    }
    for (size_t n = 0; n < count; n++) {
        bytes[n] ^= (unsigned char)(1 << n % 8);
        write_bytes(copy, bytes, count);
        CR_SCOPE {
            if (!load(copy))
                assert_error(copy);
            assert_no_error();
        }
        bytes[n] ^= (unsigned char)(1 << n % 8);
    }
    bytes = realloc(bytes, count + 1);
    bytes[count] = 0;
    write_bytes(copy, bytes, count + 1);
    CR_SCOPE {
        ck_assert_msg(!load(copy), "%s with a byte more loads", original);
        assert_error(copy);
    }
    free(bytes);
}

/* The golden arrays' element i is i - 3, of bool whether i is odd. */
static inline void assert_counts(cr_tensor *tensor, cr_dtype dtype, int dim, const int64_t *sizes)
{
    assert_no_error();
    ck_assert_str_eq(cr_dtype_name(cr_tensor_dtype(tensor)), cr_dtype_name(dtype));
    ck_assert_int_eq(cr_tensor_dim(tensor), dim);
    for (int d = 0; d < dim; d++)
        ck_assert_int_eq(cr_tensor_size(tensor, d), sizes[d]);
    static const uint16_t halves[] = {0xc200, 0xc000, 0xbc00, 0, 0x3c00, 0x4000};
    union {
        double f64[32];
        float f32[32];
        uint16_t u16[32];
        int64_t i64[32];
        int32_t i32[32];
        int16_t i16[32];
        int8_t i8[32];
        uint8_t u8[32];
    } read;
    int64_t count = cr_tensor_numel(tensor);
    ck_assert(count <= 32);
    ck_assert_int_eq(cr_tensor_read(tensor, &read, (size_t)count * cr_dtype_size(dtype)), 0);
    for (int i = 0; i < count; i++) {
        int expected = i - 3;
        switch (dtype) {
        case CR_F64: ck_assert_double_eq(read.f64[i], expected); break;
        case CR_F32: ck_assert_double_eq(read.f32[i], expected); break;
        case CR_F16: ck_assert_uint_eq(read.u16[i], halves[i]); break;
        case CR_I64: ck_assert_int_eq(read.i64[i], expected); break;
        case CR_I32: ck_assert_int_eq(read.i32[i], expected); break;
        case CR_I16: ck_assert_int_eq(read.i16[i], expected); break;
        case CR_I8: ck_assert_int_eq(read.i8[i], expected); break;
        case CR_U8: ck_assert_uint_eq(read.u8[i], (uint8_t)expected); break;
        case CR_B8: ck_assert_uint_eq(read.u8[i], i & 1); break;
        default: ck_abort_msg("no such golden file");
        }
    }
}

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif

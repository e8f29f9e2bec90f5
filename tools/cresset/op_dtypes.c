/* Which dtypes an operation takes: found by trying the conformance samples in each. */
#include "op_dtypes.h"

#include "cli.h"
#include "conform.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cr_dtype dtypes[] = {CR_F64, CR_F32, CR_F16, CR_BF16, CR_I64,
                                  CR_I32, CR_I16, CR_I8,  CR_U8,   CR_B8};
enum {
    COUNT = sizeof dtypes / sizeof *dtypes,
    FLOATS = 0x00f,
    INTEGERS = 0x1f0,
    BOOL = 0x200,
    ALL = 0x3ff,
    TRIES = 4
};

/* The row of the name, or the first with that name before the point. */
static size_t row_named(const char *name)
{
    size_t n = cr_op_count(), bare = strcspn(name, "."), first = n;
    for (size_t i = 0; i < n; i++) {
        const char *row = cr_op_name(i);
        if (!strcmp(row, name))
            return i;
        if (first == n && !strncmp(row, name, bare) && (!row[bare] || row[bare] == '.'))
            first = i;
    }
    return first;
}

static bool try_file(const char *path, uint16_t *taken, uint8_t *tries)
{
    sample_file file;
    const cJSON *sample;
    bool well = sample_file_open(&file, path);
    if (well)
        cJSON_ArrayForEach(sample, file.cases)
        {
            const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(sample, "op"));
            size_t row = op ? row_named(op) : cr_op_count();
            if (row == cr_op_count() || cJSON_GetObjectItem(sample, "error") || tries[row] == TRIES)
                continue;
            tries[row]++;
            for (int d = 0; d < COUNT; d++)
                if (!(taken[row] >> d & 1) && sample_takes(&file, sample, "cpu", dtypes[d]))
                    taken[row] |= (uint16_t)(1u << d);
        }
    sample_file_close(&file);
    return well;
}

uint16_t *op_dtypes(void)
{
    size_t n = cr_op_count();
    char folder[1024], pattern[1060];
    glob_t files = {0};
    uint16_t *taken = calloc(n ? n : 1, sizeof *taken);
    uint8_t *tries = calloc(n ? n : 1, sizeof *tries);
    bool well = taken && tries && share_folder("conform", folder, sizeof folder) &&
                snprintf(pattern, sizeof pattern, "%s/*.safetensors", folder) > 0 &&
                !glob(pattern, 0, NULL, &files);
    for (size_t i = 0; well && i < files.gl_pathc; i++)
        CR_SCOPE
            well = try_file(files.gl_pathv[i], taken, tries);
    globfree(&files);
    free(tries);
    if (!well) {
        free(taken);
        return NULL;
    }
    return taken;
}

void print_op_dtypes(uint16_t taken)
{
    static const struct {
        uint16_t bits;
        const char *words;
    } groups[] = {{ALL, "all"},
                  {FLOATS | INTEGERS, "all but bool"},
                  {FLOATS, "floating"},
                  {INTEGERS, "integers"},
                  {INTEGERS | BOOL, "integers, bool"}};
    const char *comma = "";
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (taken == groups[i].bits) {
            printf("%s", groups[i].words);
            return;
        }
    for (int d = 0; d < COUNT; d++)
        if (taken >> d & 1) {
            printf("%s%s", comma, cr_dtype_name(dtypes[d]));
            comma = ", ";
        }
}

/* cresset ops --coverage: which names of PyTorch's lists the table has, and what is missing. */
#include "coverage.h"

#include "op_dtypes.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a row has that name, with its overload or without; or a public function, for one that begins with cr_. */
static bool has_row(const char *name)
{
    size_t length = strlen(name);
    if (!strncmp(name, "cr_", 3)) /* a function: modules' constructors */
        return dlsym(dlopen(NULL, RTLD_LAZY), name) != NULL;
    for (size_t i = 0; i < cr_op_count(); i++) {
        const char *row = cr_op_name(i);
        if (!strncmp(row, name, length) && (!row[length] || row[length] == '.'))
            return true;
    }
    return false;
}

/* "name", "name = row" or "name : why". */
static void look_up(char *line, int *have, int *other, int *missing)
{
    char *row = strstr(line, " = "), *why = strstr(line, " : ");
    if (row)
        *row = 0;
    if (why)
        *why = 0;
    if (has_row(row ? row + 3 : line)) {
        ++*have;
    } else if (why) {
        printf("  %-36s %s\n", line, why + 3);
        ++*other;
    } else {
        printf("  %-36s missing\n", line);
        ++*missing;
    }
}

int print_coverage(const char *folder)
{
    static const char *const lists[][2] = {{"core_aten.txt", "Core ATen"},
                                           {"functional.txt", "torch.nn.functional"},
                                           {"modules.txt", "torch.nn modules"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char path[1100], line[256];
        int have = 0, other = 0, missing = 0;
        snprintf(path, sizeof path, "%s/%s", folder, lists[i][0]);
        FILE *file = fopen(path, "r");
        if (!file) {
            fprintf(stderr, "cresset ops: cannot read %s\n", path);
            return -1;
        }
        while (fgets(line, sizeof line, file)) {
            line[strcspn(line, "\n")] = 0;
            if (line[0] && line[0] != '#')
                look_up(line, &have, &other, &missing);
        }
        fclose(file);
        printf("%s: %d of %d names, %d said otherwise, %d missing\n", lists[i][1], have,
               have + other + missing, other, missing);
    }
    return 0;
}

static void print_cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

int print_page(void)
{
    static const char *const kinds[] = {"primitive", "memory", "kernel", "composite", "view"};
    cr_op_info info;
    uint16_t *dtypes = op_dtypes();
    if (!dtypes)
        return -1;
    printf("# Operations\n\nMade by `cresset ops --page` from the table, `core/ops/ops.def`. "
           "*primitive*: every backend computes it; *kernel*: a\n"
           "backend may, else it is decomposed; *composite*: always said with others, which also "
           "give its derivative; *view*: another look at\n"
           "the same memory; *memory*: the core allocates. In-place (`_`) and out forms are made "
           "from these rows and not listed.\n\nDtypes are those that the cpu backend takes for the "
           "first tensor (and all of its "
           "dtype) in the conformance samples; none\nare given where there is no sample. Complex "
           "numbers are left out, and with them torch.fft, stft and eigenvalues of what is not "
           "symmetric.\n\n"
           "| schema | | dtypes | kind | derivative |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < cr_op_count(); i++) {
        const char *name = cr_op_name(i);
        size_t bare = strcspn(name, ".");
        if (cr_op_describe(i, &info) ||
            (bare && name[bare - 1] == '_' && info.schema[0] != '_' &&
             !strstr(info.schema, "Generator")) ||
            strstr(info.schema, "(a!) out)") || strstr(info.schema, "Tensor(a!) out"))
            continue;
        printf("| `");
        print_cell(info.schema);
        printf("` | ");
        print_cell(info.summary);
        printf(" | ");
        print_op_dtypes(dtypes[i]);
        printf(" | %s%s | %s |\n", kinds[info.kind],
               info.kind == CR_OP_PRIMITIVE && info.decomposes ? ", in part decomposed" : "",
               info.derivative                ? "yes"
               : info.kind == CR_OP_COMPOSITE ? "by its parts"
               : info.kind == CR_OP_VIEW      ? "yes"
                                              : "no");
    }
    free(dtypes);
    return 0;
}

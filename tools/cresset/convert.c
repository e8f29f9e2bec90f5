/* cresset convert: tensors from one file format to another, told by the names' ends. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static bool ends(const char *path, const char *with)
{
    size_t n = strlen(path), m = strlen(with);
    return n > m && !strcmp(path + n - m, with);
}

static cr_state_dict *one(const char *name, cr_tensor *tensor)
{
    cr_state_dict *dict = tensor ? cr_state_dict_new() : NULL;
    return dict && !cr_state_dict_set(dict, name, tensor) ? dict : NULL;
}

/* A table's columns under their names. */
static cr_state_dict *columns(cr_table *table)
{
    cr_state_dict *dict = table ? cr_state_dict_new() : NULL;
    for (int c = 0; dict && c < cr_table_columns(table); c++)
        if (cr_state_dict_set(dict, cr_table_name(table, c), cr_table_column(table, c)))
            return NULL;
    return dict;
}

/* Null with no error for a name of no known end. */
static cr_state_dict *read_any(const char *path)
{
    if (ends(path, ".safetensors"))
        return cr_load(path);
    if (ends(path, ".npz"))
        return cr_load_npz(path);
    if (ends(path, ".npy"))
        return one("array", cr_load_npy(path));
    if (ends(path, ".pt") || ends(path, ".pth"))
        return cr_load_torch(path);
    if (ends(path, ".csv"))
        return columns(cr_load_csv(path));
    if (strstr(path, "idx"))
        return one("array", cr_load_idx(path));
    return NULL;
}

static int write_any(const char *path, const cr_state_dict *dict)
{
    if (ends(path, ".safetensors"))
        return cr_save(path, dict);
    if (ends(path, ".npz"))
        return cr_save_npz(path, dict);
    if (cr_state_dict_count(dict) == 1)
        return cr_save_npy(path, cr_state_dict_tensor(dict, 0));
    cr_fail("%s holds one tensor, but there are %zu; choose one with --name", path,
            cr_state_dict_count(dict));
    return -1;
}

static int run_convert(int argc, char **argv)
{
    const char *paths[2], *name = NULL;
    const option options[] = {{"name", OPTION_TEXT, &name}, {NULL, OPTION_FLAG, NULL}};
    int n = read_options(&convert_command, options, argc, argv, paths, 2);
    if (n < 0)
        return n == -2 ? 0 : CLI_USAGE;
    if (n != 2 ||
        !(ends(paths[1], ".safetensors") || ends(paths[1], ".npz") || ends(paths[1], ".npy"))) {
        fprintf(stderr,
                n == 2 ? "cresset convert: \"%s\" must end in .safetensors, .npz or .npy\n"
                       : "cresset convert: give a file to read and one to write%s\n",
                n == 2 ? paths[1] : "");
        return CLI_USAGE;
    }
    cr_state_dict *dict = read_any(paths[0]);
    if (!dict && !cr_error()) {
        fprintf(
            stderr,
            "cresset convert: \"%s\" ends in none of .safetensors, .npz, .npy, .pt, .pth, .csv, "
            "and is no idx file by its name\n",
            paths[0]);
        return CLI_USAGE;
    }
    if (dict && name) {
        cr_tensor *tensor = cr_state_dict_get(dict, name);
        if (!tensor)
            cr_fail("%s has no tensor \"%s\"", paths[0], name);
        dict = one(name, tensor);
    }
    if (!dict || write_any(paths[1], dict))
        return report_error();
    CR_FOREACH_STATE(s, dict)
    if (s.tensor) {
        printf("%-40s %-9s", s.name, cr_dtype_name(cr_tensor_dtype(s.tensor)));
        for (int d = 0; d < cr_tensor_dim(s.tensor); d++)
            printf("%s%lld", d ? " x " : " ", (long long)cr_tensor_size(s.tensor, d));
        printf("\n");
    }
    return 0;
}
const command convert_command = {
    "convert", "FROM TO [--name NAME]",
    "Writes the tensors of one file into a file of another format.",
    "  --name NAME   only this one\n"
    "\n"
    "FROM: .safetensors, .npz, .npy, .pt and .pth (PyTorch's state dicts), .csv, idx. TO: "
    ".safetensors, .npz, .npy (one tensor).\n"
    "An existing TO is replaced when the new file is whole.\n",
    run_convert};

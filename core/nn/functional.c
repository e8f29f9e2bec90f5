/* Functions of torch.nn.functional that put others together. Those that are a layer's forward stand with the layer. */
#include <string.h>

#include <cresset/functional.h>

#include "core/nn/layer.h"

/* The place of a word, words[0] where there is none; -1, and the error, for another. */
static int chosen(const char *who, const char *what, const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (!word || !strcmp(word, words[i]))
            return i;
    return CR_FAIL_INT("%s: expected %s to be '%s', '%s', or '%s', but got: '%s'", who, what,
                       words[0], words[1], words[2], word);
}

cr_tensor *cr_grid_sample_with(cr_tensor *input, cr_tensor *grid, const cr_grid_sample_options *o)
{
    static const char *const modes[] = {"bilinear", "nearest", "bicubic", NULL};
    static const char *const paddings[] = {"zeros", "border", "reflection", NULL};
    int mode = chosen("grid_sample", "mode", CR_OPTION(o, mode), modes);
    int padding = chosen("grid_sample", "padding_mode", CR_OPTION(o, padding_mode), paddings);
    return mode < 0 || padding < 0
               ? NULL
               : cr_grid_sampler(input, grid, mode, padding, CR_OPTION(o, align_corners));
}

cr_tensor *cr_affine_grid_with(cr_tensor *theta, cr_ints size, const cr_affine_grid_options *o)
{
    return (cr_affine_grid_generator)(theta, size, CR_OPTION(o, align_corners));
}

cr_tensor *cr_logsigmoid(cr_tensor *input)
{
    return cr_log_sigmoid(input);
}

cr_tensor *cr_f_triplet_margin_with_distance_loss_with(
    cr_tensor *anchor, cr_tensor *positive, cr_tensor *negative,
    const cr_triplet_margin_with_distance_loss_options *options)
{
    if (!anchor || !positive || !negative)
        return NULL;
    cr_module *loss = cr_triplet_margin_with_distance_loss_with(options);
    return loss ? cr_forward(loss, anchor, positive, negative) : NULL;
}

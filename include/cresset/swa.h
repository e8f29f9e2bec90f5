/* torch.optim.swa_utils: averages of a model's weights over training (Izmailov et al., "Averaging
 * Weights Leads to Wider Optima and Better Generalization", 2018; exponential averages: Polyak and
 * Juditsky, 1992). SWALR is in scheduler.h.
 *
 *     cr_averaged_model *swa = cr_averaged_model_new(NULL, net);
 *     for (int epoch = 0; epoch < 100; epoch++) {
 *         train(net, sgd);
 *         if (epoch >= 75)
 *             cr_averaged_update(swa, net);
 *     }
 *     cr_update_bn(loader, cr_averaged_module(swa), NULL);
 *     evaluate(cr_averaged_module(swa));
 *
 * The averages live in a module of their own, a copy of the model or one built as it is. */
#ifndef CRESSET_SWA_H
#define CRESSET_SWA_H

#include <cresset/data.h>
#include <cresset/module.h>
#include <cresset/state_dict.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_averaged_model cr_averaged_model;

/* The next average, from the average so far, the model's value and how often was averaged before. */
typedef cr_tensor *(*cr_average_function)(void *context, cr_tensor *averaged, cr_tensor *current,
                                          int64_t num_averaged);

typedef struct cr_averaged_model_options {
    cr_average_function avg_fn; /* null: averaged + (current - averaged) / (num_averaged + 1) */
    void *avg_context;
    double ema_decay; /* instead: decay averaged + (1 - decay) current, an exponential average */
    bool use_buffers; /* averages buffers of floating-point numbers too, and copies others */
    int end_;
} cr_averaged_model_options;

/* AveragedModel of the scope: `copy` (null: a deep copy, cr_module_copy) holds the averages, is kept alive, and is given the model's
 * parameters and buffers at once; the first update copies, the others average. Null and an error if
 * the two don't have the same parameters and buffers. */
CR_API cr_averaged_model *cr_averaged_model_with(cr_module *copy, cr_module *model,
                                                 const cr_averaged_model_options *options);
CR_API cr_averaged_model *cr_averaged_model_retain(cr_averaged_model *averaged);
CR_API void cr_averaged_model_release(cr_averaged_model *averaged);

/* update_parameters. Returns 0, or an error: a model with other parameters, an avg_fn that fails. */
CR_API int cr_averaged_update(cr_averaged_model *averaged, cr_module *model);
/* The module with the averages, borrowed; how often was averaged. */
CR_API cr_module *cr_averaged_module(const cr_averaged_model *averaged);
CR_API int64_t cr_averaged_count(const cr_averaged_model *averaged);

/* "n_averaged" and the module's entries as "module.<name>", PyTorch's form. Of the scope. Loading
 * returns 0, or an error. */
CR_API cr_state_dict *cr_averaged_state_dict(const cr_averaged_model *averaged);
CR_API int cr_averaged_load_state_dict(cr_averaged_model *averaged, const cr_state_dict *dict);

/* Computes the running statistics of a module's batch norms anew, as averages over one epoch of a
 * loader's inputs, on a device (null: where the batches are). A module without batch norms is left
 * alone. Returns 0, or an error. */
CR_API int cr_update_bn(cr_loader *loader, cr_module *module, const char *device);
/* What it stands on, for batches of one's own: resets the statistics of all batch norms and has them
 * average over what is run in training mode until the end, which gives them their momentum back.
 * begin returns how many there are, end nothing. */
CR_API size_t cr_batch_norm_averages_begin(cr_module *module);
CR_API void cr_batch_norm_averages_end(cr_module *module);

#ifndef __cplusplus
/* cr_averaged_model_new(copy, net), cr_averaged_model_new(copy, net, .ema_decay = 0.999) */
#define cr_averaged_model_new(copy, ...)                    \
    cr_averaged_model_with(copy, CR_FIRST_(__VA_ARGS__, 0), \
                           &(const cr_averaged_model_options){CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

#ifdef __cplusplus
}
#endif
#endif

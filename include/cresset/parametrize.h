/* torch.nn.utils.weight_norm and spectral_norm: a module's parameter gives way to others, from which it is computed before each
 * call, differentiably. The names in the state dict are PyTorch's, the printed form stays. Only parameters that mirror a member
 * of the module's struct (all of torch.nn's do) can be treated so. */
#ifndef CRESSET_PARAMETRIZE_H
#define CRESSET_PARAMETRIZE_H

#include <cresset/module.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_weight_norm_options {
    int begin_;
    const char *name; /* "weight" */
    cr_opt_int dim;   /* 0 */
    bool whole;       /* dim=None: one norm for the whole parameter */
    int end_;
} cr_weight_norm_options;
/* Salimans and Kingma, "Weight Normalization", 2016:   w = g v / ‖v‖, with the norm over all dimensions but dim.
 *
 * weight_g (1, …, size of dim, …, 1), or () if whole, starts as the norm of what there was; weight_v has w's sizes and starts as
 * that. Returns the module; null, with the error set, if there is no such parameter, it is treated so already, or has no such
 * dim. An optimiser made before still holds the parameter that was. */
CR_API cr_module *cr_weight_norm_with(cr_module *module, const cr_weight_norm_options *options);
/* Makes it an ordinary parameter again, with the value that it has. Null name: "weight". */
CR_API cr_module *cr_remove_weight_norm(cr_module *module, const char *name);

typedef struct cr_spectral_norm_options {
    int begin_;
    const char *name;           /* "weight" */
    int64_t n_power_iterations; /* of a call in training: 1 */
    double eps;                 /* 1e-12 */
    cr_opt_int dim;             /* 0; of transposed convolutions 1 */
    int end_;
} cr_spectral_norm_options;
/* Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018:   w = weight_orig / σ,   σ = uᵀ W v
 *
 * W (size of dim, all others) is weight_orig as a matrix; u and v, buffers weight_u and weight_v that start at random, are the
 * first singular vectors by the power method: v ← Wᵀ u / ‖Wᵀ u‖, u ← W v / ‖W v‖. Returns and errors as above. */
CR_API cr_module *cr_spectral_norm_with(cr_module *module, const cr_spectral_norm_options *options);
CR_API cr_module *cr_remove_spectral_norm(cr_module *module, const char *name);

#ifndef __cplusplus
/* cr_weight_norm(cr_linear(3, 4)), cr_weight_norm(lstm, "weight_hh_l0") */
#define cr_weight_norm(...)        \
    cr_weight_norm_with(           \
        CR_FIRST_(__VA_ARGS__, 0), \
        &(const cr_weight_norm_options){.begin_ = 0, CR_REST_(__VA_ARGS__, .end_ = 0)})
#define cr_spectral_norm(...)      \
    cr_spectral_norm_with(         \
        CR_FIRST_(__VA_ARGS__, 0), \
        &(const cr_spectral_norm_options){.begin_ = 0, CR_REST_(__VA_ARGS__, .end_ = 0)})
#endif

#ifdef __cplusplus
}
#endif
#endif

/* torch.cuda.amp.GradScaler: gradients in f16 that don't vanish. autocast itself is in autocast.h.
 *
 *     cr_grad_scaler *scaler = cr_grad_scaler_new();
 *     ...
 *     CR_AUTOCAST ("cpu", .dtype = CR_F16)
 *         loss = cr_cross_entropy(cr_forward(net, x), y);
 *     cr_zero_grad(adam);
 *     cr_backward(cr_scaler_scale(scaler, loss));
 *     cr_scaler_unscale_(scaler, adam);       only where gradients are looked at or clipped
 *     cr_scaler_step(scaler, adam);           not taken if a gradient isn't finite
 *     cr_scaler_update(scaler);
 *
 * The loss is multiplied by a scale, gradients are divided by it before the step. A step with an
 * infinite or NaN gradient is skipped, and the scale shrinks by backoff_factor; after growth_interval
 * steps in a row that were not skipped it grows by growth_factor, as long as it stays finite in f32.
 * (Micikevicius et al., "Mixed Precision Training", 2018.) bf16 has f32's range and needs no scaler. */
#ifndef CRESSET_AMP_H
#define CRESSET_AMP_H

#include <cresset/autocast.h>
#include <cresset/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_grad_scaler cr_grad_scaler;

typedef struct cr_grad_scaler_options {
    int begin_;
    double init_scale;       /* 65536 */
    double growth_factor;    /* 2; above 1 */
    double backoff_factor;   /* 0.5; below 1 */
    int64_t growth_interval; /* 2000 */
    bool disabled;           /* every call passes through: scale 1, plain steps */
    int end_;
} cr_grad_scaler_options;
/* A scaler of the scope. Errors: factors out of range. */
CR_API cr_grad_scaler *cr_grad_scaler_new_with(const cr_grad_scaler_options *options);
CR_API cr_grad_scaler *cr_grad_scaler_retain(cr_grad_scaler *scaler);
CR_API void cr_grad_scaler_release(cr_grad_scaler *scaler);

/* outputs · scale, differentiable, of the outputs' dtype and of the scope. */
CR_API cr_tensor *cr_scaler_scale(cr_grad_scaler *scaler, cr_tensor *outputs);
/* Divides the optimiser's gradients by the scale, in place, and notes whether all were finite. Once
 * between two updates, and before the step. Returns 0, or an error: called twice, or after the step;
 * gradients in f16 (parameters stay f32 under autocast). */
CR_API int cr_scaler_unscale_(cr_grad_scaler *scaler, cr_optimizer *optimizer);
/* Unscales, if that wasn't done, and steps the optimiser, unless a gradient isn't finite. Returns 0
 * whether it stepped or not, or an error: called twice without an update, no gradients at all. */
CR_API int cr_scaler_step(cr_grad_scaler *scaler, cr_optimizer *optimizer);
/* Brings the scale up to date at the end of an iteration. Returns 0, or an error: nothing was
 * unscaled since the last update. cr_scaler_set_scale sets it by hand instead. */
CR_API int cr_scaler_update(cr_grad_scaler *scaler);
CR_API int cr_scaler_set_scale(cr_grad_scaler *scaler, double scale);

/* The scale; 1 where the scaler is disabled. */
CR_API double cr_scaler_get_scale(const cr_grad_scaler *scaler);
/* Whether the last step of the optimiser since the last update was skipped. */
CR_API bool cr_scaler_skipped(const cr_grad_scaler *scaler, const cr_optimizer *optimizer);

/* "scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker", PyTorch's names;
 * empty where disabled. To be taken after an update; what is loaded goes on exactly so. Loading
 * returns 0, or an error: an empty or damaged dict. */
CR_API cr_state_dict *cr_scaler_state_dict(const cr_grad_scaler *scaler);
CR_API int cr_scaler_load_state_dict(cr_grad_scaler *scaler, const cr_state_dict *dict);

#ifndef __cplusplus
/* cr_grad_scaler_new(), cr_grad_scaler_new(.init_scale = 1024) */
#define cr_grad_scaler_new(...) \
    cr_grad_scaler_new_with(&(const cr_grad_scaler_options){.begin_ = 0, __VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif

/* cr_fit: the loop over epochs and batches. What is saved is in fit_save.c, what is shown in fit_show.c. */
#include "core/train/fit.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/autocast.h>
#include <cresset/ops.h>

#include "core/base/error.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- losses and validation ---- */

int cr_fit_drain(cr_fitting *f)
{
    for (int i = 0; i < f->pending; i++) {
        f->loss_sum += cr_item(f->losses[i]) * (double)f->counts[i];
        f->sample_count += (double)f->counts[i];
        cr_release(f->losses[i]);
    }
    f->pending = 0;
    return cr_error() ? -1 : 0;
}

static int note_loss(cr_fitting *f, cr_tensor *loss, int64_t count)
{
    f->losses[f->pending] = cr_retain(cr_detach(loss));
    f->counts[f->pending++] = count;
    return f->pending == FIT_PENDING ? cr_fit_drain(f) : 0;
}

static int reset_metrics(const cr_metrics *metrics)
{
    for (size_t i = 0; i < metrics->count; i++) {
        if (!metrics->data[i])
            return CR_FAIL_INT("cr_fit: metric %zu is null", i);
        cr_metric_reset(metrics->data[i]);
    }
    return 0;
}

static int update_metrics(const cr_metrics *metrics, cr_tensor *prediction, cr_tensor *target)
{
    for (size_t i = 0; i < metrics->count && prediction && target; i++)
        if (cr_metric_update(metrics->data[i], prediction, target))
            return -1;
    return 0;
}

/* The loss, a scalar, or null with the error set. */
static cr_tensor *run_plain(const cr_fit_options *o, const cr_batch *batch, cr_tensor **prediction)
{
    if (o->loss_function) {
        cr_tensor *loss = o->loss_function(o->loss_context, o->net, batch, prediction);
        return loss || cr_error() ? loss : cr_fail("cr_fit: the loss function returned null");
    }
    *prediction = cr_forward(o->net, batch->input);
    if (!batch->target)
        return cr_fail("cr_fit: samples have no target; give a loss_function");
    return *prediction ? cr_forward(o->loss, *prediction, batch->target) : NULL;
}

/* The same in the precision asked for; metrics see predictions as they come. */
static cr_tensor *run_batch(const cr_fit_options *o, const cr_batch *batch, cr_tensor **prediction)
{
    if (!o->autocast)
        return run_plain(o, batch, prediction);
    int depth = cr_autocast_begin(NULL, &(const cr_autocast_options){.dtype = o->autocast});
    if (!depth)
        return NULL;
    cr_tensor *loss = run_plain(o, batch, prediction);
    cr_autocast_end(depth);
    return loss;
}

static int evaluate(const cr_fit_options *o, cr_loader *loader, double *loss, int64_t *samples)
{
    double sum = 0;
    if (reset_metrics(&o->metrics))
        return -1;
    CR_NO_GRAD {
        CR_FOREACH_BATCH (batch, loader) {
            cr_tensor *prediction = NULL, *l = NULL;
            if (o->loss || o->loss_function)
                l = run_batch(o, &batch, &prediction);
            else
                prediction = cr_forward(o->net, batch.input);
            if (l)
                sum += cr_item(l) * (double)batch.count;
            *samples += batch.count;
            if (update_metrics(&o->metrics, prediction, batch.target))
                break;
        }
    }
    *loss = *samples && (o->loss || o->loss_function) ? sum / (double)*samples : NAN;
    return cr_error() ? -1 : 0;
}

int cr_evaluate(cr_module *net, cr_loader *loader, cr_module *loss, cr_metrics metrics,
                cr_evaluation *result)
{
    *result = (cr_evaluation){.loss = NAN};
    if (!net || !loader)
        return CR_FAIL_INT("cr_evaluate: the %s is null", net ? "loader" : "net");
    const cr_fit_options o = {.net = net, .loss = loss, .metrics = metrics};
    int failed = 0;
    CR_SCOPE {
        size_t count = 0, i = 0;
        CR_FOREACH_MODULE(m, net)
        count++;
        bool *modes = malloc(count + 1);
        if (modes) {
            CR_FOREACH_MODULE(m, net)
            modes[i++] = m.module->training;
            cr_eval(net);
            failed = evaluate(&o, loader, &result->loss, &result->samples);
            i = 0;
            CR_FOREACH_MODULE(m, net)
            m.module->training = modes[i++];
        } else {
            failed = (cr_fail_memory("an evaluation", count), -1);
        }
        free(modes);
    }
    return failed;
}

/* ---- one epoch ---- */

/* Every callback of one kind. Returns the largest of their answers, or -1 with the error set. */
#define CALL(f, member) call(f, offsetof(cr_callback, member))
static int call(cr_fitting *f, size_t member)
{
    int most = 0;
    for (size_t i = 0; i < f->o->callbacks.count; i++) {
        const cr_callback *c = &f->o->callbacks.data[i];
        int (*function)(void *context, const cr_fit_state *state);
        memcpy(&function, (const char *)c + member, sizeof function);
        int answer = function ? function(c->context, &f->seen) : 0;
        if (answer < 0)
            return cr_error() ? -1 : CR_FAIL_INT("cr_fit: a callback failed and said nothing");
        most = answer > most ? answer : most;
    }
    return most;
}

/* Clips, steps, and steps the scheduler where it goes by steps. */
static int step(cr_fitting *f)
{
    const cr_fit_options *o = f->o;
    bool looked_at = f->measure_norm || o->clip_grad_value > 0;
    if (o->scaler && looked_at && cr_scaler_unscale_(o->scaler, o->optimizer))
        return -1;
    if (f->measure_norm) {
        cr_tensor *norm = cr_clip_grad_norm_with_(
            cr_params_of_module(o->net), o->clip_grad_norm > 0 ? o->clip_grad_norm : INFINITY,
            &(const cr_clip_grad_norm_options){.end_ = 0});
        if (!norm)
            return -1;
        f->norm_sum += cr_item(norm);
        f->norm_count++;
    }
    if (o->clip_grad_value > 0 &&
        cr_clip_grad_value_with_(cr_params_of_module(o->net), o->clip_grad_value))
        return -1;
    if (o->scaler ? cr_scaler_step(o->scaler, o->optimizer) || cr_scaler_update(o->scaler)
                  : cr_optimizer_step(o->optimizer))
        return -1;
    f->seen.step++;
    return o->scheduler && o->scheduler_per_step ? cr_scheduler_step(o->scheduler) : 0;
}

static int clear_gradients(cr_fitting *f)
{
    return cr_optimizer_zero_grad_with(f->o->optimizer, &(const cr_zero_grad_options){.end_ = 0});
}

/* A batch; *group counts those since the last step. Returns 0, 1 to stop, or -1 with the error set. */
static int train_batch(cr_fitting *f, const cr_batch *batch, int64_t *group)
{
    cr_tensor *prediction = NULL, *loss = run_batch(f->o, batch, &prediction);
    if (!loss)
        return -1;
    cr_tensor *part =
        f->accumulate > 1 ? cr_div_scalar(loss, cr_float_scalar((double)f->accumulate)) : loss;
    if (f->o->scaler && part)
        part = cr_scaler_scale(f->o->scaler, part);
    if (!part || cr_backward(part) || note_loss(f, loss, batch->count) ||
        update_metrics(&f->o->metrics, prediction, batch->target))
        return -1;
    bool last = batch->index + 1 == f->seen.batches;
    bool stepping = ++*group == f->accumulate || last;
    if (stepping && step(f))
        return -1;
    f->seen.batch = batch->index;
    f->seen.data = batch;
    f->seen.prediction = prediction;
    bool asked = false;
    for (size_t i = 0; i < f->o->callbacks.count; i++)
        asked = asked || f->o->callbacks.data[i].on_batch_end;
    f->seen.loss = asked ? cr_item(loss) : NAN;
    int answer = CALL(f, on_batch_end);
    f->seen.data = NULL;
    f->seen.prediction = NULL;
    if (answer < 0)
        return -1;
    if (stepping) {
        *group = 0;
        f->next_batch = batch->index + 1;
        if (clear_gradients(f) ||
            (f->o->save_every > 0 && f->seen.step % f->o->save_every == 0 && cr_fit_save(f)))
            return -1;
    }
    cr_fit_show_batch(f);
    return answer;
}

/* Returns 0 for a whole epoch, 1 if it was left, or -1 with the error set. */
static int train_epoch(cr_fitting *f)
{
    if (!f->next_batch) {
        f->loss_sum = f->sample_count = f->norm_sum = f->norm_count = 0;
        if (reset_metrics(&f->o->metrics))
            return -1;
    }
    int64_t group = 0;
    int answer = 0;
    cr_train(f->o->net);
    cr_loader_set_epoch(f->o->train, f->loader_epoch);
    cr_loader_start_at(f->o->train, f->next_batch);
    CR_FOREACH_BATCH (batch, f->o->train) {
        int said = train_batch(f, &batch, &group);
        if (said < 0)
            return -1;
        answer = said > answer ? said : answer;
        if (!group && (answer || interrupted))
            break;
    }
    if (cr_error())
        return -1;
    if (group && (step(f) || clear_gradients(f))) /* where nobody knew which batch was the last */
        return -1;
    if (interrupted)
        f->history->reason = "interrupted";
    else if (answer)
        f->history->reason = "stopped by a callback";
    return answer || interrupted;
}

static double *put_metrics(const cr_metrics *metrics, double *row)
{
    for (size_t i = 0; i < metrics->count; i++)
        *row++ = cr_metric_compute(metrics->data[i]);
    return row;
}

/* The epoch's row: what training added up, then validation. */
static int finish_epoch(cr_fitting *f)
{
    const cr_fit_options *o = f->o;
    if (cr_fit_drain(f))
        return -1;
    double *row = cr_history_add_row(f->history);
    if (!row)
        return -1;
    *row++ = f->sample_count > 0 ? f->loss_sum / f->sample_count : NAN;
    row = put_metrics(&o->metrics, row);
    if (f->measure_norm)
        *row++ = f->norm_count > 0 ? f->norm_sum / f->norm_count : NAN;
    if (o->validation) {
        int64_t samples = 0;
        cr_eval(o->net);
        cr_loader_set_epoch(o->validation, f->loader_epoch);
        if (evaluate(o, o->validation, row, &samples))
            return -1;
        row = put_metrics(&o->metrics, row + 1);
        cr_train(o->net);
    }
    *row++ = cr_get_lr(o->optimizer);
    *row++ = cr_fit_now() - f->begun;
    return 0;
}

/* Notes whether the last row is the best so far. */
static int judge(cr_fitting *f)
{
    cr_history *h = f->history;
    if (!f->monitored)
        return 0;
    double v = cr_history_at(h, h->rows - 1, (size_t)f->monitor), delta = fabs(f->o->min_delta);
    bool better = h->best_epoch < 0    ? !isnan(v)
                  : f->lower_is_better ? v < h->best_value - delta
                                       : v > h->best_value + delta;
    if (!better) {
        f->waited++;
        return 0;
    }
    f->waited = 0;
    h->best_epoch = (int64_t)h->rows - 1;
    h->best_value = v;
    return cr_fit_keep_best(f);
}

/* ---- the whole ---- */

static int train(cr_fitting *f)
{
    const cr_fit_options *o = f->o;
    if (cr_fit_resume(f) || clear_gradients(f) || CALL(f, on_train_begin) < 0)
        return -1;
    int left = 0;
    while (f->seen.epoch < f->seen.epochs && !left) {
        if (o->patience > 0 && f->waited >= o->patience) {
            f->history->reason = "stopped early";
            break;
        }
        f->begun = cr_fit_now();
        CR_SCOPE {
            left = CALL(f, on_epoch_begin) < 0 ? -1 : train_epoch(f);
            if (!left)
                left = finish_epoch(f) || judge(f) ? -1 : 0;
        }
        if (left)
            break;
        if (o->scheduler && !o->scheduler_per_step && cr_scheduler_step(o->scheduler))
            return -1;
        cr_fit_show_epoch(f);
        int answer = CALL(f, on_epoch_end);
        if (answer < 0)
            return -1;
        f->seen.epoch++;
        f->next_batch = 0;
        f->loader_epoch++;
        if (cr_fit_save(f))
            return -1;
        if (answer || interrupted) {
            f->history->reason = answer ? "stopped by a callback" : "interrupted";
            break;
        }
    }
    if (left < 0 || (left > 0 && cr_fit_save(f)))
        return -1;
    if (f->best && !o->keep_last && !cr_history_interrupted(f->history) &&
        cr_module_load_state_dict(o->net, f->best))
        return -1;
    return CALL(f, on_train_end) < 0 ? -1 : 0;
}

static int add_columns(cr_fitting *f)
{
    const cr_fit_options *o = f->o;
    for (int validation = 0; validation <= (o->validation != NULL); validation++) {
        const char *prefix = validation ? "val_" : "";
        if (cr_history_add_column(f->history, prefix, "loss"))
            return -1;
        for (size_t i = 0; i < o->metrics.count; i++)
            if (cr_history_add_column(f->history, prefix, cr_metric_name(o->metrics.data[i])))
                return -1;
        if (!validation && f->measure_norm && cr_history_add_column(f->history, "", "grad_norm"))
            return -1;
    }
    return cr_history_add_column(f->history, "", "lr") ||
           cr_history_add_column(f->history, "", "seconds");
}

static int choose_monitor(cr_fitting *f)
{
    const cr_fit_options *o = f->o;
    f->monitored = o->validation || o->monitor || o->patience > 0 || o->checkpoint;
    const char *name = o->monitor ? o->monitor : o->validation ? "val_loss" : "loss";
    f->monitor = cr_history_find(f->history, name);
    if (f->monitor < 0)
        return CR_FAIL_INT("cr_fit: there is no column \"%s\" to monitor", name);
    const char *bare = strncmp(name, "val_", 4) ? name : name + 4;
    f->lower_is_better = true;
    for (size_t i = 0; i < o->metrics.count; i++)
        if (!strcmp(bare, cr_metric_name(o->metrics.data[i])))
            f->lower_is_better = cr_metric_lower_is_better(o->metrics.data[i]);
    return 0;
}

static int check(const cr_fit_options *o)
{
    if (!o->net || !o->train || !o->optimizer)
        return CR_FAIL_INT("cr_fit: the %s is null", !o->net     ? "net"
                                                     : !o->train ? "loader"
                                                                 : "optimizer");
    if (!o->loss == !o->loss_function)
        return CR_FAIL_INT("cr_fit: give either a loss or a loss_function");
    if (o->epochs < 0 || o->accumulate < 0 || o->patience < 0 || o->save_every < 0 ||
        !(o->clip_grad_norm >= 0) || !(o->clip_grad_value >= 0))
        return CR_FAIL_INT("cr_fit: epochs, accumulate, patience, save_every and clipping must not "
                           "be negative");
    return reset_metrics(&o->metrics);
}

cr_history *cr_fit_with(const cr_fit_options *o)
{
    if (check(o))
        return NULL;
    cr_fitting f = {
        .o = o, .history = cr_history_new(), .accumulate = o->accumulate ? o->accumulate : 1};
    f.measure_norm = o->clip_grad_norm > 0 || o->record_grad_norm;
    if (!f.history || add_columns(&f) || choose_monitor(&f))
        return NULL;
    f.seen = (cr_fit_state){.net = o->net,
                            .optimizer = o->optimizer,
                            .history = f.history,
                            .epochs = o->epochs ? o->epochs : 1,
                            .batches = cr_loader_length(o->train),
                            .loss = NAN};
    f.loader_epoch = cr_loader_epoch(o->train);
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}, before;
    interrupted = 0;
    if (!o->no_interrupt)
        sigaction(SIGINT, &action, &before);
    int failed = 0;
    CR_SCOPE
        failed = train(&f);
    if (!o->no_interrupt)
        sigaction(SIGINT, &before, NULL);
    while (f.pending)
        cr_release(f.losses[--f.pending]);
    cr_state_dict_release(f.best);
    return failed ? NULL : f.history;
}

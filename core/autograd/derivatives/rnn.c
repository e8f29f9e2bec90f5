/* The derivative of recurrent layers. */
#include "core/autograd/derivatives/derivative.h"

/* How many of the inputs have derivatives; batch_sizes, mode and reverse follow them. */
enum { SCAN = 5, LAYER = 7 };

/* The steps of a scan, or of a layer, from the inputs that have derivatives. */
static cr_rnn_steps_result steps_of(cr_grad_context *c, int ninputs, cr_tensor *const *in)
{
    cr_tensor *sizes = cr_in(c, ninputs);
    const char *mode = cr_argument(c, ninputs + 1)->as.s;
    bool reverse = int_arg(c, ninputs + 2);
    if (ninputs == SCAN)
        return cr_rnn_steps(in[0], in[1], in[2], in[3], in[4], NULL, sizes, mode, reverse);
    return cr_rnn_steps(cr_f_linear(in[0], in[3], .bias = in[5]), in[1], in[2], in[4], in[6], NULL,
                        sizes, mode, reverse);
}

/* Where the derivative itself is to be differentiated, the steps are walked again, recorded. Inputs pass through views of their
 * own, so that one that another was made from gets its own part alone. */
static int recorded(cr_grad_context *c, int ninputs)
{
    cr_tensor *in[LAYER], *asked[LAYER], *grads[LAYER], *outs[3], *given[3];
    int at[LAYER];
    size_t nasked = 0, nouts = 0;
    for (int i = 0; i < ninputs; i++) {
        in[i] = cr_in(c, i);
        if (in[i] && cr_needs(c, i)) {
            at[nasked] = i;
            asked[nasked++] = in[i] = cr_alias(in[i]);
        }
    }
    cr_rnn_steps_result made = steps_of(c, ninputs, in);
    cr_tensor *all[3] = {made.output, made.hy, made.cy};
    for (int i = 0; i < 3; i++)
        if (all[i] && cr_g(c, i)) {
            outs[nouts] = all[i];
            given[nouts++] = cr_g(c, i);
        }
    cr_autograd_grad_options options = {.create_graph = true, .allow_unused = true};
    if (!made.output || cr_autograd_grad_with(outs, given, nouts, asked, nasked, &options, grads))
        return -1;
    for (size_t i = 0; i < nasked; i++)
        if (grads[i])
            cr_set(c, at[i], grads[i]);
    return 0;
}

DERIVATIVE(rnn_scan, "RnnScanBackward0",
           .in_for = {FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL},
           .out_for = {FOR_ALL, 0, 0, FOR_ALL})
{
    if (!cr_g(c, 0) && !cr_g(c, 1) && !cr_g(c, 2))
        return 0;
    if (cr_grad_enabled())
        return recorded(c, SCAN);
    cr_rnn_scan_backward_result g =
        cr_rnn_scan_backward(cr_g(c, 0), cr_g(c, 1), cr_g(c, 2), cr_in(c, 0), cr_in(c, 1),
                             cr_in(c, 2), cr_in(c, 3), cr_in(c, 4), cr_in(c, 5), cr_out(c, 0),
                             cr_out(c, 3), cr_argument(c, 6)->as.s, int_arg(c, 7));
    cr_set(c, 0, g.grad_gates);
    cr_set(c, 1, g.grad_hx);
    cr_set(c, 2, g.grad_cx);
    cr_set(c, 3, g.grad_weight_hh);
    cr_set(c, 4, g.grad_bias_hh);
    return 0;
}

DERIVATIVE(rnn_layer, "RnnLayerBackward0",
           .in_for = {FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL, FOR_ALL},
           .out_for = {FOR_ALL, 0, FOR_ALL, FOR_ALL})
{
    if (!cr_g(c, 0) && !cr_g(c, 1) && !cr_g(c, 2))
        return 0;
    if (cr_grad_enabled())
        return recorded(c, LAYER);
    cr_tensor *in[LAYER];
    uint8_t mask[LAYER];
    for (int i = 0; i < LAYER; i++) {
        in[i] = cr_in(c, i);
        mask[i] = cr_needs(c, i);
    }
    cr_tensor *grads[3]; /* dense: what a plan reads */
    for (int i = 0; i < 3; i++)
        grads[i] = cr_g(c, i) ? cr_contiguous(cr_g(c, i)) : NULL;
    cr_rnn_layer_backward_result g = cr_rnn_layer_backward(
        grads[0], grads[1], grads[2], in[0], in[1], in[2], in[3], in[4], in[5], in[6],
        cr_in(c, LAYER), cr_out(c, 0), in[2] ? cr_out(c, 2) : NULL, cr_out(c, 3),
        cr_argument(c, LAYER + 1)->as.s, int_arg(c, LAYER + 2), mask);
    cr_set(c, 0, g.grad_input);
    cr_set(c, 1, g.grad_hx);
    cr_set(c, 2, g.grad_cx);
    cr_set(c, 3, g.grad_weight_ih);
    cr_set(c, 4, g.grad_weight_hh);
    cr_set(c, 5, g.grad_bias);
    cr_set(c, 6, g.grad_bias_hh);
    return 0;
}

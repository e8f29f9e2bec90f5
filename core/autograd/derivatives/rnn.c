/* The derivative of recurrent layers. */
#include "core/autograd/derivatives/derivative.h"

/* Where the derivative itself is to be differentiated, the steps are walked again, recorded. Inputs pass through views of their
 * own, so that one that another was made from gets its own part alone. */
static int recorded(cr_grad_context *c)
{
    cr_tensor *in[5], *asked[5], *grads[5], *outs[3], *given[3];
    int at[5];
    size_t nasked = 0, nouts = 0;
    for (int i = 0; i < 5; i++) {
        in[i] = cr_in(c, i);
        if (in[i] && cr_needs(c, i)) {
            at[nasked] = i;
            asked[nasked++] = in[i] = cr_alias(in[i]);
        }
    }
    cr_rnn_steps_result made = cr_rnn_steps(in[0], in[1], in[2], in[3], in[4], NULL, cr_in(c, 5),
                                            cr_argument(c, 6)->as.s, int_arg(c, 7));
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
        return recorded(c);
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

/* The networks that cresset bench times and that cresset conform takes its hints from. (LeNet: cli.h) */
#ifndef CRESSET_TOOLS_MODELS_H
#define CRESSET_TOOLS_MODELS_H

#include <cresset/cresset.h>

enum { GPT_VOCABULARY = 256, GPT_CONTEXT = 128 };

/* A residual network of 18 layers for images [batch, 3, height, width] and ten classes; its first layer has `width` channels
 * (64 in the paper). */
cr_module *make_resnet18(int64_t width);
/* A GPT of pre-norm blocks with four heads: I64 tokens [batch, up to GPT_CONTEXT] to logits. width is a multiple of 4. */
cr_module *make_gpt(int layers, int64_t width);

typedef struct training {
    cr_module *net;
    cr_optimizer *optimizer;
    cr_tensor *x, *y; /* classes; of a GPT one for each token */
} training;

/* Gradients set to zero, forward, cross entropy, backward and the optimiser's step, of a training. */
void train_step(void *training);

#endif

/* torch.nn: modules and containers, layers and losses, initialisation. */
#ifndef CRESSET_NN_H
#define CRESSET_NN_H

#include <cresset/checkpoint.h>
#include <cresset/functional.h>
#include <cresset/init.h>
#include <cresset/layers.h>
#include <cresset/losses.h>
#include <cresset/module.h>
#include <cresset/parametrize.h>
#include <cresset/pooling.h>
#include <cresset/resizing.h>
#include <cresset/rnn.h>
#include <cresset/state_dict.h>
#include <cresset/transformer.h>

#endif

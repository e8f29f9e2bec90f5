/* Constructors of layers and losses refuse options that make no sense, with a message that names the layer and the option. */
#include "golden.h"

#define UNMADE(call, words)                                                                \
    do {                                                                                   \
        CR_SCOPE {                                                                         \
            ck_assert_msg((call) == NULL, "made: %s", #call);                              \
            ck_assert_msg(cr_error() && strstr(cr_error(), words), "%s\n says: %s", #call, \
                          cr_error());                                                     \
        }                                                                                  \
        cr_clear_error();                                                                  \
    } while (0)

START_TEST(sizes_of_linear_and_convolution_layers_are_checked)
{
    UNMADE(cr_linear(-1, 2),
           "Linear: in_features and out_features can't be negative, got -1 and 2");
    UNMADE(cr_linear(3, -2),
           "Linear: in_features and out_features can't be negative, got 3 and -2");
    UNMADE(cr_bilinear(0, 2, 2),
           "Bilinear: in1_features must be positive, the other sizes not negative");
    UNMADE(cr_bilinear(-1, 2, 2),
           "Bilinear: in1_features must be positive, the other sizes not negative");
    UNMADE(cr_conv2d(-3, 4, 3),
           "Conv2d: in_channels must be positive (in_channels=-3, out_channels=4,");
    UNMADE(cr_conv2d(3, -4, 3),
           "Conv2d: out_channels must be positive (in_channels=3, out_channels=-4,");
    UNMADE(cr_conv2d(3, 4, 0), "Conv2d: kernel_size must be at least 1, got 0");
    UNMADE(cr_conv2d(3, 4, -1), "Conv2d: kernel_size must be at least 1, got -1");
    UNMADE(cr_conv2d(3, 4, 3, .stride = -1), "Conv2d: stride must be at least 1, got -1");
    UNMADE(cr_conv2d(3, 4, 3, .padding = -1), "Conv2d: padding must be at least 0, got -1");
    UNMADE(cr_conv2d(3, 4, 3, .dilation = -1), "Conv2d: dilation must be at least 1, got -1");
    UNMADE(cr_conv2d(3, 4, 3, .groups = -1),
           "Conv2d: groups must be a positive integer (in_channels=3, out_channels=4,");
    UNMADE(cr_conv2d(3, 4, 3, .groups = 2),
           "Conv2d: in_channels must be divisible by groups (in_channels=3,");
    UNMADE(cr_conv2d(4, 3, 3, .groups = 2),
           "Conv2d: out_channels must be divisible by groups (in_channels=4,");
    UNMADE(cr_conv1d(3, 4, 3, .stride = 2, .padding_same = true),
           "Conv1d: padding='same' is not supported for strided convolutions");
    UNMADE(cr_conv2d(3, 4, 3, .padding_mode = "mirror"),
           "Conv2d: padding_mode must be one of zeros, reflect, replicate, circular, but");
    UNMADE(cr_conv_transpose2d(3, 4, 3, .padding_mode = "reflect"),
           "ConvTranspose2d: Only \"zeros\" padding mode is supported");
    UNMADE(cr_conv_transpose2d(3, 4, 3, .output_padding = 1),
           "ConvTranspose2d: output padding must be smaller than either stride or");
    UNMADE(cr_conv_transpose2d(3, 4, 3, .output_padding = -1),
           "ConvTranspose2d: output_padding must be at least 0, got -1");
    UNMADE(cr_conv_transpose2d(3, 4, 3, .groups = 2),
           "ConvTranspose2d: in_channels must be divisible by groups (in_channels=3,");
    UNMADE(cr_linear(3, 2, .dtype = CR_I64),
           "cr_requires_grad_: only Tensors of floating point dtype can require");
    UNMADE(cr_linear(3, 2, .device = "nowhere"),
           "device \"nowhere\" is not available: nowhere: no such backend was found");
    UNMADE(cr_linear(1ll << 40, 1ll << 40),
           "empty: a result of sizes [1099511627776, 1099511627776] is too large");
}
END_TEST

START_TEST(probabilities_of_dropout_are_checked)
{
    UNMADE(cr_dropout(-.1), "Dropout: dropout probability has to be between 0 and 1, but got -0.1");
    UNMADE(cr_dropout1d(1.1),
           "Dropout1d: dropout probability has to be between 0 and 1, but got 1.1");
    UNMADE(cr_dropout2d(NAN),
           "Dropout2d: dropout probability has to be between 0 and 1, but got nan");
    UNMADE(cr_dropout3d(2), "Dropout3d: dropout probability has to be between 0 and 1, but got 2");
    UNMADE(cr_alpha_dropout(2),
           "AlphaDropout: dropout probability has to be between 0 and 1, but got 2");
    UNMADE(cr_feature_alpha_dropout(-1),
           "FeatureAlphaDropout: dropout probability has to be between 0 and 1, but got -1");
    UNMADE(cr_lstm(3, 2, .dropout = -1),
           "LSTM: dropout should be a number in range [0, 1] representing the probability");
    UNMADE(cr_multihead_attention(8, 2, .dropout = 2),
           "MultiheadAttention: dropout probability has to be between 0 and 1, but got 2");
    UNMADE(cr_transformer_encoder_layer(8, 2, 4, 1.5),
           "MultiheadAttention: dropout probability has to be between 0 and 1, but got 1.5");
}
END_TEST

START_TEST(windows_and_sizes_of_pools_are_checked)
{
    UNMADE(cr_max_pool2d(3, .padding = 2),
           "MaxPool2d: pad should be at most half of kernel size, but got pad=2 and");
    UNMADE(cr_max_pool2d(0), "MaxPool2d: kernel_size must be at least 1, got 0");
    UNMADE(cr_max_pool2d(-2), "MaxPool2d: kernel_size must be at least 1, got -2");
    UNMADE(cr_max_pool2d(2, .stride = -1), "MaxPool2d: stride must be at least 1, got -1");
    UNMADE(cr_max_pool2d(2, .padding = -1), "MaxPool2d: padding must be at least 0, got -1");
    UNMADE(cr_max_pool2d(2, .dilation = -1), "MaxPool2d: dilation must be at least 1, got -1");
    UNMADE(cr_avg_pool2d(3, .padding = 2),
           "AvgPool2d: pad should be at most half of kernel size, but got pad=2 and");
    UNMADE(cr_avg_pool1d(3, .padding = 2),
           "AvgPool1d: pad should be at most half of kernel size, but got pad=2 and");
    UNMADE(cr_avg_pool3d(3, .padding = 2),
           "AvgPool3d: pad should be at most half of kernel size, but got pad=2 and");
    UNMADE(cr_avg_pool2d(0), "AvgPool2d: kernel_size must be at least 1, got 0");
    UNMADE(cr_lp_pool2d(0, 2), "LPPool2d: norm_type must be positive, got 0");
    UNMADE(cr_adaptive_avg_pool2d(-2),
           "AdaptiveAvgPool2d: output_size must be at least 0 (or -1: as the input's), got");
    UNMADE(cr_fractional_max_pool2d(2),
           "FractionalMaxPool2d: either output_size or output_ratio is needed, none is");
    UNMADE(cr_fractional_max_pool2d(2, 2, .5),
           "FractionalMaxPool2d: either output_size or output_ratio is needed, both are");
    UNMADE(cr_fractional_max_pool2d(2, .output_ratio = 1.5),
           "FractionalMaxPool2d: output_ratio must be between 0 and 1 (got 1.5)");
    UNMADE(cr_max_unpool2d(0), "MaxUnpool2d: kernel_size must be at least 1, got 0");
}
END_TEST

START_TEST(paddings_and_scales_are_checked)
{
    UNMADE(cr_constant_pad2d(CR_INTS(1, 2, 3), 0),
           "ConstantPad2d: padding is one number or 4, got 3");
    UNMADE(cr_reflection_pad1d_layer(CR_INTS(1, 2, 3)),
           "ReflectionPad1d: padding is one number or 2, got 3");
    UNMADE(cr_upsample(2, .scale_factor = 2),
           "Upsample: only one of size or scale_factor should be defined, both are");
    UNMADE(cr_upsample(.mode = "nearest"),
           "Upsample: only one of size or scale_factor should be defined, none is");
    UNMADE(cr_upsample(2, .mode = "cubic"),
           "Upsample: there is no mode cubic (nearest, nearest-exact, linear, bilinear,");
    UNMADE(cr_upsample(-2), "Upsample: size must be at least 1, got -2");
    UNMADE(cr_upsample(2, .align_corners = true),
           "Upsample: align_corners can't be set with mode nearest");
    UNMADE(cr_fold_layer(4, 0), "Fold: kernel_size must be at least 1, got 0");
    UNMADE(cr_unfold_layer(-1), "Unfold: kernel_size must be at least 1, got -1");
    UNMADE(cr_pixel_shuffle(0), "PixelShuffle: the factor must be at least 1, got 0");
    UNMADE(cr_pixel_unshuffle(-1), "PixelUnshuffle: the factor must be at least 1, got -1");
    UNMADE(cr_channel_shuffle(0), "ChannelShuffle: the factor must be at least 1, got 0");
    UNMADE(cr_unflatten_layer(1, CR_INTS(2, -3)), "Unflatten: invalid shape dimension -3");
    UNMADE(cr_embedding(3, 2, .padding_idx = CR_SOME(3)),
           "Embedding: Padding_idx must be within num_embeddings, got 3 of 3");
    UNMADE(cr_embedding(3, 2, .padding_idx = CR_SOME(-4)),
           "Embedding: Padding_idx must be within num_embeddings, got -4 of 3");
    UNMADE(cr_embedding_bag_layer(3, 2, .padding_idx = CR_SOME(3)),
           "EmbeddingBag: Padding_idx must be within num_embeddings, got 3 of 3");
}
END_TEST

START_TEST(numbers_of_activations_are_checked)
{
    UNMADE(cr_gelu_layer("fast"),
           "GELU: approximate argument must be either none or tanh, got fast");
    UNMADE(cr_hardtanh_layer(1, -1), "Hardtanh: max_val must be above min_val, got -1 and 1");
    UNMADE(cr_rrelu_layer(.5, .2),
           "RReLU: Lower bound should be less than or equal to the upper bound, got 0.5");
    UNMADE(cr_prelu_layer(-1), "PReLU: num_parameters must be positive, got -1");
    UNMADE(cr_celu_layer(CR_ZERO), "CELU: alpha cannot be 0");
}
END_TEST

START_TEST(sizes_of_norms_and_embeddings_are_checked)
{
    UNMADE(cr_batch_norm2d(-1), "BatchNorm2d: num_features must be positive, got -1");
    UNMADE(cr_batch_norm2d(0), "BatchNorm2d: num_features must be positive, got 0");
    UNMADE(cr_group_norm(3, 4),
           "GroupNorm: num_channels must be divisible by num_groups, got 4 and 3");
    UNMADE(cr_group_norm(0, 4),
           "GroupNorm: num_channels must be divisible by num_groups, got 4 and 0");
    UNMADE(cr_group_norm(-1, 4),
           "GroupNorm: num_channels must be divisible by num_groups, got 4 and -1");
    UNMADE(cr_layer_norm(-5), "LayerNorm: normalized_shape must be positive, got -5");
    UNMADE(cr_local_response_norm(0), "LocalResponseNorm: size must be positive, got 0");
    UNMADE(cr_instance_norm1d(-1), "InstanceNorm1d: num_features must be positive, got -1");
    UNMADE(cr_embedding(-1, 2),
           "Embedding: num_embeddings must be positive, embedding_dim not negative, got");
    UNMADE(cr_embedding(3, -2),
           "Embedding: num_embeddings must be positive, embedding_dim not negative, got 3");
    UNMADE(cr_embedding_bag_layer(3, 2, .mode = "product"),
           "EmbeddingBag: mode has to be one of sum, mean or max, got product");
}
END_TEST

START_TEST(sizes_of_recurrent_layers_and_attention_are_checked)
{
    UNMADE(cr_rnn(3, 0),
           "RNN: input_size, hidden_size and num_layers must be positive, got 3, 0 and 0");
    UNMADE(cr_rnn(3, -2),
           "RNN: input_size, hidden_size and num_layers must be positive, got 3, -2 and 0");
    UNMADE(cr_rnn(-3, 2),
           "RNN: input_size, hidden_size and num_layers must be positive, got -3, 2 and 0");
    UNMADE(cr_lstm(3, 2, -1),
           "LSTM: input_size, hidden_size and num_layers must be positive, got 3, 2 and -1");
    UNMADE(cr_lstm(3, 2, .proj_size = 2),
           "LSTM: proj_size has to be smaller than hidden_size, and not negative, got 2");
    UNMADE(cr_lstm(3, 2, .proj_size = -1),
           "LSTM: proj_size has to be smaller than hidden_size, and not negative, got -1");
    UNMADE(cr_gru(3, 2, .proj_size = 1),
           "GRU: proj_size argument is only supported for LSTM, not RNN or GRU");
    UNMADE(cr_rnn(3, 2, .nonlinearity = "sin"), "RNN: Unknown nonlinearity 'sin'");
    UNMADE(cr_rnn_cell(3, 2, .nonlinearity = "sin"), "RNNCell: Unknown nonlinearity: sin");
    UNMADE(cr_lstm_cell(3, -2),
           "LSTMCell: input_size and hidden_size must be positive, got 3 and -2");
    UNMADE(cr_multihead_attention(8, 3),
           "MultiheadAttention: embed_dim must be divisible by num_heads, got 8 and 3");
    UNMADE(cr_multihead_attention(8, 0),
           "MultiheadAttention: embed_dim and num_heads must be greater than 0, got");
    UNMADE(cr_multihead_attention(-8, 2),
           "MultiheadAttention: embed_dim and num_heads must be greater than 0, got");
    UNMADE(cr_transformer_encoder_layer(8, 2, 4, .activation = "tanh"),
           "TransformerEncoderLayer: activation should be relu/gelu, not tanh");
    UNMADE(cr_transformer_encoder_layer(8, 3),
           "MultiheadAttention: embed_dim must be divisible by num_heads, got 8 and 3");
    UNMADE(cr_transformer_encoder(cr_transformer_encoder_layer(8, 2, 4), -1),
           "TransformerEncoder: num_layers must be positive, got -1");
    UNMADE(cr_transformer(8, 3),
           "MultiheadAttention: embed_dim must be divisible by num_heads, got 8 and 3");
    UNMADE(cr_transformer_encoder(NULL, 2), "TransformerEncoder: the module is null");
}
END_TEST

START_TEST(options_of_losses_are_checked)
{
    UNMADE(cr_mse_loss_layer("average"),
           "MSELoss: average is not a valid value for reduction (none, mean, sum)");
    UNMADE(cr_cross_entropy_loss(.label_smoothing = 1.5),
           "CrossEntropyLoss: label_smoothing must be between 0.0 and 1.0. Got: 1.5");
    UNMADE(cr_cross_entropy_loss(.label_smoothing = -1),
           "CrossEntropyLoss: label_smoothing must be between 0.0 and 1.0. Got: -1");
    UNMADE(cr_smooth_l1_loss_layer(.beta = -1),
           "SmoothL1Loss: does not support negative values for beta, got -1");
    UNMADE(cr_huber_loss_layer(.delta = -1),
           "HuberLoss: does not support non-positive values for delta, got -1");
    UNMADE(cr_multi_margin_loss_layer(3),
           "MultiMarginLoss: only p == 1 and p == 2 supported, got 3");
    UNMADE(cr_ctc_loss_layer(-1), "CTCLoss: blank must be in label range, got -1");
    UNMADE(cr_kl_div_loss("batch"),
           "KLDivLoss: batch is not a valid value for reduction (none, mean, sum)");
    UNMADE(cr_mse_loss_layer("batchmean"),
           "MSELoss: batchmean is not a valid value for reduction (none, mean, sum)");
    UNMADE(cr_adaptive_log_softmax_with_loss(6, 20, CR_INTS(10, 4)),
           "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of 1 to 32 unique,");
    UNMADE(cr_adaptive_log_softmax_with_loss(6, 20, CR_INTS(20)),
           "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of 1 to 32 unique,");
}
END_TEST

START_TEST(containers_and_places_are_checked)
{
    UNMADE(cr_sequential(NULL), "Sequential: argument 1 is null");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bad options");
    TCase *all = tcase_create("bad options");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, sizes_of_linear_and_convolution_layers_are_checked);
    tcase_add_test(all, probabilities_of_dropout_are_checked);
    tcase_add_test(all, windows_and_sizes_of_pools_are_checked);
    tcase_add_test(all, paddings_and_scales_are_checked);
    tcase_add_test(all, numbers_of_activations_are_checked);
    tcase_add_test(all, sizes_of_norms_and_embeddings_are_checked);
    tcase_add_test(all, sizes_of_recurrent_layers_and_attention_are_checked);
    tcase_add_test(all, options_of_losses_are_checked);
    tcase_add_test(all, containers_and_places_are_checked);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}

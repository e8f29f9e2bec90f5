/* What layers and losses say to wrong channels, ranks and sizes, to indices that are out of range and to numbers that make no sense:
 * an error that names the culprit, or what PyTorch defines, on every device. Options are test_bad_options.c's. */
#include "golden.h"

#define Z(...) cr_zeros(CR_INTS(__VA_ARGS__))
#define I(...) on_device(cr_tensor_i64(__VA_ARGS__))

/* The call fails with these words, at the latest when somebody reads its result. */
#define REFUSED(call, words)                                                              \
    do {                                                                                  \
        CR_SCOPE {                                                                        \
            cr_tensor *result_ = (call);                                                  \
            if (result_)                                                                  \
                cr_tensor_to(result_, "cpu");                                             \
            ck_assert_msg(cr_error(), "taken: %s", #call);                                \
            ck_assert_msg(strstr(cr_error(), words), "%s\n says: %s", #call, cr_error()); \
        }                                                                                 \
        cr_clear_error();                                                                 \
    } while (0)

/* A device tells of these with the index and the size. */
#define OUT_OF_RANGE(call) REFUSED(call, "out of")

START_TEST(wrong_channels_are_refused)
{
    REFUSED(cr_forward(cr_conv1d(3, 4, 3), Z(1, 2, 5)),
            "Given groups=1, weight of size [4, 3, 3], expected input[1, 2, 5] to have 3");
    REFUSED(cr_forward(cr_conv2d(3, 4, 3), Z(1, 2, 5, 5)),
            "Given groups=1, weight of size [4, 3, 3, 3], expected input[1, 2, 5, 5] to");
    REFUSED(cr_forward(cr_conv3d(3, 4, 3), Z(1, 2, 5, 5, 5)),
            "Given groups=1, weight of size [4, 3, 3, 3, 3], expected input[1, 2, 5, 5, 5]");
    REFUSED(cr_forward(cr_conv_transpose1d(3, 4, 3), Z(1, 2, 5)),
            "Given groups=1, weight of size [3, 4, 3], expected input[1, 2, 5] to have 3");
    REFUSED(cr_forward(cr_conv_transpose2d(3, 4, 3), Z(1, 2, 5, 5)),
            "Given groups=1, weight of size [3, 4, 3, 3], expected input[1, 2, 5, 5] to");
    REFUSED(cr_forward(cr_conv_transpose3d(3, 4, 3), Z(1, 2, 5, 5, 5)),
            "Given groups=1, weight of size [3, 4, 3, 3, 3], expected input[1, 2, 5, 5, 5]");
    REFUSED(cr_forward(cr_conv2d(4, 4, 3, .groups = 2), Z(1, 2, 5, 5)),
            "Given groups=2, weight of size [4, 2, 3, 3], expected input[1, 2, 5, 5] to");
    REFUSED(cr_forward(cr_conv2d(2, 4, 3, .padding = 1, .padding_mode = "circular"), Z(1, 3, 5, 5)),
            "Given groups=1, weight of size [4, 2, 3, 3], expected input[1, 3, 5, 5] to");
    REFUSED(cr_forward(cr_linear(3, 2), Z(2, 4)),
            "mat1 and mat2 shapes cannot be multiplied: input [2, 4] has 4 features,");
    REFUSED(cr_forward(cr_bilinear(3, 4, 2), Z(2, 3), Z(2, 5)),
            "Bilinear: input2 size does not match weight size: got [2, 5] but expected 4");
    REFUSED(cr_forward(cr_bilinear(3, 4, 2), Z(2, 3), Z(3, 4)),
            "Bilinear: input batch dimensions do not match: got [2, 3] and [3, 4]");
    REFUSED(cr_forward(cr_batch_norm1d(3), Z(2, 4)),
            "BatchNorm1d: expected input with 3 channels, got [2, 4]");
    REFUSED(cr_forward(cr_batch_norm2d(3), Z(2, 4, 2, 2)),
            "BatchNorm2d: expected input with 3 channels, got [2, 4, 2, 2]");
    REFUSED(cr_forward(cr_batch_norm3d(3), Z(2, 4, 2, 2, 2)),
            "BatchNorm3d: expected input with 3 channels, got [2, 4, 2, 2, 2]");
    REFUSED(cr_forward(cr_sync_batch_norm(3), Z(2, 4, 2)),
            "SyncBatchNorm: expected input with 3 channels, got [2, 4, 2]");
    REFUSED(cr_forward(cr_eval(cr_batch_norm2d(3)), Z(2, 4, 2, 2)),
            "BatchNorm2d: expected input with 3 channels, got [2, 4, 2, 2]");
    REFUSED(cr_forward(cr_instance_norm1d(3, .affine = true), Z(2, 4, 2)),
            "InstanceNorm1d: expected input with 3 channels, got [2, 4, 2]");
    REFUSED(cr_forward(cr_instance_norm2d(3, .track_running_stats = true), Z(2, 4, 2, 2)),
            "InstanceNorm2d: expected input with 3 channels, got [2, 4, 2, 2]");
    REFUSED(cr_forward(cr_group_norm(2, 4), Z(2, 6, 3)),
            "GroupNorm: expected input with 4 channels, got [2, 6, 3]");
    REFUSED(cr_forward(cr_layer_norm(5), Z(2, 4)),
            "Given normalized_shape=[5], expected input with shape [*, 5], but got input");
    REFUSED(cr_forward(cr_layer_norm(CR_INTS(3, 4)), Z(4)),
            "Given normalized_shape=[3, 4], expected input with shape [*, 3, 4], but got");
    REFUSED(cr_forward(cr_prelu_layer(3), Z(2, 4)),
            "Mismatch of parameter numbers and input channel size. Found parameter numbers");
    REFUSED(cr_forward(cr_glu_layer(), Z(2, 5)),
            "Halving dimension must be even, but dimension 1 is size 5");
    REFUSED(cr_forward(cr_pixel_shuffle(2), Z(1, 6, 2, 2)),
            "pixel_shuffle expects at least 3 dimensions and channels divisible by 2");
    REFUSED(cr_forward(cr_pixel_unshuffle(2), Z(1, 1, 3, 4)),
            "pixel_unshuffle expects at least 3 dimensions and height and width divisible");
    REFUSED(cr_forward(cr_channel_shuffle(2), Z(1, 3, 2, 2)),
            "channel_shuffle expects at least 3 dimensions and channels divisible by 2");
    REFUSED(cr_forward(cr_lstm(5, 2), Z(4, 2, 3)),
            "LSTM: input.size(-1) must be equal to input_size. Expected 5, got 3");
    REFUSED(cr_forward(cr_gru_cell(5, 2), Z(2, 3)),
            "gru_cell: input has inconsistent input_size: got 3 expected 5");
    REFUSED(cr_forward(cr_rnn_cell(5, 2), Z(2, 5), Z(2, 3)),
            "rnn_tanh_cell: hidden has inconsistent hidden_size: got 3, expected 2");
    REFUSED(cr_forward(cr_multihead_attention(8, 2), Z(3, 2, 6), Z(3, 2, 6), Z(3, 2, 6)),
            "MultiheadAttention: was expecting a query of 8 features in a batch of 2, but");
    REFUSED(cr_forward(cr_multihead_attention(8, 2, .kdim = 4), Z(3, 2, 8), Z(3, 2, 5), Z(3, 2, 8)),
            "MultiheadAttention: was expecting a key of 4 features in a batch of 2, but");
    REFUSED(cr_forward(cr_multihead_attention(8, 2), Z(3, 2, 8), Z(5, 2, 8), Z(4, 2, 8)),
            "MultiheadAttention: key's sequence [5, 2, 8] does not match value's [4, 2, 8]");
    REFUSED(cr_forward(cr_transformer_encoder_layer(8, 2, 4), Z(3, 2, 6)),
            "MultiheadAttention: was expecting a query of 8 features in a batch of 2, but");
    REFUSED(cr_forward(cr_transformer_decoder_layer(8, 2, 4), Z(3, 2, 8), Z(3, 1, 8)),
            "MultiheadAttention: was expecting a key of 8 features in a batch of 2, but");
    REFUSED(cr_forward(cr_transformer(8, 2, 1, 1, 4), Z(3, 2, 8), Z(3, 3, 8)),
            "Transformer: the batch number of src and tgt must be equal, got [3, 2, 8] and");
    REFUSED(cr_forward(cr_transformer(8, 2, 1, 1, 4), Z(3, 2, 6), Z(3, 2, 8)),
            "Transformer: the feature number of src and tgt must be equal to d_model=8,");
    REFUSED(cr_forward(cr_local_response_norm(2), Z(3, 2)),
            "Expected 3D or higher dimensionality input (got float32[3, 2]) and a size of");
    REFUSED(cr_forward(cr_cross_map_lrn2d(2), Z(3, 2)),
            "CrossMapLRN2d: expected input to be 4D, got [3, 2]");
}
END_TEST

START_TEST(wrong_ranks_and_sizes_are_refused)
{
    REFUSED(cr_forward(cr_conv1d(3, 4, 3), Z(3)),
            "Expected 2D (unbatched) or 3D (batched) input to conv1d, but got input of");
    REFUSED(cr_forward(cr_conv2d(3, 4, 3), Z(3, 5)),
            "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of");
    REFUSED(cr_forward(cr_conv3d(3, 4, 3), Z(3, 5, 5)),
            "Expected 4D (unbatched) or 5D (batched) input to conv3d, but got input of");
    REFUSED(cr_forward(cr_conv_transpose2d(3, 4, 3), Z(3, 5)),
            "Expected 3D (unbatched) or 4D (batched) input to conv_transpose2d, but got");
    REFUSED(cr_forward(cr_batch_norm1d(3), Z(3)),
            "BatchNorm1d: expected 2D or 3D input (got 1D input)");
    REFUSED(cr_forward(cr_batch_norm2d(3), Z(2, 3)),
            "BatchNorm2d: expected 4D input (got 2D input)");
    REFUSED(cr_forward(cr_batch_norm3d(3), Z(2, 3, 1, 1)),
            "BatchNorm3d: expected 5D input (got 4D input)");
    REFUSED(cr_forward(cr_instance_norm2d(3), Z(2, 3)),
            "InstanceNorm2d: expected 3D or 4D input (got 2D input)");
    REFUSED(cr_forward(cr_group_norm(1, 3), Z(3)),
            "GroupNorm: expected input with 3 channels, got [3]");
    REFUSED(cr_forward(cr_max_pool1d(2), Z(3)),
            "MaxPool1d: Expected 2D or 3D (batch mode) tensor for input, but got: [3]");
    REFUSED(cr_forward(cr_max_pool2d(2), Z(3, 3)),
            "MaxPool2d: Expected 3D or 4D (batch mode) tensor for input, but got: [3, 3]");
    REFUSED(cr_forward(cr_max_pool3d(2), Z(3, 3, 3)),
            "MaxPool3d: Expected 4D or 5D (batch mode) tensor for input, but got: [3, 3, 3]");
    REFUSED(cr_forward(cr_avg_pool1d(2), Z(3)),
            "AvgPool1d: Expected 2D or 3D (batch mode) tensor for input, but got: [3]");
    REFUSED(cr_forward(cr_avg_pool2d(2), Z(3, 3)),
            "AvgPool2d: Expected 3D or 4D (batch mode) tensor for input, but got: [3, 3]");
    REFUSED(cr_forward(cr_avg_pool3d(2), Z(3, 3, 3)),
            "AvgPool3d: Expected 4D or 5D (batch mode) tensor for input, but got: [3, 3, 3]");
    REFUSED(cr_forward(cr_lp_pool1d(2, 2), Z(3)),
            "LPPool1d: Expected 2D or 3D (batch mode) tensor for input, but got: [3]");
    REFUSED(cr_forward(cr_lp_pool2d(2, 2), Z(3, 3)),
            "LPPool2d: Expected 3D or 4D (batch mode) tensor for input, but got: [3, 3]");
    REFUSED(cr_forward(cr_adaptive_avg_pool1d(2), Z(3)),
            "AdaptiveAvgPool1d: Expected 2D or 3D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_adaptive_avg_pool2d(2), Z(3, 3)),
            "AdaptiveAvgPool2d: Expected 3D or 4D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_adaptive_avg_pool3d(2), Z(3, 3, 3)),
            "AdaptiveAvgPool3d: Expected 4D or 5D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_adaptive_max_pool1d(2), Z(3)),
            "AdaptiveMaxPool1d: Expected 2D or 3D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_adaptive_max_pool2d(2), Z(3, 3)),
            "AdaptiveMaxPool2d: Expected 3D or 4D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_adaptive_max_pool3d(2), Z(3, 3, 3)),
            "AdaptiveMaxPool3d: Expected 4D or 5D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_fractional_max_pool2d(2, 2), Z(3, 3)),
            "FractionalMaxPool2d: Expected 3D or 4D (batch mode) tensor for input, but");
    REFUSED(cr_forward(cr_fractional_max_pool3d(2, 2), Z(3, 3, 3)),
            "FractionalMaxPool3d: Expected 4D or 5D (batch mode) tensor for input, but");
    REFUSED(cr_forward(cr_max_unpool2d(2), Z(3, 3), I(CR_INTS(3, 3), 0, 0, 0, 0, 0, 0, 0, 0, 0)),
            "MaxUnpool2d: Expected 3D or 4D (batch mode) tensor for input, but got: [3, 3]");
    REFUSED(cr_forward(cr_reflection_pad1d_layer(1), Z(3)),
            "ReflectionPad1d: Expected 2D or 3D (batch mode) tensor for input, but got: [3]");
    REFUSED(cr_forward(cr_reflection_pad2d_layer(1), Z(3, 3)),
            "ReflectionPad2d: Expected 3D or 4D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_reflection_pad3d_layer(1), Z(3, 3, 3)),
            "ReflectionPad3d: Expected 4D or 5D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_replication_pad2d_layer(1), Z(3, 3)),
            "ReplicationPad2d: Expected 3D or 4D (batch mode) tensor for input, but got:");
    REFUSED(cr_forward(cr_zero_pad2d(1), Z(3)),
            "ZeroPad2d: the input must have at least 2 dimensions, got [3]");
    REFUSED(cr_forward(cr_constant_pad3d(1, 0), Z(3, 3)),
            "ConstantPad3d: the input must have at least 3 dimensions, got [3, 3]");
    REFUSED(cr_forward(cr_upsample(.scale_factor = 2, .mode = "bilinear"), Z(1, 2, 3)),
            "Upsample: mode bilinear takes an input of 4 dimensions, got [1, 2, 3]");
    REFUSED(cr_forward(cr_upsample(.scale_factor = 2, .mode = "linear"), Z(1, 2, 3, 3)),
            "Upsample: mode linear takes an input of 3 dimensions, got [1, 2, 3, 3]");
    REFUSED(cr_forward(cr_upsample(.scale_factor = 2, .mode = "trilinear"), Z(1, 2, 3)),
            "Upsample: mode trilinear takes an input of 5 dimensions, got [1, 2, 3]");
    REFUSED(cr_forward(cr_upsample(.scale_factor = 2), Z(3, 3)),
            "Upsample: mode nearest with these sizes takes an input of 3 dimensions, got");
    REFUSED(cr_forward(cr_fold_layer(4, 2), Z(4)),
            "col2im: Expected 2D or 3D (batch mode) columns and an output size of two, but");
    REFUSED(cr_forward(cr_unfold_layer(2), Z(4, 4)),
            "Unfold: Expected 3D or 4D (batch mode) tensor for input, but got: [4, 4]");
    REFUSED(cr_forward(cr_softmax2d_layer(), Z(4, 4)),
            "Softmax2d requires a 3D or 4D tensor as input, got [4, 4]");
    REFUSED(cr_forward(cr_softmax_layer(3), Z(4, 4)),
            "Dimension out of range (expected to be in range of [-2, 1], but got 3)");
    REFUSED(cr_forward(cr_pixel_shuffle(2), Z(4, 4)),
            "pixel_shuffle expects at least 3 dimensions and channels divisible by 2");
    REFUSED(cr_forward(cr_dropout1d(.5), Z(4)),
            "dropout1d: Expected 2D or 3D input, but received a 1D input");
    REFUSED(cr_forward(cr_unflatten_layer(1, CR_INTS(2, 3)), Z(2, 5)),
            "unflatten: Provided sizes [2, 3] don't multiply up to the size of dim 1 (5)");
    REFUSED(cr_forward(cr_flatten_layer(.start_dim = CR_SOME(2)), Z(2, 5)),
            "flatten: Dimension out of range (expected to be in range of [-2, 1], but got");
    REFUSED(cr_forward(cr_embedding(4, 2), Z(2)),
            "embedding: Expected indices of dtype int64 or int32, got float32");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), I(CR_INTS(2), 0, 1)),
            "EmbeddingBag: the input is 2D, or 1D with offsets; got [2] without offsets");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), cr_zeros(CR_INTS(1, 1, 1), .dtype = CR_I64)),
            "EmbeddingBag: the input is 2D, or 1D with offsets; got [1, 1, 1] without");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), I(CR_INTS(1, 2), 0, 1), I(CR_INTS(1), 0)),
            "EmbeddingBag: the input is 2D, or 1D with offsets; got [1, 2] with offsets");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), I(CR_INTS(2), 0, 1), I(CR_INTS(1), 1)),
            "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), I(CR_INTS(2), 0, 1), I(CR_INTS(2), 0, 5)),
            "embedding_bag: offsets must not fall and can not be greater than input's");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), I(CR_INTS(1, 2), 0, 1), NULL, Z(1, 2)),
            "EmbeddingBag: per_sample_weights are for mode 'sum', not 'mean'");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2, .mode = "sum"), I(CR_INTS(1, 2), 0, 1), NULL,
                       Z(1, 3)),
            "EmbeddingBag: expected per_sample_weights of the input's shape [1, 2], got [1, 3]");
    REFUSED(cr_forward(cr_lstm(3, 2), Z(3)),
            "LSTM: Expected input to be 2-D or 3-D but received 1-D tensor");
    REFUSED(cr_forward(cr_lstm(3, 2), Z(1, 1, 1, 3)),
            "LSTM: Expected input to be 2-D or 3-D but received 4-D tensor");
    REFUSED(cr_forward(cr_gru_cell(3, 2), Z(1, 1, 3)),
            "GRUCell: Expected input to be 1-D or 2-D but received 3-D tensor");
    REFUSED(cr_forward(cr_rnn(3, 2), Z(4, 2, 3), Z(1, 3, 2)),
            "RNN: Expected hidden size (1, 2, 2), got [1, 3, 2]");
    REFUSED(cr_forward(cr_lstm(3, 2), Z(4, 2, 3), Z(1, 2, 2), Z(1, 2, 3)),
            "LSTM: Expected hidden[1] size (1, 2, 2), got [1, 2, 3]");
    REFUSED(cr_forward(cr_multihead_attention(8, 2), Z(8), Z(8), Z(8)),
            "MultiheadAttention: query, key and value should all be 3-D (batched) or all");
    REFUSED(cr_forward(cr_multihead_attention(8, 2), Z(3, 2, 8), Z(3, 8), Z(3, 8)),
            "MultiheadAttention: query, key and value should all be 3-D (batched) or all");
    REFUSED(cr_forward(cr_multihead_attention(8, 2), Z(3, 2, 8), Z(3, 2, 8), Z(3, 2, 8), Z(3, 3)),
            "MultiheadAttention: key_padding_mask should be [2, 3], got [3, 3]");
    REFUSED(
        cr_forward(cr_multihead_attention(8, 2), Z(3, 2, 8), Z(3, 2, 8), Z(3, 2, 8), NULL, Z(3, 4)),
        "MultiheadAttention: The shape of the attn_mask is [3, 4], but should be [3,");
    REFUSED(cr_forward(cr_cross_entropy_loss(), Z(2, 3), I(CR_INTS(3), 0, 1, 2)),
            "Expected input batch_size (2) to match target batch_size (3).");
    REFUSED(cr_forward(cr_cross_entropy_loss(), Z(2, 3), I(CR_INTS(2, 1), 0, 1)),
            "expected input [N, C] or [C] and target [N] or [], got float32[2, 3] and");
    REFUSED(cr_forward(cr_cross_entropy_loss(.weight = Z(4)), Z(2, 3), I(CR_INTS(2), 0, 1)),
            "weight tensor should be defined either for all 3 classes or no classes but");
    REFUSED(cr_forward(cr_cross_entropy_loss(), Z(2, 3), Z(2, 4)),
            "expected input [N, C] or [C] and target [N] or [], got float32[2, 3] and");
    REFUSED(cr_forward(cr_cross_entropy_loss(), Z(2, 3), Z(2)),
            "expected target of dtype int64 but found float32");
    REFUSED(cr_forward(cr_nll_loss_layer(), Z(2, 3), I(CR_INTS(3), 0, 1, 2)),
            "Expected input batch_size (2) to match target batch_size (3).");
    REFUSED(cr_forward(cr_nll_loss_layer(), Z(2, 3), Z(2)),
            "expected target of dtype int64 but found float32");
    REFUSED(cr_forward(cr_nll_loss_layer(), Z(2, 3, 4), I(CR_INTS(2, 3), 0, 0, 0, 0, 0, 0)),
            "nll_loss: expected a target of size [N, d1, …] for input [2, 3, 4], got [2, 3]");
    REFUSED(cr_forward(cr_mse_loss_layer(), Z(2, 3), Z(2, 4)),
            "mse_loss: The size of tensor a (3) must match the size of tensor b (4) at");
    REFUSED(cr_forward(cr_l1_loss_layer(), Z(2, 3), Z(4)),
            "The size of tensor a (3) must match the size of tensor b (4) at non-singleton");
    REFUSED(cr_forward(cr_bce_loss(), Z(2, 3), Z(2, 2)),
            "binary_cross_entropy: Using a target size ([2, 2]) that is different to the");
    REFUSED(cr_forward(cr_bce_with_logits_loss(), Z(2, 3), Z(2, 2)),
            "binary_cross_entropy_with_logits: Target size ([2, 2]) must be the same as");
    REFUSED(cr_forward(cr_bce_with_logits_loss(.pos_weight = Z(4)), Z(2, 3), Z(2, 3)),
            "binary_cross_entropy_with_logits: The size of tensor a (3) must match the");
    REFUSED(cr_forward(cr_kl_div_loss(), Z(2, 3), Z(2, 2)),
            "kl_div: the sizes of input and target must match, got [2, 3] and [2, 2]");
    REFUSED(cr_forward(cr_huber_loss_layer(), Z(2, 3), Z(2, 2)),
            "huber_loss: the sizes of input and target must match, got [2, 3] and [2, 2]");
    REFUSED(cr_forward(cr_smooth_l1_loss_layer(), Z(2, 3), Z(2, 2)),
            "smooth_l1_loss: the sizes of input and target must match, got [2, 3] and [2,");
    REFUSED(cr_forward(cr_poisson_nll_loss_layer(), Z(2, 3), Z(2, 2)),
            "poisson_nll_loss: the sizes of input and target must match, got [2, 3] and");
    REFUSED(cr_forward(cr_gaussian_nll_loss_layer(), Z(2, 3), Z(2, 3), Z(2, 2)),
            "gaussian_nll_loss: var is of incorrect size: [2, 2] for an input [2, 3]");
    REFUSED(cr_forward(cr_gaussian_nll_loss_layer(), Z(2, 3), Z(2, 3), cr_full(CR_INTS(2, 3), -1)),
            "gaussian_nll_loss: var has negative entry/entries");
    REFUSED(cr_forward(cr_soft_margin_loss_layer(), Z(2, 3), Z(2, 2)),
            "soft_margin_loss: the sizes of input and target must match, got [2, 3] and");
    REFUSED(cr_forward(cr_multilabel_margin_loss_layer(), Z(2, 3), I(CR_INTS(2, 2), 0, 1, 0, 1)),
            "multilabel_margin_loss: inconsistent target size: [2, 2] for size: [2, 3]");
    REFUSED(cr_forward(cr_multilabel_soft_margin_loss_layer(), Z(2, 3), Z(2, 2)),
            "multilabel_soft_margin_loss: the sizes of input and target must match, got");
    REFUSED(cr_forward(cr_multi_margin_loss_layer(), Z(2, 3), I(CR_INTS(3), 0, 1, 2)),
            "multi_margin_loss: inconsistent target size: expected a class for each row of");
    REFUSED(cr_forward(cr_hinge_embedding_loss_layer(), Z(2, 3), Z(2, 2)),
            "hinge_embedding_loss: the sizes of input and target must match, got [2, 3]");
    REFUSED(cr_forward(cr_margin_ranking_loss_layer(), Z(2), Z(2), Z(3)),
            "margin_ranking_loss: the sizes of inputs and target must match, got [2] and");
    REFUSED(cr_forward(cr_cosine_embedding_loss_layer(), Z(2, 3), Z(2, 3), Z(3)),
            "cosine_embedding_loss: the sizes of inputs' rows and target must match, got");
    REFUSED(cr_forward(cr_cosine_embedding_loss_layer(), Z(2, 3), Z(2, 4), Z(2)),
            "cosine_embedding_loss: the sizes of input1 and input2 must match, got [2, 3]");
    REFUSED(cr_forward(cr_triplet_margin_loss_layer(), Z(2, 3), Z(2, 4), Z(2, 3)),
            "triplet_margin_loss: the sizes of anchor and positive must match, got [2, 3]");
    REFUSED(cr_forward(cr_triplet_margin_loss_layer(), Z(2, 3), Z(3), Z(2, 3)),
            "triplet_margin_loss: all inputs should have the same number of dimensions,");
    REFUSED(cr_forward(cr_ctc_loss_layer(), Z(5, 2, 3), I(CR_INTS(2, 2), 1, 1, 1, 1),
                       I(CR_INTS(2), 6, 5), I(CR_INTS(2), 2, 2)),
            "ctc_loss: Expected input_lengths to have value at most 5, but got value 6");
    REFUSED(cr_forward(cr_ctc_loss_layer(.blank = 4), Z(5, 2, 3), I(CR_INTS(2, 2), 1, 1, 1, 1),
                       I(CR_INTS(2), 5, 5), I(CR_INTS(2), 2, 2)),
            "ctc_loss: blank must be in label range");
    REFUSED(cr_forward(cr_ctc_loss_layer(), Z(5, 2, 3), I(CR_INTS(2, 2), 1, 1, 1, 1),
                       I(CR_INTS(1), 5), I(CR_INTS(2), 2, 2)),
            "ctc_loss: log_probs must be (T, N, C), and lengths one for each of the batch");
    REFUSED(cr_forward(cr_ctc_loss_layer(), Z(5, 2, 3), I(CR_INTS(2, 2), 1, 1, 1, 1),
                       I(CR_INTS(2), 5, 5), I(CR_INTS(2), 3, 2)),
            "ctc_loss: targets are shorter than target_lengths say");
    REFUSED(cr_forward(cr_cosine_similarity(), Z(2, 3), Z(2, 4)),
            "The size of tensor a (3) must match the size of tensor b (4) at non-singleton");
    REFUSED(cr_forward(cr_pairwise_distance_layer(), Z(2, 3), Z(2, 4)),
            "The size of tensor a (3) must match the size of tensor b (4) at non-singleton");
    REFUSED(cr_forward(cr_adaptive_log_softmax_with_loss(6, 20, CR_INTS(4)), Z(2, 5),
                       I(CR_INTS(2), 0, 1)),
            "mat1 and mat2 shapes cannot be multiplied: input [2, 5] has 5 features,");
    REFUSED(cr_forward(cr_adaptive_log_softmax_with_loss(6, 20, CR_INTS(4)), Z(2, 6),
                       I(CR_INTS(3), 0, 1, 2)),
            "AdaptiveLogSoftmaxWithLoss: Input and target should have the same size in the");
}
END_TEST

START_TEST(sizes_that_give_empty_outputs_are_refused)
{
    REFUSED(cr_forward(cr_conv1d(1, 1, 5), Z(1, 1, 3)),
            "Calculated padded input size per channel: [3]. Kernel size: [5]. Kernel size");
    REFUSED(cr_forward(cr_conv2d(1, 1, 5), Z(1, 1, 3, 8)),
            "Calculated padded input size per channel: [3, 8]. Kernel size: [5, 5]. Kernel");
    REFUSED(cr_forward(cr_conv3d(1, 1, 5), Z(1, 1, 3, 8, 8)),
            "Calculated padded input size per channel: [3, 8, 8]. Kernel size: [5, 5, 5].");
    REFUSED(cr_forward(cr_conv2d(1, 1, 3, .dilation = 3), Z(1, 1, 5, 5)),
            "Calculated padded input size per channel: [5, 5]. Kernel size: [7, 7]. Kernel");
    REFUSED(cr_forward(cr_conv_transpose2d(1, 1, 1, .padding = 3), Z(1, 1, 3, 3)),
            "the output would have the size -3 along dimension 2");
    REFUSED(cr_forward(cr_max_pool1d(5), Z(1, 1, 3)),
            "Given input size: [1, 1, 3]. Calculated output size is too small: dimension 1");
    REFUSED(cr_forward(cr_max_pool2d(5), Z(1, 1, 3, 3)),
            "Given input size: [1, 3, 3]. Calculated output size is too small: dimension 0");
    REFUSED(cr_forward(cr_max_pool3d(5), Z(1, 1, 3, 3, 3)),
            "Given input size: [1, 3, 3, 3]. Calculated output size is too small:");
    REFUSED(cr_forward(cr_avg_pool1d(5), Z(1, 1, 3)),
            "Given input size: [1, 1, 3]. Calculated output size is too small: dimension 1");
    REFUSED(cr_forward(cr_avg_pool2d(5), Z(1, 1, 3, 3)),
            "Given input size: [1, 3, 3]. Calculated output size is too small: dimension 0");
    REFUSED(cr_forward(cr_avg_pool3d(5), Z(1, 1, 3, 3, 3)),
            "Given input size: [1, 3, 3, 3]. Calculated output size is too small:");
    REFUSED(cr_forward(cr_lp_pool2d(2, 5), Z(1, 1, 3, 3)),
            "Given input size: [1, 3, 3]. Calculated output size is too small: dimension 0");
    REFUSED(cr_forward(cr_lp_pool1d(2, 5), Z(1, 1, 3)),
            "Given input size: [1, 1, 3]. Calculated output size is too small: dimension 1");
    REFUSED(cr_forward(cr_fractional_max_pool2d(2, 4), Z(1, 1, 4, 4)),
            "fractional_max_pool2d(): pool size 2 and output size 4 are too large for");
    REFUSED(cr_forward(cr_fractional_max_pool3d(5, 1), Z(1, 1, 4, 4, 4)),
            "fractional_max_pool3d(): pool size 5 and output size 1 are too large for");
    REFUSED(cr_forward(cr_unfold_layer(5), Z(1, 1, 3, 3)),
            "the windows don't fit: a plane of 3 x 3 gives 0 x 0 of them");
    REFUSED(cr_forward(cr_fold_layer(3, 5), Z(1, 25, 1)),
            "the windows don't fit: a plane of 3 x 3 gives 0 x 0 of them");
    REFUSED(cr_forward(cr_fold_layer(4, 2), Z(1, 4, 8)),
            "col2im: columns [1, 4, 8] don't fit a kernel of 4 elements and 9 windows");
    REFUSED(cr_forward(cr_fold_layer(4, 2), Z(1, 5, 9)),
            "col2im: columns [1, 5, 9] don't fit a kernel of 4 elements and 9 windows");
    REFUSED(cr_forward(cr_reflection_pad1d_layer(3), Z(1, 1, 3)),
            "Padding size should be less than the corresponding input dimension, but got:");
    REFUSED(cr_forward(cr_reflection_pad2d_layer(3), Z(1, 1, 3, 3)),
            "Padding size should be less than the corresponding input dimension, but got:");
    REFUSED(cr_forward(cr_reflection_pad3d_layer(3), Z(1, 1, 3, 3, 3)),
            "Padding size should be less than the corresponding input dimension, but got:");
    REFUSED(cr_forward(cr_zero_pad2d(-2), Z(1, 1, 3, 3)),
            "The input size 3, plus negative padding -2 and -2, resulted in a negative");
    REFUSED(cr_forward(cr_replication_pad1d_layer(-2), Z(1, 1, 3)),
            "replication padding -2 and -2 leaves nothing of size 3");
    REFUSED(cr_forward(cr_conv2d(1, 1, 3, .padding = 3, .padding_mode = "reflect"), Z(1, 1, 3, 3)),
            "Padding size should be less than the corresponding input dimension, but got:");
    REFUSED(cr_forward(cr_conv2d(1, 1, 3, .padding = 4, .padding_mode = "circular"), Z(1, 1, 3, 3)),
            "Padding value causes wrapping around more than once: padding (4, 4) of size 3");
    REFUSED(cr_forward(cr_upsample(.scale_factor = 0.1), Z(1, 1, 3, 3)),
            "Input and output sizes should be greater than 0, but got input [1, 1, 3, 3]");
    REFUSED(cr_forward(cr_upsample(.scale_factor = 0.1, .mode = "bilinear"), Z(1, 1, 3, 3)),
            "Input and output sizes should be greater than 0, but got input [1, 1, 3, 3]");
    REFUSED(cr_forward(cr_rnn(3, 2), Z(0, 2, 3)),
            "Expected sequence length to be larger than 0 in RNN");
    REFUSED(cr_forward(cr_conv2d(3, 2, 3), Z(1, 3, 0, 0)),
            "Calculated padded input size per channel: [0, 0]. Kernel size: [3, 3]. Kernel");
    REFUSED(cr_forward(cr_max_pool2d(2), Z(1, 0, 4, 4)),
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for");
    REFUSED(cr_forward(cr_batch_norm1d(3), Z(1, 3)),
            "BatchNorm1d: Expected more than 1 value per channel when training, got input");
    REFUSED(cr_forward(cr_batch_norm2d(3), Z(1, 3, 1, 1)),
            "BatchNorm2d: Expected more than 1 value per channel when training, got input");
    REFUSED(cr_forward(cr_instance_norm2d(3), Z(2, 3, 1, 1)),
            "InstanceNorm2d: Expected more than 1 spatial element when training, got input");
    REFUSED(cr_forward(cr_group_norm(3, 3), Z(1, 3)),
            "GroupNorm: Expected more than 1 value per channel when training, got input");
    REFUSED(cr_forward(cr_adaptive_avg_pool2d(2), Z(1, 1, 0, 3)),
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for");
    REFUSED(cr_forward(cr_adaptive_max_pool2d(2), Z(1, 1, 0, 3)),
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for");
}
END_TEST

/* Classes and places from one past the end and from before the beginning. */
START_TEST(indices_out_of_range_are_errors_on_every_device)
{
    cr_tensor *x = cr_rand(CR_INTS(3, 4)), *one = cr_ones(CR_INTS(3, 1));
    for (int i = 0; i < 2; i++) {
        int64_t wrong = i ? -1 : 4;
        cr_tensor *t = I(CR_INTS(3), 0, wrong, 1), *column = cr_unsqueeze(t, 1);
        REFUSED(cr_forward(cr_cross_entropy_loss(), x, t), "cross_entropy: target out of range (");
        REFUSED(cr_forward(cr_cross_entropy_loss(.reduction = "none"), x, t),
                "cross_entropy: target out of range (");
        REFUSED(
            cr_forward(cr_cross_entropy_loss(.weight = cr_ones(4), .label_smoothing = 0.1), x, t),
            "cross_entropy: target out of range (");
        REFUSED(cr_forward(cr_cross_entropy_loss(), cr_rand(CR_INTS(1, 4, 3)), cr_unsqueeze(t, 0)),
                "cross_entropy: target out of range (");
        REFUSED(cr_forward(cr_nll_loss_layer(), x, t), "nll_loss: target out of range (");
        REFUSED(cr_forward(cr_nll_loss_layer(.reduction = "none"), x, t),
                "nll_loss: target out of range (");
        REFUSED(cr_forward(cr_nll_loss_layer(), cr_rand(CR_INTS(1, 4, 3, 1)),
                           cr_reshape(t, CR_INTS(1, 3, 1))),
                "nll_loss: target out of range (");
        REFUSED(cr_forward(cr_multi_margin_loss_layer(), x, t),
                "multi_margin_loss: target out of range (");
        REFUSED(cr_forward(cr_multi_margin_loss_layer(.p = 2), x, t),
                "multi_margin_loss: target out of range (");
        REFUSED(cr_forward(cr_multilabel_margin_loss_layer(), cr_rand(CR_INTS(1, 3)),
                           I(CR_INTS(1, 3), 0, i ? -2 : 3, 1)),
                "multilabel_margin_loss: target out of range (");
        REFUSED(cr_forward(cr_ctc_loss_layer(), Z(5, 1, 4), cr_unsqueeze(t, 0), I(CR_INTS(1), 5),
                           I(CR_INTS(1), 3)),
                "ctc_loss: target out of range (");
        REFUSED(cr_forward(cr_adaptive_log_softmax_with_loss(2, 4, CR_INTS(2)), Z(3, 2), t),
                "Target values should be in [0, 3], but values in range");
        REFUSED(cr_forward(cr_embedding(4, 2), t), "embedding: ");
        REFUSED(cr_forward(cr_embedding(4, 2, .max_norm = 1), t), "embedding: ");
        REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), cr_unsqueeze(t, 0)),
                "embedding_bag: index out of range");
        REFUSED(cr_forward(cr_embedding_bag_layer(4, 2, .mode = "sum"), cr_unsqueeze(t, 0)),
                "embedding_bag: index out of range");
        REFUSED(cr_forward(cr_embedding_bag_layer(4, 2, .mode = "max"), t, I(CR_INTS(2), 0, 2)),
                "embedding_bag: index out of range");
        OUT_OF_RANGE(cr_gather(x, 1, column));
        OUT_OF_RANGE(cr_index_select(x, 1, t));
        OUT_OF_RANGE(cr_take(x, I(CR_INTS(1), i ? -13 : 12)));
        OUT_OF_RANGE(cr_take_along_dim(x, column, .dim = CR_SOME(1)));
        REFUSED(cr_one_hot(t, .num_classes = CR_SOME(4)), "Class values must be");
        OUT_OF_RANGE(cr_scatter(x, 1, column, one));
        OUT_OF_RANGE(cr_scatter_add(x, 1, column, one));
        OUT_OF_RANGE(cr_index_add(x, 1, t, cr_ones(CR_INTS(3, 3))));
        OUT_OF_RANGE(cr_index_copy(x, 1, t, cr_ones(CR_INTS(3, 3))));
        OUT_OF_RANGE(cr_index_fill(x, 1, I(CR_INTS(3), 0, i ? -5 : 4, 1), 1.0));
        cr_tensor *rows = I(CR_INTS(3), 0, i ? -4 : 3, 1);
        OUT_OF_RANGE(cr_index(x, CR_TENSORS(rows)));
        OUT_OF_RANGE(cr_index_put(x, CR_TENSORS(rows), cr_ones(1)));
        REFUSED(cr_forward(cr_max_unpool2d(2), Z(1, 1, 1, 1), I(CR_INTS(1, 1, 1, 1), wrong)),
                "found an invalid max index");
        REFUSED(cr_forward(cr_max_unpool1d(2), Z(1, 1, 1), I(CR_INTS(1, 1, 1), i ? -1 : 2)),
                "found an invalid max index");
    }
    /* The device goes on. */
    assert_close("afterwards", cr_sum(cr_forward(cr_identity(), x)), cr_sum(x), 0);
    /* ignore_index may be any number. */
    cr_tensor *t = I(CR_INTS(3), 0, 99, 1);
    assert_close("ignored", cr_forward(cr_cross_entropy_loss(.ignore_index = CR_SOME(99)), x, t),
                 cr_forward(cr_cross_entropy_loss(),
                            cr_cat(CR_TENSORS(cr_narrow(x, 0, 0, 1), cr_narrow(x, 0, 2, 1))),
                            I(CR_INTS(2), 0, 1)),
                 1e-6);
    assert_no_error();
}
END_TEST

START_TEST(numbers_that_make_no_sense_are_refused)
{
    cr_module *bce = cr_bce_loss();
    for (int i = 0; i < 3; i++) {
        double wrong = i == 0 ? 1.5 : i == 1 ? -0.5 : NAN;
        REFUSED(cr_forward(bce, cr_full(4, wrong), cr_ones(4)),
                "binary_cross_entropy: all elements of input should be between 0 and 1");
    }
    assert_close("the ends",
                 cr_forward(bce, cr_tensor_f32(CR_INTS(2), 0, 1), cr_tensor_f32(CR_INTS(2), 0, 1)),
                 cr_sum(cr_zeros(1)), 0);
    REFUSED(
        cr_forward(cr_embedding_bag_layer(4, 2), I(CR_INTS(3), 0, 1, 2), I(CR_INTS(3), 0, 2, 1)),
        "offsets must not fall");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2), I(CR_INTS(2), 0, 1), I(CR_INTS(2), 0, -1)),
            "offsets must not fall");
    REFUSED(cr_forward(cr_embedding_bag_layer(4, 2, .include_last_offset = true),
                       I(CR_INTS(2), 0, 1), I(CR_INTS(2), 0, 5)),
            "can not be greater than input's length 2");
    REFUSED(cr_forward(cr_linear(3, 2), cr_zeros(CR_INTS(2, 3), .dtype = CR_I64)), "dtype");
    REFUSED(cr_forward(cr_linear(3, 2), cr_zeros(CR_INTS(2, 3), .dtype = CR_F16)), "dtype");
    REFUSED(cr_forward(cr_conv2d(1, 1, 3), cr_zeros(CR_INTS(1, 1, 3, 3), .dtype = CR_F16)),
            "dtype");
    REFUSED(cr_forward(cr_conv_transpose2d(1, 1, 3, .stride = 2), Z(1, 1, 3, 3),
                       cr_tensor_i64(CR_INTS(2), 20, 20)),
            "20");
}
END_TEST

/* Nothing is a batch, too: what PyTorch gives for it. */
START_TEST(empty_batches_are_taken)
{
#define SIZES(call, ...) assert_close(#call, call, Z(__VA_ARGS__), 0)
    SIZES(cr_forward(cr_linear(3, 2), Z(0, 3)), 0, 2);
    SIZES(cr_forward(cr_conv2d(2, 3, 3), Z(0, 2, 4, 4)), 0, 3, 2, 2);
    SIZES(cr_forward(cr_conv_transpose2d(2, 3, 3), Z(0, 2, 4, 4)), 0, 3, 6, 6);
    SIZES(cr_forward(cr_max_pool2d(2), Z(0, 2, 4, 4)), 0, 2, 2, 2);
    SIZES(cr_forward(cr_avg_pool2d(2), Z(0, 2, 4, 4)), 0, 2, 2, 2);
    SIZES(cr_forward(cr_adaptive_avg_pool2d(1), Z(0, 2, 4, 4)), 0, 2, 1, 1);
    SIZES(cr_forward(cr_batch_norm1d(3), Z(0, 3)), 0, 3);
    SIZES(cr_forward(cr_layer_norm(3), Z(0, 3)), 0, 3);
    SIZES(cr_forward(cr_softmax_layer(0), Z(0, 3)), 0, 3);
    SIZES(cr_forward(cr_lstm(3, 2), Z(2, 0, 3)), 2, 0, 2);
    SIZES(cr_forward(cr_embedding(4, 2), cr_zeros(CR_INTS(0, 5), .dtype = CR_I64)), 0, 5, 2);
    cr_tensor *none = cr_zeros(0, .dtype = CR_I64);
    ck_assert(isnan(cr_item(cr_forward(cr_cross_entropy_loss(), Z(0, 3), none))));
    ck_assert(isnan(cr_item(cr_forward(cr_mse_loss_layer(), cr_zeros(0), cr_zeros(0)))));
    ck_assert(
        isnan(cr_item(cr_forward(cr_cross_entropy_loss(), Z(2, 3), I(CR_INTS(2), -100, -100)))));
    ck_assert_double_eq(cr_item(cr_forward(cr_nll_loss_layer(.reduction = "sum"), Z(0, 3), none)),
                        0);
    /* Attention to nothing is the output's bias, which starts as zeros. */
    SIZES(cr_forward(cr_multihead_attention(8, 2), Z(3, 2, 8), Z(0, 2, 8), Z(0, 2, 8)), 3, 2, 8);
    assert_no_error();
}
END_TEST

/* Adaptive pools to nothing: empty outputs, and PyTorch's word on their gradients. */
START_TEST(adaptive_pools_give_empty_outputs)
{
#define EMPTY(call, input, refused, ...)                                                  \
    do {                                                                                  \
        cr_tensor *x = cr_requires_grad_(input, 1), *y = cr_forward(call, x);             \
        assert_close(#call, y, Z(__VA_ARGS__), 0);                                        \
        ck_assert_int_eq(cr_backward(cr_sum(y)) != 0, refused);                           \
        if (refused)                                                                      \
            assert_error_has("Expected grad_output to have non-zero size for non-batch"); \
        else                                                                              \
            assert_close(#call "'s gradient", cr_grad(x), cr_zeros_like(x), 0);           \
    } while (0)
    EMPTY(cr_adaptive_avg_pool1d(0), Z(2, 3, 4), true, 2, 3, 0);
    EMPTY(cr_adaptive_avg_pool1d(0), Z(3, 4), true, 3, 0);
    EMPTY(cr_adaptive_max_pool1d(0), Z(2, 3, 4), true, 2, 3, 0);
    EMPTY(cr_adaptive_avg_pool2d(0), Z(2, 3, 4, 4), true, 2, 3, 0, 0);
    EMPTY(cr_adaptive_avg_pool2d(.output_size_hw = {0, 2}), Z(2, 3, 4, 4), true, 2, 3, 0, 2);
    EMPTY(cr_adaptive_avg_pool2d(2), Z(2, 0, 4, 4), true, 2, 0, 2, 2);
    EMPTY(cr_adaptive_max_pool2d(.output_size_hw = {2, 0}), Z(3, 4, 4), true, 3, 2, 0);
    EMPTY(cr_adaptive_avg_pool3d(0), Z(2, 3, 4, 4, 4), false, 2, 3, 0, 0, 0);
    EMPTY(cr_adaptive_avg_pool3d(.output_size_dhw = {0, 2, 2}), Z(3, 4, 4, 4), false, 3, 0, 2, 2);
    EMPTY(cr_adaptive_max_pool3d(0), Z(2, 3, 4, 4, 4), false, 2, 3, 0, 0, 0);
    EMPTY(cr_adaptive_max_pool3d(.output_size_dhw = {2, 2, 0}), Z(3, 4, 4, 4), false, 3, 2, 2, 0);
    cr_module *pool = cr_adaptive_max_pool2d(.output_size_hw = {2, 0}, .return_indices = true);
    cr_tensor *two[2];
    ck_assert(!cr_forward_many(pool, two, 2, Z(2, 3, 4, 4)));
    assert_close("indices", two[1], cr_zeros(CR_INTS(2, 3, 2, 0), .dtype = CR_I64), 0);
    REFUSED(cr_forward(cr_adaptive_max_pool3d(2), Z(2, 0, 4, 4, 4)),
            "Expected input to have non-zero size for non-batch dimensions");
    REFUSED(cr_forward(cr_adaptive_avg_pool3d(2), Z(2, 0, 4, 4, 4)),
            "Expected 4D or 5D (batch mode) tensor with optional 0 dim batch size");
    assert_no_error();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bad input");
    TCase *all = tcase_create("bad input");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, NULL, finish);
    tcase_add_test(all, wrong_channels_are_refused);
    tcase_add_test(all, wrong_ranks_and_sizes_are_refused);
    tcase_add_test(all, sizes_that_give_empty_outputs_are_refused);
    tcase_add_test(all, indices_out_of_range_are_errors_on_every_device);
    tcase_add_test(all, numbers_that_make_no_sense_are_refused);
    tcase_add_test(all, empty_batches_are_taken);
    tcase_add_test(all, adaptive_pools_give_empty_outputs);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}

"""More cases of make_modules.py: rare shapes and options together."""

import torch
from torch import nn

from modules_cases import classes, floats


def loss_corners():
    w = torch.rand(4) + 0.1
    holes = torch.tensor([[0, 3, -100, 2], [1, -100, 3, 3]])
    cross, nll = nn.CrossEntropyLoss, nn.NLLLoss
    for name, module, inputs, constructor in (
            ("cross_entropy_planes", cross(w, ignore_index=3, label_smoothing=0.1), [floats(2, 4, 3, 2), classes(4, 2, 3, 2)],
             "cr_cross_entropy_loss(.weight = cr_zeros(4), .ignore_index = CR_SOME(3), .label_smoothing = 0.1)"),
            ("cross_entropy_planes_none", cross(w, reduction="none", label_smoothing=0.3), [floats(2, 4, 4), holes],
             'cr_cross_entropy_loss(.weight = cr_zeros(4), .reduction = "none", .label_smoothing = 0.3)'),
            ("cross_entropy_one", cross(label_smoothing=0.2), [floats(4), torch.tensor(2)], "cr_cross_entropy_loss(.label_smoothing = 0.2)"),
            ("cross_entropy_probabilities", cross(w, label_smoothing=0.1), [floats(2, 4, 3), torch.softmax(floats(2, 4, 3), 1)],
             "cr_cross_entropy_loss(.weight = cr_zeros(4), .label_smoothing = 0.1)"),
            ("cross_entropy_probabilities_one", cross(reduction="sum"), [floats(4), torch.softmax(floats(4), 0)],
             'cr_cross_entropy_loss(.reduction = "sum")'),
            ("cross_entropy_all_ignored", cross(reduction="sum", ignore_index=1), [floats(2, 4), torch.tensor([1, 1])],
             'cr_cross_entropy_loss(.ignore_index = CR_SOME(1), .reduction = "sum")'),
            ("nll_planes", nll(w), [floats(2, 4, 3, 2), classes(4, 2, 3, 2)], "cr_nll_loss_layer(.weight = cr_zeros(4))"),
            ("nll_holes", nll(w, reduction="none"), [floats(2, 4, 4), holes], 'cr_nll_loss_layer(.weight = cr_zeros(4), .reduction = "none")'),
            ("nll_one", nll(), [floats(4), torch.tensor(1)], "cr_nll_loss_layer()"),
            ("bce_logits_planes", nn.BCEWithLogitsLoss(pos_weight=torch.rand(3, 1) * 3), [floats(2, 3, 4), torch.rand(2, 3, 4)],
             "cr_bce_with_logits_loss(.pos_weight = cr_zeros(CR_INTS(3, 1)))"),
            ("gaussian_rows", nn.GaussianNLLLoss(eps=0.1), [floats(3, 4), floats(3, 4), torch.rand(3, 1)], "cr_gaussian_nll_loss_layer(.eps = 0.1)"),
            ("gaussian_short", nn.GaussianNLLLoss(reduction="none"), [floats(3, 4), floats(3, 4), torch.rand(3) + 0.2],
             'cr_gaussian_nll_loss_layer(.reduction = "none")'),
            ("multi_margin_one", nn.MultiMarginLoss(), [floats(4), torch.tensor([2])], "cr_multi_margin_loss_layer()"),
            ("multilabel_margin_one", nn.MultiLabelMarginLoss(), [floats(4), torch.tensor([3, 0, -1, 1])], "cr_multilabel_margin_loss_layer()"),
            ("triplet_one", nn.TripletMarginLoss(p=1.0, swap=True), [floats(5), floats(5), floats(5)],
             "cr_triplet_margin_loss_layer(.p = 1, .swap = true)"),
            ("cosine_one", nn.CosineEmbeddingLoss(margin=0.3), [floats(5), floats(5), torch.tensor(-1)],
             "cr_cosine_embedding_loss_layer(.margin = 0.3)"),
            ("hinge_planes", nn.HingeEmbeddingLoss(reduction="sum"), [floats(2, 3, 2), classes(2, 2, 3, 2) * 2 - 1],
             'cr_hinge_embedding_loss_layer(.reduction = "sum")'),
            ("ctc_flat", nn.CTCLoss(), [floats(6, 2, 4).log_softmax(2), torch.tensor([1, 2, 3, 3, 1]), torch.tensor([6, 4]), torch.tensor([3, 2])],
             "cr_ctc_loss_layer()"),
            ("ctc_one", nn.CTCLoss(reduction="sum"), [floats(6, 4).log_softmax(1), torch.tensor([1, 1, 2]), torch.tensor(6), torch.tensor(3)],
             'cr_ctc_loss_layer(.reduction = "sum")'),
            ("smooth_l1_zero", nn.SmoothL1Loss(beta=0.0), [floats(3, 2), floats(3, 2)], "cr_smooth_l1_loss_layer(.beta = CR_ZERO)"),
            ("poisson_full", nn.PoissonNLLLoss(full=True, reduction="none"), [floats(3, 4), torch.rand(3, 4) * 4],
             'cr_poisson_nll_loss_layer(.full = true, .reduction = "none")')):
        yield f"{name}_loss_corner", module, inputs, constructor, True


def window_corners():
    line, plane = floats(2, 2, 8), floats(2, 2, 7, 8)
    for name, module, inputs, constructor in (
            ("max_pool2d_ceil", nn.MaxPool2d(3, 2, 1, ceil_mode=True), [plane], "cr_max_pool2d(3, 2, 1, .ceil_mode = true)"),
            ("max_pool1d_last_window", nn.MaxPool1d(2, 3, 1, ceil_mode=True), [line], "cr_max_pool1d(2, 3, 1, .ceil_mode = true)"),
            ("max_pool2d_dilated", nn.MaxPool2d((2, 3), (1, 2), (1, 1), (3, 2), ceil_mode=True), [plane],
             "cr_max_pool2d(.kernel_size_hw = {2, 3}, .stride_hw = {1, 2}, .padding_hw = {1, 1}, .dilation_hw = {3, 2}, .ceil_mode = true)"),
            ("avg_pool2d_ceil", nn.AvgPool2d(3, 2, 1, ceil_mode=True), [plane], "cr_avg_pool2d(3, 2, 1, .ceil_mode = true)"),
            ("avg_pool2d_ceil_inside", nn.AvgPool2d((3, 2), (2, 3), (1, 1), True, False), [plane],
             "cr_avg_pool2d(.kernel_size_hw = {3, 2}, .stride_hw = {2, 3}, .padding_hw = {1, 1}, .ceil_mode = true, .no_count_include_pad = true)"),
            ("avg_pool1d_last_window", nn.AvgPool1d(2, 3, 1, True), [line], "cr_avg_pool1d(2, 3, 1, .ceil_mode = true)"),
            ("adaptive_avg_pool2d_larger", nn.AdaptiveAvgPool2d((9, 3)), [plane], "cr_adaptive_avg_pool2d(.output_size_hw = {9, 3})"),
            ("adaptive_max_pool2d_larger", nn.AdaptiveMaxPool2d((9, 3)), [plane], "cr_adaptive_max_pool2d(.output_size_hw = {9, 3})"),
            ("conv2d_circular_pair", nn.Conv2d(2, 3, (3, 2), padding=(2, 1), padding_mode="circular"), [plane],
             'cr_conv2d(2, 3, .kernel_size_hw = {3, 2}, .padding_hw = {2, 1}, .padding_mode = "circular")'),
            ("conv2d_same_dilated", nn.Conv2d(2, 4, (2, 3), padding="same", dilation=(3, 2), groups=2), [plane],
             "cr_conv2d(2, 4, .kernel_size_hw = {2, 3}, .padding_same = true, .dilation_hw = {3, 2}, .groups = 2)"),
            ("conv2d_depthwise", nn.Conv2d(2, 6, 3, 2, 1, groups=2), [plane], "cr_conv2d(2, 6, 3, 2, 1, .groups = 2)"),
            ("conv2d_empty_batch", nn.Conv2d(2, 3, 3), [floats(0, 2, 5, 5)], "cr_conv2d(2, 3, 3)"),
            ("conv_transpose2d_dilated", nn.ConvTranspose2d(2, 4, 3, 2, 2, 1, 2, dilation=2), [plane],
             "cr_conv_transpose2d(2, 4, 3, 2, 2, 1, 2, .dilation = 2)"),
            ("upsample_bicubic_down", nn.Upsample(scale_factor=0.45, mode="bicubic"), [plane], 'cr_upsample(.scale_factor = 0.45, .mode = "bicubic")'),
            ("upsample_nearest_down", nn.Upsample(scale_factor=(0.4, 0.3)), [plane], "cr_upsample(.scale_factor_hw = {0.4, 0.3})"),
            ("unfold_unbatched", nn.Unfold(2), [plane[0]], "cr_unfold_layer(2)"),
            ("zero_pad_crop", nn.ZeroPad2d((-1, 2, -2, -1)), [plane], "cr_zero_pad2d(CR_INTS(-1, 2, -2, -1))"),
            ("layer_norm_all", nn.LayerNorm((2, 7, 8), elementwise_affine=False), [plane], "cr_layer_norm(CR_INTS(2, 7, 8), .no_elementwise_affine = true)"),
            ("batch_norm1d_rows", nn.BatchNorm1d(3), [floats(4, 3)], "cr_batch_norm1d(3)"),
            ("bilinear_planes", nn.Bilinear(2, 3, 2, bias=False), [floats(2, 3, 2), floats(2, 3, 3)], "cr_bilinear(2, 3, 2, .no_bias = true)"),
            ("flatten_middle", nn.Flatten(1, -2), [floats(2, 3, 2, 4)], "cr_flatten_layer(CR_SOME(1), CR_SOME(-2))"),
            ("cosine_similarity_broadcast", nn.CosineSimilarity(dim=-1), [floats(2, 1, 4), floats(3, 4)], "cr_cosine_similarity(CR_SOME(-1))"),
            ("pairwise_distance_one", nn.PairwiseDistance(1.0), [floats(4), floats(4)], "cr_pairwise_distance_layer(1)"),
            ("prelu_planes", nn.PReLU(2), [floats(3, 2, 4)], "cr_prelu_layer(2)"),
            ("embedding_rows", nn.Embedding(5, 2, padding_idx=0, max_norm=0.7, scale_grad_by_freq=True), [torch.tensor([[1, 0], [3, 3]])],
             "cr_embedding(5, 2, .padding_idx = CR_SOME(0), .max_norm = 0.7, .scale_grad_by_freq = true)"),
            ("embedding_bag_empty", nn.EmbeddingBag(6, 3, mode="max", padding_idx=2), [torch.tensor([2, 2, 1, 5]), torch.tensor([0, 2, 2, 4])],
             'cr_embedding_bag_layer(6, 3, .mode = "max", .padding_idx = CR_SOME(2))'),
            ("embedding_bag_all", nn.EmbeddingBag(6, 3, mode="sum", include_last_offset=True, padding_idx=-1),
             [torch.tensor([5, 2, 1, 5]), torch.tensor([0, 1, 1, 4]), torch.tensor([0.5, -2, 1, 0.25])],
             'cr_embedding_bag_layer(6, 3, .mode = "sum", .include_last_offset = true, .padding_idx = CR_SOME(-1))')):
        yield f"{name}_corner", module, inputs, constructor, True


def sequence_corners():
    steps = lambda: floats(4, 2, 3)
    for name, module, inputs, constructor in (
            ("lstm_unbatched", nn.LSTM(3, 4, 2, bidirectional=True, proj_size=3), [floats(4, 3)],
             "cr_lstm(3, 4, 2, .bidirectional = true, .proj_size = 3)"),
            ("gru_first", nn.GRU(3, 4, 2, bias=False, batch_first=True, bidirectional=True), [steps(), floats(4, 4, 4)],
             "cr_gru(3, 4, 2, .no_bias = true, .batch_first = true, .bidirectional = true)"),
            ("rnn_deep", nn.RNN(3, 4, 3, nonlinearity="relu", bidirectional=True), [steps(), floats(6, 2, 4)],
             'cr_rnn(3, 4, 3, .nonlinearity = "relu", .bidirectional = true)'),
            ("decoder_first", nn.TransformerDecoderLayer(8, 2, 12, 0.0, "gelu", 1e-3, True, True), [floats(2, 3, 8), floats(2, 5, 8)],
             'cr_transformer_decoder_layer(8, 2, 12, CR_ZERO, "gelu", 1e-3, true, true)'),
            ("transformer_first", nn.Transformer(8, 2, 2, 1, 12, 0.0, "gelu", batch_first=True, norm_first=True), [floats(2, 4, 8), floats(2, 3, 8)],
             'cr_transformer(8, 2, 2, 1, 12, CR_ZERO, "gelu", .batch_first = true, .norm_first = true)'),
            ("transformer_unbatched", nn.Transformer(8, 4, 1, 1, 12, 0.0), [floats(4, 8), floats(3, 8)], "cr_transformer(8, 4, 1, 1, 12, CR_ZERO)")):
        yield f"{name}_corner", module, inputs, constructor, True


def corners():
    yield from loss_corners()
    yield from window_corners()
    yield from sequence_corners()

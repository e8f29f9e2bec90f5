"""The cases of make_modules.py: name, PyTorch's module, inputs, our constructor, whether it trains."""

import torch
from torch import nn


def floats(*shape):
    return torch.randn(*shape)


def classes(count, *shape):
    return torch.randint(0, count, shape)


def activations():
    x = lambda: [2 * floats(3, 4)]
    for name, module, constructor in (
            ("celu", nn.CELU(0.7), "cr_celu_layer(0.7)"),
            ("glu", nn.GLU(), "cr_glu_layer()"),
            ("glu_dim", nn.GLU(1), "cr_glu_layer(.dim = CR_SOME(1))"),
            ("hardshrink", nn.Hardshrink(), "cr_hardshrink_layer()"),
            ("hardsigmoid", nn.Hardsigmoid(), "cr_hardsigmoid_layer()"),
            ("hardswish", nn.Hardswish(), "cr_hardswish_layer()"),
            ("hardtanh", nn.Hardtanh(), "cr_hardtanh_layer()"),
            ("hardtanh_options", nn.Hardtanh(-0.5, 2.0), "cr_hardtanh_layer(-0.5, 2)"),
            ("leaky_relu", nn.LeakyReLU(), "cr_leaky_relu_layer()"),
            ("log_sigmoid", nn.LogSigmoid(), "cr_log_sigmoid_layer()"),
            ("mish", nn.Mish(), "cr_mish_layer()"),
            ("prelu", nn.PReLU(), "cr_prelu_layer()"),
            ("prelu_channels", nn.PReLU(4, 0.1), "cr_prelu_layer(4, 0.1)"),
            ("relu6", nn.ReLU6(), "cr_relu6_layer()"),
            ("relu_inplace", nn.ReLU(inplace=True), "cr_relu_layer(.inplace = true)"),
            ("selu", nn.SELU(), "cr_selu_layer()"),
            ("selu_inplace", nn.SELU(True), "cr_selu_layer(true)"),
            ("softmin", nn.Softmin(1), "cr_softmin_layer(1)"),
            ("softshrink", nn.Softshrink(0.2), "cr_softshrink_layer(0.2)"),
            ("softsign", nn.Softsign(), "cr_softsign_layer()"),
            ("tanhshrink", nn.Tanhshrink(), "cr_tanhshrink_layer()"),
            ("threshold", nn.Threshold(0.1, 20), "cr_threshold_layer(0.1, 20)"),
            ("threshold_inplace", nn.Threshold(0.5, 2, True), "cr_threshold_layer(0.5, 2, .inplace = true)")):
        yield name, module, x(), constructor, True
    yield "rrelu", nn.RReLU(), x(), "cr_rrelu_layer()", False
    yield "rrelu_inplace", nn.RReLU(0.1, 0.2, inplace=True), x(), "cr_rrelu_layer(0.1, 0.2, .inplace = true)", False
    yield "softmax2d", nn.Softmax2d(), [floats(2, 3, 2, 2)], "cr_softmax2d_layer()", True
    for n in (1, 3):
        yield f"dropout{n}d", getattr(nn, f"Dropout{n}d")(0.3), [floats(2, 3, *[2] * n)], f"cr_dropout{n}d(0.3)", False
    yield "alpha_dropout", nn.AlphaDropout(0.3), x(), "cr_alpha_dropout(0.3)", False
    yield "feature_alpha_dropout", nn.FeatureAlphaDropout(0.3), [floats(2, 3, 2)], "cr_feature_alpha_dropout(0.3)", False
    yield "pixel_shuffle", nn.PixelShuffle(2), [floats(1, 8, 2, 3)], "cr_pixel_shuffle(2)", True
    yield "pixel_unshuffle", nn.PixelUnshuffle(2), [floats(1, 2, 4, 6)], "cr_pixel_unshuffle(2)", True
    yield "channel_shuffle", nn.ChannelShuffle(2), [floats(1, 4, 2, 2)], "cr_channel_shuffle(2)", True


def pooling():
    x = {1: lambda: [floats(2, 3, 9)], 2: lambda: [floats(2, 3, 7, 6)], 3: lambda: [floats(1, 2, 5, 6, 4)]}
    for n in (1, 2, 3):
        maximum, mean = getattr(nn, f"MaxPool{n}d"), getattr(nn, f"AvgPool{n}d")
        unpool = getattr(nn, f"MaxUnpool{n}d")
        yield f"max_pool{n}d", maximum(2), x[n](), f"cr_max_pool{n}d(2)", True
        yield f"max_pool{n}d_options", maximum(3, 2, 1, 1, True, True), x[n](), f"cr_max_pool{n}d(3, 2, 1, 1, true, true)", True
        yield f"max_pool{n}d_unbatched", maximum(2, dilation=2), [x[n]()[0][0]], f"cr_max_pool{n}d(2, .dilation = 2)", True
        yield f"avg_pool{n}d", mean(2), x[n](), f"cr_avg_pool{n}d(2)", True
        yield f"avg_pool{n}d_options", mean(3, 2, 1, True, False), x[n](), f"cr_avg_pool{n}d(3, 2, 1, true, true)", True
        if n < 3:
            lp = getattr(nn, f"LPPool{n}d")
            yield f"lp_pool{n}d", lp(2, 3), [x[n]()[0].abs() + 0.1], f"cr_lp_pool{n}d(2, 3)", True
            yield f"lp_pool{n}d_options", lp(1.5, 3, 2, True), [x[n]()[0].abs() + 0.1], f"cr_lp_pool{n}d(1.5, 3, 2, true)", True
        for kind in ("max", "avg"):
            adaptive = getattr(nn, f"Adaptive{kind.title()}Pool{n}d")
            yield f"adaptive_{kind}_pool{n}d", adaptive(2), x[n](), f"cr_adaptive_{kind}_pool{n}d(2)", True
        yield f"adaptive_max_pool{n}d_indices", getattr(nn, f"AdaptiveMaxPool{n}d")(3, True), x[n](), \
            f"cr_adaptive_max_pool{n}d(3, true)", True
        y, indices = maximum(2, return_indices=True)(x[n]()[0])
        yield f"max_unpool{n}d", unpool(2), [y, indices], f"cr_max_unpool{n}d(2)", True
        y, indices = maximum(2, 2, 1, return_indices=True)(x[n]()[0])
        size = torch.tensor([9 if n == 1 else 7, 6][:n] if n < 3 else [5, 6, 4])
        yield f"max_unpool{n}d_size", Unpool(unpool(2, 2, 1)), [y, indices, size], f"cr_max_unpool{n}d(2, 2, 1)", True
    yield "max_pool2d_pairs", nn.MaxPool2d((3, 2), (1, 2), (1, 0)), x[2](), \
        "cr_max_pool2d(.kernel_size_hw = {3, 2}, .stride_hw = {1, 2}, .padding_hw = {1, 0})", True
    yield "max_pool3d_triples", nn.MaxPool3d((1, 2, 3), dilation=(2, 1, 1)), x[3](), \
        "cr_max_pool3d(.kernel_size_dhw = {1, 2, 3}, .dilation_dhw = {2, 1, 1})", True
    yield "avg_pool2d_divisor", nn.AvgPool2d((2, 3), divisor_override=5), x[2](), \
        "cr_avg_pool2d(.kernel_size_hw = {2, 3}, .divisor_override = 5)", True
    yield "avg_pool3d_divisor", nn.AvgPool3d(2, 1, divisor_override=3), x[3](), "cr_avg_pool3d(2, 1, .divisor_override = 3)", True
    yield "adaptive_avg_pool2d_none", nn.AdaptiveAvgPool2d((None, 4)), x[2](), \
        "cr_adaptive_avg_pool2d(.output_size_hw = {-1, 4})", True
    yield "adaptive_max_pool3d_triple", nn.AdaptiveMaxPool3d((2, None, 3)), x[3](), \
        "cr_adaptive_max_pool3d(.output_size_dhw = {2, -1, 3})", True
    for n in (2, 3):
        kind = getattr(nn, f"FractionalMaxPool{n}d")
        shape = x[n]()[0].shape[:2] + (n,)
        for name, module, options in (("", kind(2, output_size=3, _random_samples=torch.rand(shape)), "2, 3"),
                                      ("_ratio", kind(2, output_ratio=0.5, return_indices=True, _random_samples=torch.rand(shape)),
                                       "2, .output_ratio = 0.5, .return_indices = true")):
            yield f"fractional_max_pool{n}d{name}", module, [floats(*shape[:2], *[7] * n)], \
                f"cr_fractional_max_pool{n}d({options}, .random_samples = cr_zeros(CR_INTS({shape[0]}, {shape[1]}, {n})))", True


class SyncBatchNorm(nn.BatchNorm2d):
    """PyTorch's own runs on GPUs only; in one process it is this."""


class Unpool(nn.Module):
    """An unpooling module called with its output's size as a tensor, as ours is."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, indices, size):
        return self.module(x, indices, output_size=size.tolist())

    def __repr__(self):
        return repr(self.module)


def resizing():
    x = {1: lambda: [floats(2, 3, 5)], 2: lambda: [floats(2, 3, 4, 5)], 3: lambda: [floats(1, 2, 3, 4, 5)]}
    for n in (1, 2, 3):
        sides = tuple(range(1, 2 * n + 1)) if n < 3 else (1, 2, 0, 1, 2, 1)
        pads = ", ".join(map(str, sides))
        small = (1, 2, 0, 1, 2, 1)[:2 * n]
        yield f"constant_pad{n}d", getattr(nn, f"ConstantPad{n}d")(sides, 3.5), x[n](), \
            f"cr_constant_pad{n}d(CR_INTS({pads}), 3.5)", True
        yield f"constant_pad{n}d_one", getattr(nn, f"ConstantPad{n}d")(1, 2), x[n](), f"cr_constant_pad{n}d(1, 2)", True
        for kind in ("reflection", "replication"):
            module = getattr(nn, f"{kind.title()}Pad{n}d")
            yield f"{kind}_pad{n}d", module(1), x[n](), f"cr_{kind}_pad{n}d_layer(1)", True
            yield f"{kind}_pad{n}d_sides", module(small), x[n](), \
                f"cr_{kind}_pad{n}d_layer(CR_INTS({', '.join(map(str, small))}))", True
    yield "zero_pad2d", nn.ZeroPad2d((1, 0, 2, -1)), x[2](), "cr_zero_pad2d(CR_INTS(1, 0, 2, -1))", True
    for n, modes in ((1, ("nearest", "nearest-exact", "linear")), (2, ("nearest", "nearest-exact", "bilinear", "bicubic")),
                     (3, ("nearest", "nearest-exact", "trilinear"))):
        for mode in modes:
            name = mode.replace("-", "_")
            yield f"upsample{n}d_{name}", nn.Upsample(scale_factor=1.7, mode=mode), x[n](), \
                f'cr_upsample(.scale_factor = 1.7, .mode = "{mode}")', True
            yield f"upsample{n}d_{name}_size", nn.Upsample(size=7, mode=mode), x[n](), f'cr_upsample(7, .mode = "{mode}")', True
    yield "upsample_pair", nn.Upsample((3, 9), mode="bilinear", align_corners=True), x[2](), \
        'cr_upsample(.size_hw = {3, 9}, .mode = "bilinear", .align_corners = true)', True
    yield "upsample_factors", nn.Upsample(scale_factor=(2.0, 1.5), mode="bilinear", recompute_scale_factor=True), x[2](), \
        'cr_upsample(.scale_factor_hw = {2, 1.5}, .mode = "bilinear", .recompute_scale_factor = true)', True
    yield "upsampling_nearest2d", nn.UpsamplingNearest2d(scale_factor=2), x[2](), \
        "cr_upsampling_nearest2d(.scale_factor = 2)", True
    yield "upsampling_bilinear2d", nn.UpsamplingBilinear2d(size=(6, 7)), x[2](), \
        "cr_upsampling_bilinear2d(.size_hw = {6, 7})", True
    yield "unfold", nn.Unfold(2), x[2](), "cr_unfold_layer(2)", True
    yield "unfold_options", nn.Unfold((2, 3), dilation=2, padding=(1, 2), stride=2), x[2](), \
        "cr_unfold_layer(.kernel_size_hw = {2, 3}, .dilation = 2, .padding_hw = {1, 2}, .stride = 2)", True
    yield "fold", nn.Fold((4, 5), 2, padding=1, stride=2), [floats(2, 8, 9)], \
        "cr_fold_layer(.output_size_hw = {4, 5}, .kernel_size = 2, .padding = 1, .stride = 2)", True
    yield "fold_unbatched", nn.Fold(4, (2, 2)), [floats(8, 9)], "cr_fold_layer(4, .kernel_size_hw = {2, 2})", True


def losses():
    signs = lambda *shape: torch.randint(0, 2, shape) * 2.0 - 1
    pair = lambda: [floats(3, 4), floats(3, 4)]
    for word in ("mean", "sum", "none"):
        r = f'.reduction = "{word}"'
        for name, module, inputs, constructor in (
                ("mse", nn.MSELoss(reduction=word), pair(), f"cr_mse_loss_layer({r})"),
                ("l1", nn.L1Loss(reduction=word), pair(), f"cr_l1_loss_layer({r})"),
                ("smooth_l1", nn.SmoothL1Loss(reduction=word, beta=0.7), pair(), f"cr_smooth_l1_loss_layer({r}, .beta = 0.7)"),
                ("huber", nn.HuberLoss(reduction=word, delta=0.6), pair(), f"cr_huber_loss_layer({r}, .delta = 0.6)"),
                ("kl_div", nn.KLDivLoss(reduction=word), [floats(3, 4).log_softmax(1), floats(3, 4).softmax(1)],
                 f"cr_kl_div_loss({r})"),
                ("kl_div_log", nn.KLDivLoss(reduction=word, log_target=True),
                 [floats(3, 4).log_softmax(1), floats(3, 4).log_softmax(1)], f"cr_kl_div_loss({r}, .log_target = true)"),
                ("poisson", nn.PoissonNLLLoss(reduction=word), [floats(3, 4), 3 * torch.rand(3, 4)],
                 f"cr_poisson_nll_loss_layer({r})"),
                ("poisson_options", nn.PoissonNLLLoss(False, True, eps=1e-4, reduction=word),
                 [torch.rand(3, 4) + 0.1, 3 * torch.rand(3, 4)],
                 f"cr_poisson_nll_loss_layer(.no_log_input = true, .full = true, .eps = 1e-4, {r})"),
                ("gaussian", nn.GaussianNLLLoss(reduction=word, full=True), pair() + [torch.rand(3, 4) + 0.1],
                 f"cr_gaussian_nll_loss_layer({r}, .full = true)"),
                ("soft_margin", nn.SoftMarginLoss(reduction=word), [floats(3, 4), signs(3, 4)],
                 f"cr_soft_margin_loss_layer({r})"),
                ("multilabel_margin", nn.MultiLabelMarginLoss(reduction=word),
                 [floats(2, 4), torch.tensor([[3, 0, -1, 1], [1, 2, 0, -1]])], f"cr_multilabel_margin_loss_layer({r})"),
                ("multi_margin", nn.MultiMarginLoss(reduction=word), [floats(3, 4), classes(4, 3)],
                 f"cr_multi_margin_loss_layer({r})"),
                ("multi_margin_p2", nn.MultiMarginLoss(p=2, margin=0.5, weight=torch.rand(4), reduction=word),
                 [floats(3, 4), classes(4, 3)],
                 f"cr_multi_margin_loss_layer(2, 0.5, .weight = cr_zeros(4), {r})"),
                ("multilabel_soft_margin", nn.MultiLabelSoftMarginLoss(weight=torch.rand(4), reduction=word),
                 [floats(3, 4), torch.randint(0, 2, (3, 4)).float()],
                 f"cr_multilabel_soft_margin_loss_layer(.weight = cr_zeros(4), {r})"),
                ("hinge_embedding", nn.HingeEmbeddingLoss(margin=0.8, reduction=word), [floats(3, 4), signs(3, 4)],
                 f"cr_hinge_embedding_loss_layer(0.8, {r})"),
                ("margin_ranking", nn.MarginRankingLoss(margin=0.2, reduction=word), [floats(4), floats(4), signs(4)],
                 f"cr_margin_ranking_loss_layer(0.2, {r})"),
                ("cosine_embedding", nn.CosineEmbeddingLoss(margin=0.1, reduction=word), pair() + [signs(3)],
                 f"cr_cosine_embedding_loss_layer(0.1, {r})"),
                ("triplet_margin", nn.TripletMarginLoss(reduction=word), pair() + [floats(3, 4)],
                 f"cr_triplet_margin_loss_layer({r})"),
                ("triplet_margin_options", nn.TripletMarginLoss(0.5, p=3.0, eps=1e-5, swap=True, reduction=word),
                 pair() + [floats(3, 4)], f"cr_triplet_margin_loss_layer(0.5, 3, 1e-5, true, {r})"),
                ("triplet_distance", nn.TripletMarginWithDistanceLoss(reduction=word), pair() + [floats(3, 4)],
                 f"cr_triplet_margin_with_distance_loss({r})"),
                ("triplet_distance_options",
                 nn.TripletMarginWithDistanceLoss(distance_function=nn.CosineSimilarity(), margin=0.3, swap=True, reduction=word),
                 pair() + [floats(3, 4)],
                 f"cr_triplet_margin_with_distance_loss(cr_cosine_similarity(), 0.3, .swap = true, {r})"),
                ("bce", nn.BCELoss(weight=torch.rand(4), reduction=word), [torch.rand(3, 4), torch.rand(3, 4)],
                 f"cr_bce_loss(.weight = cr_zeros(4), {r})"),
                ("bce_with_logits", nn.BCEWithLogitsLoss(weight=torch.rand(4), pos_weight=torch.rand(4), reduction=word),
                 [floats(3, 4), torch.rand(3, 4)],
                 f"cr_bce_with_logits_loss(.weight = cr_zeros(4), .pos_weight = cr_zeros(4), {r})"),
                ("nll", nn.NLLLoss(weight=torch.rand(4), ignore_index=1, reduction=word),
                 [floats(5, 4).log_softmax(1), torch.tensor([0, 1, 3, 2, 1])],
                 f"cr_nll_loss_layer(.weight = cr_zeros(4), .ignore_index = CR_SOME(1), {r})"),
                ("cross_entropy", nn.CrossEntropyLoss(weight=torch.rand(4), ignore_index=2, reduction=word, label_smoothing=0.2),
                 [floats(5, 4), torch.tensor([0, 1, 3, 2, 1])],
                 f"cr_cross_entropy_loss(.weight = cr_zeros(4), .ignore_index = CR_SOME(2), .label_smoothing = 0.2, {r})"),
                ("ctc", nn.CTCLoss(blank=1, reduction=word, zero_infinity=True),
                 [floats(6, 2, 4).log_softmax(2), torch.tensor([[0, 2, 3], [3, 3, 2]]), torch.tensor([6, 5]), torch.tensor([3, 2])],
                 f"cr_ctc_loss_layer(1, {r}, .zero_infinity = true)")):
            yield f"{name}_loss_{word}", module, inputs, constructor, True
    yield "kl_div_loss_batchmean", nn.KLDivLoss(reduction="batchmean"), [floats(3, 4).log_softmax(1), floats(3, 4).softmax(1)], \
        'cr_kl_div_loss("batchmean")', True
    yield "cosine_similarity", nn.CosineSimilarity(), pair(), "cr_cosine_similarity()", True
    yield "cosine_similarity_dim", nn.CosineSimilarity(0, 1e-3), pair(), "cr_cosine_similarity(CR_SOME(0), 1e-3)", True
    yield "pairwise_distance", nn.PairwiseDistance(), pair(), "cr_pairwise_distance_layer()", True
    yield "pairwise_distance_options", nn.PairwiseDistance(3.0, 1e-4, True), pair(), "cr_pairwise_distance_layer(3, 1e-4, true)", True


def convolutions():
    x = {1: lambda c: [floats(2, c, 9)], 2: lambda c: [floats(2, c, 6, 5)], 3: lambda c: [floats(1, c, 4, 5, 4)]}
    for n in (1, 2, 3):
        conv, transposed = getattr(nn, f"Conv{n}d"), getattr(nn, f"ConvTranspose{n}d")
        yield f"conv{n}d", conv(2, 3, 3), x[n](2), f"cr_conv{n}d(2, 3, 3)", True
        yield f"conv{n}d_options", conv(4, 6, 2, 2, 1, 2, 2, False), x[n](4), f"cr_conv{n}d(4, 6, 2, 2, 1, 2, 2, true)", True
        yield f"conv{n}d_same", conv(2, 2, 2, padding="same"), x[n](2), f"cr_conv{n}d(2, 2, 2, .padding_same = true)", True
        for mode in ("reflect", "replicate", "circular"):
            yield f"conv{n}d_{mode}", conv(1, 2, 3, padding=1, padding_mode=mode), x[n](1), \
                f'cr_conv{n}d(1, 2, 3, .padding = 1, .padding_mode = "{mode}")', True
        yield f"conv{n}d_same_circular", conv(1, 2, 2, padding="same", padding_mode="circular"), x[n](1), \
            f'cr_conv{n}d(1, 2, 2, .padding_same = true, .padding_mode = "circular")', True
        yield f"conv_transpose{n}d", transposed(2, 3, 3), x[n](2), f"cr_conv_transpose{n}d(2, 3, 3)", True
        yield f"conv_transpose{n}d_options", transposed(4, 6, 2, 3, 1, 2, 2, False, 2), x[n](4), \
            f"cr_conv_transpose{n}d(4, 6, 2, 3, 1, 2, 2, true, 2)", True
        yield f"conv_transpose{n}d_unbatched", transposed(2, 3, 2), [x[n](2)[0][0]], f"cr_conv_transpose{n}d(2, 3, 2)", True
    yield "conv_transpose2d_pairs", nn.ConvTranspose2d(1, 2, (2, 3), (2, 1), (1, 0), (1, 0)), x[2](1), \
        "cr_conv_transpose2d(1, 2, .kernel_size_hw = {2, 3}, .stride_hw = {2, 1}, .padding_hw = {1, 0}, " \
        ".output_padding_hw = {1, 0})", True


def normalisation():
    x = {1: lambda: [floats(3, 4, 5)], 2: lambda: [floats(2, 4, 3, 2)], 3: lambda: [floats(2, 4, 2, 3, 2)]}
    for n in (1, 2, 3):
        norm, instance = getattr(nn, f"BatchNorm{n}d"), getattr(nn, f"InstanceNorm{n}d")
        for training in (True, False):
            mode = "" if training else "_eval"
            yield f"batch_norm{n}d{mode}", norm(4), x[n](), f"cr_batch_norm{n}d(4)", training
            yield f"batch_norm{n}d_plain{mode}", norm(4, 1e-3, None, False), x[n](), \
                f"cr_batch_norm{n}d(4, 1e-3, .no_momentum = true, .no_affine = true)", training
            yield f"batch_norm{n}d_untracked{mode}", norm(4, momentum=0.3, track_running_stats=False), x[n](), \
                f"cr_batch_norm{n}d(4, .momentum = 0.3, .no_track_running_stats = true)", training
            yield f"instance_norm{n}d{mode}", instance(4), x[n](), f"cr_instance_norm{n}d(4)", training
            yield f"instance_norm{n}d_options{mode}", instance(4, 1e-3, 0.2, True, True), x[n](), \
                f"cr_instance_norm{n}d(4, 1e-3, 0.2, true, true)", training
        yield f"instance_norm{n}d_unbatched", instance(4, affine=True), [x[n]()[0][0]], \
            f"cr_instance_norm{n}d(4, .affine = true)", True
    yield "sync_batch_norm", SyncBatchNorm(4), x[2](), "cr_sync_batch_norm(4)", True
    yield "group_norm", nn.GroupNorm(2, 4), x[2](), "cr_group_norm(2, 4)", True
    yield "group_norm_plain", nn.GroupNorm(4, 4, 1e-2, False), x[1](), "cr_group_norm(4, 4, 1e-2, true)", True
    yield "layer_norm", nn.LayerNorm((3, 2)), x[2](), "cr_layer_norm(CR_INTS(3, 2))", True
    yield "layer_norm_plain", nn.LayerNorm(5, 1e-3, False), x[1](), "cr_layer_norm(5, 1e-3, true)", True
    yield "local_response_norm", nn.LocalResponseNorm(3, 0.1, 0.5, 2.0), x[2](), "cr_local_response_norm(3, 0.1, 0.5, 2)", True
    yield "local_response_norm_even", nn.LocalResponseNorm(2), x[1](), "cr_local_response_norm(2)", True
    yield "cross_map_lrn2d", nn.CrossMapLRN2d(3, 0.1), x[2](), "cr_cross_map_lrn2d(3, 0.1)", True


def embeddings():
    yield "embedding", nn.Embedding(6, 3), [classes(6, 2, 4)], "cr_embedding(6, 3)", True
    yield "embedding_padding", nn.Embedding(6, 3, padding_idx=-2, scale_grad_by_freq=True), [classes(6, 2, 4)], \
        "cr_embedding(6, 3, .padding_idx = CR_SOME(-2), .scale_grad_by_freq = true)", True
    yield "embedding_max_norm", nn.Embedding(6, 3, max_norm=1.0, norm_type=3), [torch.tensor([0, 2, 2, 5])], \
        "cr_embedding(6, 3, .max_norm = 1, .norm_type = 3)", True
    for mode in ("sum", "mean", "max"):
        yield f"embedding_bag_{mode}", nn.EmbeddingBag(6, 3, mode=mode), [classes(6, 2, 4)], \
            f'cr_embedding_bag_layer(6, 3, .mode = "{mode}")', True
        yield f"embedding_bag_{mode}_offsets", nn.EmbeddingBag(6, 3, mode=mode, padding_idx=1), \
            [torch.tensor([0, 1, 2, 4, 5, 4]), torch.tensor([0, 2, 3])], \
            f'cr_embedding_bag_layer(6, 3, .mode = "{mode}", .padding_idx = CR_SOME(1))', True
    yield "embedding_bag_last", nn.EmbeddingBag(6, 3, max_norm=0.5, include_last_offset=True), \
        [torch.tensor([0, 1, 2, 4]), torch.tensor([0, 2, 4])], \
        "cr_embedding_bag_layer(6, 3, 0.5, .include_last_offset = true)", True
    powers = torch.tensor([0.5, -2, 1, 0.25])  # exact products: some processors multiply and add with one rounding here
    yield "embedding_bag_weights", nn.EmbeddingBag(6, 3, mode="sum"), \
        [torch.tensor([0, 1, 2, 4]), torch.tensor([0, 2]), powers], 'cr_embedding_bag_layer(6, 3, .mode = "sum")', True


class Adaptive(nn.Module):
    """Two outputs by position instead of a named tuple."""

    def __init__(self, module):
        super().__init__()
        self.__dict__["module"] = module

    def forward(self, x, target):
        return tuple(self.module(x, target))

    def state_dict(self):
        return self.module.state_dict()

    def load_state_dict(self, state):
        return self.module.load_state_dict(state)

    def named_parameters(self):
        return self.module.named_parameters()

    def parameters(self):
        return self.module.parameters()

    def __repr__(self):
        return repr(self.module)


def first_ones():
    """The layers that everyone begins with, and containers."""
    x = lambda: [floats(3, 4)]
    for name, module, inputs, constructor in (
            ("linear", nn.Linear(4, 3), x(), "cr_linear(4, 3)"),
            ("linear_plain", nn.Linear(4, 3, False), x(), "cr_linear(4, 3, true)"),
            ("bilinear", nn.Bilinear(2, 4, 3), [floats(3, 2), floats(3, 4)], "cr_bilinear(2, 4, 3)"),
            ("identity", nn.Identity(), x(), "cr_identity()"),
            ("flatten", nn.Flatten(), [floats(2, 3, 2)], "cr_flatten_layer()"),
            ("unflatten", nn.Unflatten(1, (2, 2)), x(), "cr_unflatten_layer(1, CR_INTS(2, 2))"),
            ("relu", nn.ReLU(), x(), "cr_relu_layer()"),
            ("silu", nn.SiLU(), x(), "cr_silu_layer()"),
            ("sigmoid", nn.Sigmoid(), x(), "cr_sigmoid_layer()"),
            ("tanh", nn.Tanh(), x(), "cr_tanh_layer()"),
            ("gelu", nn.GELU(), x(), "cr_gelu_layer()"),
            ("gelu_tanh", nn.GELU("tanh"), x(), 'cr_gelu_layer("tanh")'),
            ("elu", nn.ELU(0.5), x(), "cr_elu_layer(0.5)"),
            ("softplus", nn.Softplus(2, 1), x(), "cr_softplus_layer(2, 1)"),
            ("softmax", nn.Softmax(1), x(), "cr_softmax_layer(1)"),
            ("log_softmax", nn.LogSoftmax(-1), x(), "cr_log_softmax_layer(-1)"),
            ("sequential", nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.Tanh(), nn.Linear(5, 2))), x(),
             "cr_sequential(cr_linear(4, 5), cr_sequential(cr_tanh_layer(), cr_linear(5, 2)))")):
        yield name, module, inputs, constructor, True
    yield "dropout", nn.Dropout(0.3), x(), "cr_dropout(0.3)", False
    yield "dropout2d", nn.Dropout2d(0.3), [floats(2, 3, 2, 2)], "cr_dropout2d(0.3)", False
    yield "adaptive_log_softmax", Adaptive(nn.AdaptiveLogSoftmaxWithLoss(6, 20, [4, 10], 2.0, True)), \
        [floats(5, 6), torch.tensor([0, 12, 5, 3, 19])], "cr_adaptive_log_softmax_with_loss(6, 20, CR_INTS(4, 10), 2, true)", True
    yield "adaptive_log_softmax_unbatched", Adaptive(nn.AdaptiveLogSoftmaxWithLoss(16, 9, [2])), \
        [floats(16), torch.tensor(7)], "cr_adaptive_log_softmax_with_loss(16, 9, 2)", True


def sequences():
    """One of each; make_sequences.py has what options do."""
    x, y = lambda: floats(4, 2, 3), lambda: floats(3, 2, 8)
    for name, module, inputs, constructor in (
            ("rnn", nn.RNN(3, 5), [x()], "cr_rnn(3, 5)"),
            ("lstm", nn.LSTM(3, 5, 2, bidirectional=True), [x()], "cr_lstm(3, 5, 2, .bidirectional = true)"),
            ("gru", nn.GRU(3, 5), [x()], "cr_gru(3, 5)"),
            ("rnn_cell", nn.RNNCell(3, 5), [x()[0]], "cr_rnn_cell(3, 5)"),
            ("lstm_cell", nn.LSTMCell(3, 5), [x()[0]], "cr_lstm_cell(3, 5)"),
            ("gru_cell", nn.GRUCell(3, 5), [x()[0]], "cr_gru_cell(3, 5)"),
            ("attention", nn.MultiheadAttention(8, 2), [y(), floats(5, 2, 8), floats(5, 2, 8)], "cr_multihead_attention(8, 2)"),
            ("attention_dims", nn.MultiheadAttention(8, 2, kdim=3, vdim=5, add_bias_kv=True),
             [y(), floats(5, 2, 3), floats(5, 2, 5)],
             "cr_multihead_attention(8, 2, .kdim = 3, .vdim = 5, .add_bias_kv = true)"),
            ("encoder_layer", nn.TransformerEncoderLayer(8, 2, 12, 0.0), [y()],
             "cr_transformer_encoder_layer(8, 2, 12, CR_ZERO)"),
            ("decoder_layer", nn.TransformerDecoderLayer(8, 2, 12, 0.0), [y(), floats(5, 2, 8)],
             "cr_transformer_decoder_layer(8, 2, 12, CR_ZERO)"),
            ("encoder", nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, 0.0), 2, nn.LayerNorm(8)), [y()],
             "cr_transformer_encoder(cr_transformer_encoder_layer(8, 2, 12, CR_ZERO), 2, .norm = cr_layer_norm(8))"),
            ("decoder", nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, 0.0), 2), [y(), floats(5, 2, 8)],
             "cr_transformer_decoder(cr_transformer_decoder_layer(8, 2, 12, CR_ZERO), 2)"),
            ("transformer", nn.Transformer(8, 2, 1, 1, 12, 0.0), [floats(4, 2, 8), y()],
             "cr_transformer(8, 2, 1, 1, 12, CR_ZERO)")):
        yield name, module, inputs, constructor, True
    yield "encoder_layer_eval", nn.TransformerEncoderLayer(8, 2, 12, 0.1, batch_first=True), [floats(2, 3, 8)], \
        "cr_transformer_encoder_layer(8, 2, 12, .batch_first = true)", False


def normed():
    weight, spectral = nn.utils.weight_norm, nn.utils.spectral_norm
    image = lambda c: [floats(2, c, 5, 4)]
    for name, module, inputs, constructor in (
            ("linear", weight(nn.Linear(4, 3)), [floats(3, 4)], "cr_weight_norm(cr_linear(4, 3))"),
            ("linear_whole", weight(nn.Linear(4, 3), dim=None), [floats(3, 4)], "cr_weight_norm(cr_linear(4, 3), .whole = true)"),
            ("conv2d", weight(nn.Conv2d(2, 3, 3)), image(2), "cr_weight_norm(cr_conv2d(2, 3, 3))"),
            ("conv_transpose2d", weight(nn.ConvTranspose2d(2, 3, 3), dim=1), image(2),
             "cr_weight_norm(cr_conv_transpose2d(2, 3, 3), .dim = CR_SOME(1))"),
            ("lstm", weight(nn.LSTM(3, 5), "weight_hh_l0"), [floats(4, 2, 3)], 'cr_weight_norm(cr_lstm(3, 5), "weight_hh_l0")')):
        yield f"weight_norm_{name}", module, inputs, constructor, True
    for name, module, inputs, constructor in (
            ("linear", spectral(nn.Linear(4, 3)), [floats(3, 4)], "cr_spectral_norm(cr_linear(4, 3))"),
            ("conv2d", spectral(nn.Conv2d(2, 3, 3), n_power_iterations=3), image(2),
             "cr_spectral_norm(cr_conv2d(2, 3, 3), .n_power_iterations = 3)"),
            ("conv_transpose2d", spectral(nn.ConvTranspose2d(2, 3, 3)), image(2), "cr_spectral_norm(cr_conv_transpose2d(2, 3, 3))")):
        for mode in ("", "_eval"):
            yield f"spectral_norm_{name}{mode}", module, inputs, constructor, not mode
            module.zero_grad(set_to_none=True)


def cases():
    yield from activations()
    yield from pooling()
    yield from resizing()
    yield from losses()
    yield from convolutions()
    yield from normalisation()
    yield from embeddings()
    yield from first_ones()
    yield from sequences()
    yield from normed()

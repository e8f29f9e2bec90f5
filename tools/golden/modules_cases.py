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


class Unpool(nn.Module):
    """An unpooling module called with its output's size as a tensor, as ours is."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, indices, size):
        return self.module(x, indices, output_size=size.tolist())

    def __repr__(self):
        return repr(self.module)


def cases():
    yield from activations()
    yield from pooling()

"""Makes tests/golden/nn/sequences.safetensors: what PyTorch computes with recurrent layers, attention and Transformers.

    python tools/golden/make_sequences.py tests/golden        (with torch 1.13)

Each case holds a state dict, inputs (some absent: then their number is missing), outputs, a cotangent for each output, and the
gradients. The output "packed" of a case is that of packed sequences.
"""

import pathlib
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import torch
from torch import nn
from torch.nn.utils import rnn

from make_nn import save

OUT = {}


def record(name, module, inputs, call=None, training=True, **extra):
    module.train(training)
    with torch.no_grad():
        for p in module.parameters():  # zeros and ones would hide mistakes
            p.add_(0.1 * torch.randn_like(p))
    for key, value in module.state_dict().items():
        OUT[f"{name}.state.{key}"] = value.clone()
    inputs = [None if x is None else x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    for i, x in enumerate(inputs):
        if x is not None:
            OUT[f"{name}.input.{i}"] = x
    for key, value in extra.items():
        OUT[f"{name}.{key}"] = value
    outputs = []

    def flatten(y):
        for part in y if isinstance(y, (tuple, list)) else (y,):
            flatten(part) if isinstance(part, (tuple, list)) else outputs.append(part)

    flatten((call or module)(*inputs))
    outputs = [y for y in outputs if y is not None]
    loss = 0
    for i, y in enumerate(outputs):
        OUT[f"{name}.output.{i}"] = y
        if y.requires_grad:
            OUT[f"{name}.cotangent.{i}"] = torch.randn_like(y)
            loss = loss + (y * OUT[f"{name}.cotangent.{i}"]).sum()
    loss.backward()
    for i, x in enumerate(inputs):
        if x is not None and x.grad is not None:
            OUT[f"{name}.grad.input.{i}"] = x.grad
    for key, p in module.named_parameters():
        OUT[f"{name}.grad.state.{key}"] = p.grad


def recurrent(name, module, *inputs):
    """Inputs x, h0 and, of an LSTM, c0, as PyTorch's module takes them."""
    if isinstance(module, (nn.LSTM, nn.LSTMCell)):
        record(name, module, inputs, lambda x, *s: module(x, s if s else None))
    else:
        record(name, module, inputs)


def packed(name, module, x, lengths, *states, batch_first=False):
    lengths = torch.tensor(lengths)

    def call(x, *states):
        p = rnn.pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)
        y, s = module(p, (states if isinstance(module, nn.LSTM) else states[0]) if states else None)
        padded, _ = rnn.pad_packed_sequence(y, batch_first=batch_first, padding_value=0.5, total_length=x.shape[batch_first] + 1)
        return y.data, padded, s

    record(name, module, [x, *states], call, lengths=lengths)


def recurrent_cases():
    randn = torch.randn
    recurrent("rnn", nn.RNN(3, 5), randn(4, 2, 3))
    recurrent("rnn_relu", nn.RNN(3, 5, 2, nonlinearity="relu", batch_first=True), randn(2, 4, 3), randn(2, 2, 5))
    recurrent("rnn_wide", nn.RNN(3, 70, bidirectional=True), randn(3, 2, 3), randn(2, 2, 70))
    recurrent("lstm", nn.LSTM(3, 5), randn(4, 2, 3))
    recurrent("lstm_deep", nn.LSTM(3, 4, 3, bidirectional=True, batch_first=True), randn(2, 4, 3), randn(6, 2, 4), randn(6, 2, 4))
    recurrent("lstm_no_bias", nn.LSTM(3, 5, bias=False), randn(4, 3), randn(1, 5), randn(1, 5))
    recurrent("lstm_wide", nn.LSTM(3, 19), randn(3, 7, 3), randn(1, 7, 19), randn(1, 7, 19))
    recurrent("lstm_proj", nn.LSTM(3, 5, 2, proj_size=2, bidirectional=True), randn(4, 2, 3), randn(4, 2, 2), randn(4, 2, 5))
    recurrent("gru", nn.GRU(3, 5), randn(4, 2, 3), randn(1, 2, 5))
    recurrent("gru_deep", nn.GRU(3, 4, 2, bidirectional=True), randn(4, 2, 3))
    recurrent("gru_wide", nn.GRU(3, 18, bias=False), randn(3, 2, 3), randn(1, 2, 18))
    packed("packed_lstm", nn.LSTM(3, 5, 2, bidirectional=True), randn(4, 3, 3), [2, 4, 1], randn(4, 3, 5), randn(4, 3, 5))
    packed("packed_gru", nn.GRU(3, 5, bidirectional=True), randn(4, 3, 3), [4, 2, 2], randn(2, 3, 5))
    packed("packed_rnn", nn.RNN(3, 5), randn(4, 3, 3), [1, 3, 4])
    packed("packed_proj", nn.LSTM(3, 5, proj_size=2), randn(4, 3, 3), [2, 4, 1])
    recurrent("rnn_cell", nn.RNNCell(3, 5), randn(2, 3), randn(2, 5))
    recurrent("rnn_cell_relu", nn.RNNCell(3, 5, nonlinearity="relu"), randn(3))
    recurrent("lstm_cell", nn.LSTMCell(3, 5), randn(2, 3), randn(2, 5), randn(2, 5))
    recurrent("lstm_cell_plain", nn.LSTMCell(3, 5, bias=False), randn(3))
    recurrent("gru_cell", nn.GRUCell(3, 5), randn(2, 3), randn(2, 5))


def attention(name, module, query, key, value, padding=None, mask=None, weights=True, **options):
    record(name, module, [query, key, value, padding, mask],
           lambda q, k, v, p, m: module(q, k, v, key_padding_mask=p, attn_mask=m, need_weights=weights, **options))


def self_attention(name, module, x, padding=None, mask=None):
    record(name, module, [x, padding, mask], lambda x, p, m: module(x, x, x, key_padding_mask=p, attn_mask=m, need_weights=False)[0])


def masked(*shape):
    """Bools, few of them true, the first of a row never."""
    mask = torch.rand(*shape) < 0.3
    mask[..., 0] = False
    return mask


def attention_cases():
    randn = torch.randn
    q, k, v = randn(3, 2, 8), randn(5, 2, 8), randn(5, 2, 8)
    attention("attention", nn.MultiheadAttention(8, 2), q, k, v)
    attention("attention_plain", nn.MultiheadAttention(8, 2, bias=False), q, k, v, weights=False)
    attention("attention_heads", nn.MultiheadAttention(8, 4), q, k, v, average_attn_weights=False)
    attention("attention_masks", nn.MultiheadAttention(8, 2), q, k, v, masked(2, 5), masked(3, 5))
    attention("attention_floats", nn.MultiheadAttention(8, 2, batch_first=True), q.transpose(0, 1), k.transpose(0, 1),
              v.transpose(0, 1), masked(2, 5), randn(4, 3, 5), weights=False)
    attention("attention_dims", nn.MultiheadAttention(8, 2, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True), q,
              randn(5, 2, 3), randn(5, 2, 5), masked(2, 5), masked(3, 5))
    attention("attention_unbatched", nn.MultiheadAttention(8, 2), q[:, 0], k[:, 0], v[:, 0], masked(5))
    self_attention("attention_self", nn.MultiheadAttention(8, 2, batch_first=True), randn(2, 5, 8), masked(2, 5))
    self_attention("attention_causal", nn.MultiheadAttention(8, 2), randn(5, 2, 8), None,
                   torch.ones(5, 5, dtype=torch.bool).triu(1))
    memory = nn.MultiheadAttention(8, 2)
    record("attention_memory", memory, [q, k], lambda q, k: memory(q, k, k, need_weights=False)[0])


def causal_cases():
    self_attention("attention_causal_padded", nn.MultiheadAttention(8, 2), torch.randn(5, 2, 8), masked(2, 5),
                   torch.ones(5, 5, dtype=torch.bool).triu(1))


def corner_cases():
    randn = torch.randn
    packed("packed_all", nn.LSTM(3, 5, 2, proj_size=2, bidirectional=True, batch_first=True), randn(3, 4, 3), [2, 4, 1],
           randn(4, 3, 2), randn(4, 3, 5), batch_first=True)
    packed("packed_relu", nn.RNN(3, 4, 3, nonlinearity="relu", bias=False, bidirectional=True), randn(4, 4, 3), [2, 1, 4, 2], randn(6, 4, 4))
    packed("packed_gru_first", nn.GRU(3, 4, 2, batch_first=True), randn(2, 5, 3), [5, 3], batch_first=True)
    attention("attention_all", nn.MultiheadAttention(8, 2, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True, batch_first=True),
              randn(2, 3, 8), randn(2, 5, 3), randn(2, 5, 5), masked(2, 5), randn(4, 3, 5), weights=False)
    attention("attention_each", nn.MultiheadAttention(8, 2), randn(3, 2, 8), randn(5, 2, 8), randn(5, 2, 8), masked(2, 5), masked(4, 3, 5))
    attention("attention_padding", nn.MultiheadAttention(8, 4, bias=False), randn(3, 2, 8), randn(5, 2, 8), randn(5, 2, 8), randn(2, 5))
    square = nn.Transformer.generate_square_subsequent_mask
    record("decoder_all", nn.TransformerDecoderLayer(8, 2, 12, 0.0, "gelu", batch_first=True, norm_first=True),
           [randn(2, 3, 8), randn(2, 4, 8), square(3), randn(3, 4), masked(2, 3), masked(2, 4)])
    record("transformer_all", nn.Transformer(8, 2, 2, 2, 12, 0.0, "gelu", batch_first=True, norm_first=True),
           [randn(2, 4, 8), randn(2, 3, 8), masked(4, 4), square(3), masked(3, 4), masked(2, 4), masked(2, 3), masked(2, 4)])


def transformer_cases():
    randn = torch.randn
    square = nn.Transformer.generate_square_subsequent_mask
    record("encoder_layer", nn.TransformerEncoderLayer(8, 2, 12, 0.0), [randn(4, 2, 8), square(4), masked(2, 4)])
    record("encoder_layer_first", nn.TransformerEncoderLayer(8, 2, 12, 0.0, "gelu", 1e-3, True, True),
           [randn(2, 4, 8), None, masked(2, 4)])
    record("decoder_layer", nn.TransformerDecoderLayer(8, 2, 12, 0.0),
           [randn(3, 2, 8), randn(4, 2, 8), square(3), masked(3, 4), masked(2, 3), masked(2, 4)])
    record("decoder_layer_first", nn.TransformerDecoderLayer(8, 2, 12, 0.0, norm_first=True, batch_first=True),
           [randn(2, 3, 8), randn(2, 4, 8)])
    record("encoder", nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, 0.0), 2, nn.LayerNorm(8)),
           [randn(4, 2, 8), square(4)])
    record("transformer", nn.Transformer(8, 2, 1, 1, 12, 0.0),
           [randn(4, 2, 8), randn(3, 2, 8), None, square(3), None, masked(2, 4), None, masked(2, 4)])


def main(folder):
    torch.manual_seed(1)
    recurrent_cases()
    attention_cases()
    transformer_cases()
    causal_cases()
    corner_cases()
    save(folder / "nn" / "sequences.safetensors", OUT)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

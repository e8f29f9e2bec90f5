#!/usr/bin/env python3
"""Writes tests/golden/io/net.onnx with torch.onnx.export, and its input and output as .npy.
Usage: make_onnx.py tests/golden/io"""
import os
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import numpy as np
import torch
from torch import nn

folder = sys.argv[1]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))
        self.lstm = nn.LSTM(12, 5, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(10, 4)

    def forward(self, x):
        x = self.conv(x)
        x = x.permute(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)
        x, _ = self.lstm(x)
        return torch.softmax(self.fc(x[:, -1]), dim=-1)


torch.manual_seed(0)
net = Net()
for module in net.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.running_mean.uniform_(-1, 1)
        module.running_var.uniform_(0.5, 2)
net.eval()
x = torch.randn(2, 1, 8, 8)
torch.onnx.export(net, x, os.path.join(folder, "net.onnx"), input_names=["x"], output_names=["y"],
                  dynamic_axes={"x": {0: "n"}}, opset_version=13)
np.save(os.path.join(folder, "net_x.npy"), x.numpy())
np.save(os.path.join(folder, "net_y.npy"), net(x).detach().numpy())

"""Prints what tools/examples/seed.c must print: the same steps in PyTorch (1.13). The summary is torchkeras's layout, written out
here because torchkeras isn't packaged.

    python3 tools/golden/make_seed.py > tests/golden/examples/seed.txt
"""

import steady  # noqa: F401  (first: it starts Python anew)

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def summary(net, *shape):
    rows, total = [], 0

    def see(module, _, output):
        count = sum(p.numel() for p in module.parameters(recurse=False))
        rows.append((f"{type(module).__name__}-{len(rows) + 1}", list(output.shape[1:]), count))

    hooks = [m.register_forward_hook(see) for m in net.modules() if m is not net and not isinstance(m, nn.Sequential)]
    net.eval()
    with torch.no_grad():
        net(torch.rand(2, *shape))
    net.train()
    for hook in hooks:
        hook.remove()
    print("-" * 74)
    print("%-20s %31s %20s" % ("Layer (type)", "Output Shape", "Param #"))
    print("=" * 74)
    for name, size, count in rows:
        print("%-20s %31s %20s" % (name, [-1] + size, f"{count:,}"))
    print("=" * 74)
    total = sum(p.numel() for p in net.parameters())
    print(f"Total params: {total:,}\nTrainable params: {total:,}\nNon-trainable params: 0")
    print("-" * 74)
    mega = 1024 * 1024
    inputs = float(np.prod(shape)) * 4 / mega
    outputs = 2 * sum(float(np.prod(size)) for _, size, _ in rows) * 4 / mega
    parameters = total * 4 / mega
    print("Input size (MB): %f\nForward/backward pass size (MB): %f" % (inputs, outputs))
    print("Params size (MB): %f\nEstimated Total Size (MB): %f" % (parameters, inputs + outputs + parameters))
    print("-" * 74)


def error(before, function):
    try:
        function()
    except RuntimeError as e:
        print(f"{before}{str(e)[:110]}")


def memory():
    a = np.array([1, 2, 3])
    shared = torch.from_numpy(a)
    shared[0] = -1
    print(a, shared.dtype)
    copied = torch.tensor(a)
    copied[1] = 7
    print(copied)
    print(a)
    floats = torch.Tensor(np.abs(a))
    print(floats, floats.dtype)
    shared.abs_()
    shared.clone()[0] = 9
    print(a)


def graph_names():
    x, v = torch.ones(2, 2, requires_grad=True), torch.ones(2)
    half, image, ones = x.sigmoid(), torch.ones(1, 1, 4, 4, requires_grad=True), torch.ones(2, 2)
    results = dict(
        add=x + x, mul=x * x, mean=x.mean(), sum=x.sum(), sub=x - x, div=x / x, neg=-x, pow=x**2, exp=x.exp(), mm=x.mm(x),
        mv=x.mv(v), view=x.view(4), t=x.t(), relu=x.relu(), sig=half, sel=x[0], sl=x[1:], lin=F.linear(x, x, v),
        clone=x.clone(), cat=torch.cat([x, x]), maxd=x.max(0).values, mx=x.max(), bce=F.binary_cross_entropy(half, ones),
        bcel=F.binary_cross_entropy_with_logits(x, ones), ce=F.cross_entropy(x, torch.tensor([0, 1])),
        mse=F.mse_loss(x, ones), conv=F.conv2d(image, torch.ones(1, 1, 3, 3)), sm=x.softmax(0), mp=F.max_pool2d(image, 2),
        tanh=x.tanh(), log=x.log(), perm=x.permute(1, 0), ex=x.expand(3, 2, 2), sq=x.unsqueeze(0).squeeze())
    for name, t in results.items():
        print(f"{name}:{t.grad_fn.name()}", end=" ")
    print()


def autograd():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2)
    print(x.grad_fn, x.requires_grad, x.is_leaf, (x * x).is_leaf)
    print(torch.equal(x, y))
    print(((x + 1) * 0.5).mean())
    loss = (x**3).sum()
    loss.backward()
    print(x.grad)
    error("2nd backward: ", loss.backward)
    error("", (x * 2).backward)
    error("", y.sum().backward)


def create_net():
    net = nn.Sequential()
    net.add_module("linear1", nn.Linear(15, 20))
    net.add_module("relu1", nn.ReLU())
    net.add_module("linear2", nn.Linear(20, 15))
    net.add_module("relu2", nn.ReLU())
    net.add_module("linear3", nn.Linear(15, 1))
    net.add_module("sigmoid", nn.Sigmoid())
    return net


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(32, 64, 5)
        self.dropout = nn.Dropout2d(0.1)
        self.adaptive_pool = nn.AdaptiveMaxPool2d((1, 1))
        self.flatten = nn.Flatten()
        self.linear1 = nn.Linear(64, 32)
        self.relu = nn.ReLU()
        self.linear2 = nn.Linear(32, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        x = self.pool(self.conv1(x))
        x = self.pool(self.conv2(x))
        x = self.flatten(self.adaptive_pool(self.dropout(x)))
        return self.sigmoid(self.linear2(self.relu(self.linear1(x))))


def make_lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def train():
    x, y = torch.tensor([[-1.0], [0], [1], [2]]), torch.tensor([[-3.0], [-1], [1], [3]])
    net = nn.Sequential(nn.Linear(1, 1))
    for p in net.parameters():
        nn.init.zeros_(p)
    sgd, criterion = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), nn.MSELoss()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=2)
    for epoch in range(1, 41):
        total = 0
        for inputs, target in loader:
            sgd.zero_grad()
            loss = criterion(net(inputs), target)
            loss.backward()
            sgd.step()
            total += loss.item()
        if epoch % 10 == 0:
            print(f"epoch {epoch} loss {total / 2:.4f}")
    print(f"f(5) = {net(torch.tensor([[5.0]])).item():.3f}")


# Switches of how PyTorch computes an optimiser's step, which has one way here.
ONLY_THERE = ["foreach", "differentiable", "capturable", "fused"]


def state_dicts(net):
    print([name for name, _ in net.named_parameters() if name.startswith("conv1")])
    norm = nn.BatchNorm2d(4)
    print(list(norm.state_dict()), [name for name, _ in norm.named_parameters()])
    sgd, adam = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3, 32, 32)).sum().backward()
    sgd.step()
    adam.step()
    for optimizer in (sgd, adam):
        state = optimizer.state_dict()
        print(list(state), {k: v for k, v in state["param_groups"][0].items() if k not in ONLY_THERE})
    print(list(adam.state_dict()["state"][0]))
    outer = nn.ModuleDict({"_latents": nn.ModuleDict({"z": nn.Linear(2, 2, bias=False)})})
    print(list(outer.state_dict()))
    layers = nn.Sequential()
    layers.add_module("linear1", nn.Linear(15, 20))
    layers.add_module("linear2", nn.Linear(20, 15))
    layers.add_module("linear3", nn.Linear(15, 1))
    try:
        layers.load_state_dict({"linear1.weight": torch.ones(3, 3), "foo": torch.ones(1)})
    except RuntimeError as e:
        print(e)


memory()
graph_names()
autograd()
summary(create_net(), 15)
summary(create_net(), 15)
net = Net()
summary(net, 3, 32, 32)
print(net)
summary(make_lenet(), 1, 28, 28)
train()
state_dicts(net)

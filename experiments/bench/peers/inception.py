"""The Inception network of pytorch-fid for PyTorch, with its own names and random weights: what bench inception runs."""
import torch
from torch import nn
from torch.nn import functional as F


class Conv(nn.Module):
    def __init__(self, cin, cout, kernel, stride=1, pad=0):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


def mean(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def halved(x):
    return F.max_pool2d(x, 3, 2)


def most(x):
    return F.max_pool2d(x, 3, 1, 1)


class Block(nn.Module):
    """Branches side by side; a branch is a list of functions and (name, channels, kernel, stride, pad), of which those
    in a list read the same and stand side by side."""

    def __init__(self, cin, *branches):
        super().__init__()
        self.branches, self.cout = [], 0
        for branch in branches:
            c, steps = cin, []
            for step in branch:
                side = step if isinstance(step, list) else [step]
                steps.append([s if callable(s) else self.layer(c, *s) for s in side])
                if not callable(side[0]):
                    c = sum(s[1] for s in side)
            self.branches.append(steps)
            self.cout += c

    def layer(self, cin, name, cout, kernel, stride=1, pad=0):
        self.add_module(name, Conv(cin, cout, kernel, stride, pad))
        return getattr(self, name)

    def forward(self, x):
        out = []
        for steps in self.branches:
            h = x
            for side in steps:
                parts = [f(h) for f in side]
                h = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
            out.append(h)
        return out[0] if len(out) == 1 else torch.cat(out, 1)


def squares(cin, pool):
    return Block(cin, [("branch1x1", 64, 1)],
                 [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5, 1, 2)],
                 [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3, 1, 1), ("branch3x3dbl_3", 96, 3, 1, 1)],
                 [mean, ("branch_pool", pool, 1)])


def lines(c):
    across, down = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
    return Block(768, [("branch1x1", 192, 1)],
                 [("branch7x7_1", c, 1), ("branch7x7_2", c, *across), ("branch7x7_3", 192, *down)],
                 [("branch7x7dbl_1", c, 1), ("branch7x7dbl_2", c, *down), ("branch7x7dbl_3", c, *across),
                  ("branch7x7dbl_4", c, *down), ("branch7x7dbl_5", 192, *across)],
                 [mean, ("branch_pool", 192, 1)])


def wide(cin, pool):
    across, down = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
    return Block(cin, [("branch1x1", 320, 1)],
                 [("branch3x3_1", 384, 1), [("branch3x3_2a", 384, *across), ("branch3x3_2b", 384, *down)]],
                 [("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3, 1, 1),
                  [("branch3x3dbl_3a", 384, *across), ("branch3x3dbl_3b", 384, *down)]],
                 [pool, ("branch_pool", 192, 1)])


class Inception(nn.Module):
    """pictures (B, 3, H, W) from 0 to 1 -> features (B, 2048)."""

    def __init__(self):
        super().__init__()
        self.stem = Block(3, [("Conv2d_1a_3x3", 32, 3, 2), ("Conv2d_2a_3x3", 32, 3), ("Conv2d_2b_3x3", 64, 3, 1, 1), halved,
                              ("Conv2d_3b_1x1", 80, 1), ("Conv2d_4a_3x3", 192, 3), halved])
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = squares(192, 32), squares(256, 64), squares(288, 64)
        self.Mixed_6a = Block(288, [("branch3x3", 384, 3, 2)],
                              [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3, 1, 1), ("branch3x3dbl_3", 96, 3, 2)],
                              [halved])
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = lines(128), lines(160), lines(160), lines(192)
        self.Mixed_7a = Block(768, [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)],
                              [("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, (1, 7), 1, (0, 3)),
                               ("branch7x7x3_3", 192, (7, 1), 1, (3, 0)), ("branch7x7x3_4", 192, 3, 2)],
                              [halved])
        self.Mixed_7b, self.Mixed_7c = wide(1280, mean), wide(2048, most)

    def forward(self, x):
        x = 2 * F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False) - 1
        for block in self.children():
            x = block(x)
        return x.mean((2, 3))

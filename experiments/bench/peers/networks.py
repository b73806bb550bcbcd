"""The networks that build/bench measures, for PyTorch: the U-Net of the paper and a transformer for masked texts."""
import math

import torch
from torch import nn
from torch.nn import functional as F


def waves(x, width):
    """Sines and cosines of 1000 x, (B, width)."""
    f = torch.exp(torch.arange(width // 2) * (-math.log(10000.0) / (width // 2 - 1)))
    a = 1000.0 * x.float()[:, None] * f
    return torch.cat([a.sin(), a.cos()], 1)


def norm(c):
    return nn.GroupNorm(min(c // 4, 32), c)


class Res(nn.Module):
    def __init__(self, cin, cout, width, lam, dropout):
        super().__init__()
        self.norm0, self.norm1 = norm(cin), norm(cout)
        self.conv0, self.conv1 = nn.Conv2d(cin, cout, 3, padding=1), nn.Conv2d(cout, cout, 3, padding=1)
        self.dense0 = nn.Linear(width, cout)
        self.dense1 = nn.Linear(width, cout) if lam else None
        self.nin = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()
        self.dropout = dropout

    def forward(self, x, t, lam):
        h = self.conv0(F.silu(self.norm0(x))) + self.dense0(t)[:, :, None, None]
        if self.dense1 is not None:
            h = h + self.dense1(lam)[:, :, None, None]
        h = self.conv1(F.dropout(F.silu(self.norm1(h)), self.dropout, self.training))
        return (self.nin(x) + h) / math.sqrt(2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = norm(c)
        self.q, self.k, self.v, self.out = (nn.Linear(c, c) for _ in range(4))

    def forward(self, x, t, lam):
        B, C, H, W = x.shape
        n = self.norm(x).flatten(2).transpose(1, 2)
        p = (self.q(n) @ self.k(n).transpose(1, 2) / math.sqrt(C)).softmax(2)
        return (x + self.out(p @ self.v(n)).transpose(1, 2).reshape(B, C, H, W)) / math.sqrt(2)


class Down(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, stride=2)

    def forward(self, x, t, lam):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x, t, lam):
        return self.conv(F.interpolate(x, scale_factor=2.0))


class Embedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Linear(width, 4 * width), nn.Linear(4 * width, 4 * width)

    def forward(self, x):
        return F.silu(self.second(F.silu(self.first(x))))


class UNet(nn.Module):
    """pictures (B, C, H, W) of 0..255, times (B), lambdas (B) -> mu and log scale, (B, 2C, H, W)."""

    def __init__(self, student, small=False, dropout=0.1):
        super().__init__()
        self.ch, mult, blocks = (32, (1, 2), 1) if small else (128, (1, 2, 2, 2), 2)
        self.channels, self.student = 1 if small else 3, student
        width, c, skips = 4 * self.ch, self.ch, [self.ch]
        res = lambda i, o: Res(i, o, width, student, dropout)
        self.time, self.conv_in = Embedding(self.ch), nn.Conv2d(self.channels, c, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for scale, m in enumerate(mult):
            for _ in range(blocks):
                layers = [res(c, m * self.ch)] + ([Attention(m * self.ch)] if scale == 1 else [])
                c = m * self.ch
                self.down.append(nn.ModuleList(layers))
                skips.append(c)
            if scale + 1 < len(mult):
                self.down.append(nn.ModuleList([Down(c)]))
                skips.append(c)
        self.middle = nn.ModuleList([res(c, c), Attention(c), res(c, c)])
        if student:
            self.mix_down, self.mix_up = nn.Linear(2 * self.ch, self.ch), nn.Linear(2 * self.ch + c, self.ch)
            self.lambda_down, self.lambda_up = Embedding(self.ch), Embedding(self.ch)
        for scale, m in reversed(list(enumerate(mult))):
            for block in range(blocks + 1):
                layers = [res(c + skips.pop(), m * self.ch)] + ([Attention(m * self.ch)] if scale == 1 else [])
                c = m * self.ch
                if block == blocks and scale > 0:
                    layers.append(Up(c))
                self.up.append(nn.ModuleList(layers))
        self.norm_out, self.conv_out = norm(c), nn.Conv2d(c, 2 * self.channels, 3, padding=1)

    def forward(self, x, t, lam=None):
        x = x / 127.5 - 1.0
        known = waves(t, self.ch)
        time, b = self.time(known), None
        if self.student:
            known = torch.cat([waves(lam, self.ch), known], 1)
            b = self.lambda_down(F.silu(self.mix_down(known)))
        h = self.conv_in(x)
        skips = [h]
        for layers in self.down:
            for layer in layers:
                h = layer(h, time, b)
            skips.append(h)
        if self.student:
            b = self.lambda_up(F.silu(self.mix_up(torch.cat([known, h.mean((2, 3))], 1))))
        for layer in self.middle:
            h = layer(h, time, b)
        for layers in self.up:
            h = torch.cat([h, skips.pop()], 1)
            for layer in layers:
                h = layer(h, time, b)
        mu, log_scale = self.conv_out(F.silu(self.norm_out(h))).chunk(2, 1)
        return torch.cat([torch.tanh(x + mu), log_scale], 1)

    def logits(self, x, t, lam=None):
        """x (B, D) whole numbers -> logits (B, D, 256) of the truncated logistic."""
        side = 16 if self.channels == 1 else 32
        picture = x.view(-1, side, side, self.channels).permute(0, 3, 1, 2).float()
        numbers = self(picture, t, lam).permute(0, 2, 3, 1)
        mu, log_scale = (v.reshape(len(x), -1, 1) for v in numbers.chunk(2, 3))
        centre, half = torch.linspace(-1, 1, 256), 1 / 255
        inverse = torch.exp(-(log_scale - 2.0))
        above, below = F.logsigmoid((centre + half - mu) * inverse), F.logsigmoid((centre - half - mu) * inverse)
        return above + torch.log1p(-torch.exp(below - above) + 1e-7)


class Block(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads, self.gain1, self.gain2 = heads, nn.Parameter(torch.ones(c)), nn.Parameter(torch.ones(c))
        self.q, self.k, self.v, self.out = (nn.Linear(c, c) for _ in range(4))
        self.first, self.second = nn.Linear(c, 4 * c), nn.Linear(4 * c, c)

    def forward(self, x, sine, cosine):
        B, L, C = x.shape
        split = lambda v: v.view(B, L, self.heads, -1).transpose(1, 2)

        def turned(v):
            a, b = v.chunk(2, 3)
            return torch.cat([a * cosine - b * sine, a * sine + b * cosine], 3)
        n = F.layer_norm(x, (C,), self.gain1)
        q, k, v = turned(split(self.q(n))), turned(split(self.k(n))), split(self.v(n))
        if hasattr(F, "scaled_dot_product_attention"):
            a = F.scaled_dot_product_attention(q, k, v)
        else:
            a = (q @ k.transpose(2, 3) / math.sqrt(C // self.heads)).softmax(3) @ v
        x = x + self.out(a.transpose(1, 2).reshape(B, L, C))
        return x + self.second(F.gelu(self.first(F.layer_norm(x, (C,), self.gain2))))


class Transformer(nn.Module):
    """tokens (B, L), of which `states` is the mask -> logits (B, L, states)."""

    def __init__(self, states, length, width, blocks, heads):
        super().__init__()
        f = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, width // heads, 2) / (width // heads))
        self.sine, self.cosine = f.sin(), f.cos()
        self.embedding = nn.Embedding(states + 1, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.gain, self.output = nn.Parameter(torch.ones(width)), nn.Linear(width, states)

    def forward(self, x):
        h = self.embedding(x)
        for block in self.blocks:
            h = block(h, self.sine, self.cosine)
        return self.output(F.layer_norm(h, h.shape[2:], self.gain))

"""measure.py WORK [--threads N] [--reps N] [--small]: the seconds that PyTorch takes, as build/bench prints them.

WORK: product-square, product-flat, unet-forward, unet-step, di4c-step, sample, transformer-step, inception-forward;
export FILE.onnx writes the U-Net of unet-forward; version prints PyTorch's.  Passes without gradients record none, and
nothing is computed twice.  Weights and pictures are random: they do not change the time.
"""
import argparse
import inspect
import json
import time

import torch
from torch.nn import functional as F

from inception import Inception
from networks import Transformer, UNet


class Trainer:
    """Adam, the gradient's norm cut at 1, averaged weights."""

    def __init__(self, net, decay=0.0):
        self.all = list(net.parameters())
        kind = torch.optim.AdamW if decay else torch.optim.Adam
        self.adam, self.mean = kind(self.all, 2e-4, weight_decay=decay), [p.detach().clone() for p in self.all]

    def step(self, loss):
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.all, 1.0)
        self.adam.step()
        with torch.no_grad():
            for m, p in zip(self.mean, self.all):
                m.lerp_(p, 1e-4)


class Noise:
    """A symmetric walk on 256 states, which costs what the published noise does: q(t) = V exp(beta(t) w) V'."""

    def __init__(self, states=256):
        a = torch.diag(torch.ones(states - 1), 1)
        a = a + a.T
        self.w, self.v = torch.linalg.eigh(a - torch.diag(a.sum(1)))

    def q(self, t, s=None):
        """(B) times -> (B, S, S); entry (i, j): from i at s (0 without it) to j at t."""
        b = 2000.0 * (t ** 2 - (0.0 if s is None else s ** 2))
        return ((self.v * torch.exp(b[:, None] * self.w)[:, None]) @ self.v.T).clamp_min(0.0)


def rows(q, x):
    """Row x of q, (B, S, S) and (B, D) -> (B, D, S)."""
    return q.gather(1, x[..., None].expand(-1, -1, q.shape[2]))


def draw(p):
    """A state of each law, (..., S)."""
    c = p.cumsum(-1)
    return (torch.rand(c.shape[:-1] + (1,)) * c[..., -1:] > c).sum(-1).clamp_max(p.shape[-1] - 1)


def step_back(noise, u, t, xt, x0):
    """x_u given x_t and x_0."""
    return draw(rows(noise.q(u), x0) * rows(noise.q(t, u).transpose(1, 2), xt) + 1e-20)


def log_mean(v, dim):
    return v.logsumexp(dim) - torch.tensor(float(v.shape[dim])).log()


def divergence(p, q):
    """Of laws given as logarithms, summed over all but the first axis."""
    return (p.exp() * (p - q)).flatten(1).sum(1)


class Di4C:
    """The paper's losses with control variates, as distill/README.md has them."""

    def __init__(self, small, images, lambdas):
        self.teacher, self.student = UNet(False, small).eval(), UNet(True, small).train()
        self.noise, self.trainer, self.lambdas = Noise(), Trainer(self.student), lambdas
        self.x0 = torch.randint(0, 256, (images, 256 if small else 3072))

    def correlation(self, p, x):
        """log E prod p - sum log E p at x; p (B, N, D, S), x (B, K, D) -> (B, K)."""
        at = p.gather(3, x.transpose(1, 2)[:, None].expand(-1, p.shape[1], -1, -1))
        return log_mean(at.sum(2), 1) - log_mean(at, 1).sum(1)

    def step(self):
        B, N, n = len(self.x0), self.lambdas, self.noise
        many = lambda v: v.repeat_interleave(N, 0)
        split = lambda v: v.view(B, N, *v.shape[1:])
        law = lambda net, *a: net.logits(*a).log_softmax(2)
        delta = 0.001 * 10.0 ** torch.rand(B)
        t = 0.01 + delta + (0.99 - delta) * torch.rand(B)
        u, tm = many(t - delta), 0.01 + 0.01 * torch.rand(B * N)
        xt, xm = draw(rows(n.q(t), self.x0)), draw(rows(n.q(tm), many(self.x0)))
        with torch.no_grad():
            at_t, at_tm = law(self.teacher, xt, t), law(self.teacher, xm, tm)
            xu = step_back(n, u, many(t), many(xt), draw(many(at_t).exp()))
            at_u = split(law(self.student, xu, u, torch.rand(B * N)))
            ends = draw(at_u.exp())
        s = split(law(self.student, many(xt), many(t), torch.rand(B * N)))
        sm = law(self.student, xm, tm, torch.rand(B * N))
        mean = log_mean(s, 1)
        weight = torch.sigmoid(20 * (t - 0.5))
        data = -weight * self.correlation(s, self.x0[:, None])[:, 0] + divergence(at_t, mean)
        consistency = -self.correlation(s, ends).mean(1) + divergence(log_mean(at_u, 1), mean)
        self.trainer.step((data + consistency).mean() + divergence(at_tm, sm).mean())


def sampler(small, count, steps):
    net, noise, D = UNet(True, small).eval(), Noise(), 256 if small else 3072

    def sample():
        x = torch.randint(0, 256, (count, D))
        for k in range(steps, 0, -1):
            t, s = torch.full((count,), k / steps), torch.full((count,), (k - 1) / steps)
            x0 = draw(net.logits(x, t, torch.rand(count)).softmax(2))
            x = step_back(noise, s, t, x, x0) if k > 1 else x0
        return x
    return sample


def text_step(batch, length, width, blocks, heads, states):
    net = Transformer(states, length, width, blocks, heads)
    trainer, x0 = Trainer(net, 0.01), torch.randint(0, states, (batch, length))

    def step():
        t = (torch.rand(1) + torch.arange(batch)) / batch
        hidden = torch.rand(batch, length) < t[:, None]
        y = net(torch.where(hidden, torch.full_like(x0, states), x0)).transpose(1, 2)
        loss = F.cross_entropy(y, x0, reduction="none") * hidden / t[:, None].clamp_min(1e-3)
        trainer.step(loss.sum(1).mean())
    return step


def unet(small, batch):
    net, side = UNet(False, small, 0.0).eval(), 16 if small else 32
    return net, torch.randint(0, 256, (batch, net.channels, side, side)).float(), torch.rand(batch)


def work(name, small):
    """What is to be timed, and whether it needs no gradients."""
    if name.startswith("product"):
        sizes = {"product-square": (1024, 1024, 1024), "product-flat": (2048, 256, 2304)}
        M, N, K = (256, 256, 256) if small else sizes[name]
        a, b, c = torch.randn(M, K), torch.randn(K, N), torch.empty(M, N)
        return (lambda: torch.mm(a, b, out=c)), True
    if name == "unet-forward":
        net, x, t = unet(small, 2 if small else 8)
        return (lambda: net(x, t)), True
    if name == "unet-step":
        net, x, t = unet(small, 2 if small else 8)
        trainer = Trainer(net)
        return (lambda: trainer.step(net(x, t).sum())), False
    if name == "di4c-step":
        return Di4C(small, 2, 2 if small else 8).step, False
    if name == "sample":
        return sampler(small, 2 if small else 8, 3 if small else 10), True
    if name == "inception-forward":
        net, x = Inception().eval(), torch.rand(1 if small else 16, 3, 32, 32)
        return (lambda: net(x)), True
    return text_step(*((4, 32, 64, 1, 4, 65) if small else (32, 128, 192, 4, 4, 65))), False


def version():
    """PyTorch's version, and whether its products are those of the reference BLAS, which has no fast kernels."""
    if "BLAS_INFO=generic" in torch.__config__.show():
        with open("/proc/self/maps") as maps:
            text = maps.read()
            if not any(name in text for name in ("openblas", "blis", "mkl_rt", "atlas")):
                return torch.__version__ + " with the reference BLAS"
    return torch.__version__


def main():
    a = argparse.ArgumentParser()
    a.add_argument("work", choices=["product-square", "product-flat", "unet-forward", "unet-step", "di4c-step", "sample",
                                    "transformer-step", "inception-forward", "export", "version"])
    a.add_argument("file", nargs="?")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--reps", type=int, default=3)
    a.add_argument("--small", action="store_true")
    a = a.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    if a.work == "version":
        print(version())
    elif a.work == "export":
        net, x, t = unet(a.small, 2 if a.small else 8)
        with torch.no_grad():
            old = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
            torch.onnx.export(net, (x, t), a.file, opset_version=14, input_names=["x", "t"], output_names=["y"], **old)
    else:
        run, inference = work(a.work, a.small)
        with torch.set_grad_enabled(not inference):
            run()
            seconds = []
            for _ in range(a.reps):
                start = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - start)
        seconds.sort()
        print(json.dumps({"name": a.work, "seconds_min": seconds[0], "seconds_median": seconds[len(seconds) // 2]}))


if __name__ == "__main__":
    main()

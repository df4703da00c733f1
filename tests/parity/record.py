#!/usr/bin/env python3
"""Records what PyTorch makes of the parity cases: tests/parity/pytorch.json.

    build/tests/parity/test_pytorch --initial DIR
    tests/parity/record.py DIR > tests/parity/pytorch.json

Needs torch and numpy; the tests need neither.  The models are written out on
functions of torch, with the parameters under dnnc's names; weights of `linear`
are [in, out].  The first values are dnnc's own, the data is the formula of
tests/parity/cases.c, optimizers and clipping are torch's.
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

STEPS = 20


def mix(h):
    h = h.astype(np.uint32)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x7FEB352D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))


def stream(step, number, samples, length):
    """[samples, length + 1]: see draw and input_values in cases.c."""
    key = mix(np.array([step * 16 + number + 1]))
    index = np.arange(samples * (length + 1), dtype=np.uint32)
    return mix(index * np.uint32(0x9E3779B9) + key).reshape(samples, length + 1)


def images(step, shape):
    h = stream(step, 0, shape[0], int(np.prod(shape[1:])))[:, :-1]
    pixels = (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    return torch.from_numpy(pixels.reshape(shape))


def labels(step, batch):
    h = stream(step, 1, batch, 1)[:, 0] % 10
    return torch.from_numpy(h.astype(np.int64))


def tokens(step, batch, context, vocab):
    h = torch.from_numpy((stream(step, 0, batch, context) % vocab).astype(np.int64))
    return h[:, :-1], h[:, 1:]


def linear(p, name, x):
    return x @ p[name + ".weight"] + p[name + ".bias"]


def conv(p, name, x, padding):
    return F.conv2d(x, p[name + ".weight"], p[name + ".bias"], padding=padding)


def norm(p, name, x):
    return F.layer_norm(x, x.shape[-1:], p[name + ".gain"], p[name + ".bias"], 1e-5)


def mlp(p, step):
    h = images(step, (16, 784))
    for l in range(2):
        h = F.relu(linear(p, f"linear.{l}", h))
    return F.cross_entropy(linear(p, "logits", h), labels(step, 16))


def digits(p, step):
    h = F.max_pool2d(F.relu(conv(p, "c1.conv2d", images(step, (8, 1, 8, 8)), 1)), 2)
    h = F.max_pool2d(F.relu(conv(p, "c3.conv2d", h, 1)), 2)
    h = F.relu(linear(p, "f5.linear", h.flatten(1)))
    return F.cross_entropy(linear(p, "logits", h), labels(step, 8))


def lenet5(p, step):
    h = F.max_pool2d(F.relu(conv(p, "c1.conv2d", images(step, (4, 1, 28, 28)), 2)), 2)
    h = F.max_pool2d(F.relu(conv(p, "c3.conv2d", h, 0)), 2)
    h = F.relu(linear(p, "c5.linear", h.flatten(1)))
    h = F.relu(linear(p, "f6.linear", h))
    return F.cross_entropy(linear(p, "logits", h), labels(step, 4))


def attention(p, name, x, heads):
    batch, context, d = x.shape
    q, k, v = (
        linear(p, f"{name}.{part}", x).view(batch, context, heads, d // heads).transpose(1, 2)
        for part in "qkv"
    )
    scores = q @ k.transpose(2, 3) / (d // heads) ** 0.5
    causal = torch.ones(context, context, dtype=torch.bool).tril()
    weights = scores.masked_fill(~causal, float("-inf")).softmax(-1)
    mixed = (weights @ v).transpose(1, 2).reshape(batch, context, d)
    return linear(p, name + ".out", mixed)


def gpt2(p, step):
    x, targets = tokens(step, 8, 12, 251)
    h = p["wte.weight"][x] + p["wpe.weight"]
    for l in range(2):
        block = f"block.{l}"
        h = h + attention(p, block + ".attn", norm(p, block + ".norm1", h), 4)
        up = linear(p, block + ".up", norm(p, block + ".norm2", h))
        h = h + linear(p, block + ".down", F.gelu(up, approximate="tanh"))
    logits = norm(p, "final", h) @ p["wte.weight"].T
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def sgd(rate, limit):
    return lambda p: torch.optim.SGD(p, lr=rate, momentum=0.9), limit


def adamw(rate, limit):
    def make(p):
        return torch.optim.AdamW(p, lr=rate, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    return make, limit


CASES = {
    "mlp/sgd": (mlp, *sgd(0.1, 0.5)),
    "mlp/adamw": (mlp, *adamw(0.003, 0.6)),
    "digits/sgd": (digits, *sgd(0.05, 0.44)),
    "digits/adamw": (digits, *adamw(0.003, 0.51)),
    "lenet5/sgd": (lenet5, *sgd(0.02, 0.6)),
    "lenet5/adamw": (lenet5, *adamw(0.001, 0.61)),
    "gpt2/sgd": (gpt2, *sgd(0.1, 0.6)),
    "gpt2/adamw": (gpt2, *adamw(0.001, 1.02)),
}


def summary(tensor):
    """A norm, and a product with fixed numbers: see summary_of."""
    x = tensor.detach().numpy().astype(np.float64).ravel()
    numbers = mix(np.arange(1, x.size + 1)).astype(np.float64) * 2.0**-31 - 1
    return [float(np.sqrt(x @ x)), float(x @ numbers)]


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    result = {}
    for name, row in header.items():
        begin, end = row["data_offsets"]
        values = np.frombuffer(data[begin:end], dtype="<f4").reshape(row["shape"])
        result[name] = torch.from_numpy(values.copy()).requires_grad_()
    return result


def record(case, folder):
    model, optimizer, clip = CASES[case]
    p = read_safetensors(f"{folder}/{model.__name__}.safetensors")
    optimizer = optimizer(p.values())
    losses, clipped, gradients = [], 0, {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = model(p, step)
        loss.backward()
        losses.append(float(loss))
        if step == 0:
            gradients = {name: summary(x.grad) for name, x in p.items()}
        whole = torch.nn.utils.clip_grad_norm_(p.values(), clip)
        clipped += float(whole) > clip
        optimizer.step()
    print(f"{case}: {losses[0]:.4f} -> {losses[-1]:.4f}, {clipped} steps clipped",
          file=sys.stderr)
    return {
        "losses": losses,
        "gradients": gradients,
        "parameters": {name: summary(x) for name, x in p.items()},
        # A key's bias adds the same to all scores of a query: it cancels.
        "zero_gradients": [name for name in p if name.endswith(".attn.k.bias")],
        "steps_clipped": clipped,
    }


def main():
    torch.set_num_threads(1)
    result = {case: record(case, sys.argv[1]) for case in CASES}
    result["torch"] = torch.__version__
    json.dump(result, sys.stdout, indent=1, sort_keys=True)
    print()


main()

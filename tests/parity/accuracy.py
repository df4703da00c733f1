#!/usr/bin/env python3
"""What PyTorch reaches with the models digits and lenet5: test accuracies.

    accuracy.py digits DIGITS.csv.gz [EPOCHS]
    accuracy.py lenet5 FOLDER_OF_IDX_FILES [EPOCHS]

Needs torch and numpy.  The models, initializations, batch sizes and optimizers
are those of models/digits.dnn and models/lenet5.dnn at their defaults.  digits:
the last 297 rows are held out, pixels 0..16 are divided by 16; lenet5: pixels
0..255 are divided by 255, then standardized (mean 0.286, deviation 0.353), and the
learning rate warms up over 200 steps.
One line a seed.
"""
import gzip
import sys
import time

import numpy as np
import torch
from torch import nn


def digits_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10),
    )


def lenet5_model():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )


def read_digits(path):
    with gzip.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.float32)
    x = torch.from_numpy(rows[:, :64].reshape(-1, 1, 8, 8) / 16)
    y = torch.from_numpy(rows[:, 64].astype(np.int64))
    return (x[:-297], y[:-297]), (x[-297:], y[-297:])


def read_idx(path):
    with gzip.open(path, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_fashion(folder):
    def part(name):
        x = read_idx(f"{folder}/{name}-images-idx3-ubyte.gz").astype(np.float32)
        y = read_idx(f"{folder}/{name}-labels-idx1-ubyte.gz").astype(np.int64)
        x = (x / 255 - 0.286) / 0.353
        return torch.from_numpy(x).unsqueeze(1), torch.from_numpy(y)
    return part("train"), part("t10k")


def train(make, data, batch, rate, warmup, epochs, seed):
    torch.manual_seed(seed)
    (x, y), (x_test, y_test) = data
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / warmup))
    begin = time.time()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for i in range(0, len(x) - batch + 1, batch):
            rows = order[i:i + batch]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        correct = (model(x_test).argmax(1) == y_test).float().mean()
    return 100 * float(correct), time.time() - begin


def main():
    torch.set_num_threads(1)
    if sys.argv[1] == "digits":
        make, data = digits_model, read_digits(sys.argv[2])
        batch, rate, warmup, epochs = 32, 0.05, 1, 30
    else:
        make, data = lenet5_model, read_fashion(sys.argv[2])
        batch, rate, warmup, epochs = 64, 0.02, 200, 5
    if len(sys.argv) > 3:
        epochs = int(sys.argv[3])
    for seed in range(3 if sys.argv[1] == "lenet5" else 5):
        accuracy, seconds = train(make, data, batch, rate, warmup, epochs, seed)
        print(f"{sys.argv[1]}, {epochs} epochs, seed {seed}: {accuracy:.2f} % in {seconds:.0f} s",
              flush=True)


main()

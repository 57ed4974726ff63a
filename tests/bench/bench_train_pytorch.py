"""The peer of bench_train.c: the same model, data, batch and optimiser in PyTorch.

    bench_train_pytorch.py DATA_FOLDER THREADS BATCH_SIZE SECONDS nchw|channels_last

First prints what runs as one JSON object; then for each line read from standard input trains for SECONDS and prints
{"images_per_second": …}.
"""

import json
import sys
import time

import torch
from torch import nn


def reference_model():
    """The 889,834 parameters of digitd's preset `reference`, initialised as Keras does."""
    layers = [
        nn.Conv2d(1, 32, 3, padding="same"), nn.ReLU(),
        nn.Conv2d(32, 32, 3), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding="same"), nn.ReLU(),
        nn.Conv2d(64, 64, 3), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1600, 512), nn.ReLU(),
        nn.Linear(512, 10),
    ]
    for layer in layers:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def read_idx(path, header_bytes):
    with open(path, "rb") as file:
        return torch.frombuffer(bytearray(file.read())[header_bytes:], dtype=torch.uint8)


class Training:
    def __init__(self, folder, batch_size, memory_format):
        self.images = read_idx(f"{folder}/train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
        self.labels = read_idx(f"{folder}/train-labels-idx1-ubyte", 8).long()
        self.batch_size = batch_size
        self.memory_format = memory_format
        self.model = reference_model().to(memory_format=memory_format)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3, eps=1e-7, foreach=True)
        self.batches = iter(())

    def next_batch(self):
        batch = next(self.batches, None)
        if batch is None:
            self.batches = iter(torch.randperm(len(self.labels)).split(self.batch_size))
            batch = next(self.batches)
        return batch

    def step(self):
        """One step on the next batch of a shuffled epoch; returns its number of images."""
        batch = self.next_batch()
        images = self.images[batch].float().div_(255).contiguous(memory_format=self.memory_format)
        self.optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(self.model(images), self.labels[batch]).backward()
        self.optimiser.step()
        return len(batch)

    def measure(self, seconds):
        images = 0
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            images += self.step()
        return images / elapsed


def backends():
    one_dnn = "with" if torch.backends.mkldnn.is_available() else "without"
    return f"{one_dnn} oneDNN, {torch.get_num_threads()} threads"


def main():
    folder, threads, batch_size, seconds, layout = sys.argv[1:]
    torch.set_num_threads(int(threads))
    memory_format = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}[layout]
    training = Training(folder, int(batch_size), memory_format)
    parameters = sum(parameter.numel() for parameter in training.model.parameters())
    assert parameters == 889_834, parameters
    print(json.dumps({"name": f"PyTorch {torch.__version__}, {layout}", "detail": backends()}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"images_per_second": training.measure(float(seconds))}), flush=True)


if __name__ == "__main__":
    main()

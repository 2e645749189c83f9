"""The autoencoder: 784-128-32-128-784, mean absolute error."""

import common

args, torch = common.settings(batch=128)
nn = torch.nn
net = nn.Sequential(
    nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(),
    nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid())
data = common.images(args, torch, 0, 1)
forward = common.trace(args, torch, net, torch.rand(args.batch, 784))
adam = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7, foreach=args.foreach)
distance = nn.L1Loss()


def step():
    x = data[torch.randint(len(data), (args.batch,))]
    adam.zero_grad(set_to_none=True)
    loss = distance(forward(x), x)
    loss.backward()
    adam.step()
    return {"loss": loss.detach()}


common.measure("autoencoder", args, step)

"""The dense GAN: generator 100-128-784, discriminator 784-128-1, three updates to an iteration."""

import common

args, torch = common.settings(batch=128)
nn = torch.nn
G = nn.Sequential(nn.Linear(100, 128), nn.LeakyReLU(0.01), nn.Linear(128, 784), nn.Tanh())
D = nn.Sequential(nn.Linear(784, 128), nn.LeakyReLU(0.01), nn.Linear(128, 1))
data = common.images(args, torch, -1, 1)
generate = common.trace(args, torch, G, torch.randn(args.batch, 100))
judge = common.trace(args, torch, D, torch.randn(args.batch, 784))
adam = [torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7, foreach=args.foreach) for net in (G, D)]
loss = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(args.batch, 1), torch.zeros(args.batch, 1)
generator = list(G.parameters())


def step():
    adam[1].zero_grad(set_to_none=True)
    real = loss(judge(data[torch.randint(len(data), (args.batch,))]), ones)
    real.backward()
    adam[1].step()

    with torch.no_grad():
        made = generate(torch.randn(args.batch, 100))
    adam[1].zero_grad(set_to_none=True)
    fake = loss(judge(made), zeros)
    fake.backward()
    adam[1].step()

    adam[0].zero_grad(set_to_none=True)
    fooled = loss(judge(generate(torch.randn(args.batch, 100))), ones)
    torch.autograd.backward(fooled, inputs=generator)  # no gradients of the discriminator's weights
    adam[0].step()
    return {"d_loss": (real + fake).detach() / 2, "g_loss": fooled.detach()}


common.measure("gan", args, step)

"""The DCGAN: 256x7x7 - 128x14x14 - 1x28x28 and back, kernels of 4x4, stride 2."""

import common

args, torch = common.settings(batch=64)
nn = torch.nn
G = nn.Sequential(
    nn.Linear(100, 256 * 49), nn.Unflatten(1, (256, 7, 7)), nn.BatchNorm2d(256), nn.ReLU(),
    nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
    nn.ConvTranspose2d(128, 1, 4, 2, 1), nn.Tanh())
D = nn.Sequential(
    nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2),
    nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
    nn.Flatten(), nn.Linear(128 * 49, 1))
for part in [*G.modules(), *D.modules()]:
    if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(part.weight, 0, 0.02)
data = common.images(args, torch, -1, 1).reshape(-1, 1, 28, 28)
if args.channels_last:
    G, D, data = (x.to(memory_format=torch.channels_last) for x in (G, D, data))
generate = common.trace(args, torch, G, torch.randn(args.batch, 100))
judge = common.trace(args, torch, D, torch.randn(args.batch, 1, 28, 28))
adam = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), eps=1e-7, foreach=args.foreach) for net in (G, D)]
loss = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(args.batch, 1), torch.zeros(args.batch, 1)
generator = list(G.parameters())


def step():
    # One update of the discriminator from both batches; the images made for it serve the generator's update too.
    adam[1].zero_grad(set_to_none=True)
    real = loss(judge(data[torch.randint(len(data), (args.batch,))]), ones)
    real.backward()
    made = generate(torch.randn(args.batch, 100))
    fake = loss(judge(made.detach()), zeros)
    fake.backward()
    adam[1].step()

    adam[0].zero_grad(set_to_none=True)
    fooled = loss(judge(made), ones)
    torch.autograd.backward(fooled, inputs=generator)
    adam[0].step()
    return {"d_loss": (real + fake).detach(), "g_loss": fooled.detach()}


common.measure("dcgan", args, step)

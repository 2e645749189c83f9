"""The variational autoencoder: 784-400-20-400-784, Bernoulli likelihood."""

import common

args, torch = common.settings(batch=128)
nn = torch.nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
        self.mean, self.logvar = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x):
        h = self.hidden(x)
        return self.mean(h), self.logvar(h)


encoder = Encoder()
decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
data = common.images(args, torch, 0, 1)
encode = common.trace(args, torch, encoder, torch.rand(args.batch, 784))
decode = common.trace(args, torch, decoder, torch.randn(args.batch, 20))
adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, eps=1e-7, foreach=args.foreach)
likelihood = nn.BCEWithLogitsLoss(reduction="sum")


def step():
    x = data[torch.randint(len(data), (args.batch,))]
    adam.zero_grad(set_to_none=True)
    mean, logvar = encode(x)
    z = mean + torch.randn_like(mean) * torch.exp(logvar / 2)
    divergence = (mean * mean + logvar.exp() - 1 - logvar).sum() / 2
    loss = (likelihood(decode(z), x) + divergence) / args.batch
    loss.backward()
    adam.step()
    return {"loss": loss.detach()}


common.measure("vae", args, step)

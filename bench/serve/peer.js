// peer.js MODEL: what examples/server does, by ONNX Runtime for Node: GET /sample?seed=7&n=16 answers with a PNG of the same pictures.
// QUANTILES is random/quantiles.bin; THREADS is how many threads a run may take. The port goes to the standard output.
"use strict";
const fs = require("fs"), http = require("http"), zlib = require("zlib");
const ort = require("onnxruntime-node");

const file = fs.readFileSync(process.env.QUANTILES);
const quantiles = new Int32Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
const half = 2 ** 26, weyl = 41475557, scale = 2 ** 21;

// noise is that of package random: rows of width numbers, one an image.
function noise(seed, n, width) {
  const bits = BigInt.asUintN(64, BigInt(seed));
  const s = [Number(bits & 67108863n), Number((bits >> 26n) & 67108863n), Number((BigInt.asIntN(64, bits) >> 52n) & 67108863n)];
  const keys = Array.from({ length: 10 }, (_, i) => (s[i % 3] + (i + 1) * weyl) % half);
  const z = new Float32Array(n * width);
  for (let image = 0; image < n; image++) {
    for (let axis = 0; axis < width; axis++) {
      let l = image % half, r = axis % half;
      for (const key of keys) {
        const x = (r + key) % half;
        [l, r] = [r, (l + Math.floor(x * x / 8192)) % half];
      }
      const level = (r >= 2 ** 11) + (r >= 2 ** 16) + (r >= 2 ** 21), w = 32 ** level, k = 1984 * level + Math.floor(r / w);
      const size = quantiles[k] - Math.floor(((quantiles[k] - quantiles[k + 1]) * (r % w) + Math.floor(w / 2)) / w);
      z[image * width + axis] = (l < half / 2 ? size : -size) / scale;
    }
  }
  return z;
}

const crcTable = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function chunk(type, data) {
  const b = Buffer.alloc(12 + data.length);
  b.writeUInt32BE(data.length);
  b.write(type, 4, "latin1");
  data.copy(b, 8);
  let c = -1;
  for (let i = 4; i < 8 + data.length; i++) c = crcTable[(c ^ b[i]) & 255] ^ (c >>> 8);
  b.writeInt32BE(~c, 8 + data.length);
  return b;
}

// png is grey images side by side.
function png(data, n, h, w) {
  const columns = Math.ceil(Math.sqrt(n)), rows = Math.ceil(n / columns), stride = columns * w + 1;
  const raw = Buffer.alloc(rows * h * stride);
  for (let i = 0; i < n; i++) {
    const x = (i % columns) * w, y = Math.floor(i / columns) * h;
    for (let r = 0; r < h; r++) {
      for (let c = 0; c < w; c++) {
        const unit = Math.fround((data[(i * h + r) * w + c] + 1) / 2);
        raw[(y + r) * stride + 1 + x + c] = Math.floor(Math.min(Math.max(unit, 0), 1) * 255 + 0.5);
      }
    }
  }
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
  head.writeUInt32BE(columns * w, 0);
  head.writeUInt32BE(rows * h, 4);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", zlib.deflateSync(raw, { level: 1 })), chunk("IEND", Buffer.alloc(0))]);
}

async function main() {
  const session = await ort.InferenceSession.create(process.argv[2], { intraOpNumThreads: Number(process.env.THREADS || 1), interOpNumThreads: 1 });
  const server = http.createServer(async (request, response) => {
    try {
      const query = new URL(request.url, "http://localhost").searchParams;
      const n = Number(query.get("n") || 16), seed = query.get("seed") || "1", width = 100;
      const { image } = await session.run({ z: new ort.Tensor("float32", noise(seed, n, width), [n, width]) });
      const b = png(image.data, n, image.dims[2], image.dims[3]);
      response.writeHead(200, { "Content-Type": "image/png", "Content-Length": b.length });
      response.end(b);
    } catch (e) {
      response.writeHead(500);
      response.end(String(e));
    }
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

main();

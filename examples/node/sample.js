// Sixteen pictures as one PGM, with npm install onnxruntime-node: node sample.js generator.onnx
const fs = require("fs");
const ort = require("onnxruntime-node");

const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

async function main() {
  const session = await ort.InferenceSession.create(process.argv[2]);
  const z = new ort.Tensor("float32", Float32Array.from({ length: 16 * 100 }, normal), [16, 100]);
  const { image } = await session.run({ z }); // (16, 1, 28, 28), -1 is black and 1 is white
  const [n, , h, w] = image.dims;
  const grid = Buffer.alloc(16 * h * w);
  for (let i = 0; i < n; i++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const grey = 127.5 * (image.data[(i * h + y) * w + x] + 1);
        grid[(Math.floor(i / 4) * h + y) * 4 * w + (i % 4) * w + x] = Math.min(255, Math.max(0, Math.round(grey)));
      }
    }
  }
  fs.writeFileSync("pictures.pgm", Buffer.concat([Buffer.from(`P5 ${4 * w} ${4 * h} 255\n`), grid]));
  console.log(n, "pictures of", w, "x", h);
}

main();

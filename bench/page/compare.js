// Compares what could run a model in a page: the page's own runtime, ONNX Runtime Web and package load in WebAssembly, each in
// a Node process of its own, on one thread. Times are of the processor, so that other programs matter little.
//
//	node compare.js page|ort-web|load MODEL INPUT WIDTH
//
// load wants load.wasm beside this file (GOOS=js GOARCH=wasm go build -ldflags='-s -w' -o bench/page/load.wasm ./bench/page/wasm)
// and GOROOT in the environment; ort-web wants the npm package in NODE_PATH.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');
const zlib = require('node:zlib');

const [kind, file, input, width] = process.argv.slice(2);
const dist = kind === 'ort-web' ? path.dirname(require.resolve('onnxruntime-web')) : '';
const parts = {
  page: [path.join(__dirname, '../../web/page/runtime.js')],
  load: [path.join(__dirname, 'load.wasm'), path.join(process.env.GOROOT || '', 'lib/wasm/wasm_exec.js')],
  'ort-web': ['ort.wasm.min.js', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'].map((name) => path.join(dist, name)),
}[kind];

const milliseconds = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };

async function open(bytes) {
  const z = Float32Array.from({ length: Number(width) }, (_, i) => (i % 7) * 0.2 - 0.6);
  if (kind === 'page') {
    vm.runInThisContext(`${fs.readFileSync(parts[0], 'utf8')};globalThis.Model = Model;`);
    const model = new globalThis.Model(bytes);
    return () => model.run({ [input]: { dims: [1, z.length], data: z } });
  }
  if (kind === 'ort-web') {
    const ort = require('onnxruntime-web');
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(bytes);
    return () => session.run({ [input]: new ort.Tensor('float32', z, [1, z.length]) });
  }
  globalThis.fs = fs;
  require(parts[1]);
  const go = new globalThis.Go();
  const { instance } = await WebAssembly.instantiate(fs.readFileSync(parts[0]), go.importObject);
  go.run(instance);
  globalThis.petrifyOpen(bytes);
  return () => globalThis.petrifyRun(z);
}

async function main() {
  const began = milliseconds();
  const run = await open(new Uint8Array(fs.readFileSync(file)));
  await run();
  const start = milliseconds() - began;
  const time = async (n) => { const from = milliseconds(); for (let i = 0; i < n; i++) await run(); return (milliseconds() - from) / n; };
  await time(40); // the compilers of V8 are done then
  const each = await time(40);
  const bytes = parts.map((name) => fs.readFileSync(name));
  const sum = (list) => list.reduce((a, b) => a + b.length, 0);
  console.log(`${kind}: ${sum(bytes)} bytes, ${sum(bytes.map((b) => zlib.gzipSync(b, { level: 9 })))} in gzip; start ${start.toFixed(0)} ms, a picture ${each.toFixed(2)} ms`);
  process.exit(0);
}

main();

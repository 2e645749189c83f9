// ONNX Runtime Web, its WebAssembly in Node.js without a browser, behind ort.js.
serve({
  name: 'onnxruntime-web',
  short: 'web',
  provider: 'wasm',
  providers: () => ['wasm'],
  prepare: (ort, h) => { ort.env.wasm.numThreads = h.threads || 1; },
});

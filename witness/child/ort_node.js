// ONNX Runtime for Node.js, behind ort.js.
serve({
  name: 'onnxruntime-node',
  short: 'node',
  provider: 'cpu',
  providers: (ort) => ort.listSupportedBackends ? ort.listSupportedBackends().map((b) => b.name) : ['cpu'],
});

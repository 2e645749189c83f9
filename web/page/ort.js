// What runs the model in the place of runtime.js where that is ONNX Runtime Web, whose files lie beside the page.
'use strict';

// Runs go one after the other: a session does not begin one while another is under way.
let last = Promise.resolve();
function inTurn(task) {
  const turn = last.then(task);
  last = turn.catch(() => {});
  return turn;
}

async function openModel(bytes) {
  if (location.protocol === 'file:') throw new Error('a browser gives ONNX Runtime Web no files from a disk; petrify serve shows this page');
  if (typeof ort === 'undefined') throw new Error('ort/ort.wasm.min.js is not beside the page');
  ort.env.wasm.numThreads = 1; // more need a server that isolates the page
  ort.env.wasm.wasmPaths = new URL('ort/', document.baseURI).href;
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  const run = async (inputs) => {
    const given = Object.entries(inputs).map(([name, { dims, data, bytes: whole }]) => {
      const tensor = whole ? new ort.Tensor('uint8', Uint8Array.from(data), dims) : new ort.Tensor('float32', Float32Array.from(data), dims);
      return [name, tensor];
    });
    return session.run(Object.fromEntries(given));
  };
  return { run: (inputs) => inTurn(() => run(inputs)) };
}

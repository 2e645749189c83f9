// What runs the model in the place of runtime.js where that is ONNX Runtime Web, whose files lie beside the page or come from a CDN.
'use strict';

// Runs go one after the other: a session does not begin one while another is under way.
let last = Promise.resolve();
function inTurn(task) {
  const turn = last.then(task);
  last = turn.catch(() => {});
  return turn;
}

// fromCDN is a file of the CDN, if it is the very one that the page was made for: the browser hands over no other.
async function fromCDN({ address, integrity }) {
  try {
    const answer = await fetch(address, { integrity, credentials: 'omit' });
    if (answer.ok) return await answer.arrayBuffer();
  } catch {
    // Without a word from the browser about the reason: whyNot looks for it.
  }
  throw new Error(await whyNot(address));
}

async function whyNot(address) {
  let status = 'is the network there?';
  try {
    const answer = await fetch(address, { credentials: 'omit' });
    if (answer.ok) return `${address} is not the file that this page was made for (its SHA-384 is another), and is not used`;
    status = `the answer is ${answer.status}`;
  } catch {
    // Nothing came at all.
  }
  return `${address} cannot be fetched: ${status}`;
}

let prepared = null;
async function prepare() {
  const wasm = { numThreads: 1 }; // more need a server that isolates the page
  if (about.cdn) {
    const [script, glue, binary] = about.cdn;
    if (typeof ort === 'undefined') throw new Error(await whyNot(script.address));
    const [text, bytes] = await Promise.all([glue, binary].map(fromCDN));
    wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([text], { type: 'text/javascript' })) };
    wasm.wasmBinary = bytes;
  } else {
    if (location.protocol === 'file:') throw new Error('a browser gives ONNX Runtime Web no files from a disk; petrify serve shows this page');
    if (typeof ort === 'undefined') throw new Error('ort/ort.wasm.min.js is not beside the page');
    wasm.wasmPaths = new URL('ort/', document.baseURI).href;
  }
  Object.assign(ort.env.wasm, wasm);
}

async function openModel(bytes) {
  prepared = prepared || prepare();
  await prepared;
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  const run = async (inputs) => {
    const made = { float32: (data) => Float32Array.from(data), uint8: (data) => Uint8Array.from(data), int64: (data) => BigInt64Array.from(data, BigInt) };
    const given = Object.entries(inputs).map(([name, { dims, data, type }]) => [name, new ort.Tensor(type, made[type](data), dims)]);
    return session.run(Object.fromEntries(given));
  };
  return { run: (inputs) => inTurn(() => run(inputs)) };
}

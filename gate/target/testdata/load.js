// Loads each model on the standard input, a line of base64 each, and says in a line of JSON whether it could. The argument is a
// package, which NODE_PATH leads to, or a folder with one in its node_modules.
const fs = require('fs'), path = require('path');
const packages = ['onnxruntime-node', 'onnxruntime-web', '@techstark/opencv-js'];
const place = packages.includes(process.argv[2]) ? '' : path.join(process.argv[2], 'node_modules');
const name = place ? packages.find((n) => fs.existsSync(path.join(place, n))) : process.argv[2];

function onnxRuntime(ort) {
  const options = { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 };
  if (name === 'onnxruntime-web') {
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = 'fatal';
    options.executionProviders = ['wasm'];
  }
  return async (model) => (await ort.InferenceSession.create(new Uint8Array(model), options)).release();
}

async function openCV(cv) {
  if (cv instanceof Promise) cv = await cv;
  else if (!cv.Mat) await new Promise((done) => { cv.onRuntimeInitialized = done; });
  return async (model) => {
    try {
      cv.FS_createDataFile('/', 'model.onnx', model, true, false, false);
      cv.readNetFromONNX('/model.onnx').delete();
    } catch (e) {
      throw new Error(typeof e === 'number' ? cv.exceptionFromPtr(e).msg : e);
    } finally {
      cv.FS_unlink('/model.onnx');
    }
  };
}

(async () => {
  const library = require(path.join(place, name));
  const load = name.includes('opencv') ? await openCV(library) : onnxRuntime(library);
  let loaded = 0;
  for (const line of fs.readFileSync(0, 'latin1').split('\n')) {
    if (!line) continue;
    let answer = { ok: true, message: '' };
    try {
      await load(Buffer.from(line, 'base64'));
    } catch (e) {
      answer = { ok: false, message: String((e && e.message) || e).slice(0, 600) };
      // What is no message of OpenCV's own may come of all that was loaded before: then a fresh process asks again.
      if (name.includes('opencv') && loaded > 0 && !answer.message.includes('OpenCV(')) process.exit(0);
    }
    loaded++;
    fs.writeSync(1, JSON.stringify(answer) + '\n');
  }
  process.exit(0);
})();

// node optimize.js PACKAGE LEVEL MODEL... writes each model, as ONNX Runtime for Node optimises it, in the place of itself.
'use strict';
const fs = require('node:fs');
const [place, level, ...models] = process.argv.slice(2);
process.env.ORT_DISABLE_TELEMETRY = '1'; // before the library is loaded
const ort = require(place);

(async () => {
  for (const model of models) {
    const out = model + '.optimized';
    const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: level, optimizedModelFilePath: out, logSeverityLevel: 3 });
    await session.release();
    fs.renameSync(out, model);
  }
})();

// Writes what ONNX Runtime makes of the model argv[1] at the optimisation level argv[3] to argv[2].
'use strict';
const ort = require('onnxruntime-node');

const [model, optimizedModelFilePath, graphOptimizationLevel] = process.argv.slice(2);
ort.InferenceSession.create(model, { optimizedModelFilePath, graphOptimizationLevel, logSeverityLevel: 3 })
  .catch((e) => { console.error(e.message); process.exitCode = 1; });

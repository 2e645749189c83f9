// Says of each model named on stdin, which has no inputs, whether ONNX Runtime runs it: "ok" or its message.
const fs = require("fs");
const ort = require("onnxruntime-node");
(async () => {
  for (const path of fs.readFileSync(0, "utf8").trim().split("\n")) {
    let said = "ok";
    try {
      const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4, graphOptimizationLevel: "disabled" });
      try {
        await session.run({});
      } finally {
        await session.release();
      }
    } catch (e) {
      said = String(e.message).split("\n")[0];
    }
    fs.writeSync(1, said + "\n");
  }
})();

// Says of each model named on stdin whether ONNX Runtime loads it: the path, a tab, and "ok" or its message.
const fs = require("fs");
const ort = require("onnxruntime-node");
(async () => {
  for (const path of fs.readFileSync(0, "utf8").trim().split("\n")) {
    let said = "ok";
    try {
      const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4, graphOptimizationLevel: "disabled" });
      await session.release();
    } catch (e) {
      said = String(e.message).split("\n")[0];
    }
    process.stdout.write(path + "\t" + said + "\n");
  }
})();

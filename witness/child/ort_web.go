package child

import _ "embed"

//go:embed ort_web.js
var webDriver string

// Web is ONNX Runtime Web, what browsers get: its WebAssembly in node from PATH, with the npm package onnxruntime-web from
// Places or NODE_PATH. It has one execution provider, "wasm".
func Web() *Runtime { return inNode("ort-web", webDriver) }

package child

import _ "embed"

var (
	//go:embed ort.js
	ortDriver string
	//go:embed ort_node.js
	nodeDriver string
)

// Node is ONNX Runtime for Node.js: node from PATH and the npm package onnxruntime-node from Places or NODE_PATH.
func Node() *Runtime {
	r := inNode("ort-node", nodeDriver)
	r.files = true
	return r
}

// inNode is a package of ONNX Runtime in Node.js.
func inNode(label, driver string) *Runtime {
	return &Runtime{
		Label:     label,
		Args:      []string{"-e", ortDriver + driver, "--"},
		names:     []string{"node", "nodejs"},
		remedy:    "install Node.js 18 or later, https://nodejs.org",
		placesEnv: "NODE_PATH",
		unusable:  func(name string) bool { return name == "__proto__" }, // assigning to it changes an object's prototype
	}
}

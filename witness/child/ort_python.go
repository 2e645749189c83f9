package child

import _ "embed"

var (
	//go:embed driver.py
	pythonDriver string
	//go:embed ort_words.py
	ortWords string
	//go:embed ort_python.py
	ortPythonDriver string
)

// Python is ONNX Runtime for Python: python3 or python from PATH and the package onnxruntime, from where that Python has its
// packages, those of the user included, from Places or PYTHONPATH. It runs isolated (-I), so that no folder but these counts.
func Python() *Runtime { return inPython("ort-python", ortWords+ortPythonDriver) }

// inPython is a runtime that Python imports.
func inPython(label, driver string) *Runtime {
	return &Runtime{
		Label:     label,
		Args:      []string{"-I", "-B", "-c", pythonDriver + driver},
		names:     []string{"python3", "python"},
		remedy:    "install Python 3.8 or later",
		placesEnv: "PYTHONPATH",
		files:     true,
	}
}

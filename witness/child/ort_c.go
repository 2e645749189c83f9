package child

import _ "embed"

//go:embed ort_c.py
var ortCDriver string

// CLibrary is ONNX Runtime's C library: libonnxruntime.so, libonnxruntime.dylib or onnxruntime.dll, from a release of ONNX Runtime, a
// distribution or another language's package, in Places, in ORT_LIB_LOCATION, or where the system looks for libraries. It is
// called by python3 or python from PATH, with NumPy, through ctypes: so petrify itself needs no C compiler, and a crash of the
// library is not its own. It has one execution provider, "cpu".
func CLibrary() *Runtime {
	r := inPython("ort-c", ortWords+ortCDriver)
	r.placesEnv = "ORT_LIB_LOCATION"
	return r
}

package child

import (
	_ "embed"
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

//go:embed opencv.py
var opencvDriver string

// OpenCV is OpenCV's module dnn: python3 or python from PATH and its package cv2, found as [Python] finds onnxruntime. It takes
// float32 in matrices of two axes and more. Its layers go by names of nodes, of which a dot is not a part, so that all inputs and
// outputs have aliases; and what its importer refuses is an *onnx.UnsupportedError.
func OpenCV() *Runtime {
	r := inPython("opencv", opencvDriver)
	r.unusable = func(string) bool { return true }
	r.constants = true // the importer has no Identity of them, and no run is given any
	r.lacks = func(s witness.Signature) error {
		for _, p := range append(s.Inputs, s.Outputs...) {
			if !p.Optional && (p.Other || p.Type.Elem != pb.TensorProto_FLOAT || len(p.Type.Dims) < 2) {
				return &onnx.UnsupportedError{Why: fmt.Sprintf("OpenCV's matrices are of float32 and have two axes or more, and here is %s", p)}
			}
		}
		return nil
	}
	return r
}

package child

import (
	"context"
	"os"
	"path/filepath"

	"github.com/petrify-ml/petrify/onnx"
)

// A model of more elements than mostInline does not travel over the driver's standard input, where it would be in memory
// several times, and beyond 2 GiB no message can hold it.
const mostInline = 256 << 20

// Names of the files that a large model is in, in the driver's folder.
const (
	modelFile    = "model.onnx"
	elementsFile = "elements"
)

// apart returns a large model without the elements of its initializers, and these. It returns others as they are, and nil.
func (r *Runtime) apart(m *onnx.Model) (*onnx.Model, [][]byte) {
	most := r.inline
	if most == 0 {
		most = mostInline
	}
	var total int64
	for _, t := range m.Proto.GetGraph().GetInitializer() {
		total += int64(len(t.GetRawData()))
	}
	if !r.files || total <= most {
		return m, nil
	}
	const least = 1 << 10 // small ones stay, for runtimes that want to know shapes
	small, elements := onnx.Detach(m.Proto, elementsFile, least)
	return &onnx.Model{Proto: small}, elements
}

// leave writes a model into the driver's folder, which nobody else may enter and which goes with the driver: the runtime opens
// the bytes that were checked, whatever has become of the files that they were read from.
func (s *Session) leave(ctx context.Context, model []byte, elements [][]byte) error {
	for _, file := range []struct {
		name  string
		parts [][]byte
	}{{elementsFile, elements}, {modelFile, [][]byte{model}}} {
		f, err := os.OpenFile(filepath.Join(s.cmd.Dir, file.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		for _, part := range file.parts {
			if _, err = f.Write(part); err != nil {
				break
			}
			if err = ctx.Err(); err != nil {
				break
			}
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

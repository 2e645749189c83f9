package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/petrify-ml/petrify/onnx"
)

// A Driver is a runtime on the child's side of the protocol.
type Driver interface {
	// Version names the runtime and its version.
	Version() string
	// Open loads the model. An *onnx.UnsupportedError reaches the parent as such.
	Open(model []byte, threads int) error
	// Run computes the outputs, in graph order. The driver may keep the inputs.
	Run(inputs []*onnx.Tensor) ([]*onnx.Tensor, error)
}

// Serve runs the protocol for d until in ends, and then returns nil. A request in progress at that moment is abandoned, so
// that a driver never outlives its parent: the caller should end the process when Serve returns.
func Serve(in io.Reader, out io.Writer, d Driver) error {
	w := bufio.NewWriterSize(out, 64<<10)
	if err := answer(w, header{Hello: protocolVersion, Runtime: d.Version()}, nil); err != nil {
		return err
	}

	type request struct {
		h      *header
		model  []byte
		inputs []*onnx.Tensor
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	requests := make(chan request)
	go func() {
		r := bufio.NewReaderSize(in, 64<<10)
		for {
			h, model, inputs, err := readFrame(r, defaultBody)
			if err != nil {
				cancel(err)
				return
			}
			requests <- request{h, model, inputs}
		}
	}()
	go func() {
		for q := range requests {
			h, outputs := serveOne(d, q.h, q.model, q.inputs)
			if err := answer(w, h, outputs); err != nil {
				cancel(err)
				return
			}
		}
	}()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func serveOne(d Driver, h *header, model []byte, inputs []*onnx.Tensor) (header, []*onnx.Tensor) {
	var outputs []*onnx.Tensor
	var err error
	switch h.Do {
	case "open":
		err = d.Open(model, h.Threads)
	case "run":
		outputs, err = d.Run(inputs)
	default:
		err = fmt.Errorf("request %q is unknown", h.Do)
	}
	if err != nil {
		return refusal(err), nil
	}
	return header{}, outputs
}

// refusal is the reply that tells an error.
func refusal(err error) header {
	if u, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
		return header{Unsupported: &unsupported{Op: u.Op, Domain: u.Domain, Opset: u.Opset, Why: u.Why}}
	}
	return header{Error: err.Error()}
}

// answer sends a reply; outputs that cannot travel become its error.
func answer(w *bufio.Writer, h header, outputs []*onnx.Tensor) error {
	f, err := newFrame(h, nil, outputs)
	if err != nil {
		if f, err = newFrame(refusal(err), nil, nil); err != nil {
			return err
		}
	}
	return f.send(w)
}

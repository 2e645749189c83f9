// Package export turns a checkpoint into ONNX files.
//
// It reads a checkpoint, never a live graph: what is verified is what ships. A Form says which files there are and what goes
// in and out of them; the plans of the nets emit the nodes, a list of passes finishes the model, and golden vectors recorded
// from the training graph in inference stand beside it in the layout that ONNX's own test runners replay:
//
//	generator/generator.onnx
//	generator/test_data_set_0/input_0.pb, output_0.pb ...
//
// The same checkpoint gives the same bytes: no paths, no times, nothing that depends on the machine enters a model.
package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// The operator set and the file version that the widest range of runtimes loads.
const (
	DefaultOpset = 13
	MinOpset     = 13
	MaxOpset     = 18
	IRVersion    = 8
)

// Provenance is what a model file says of its origin.
type Provenance struct {
	Version    string // of petrify
	Seed       uint64
	DataName   string
	DataDigest string // sha256 of the training data
}

// Options say how to export.
type Options struct {
	Opset      int64 // 0 means DefaultOpset
	Provenance Provenance
	// KeepBatchNorm writes batch normalisations as nodes of their own, in place of folding them into the layers in front.
	KeepBatchNorm bool
	// Forms are the names of those to write, in the order of Forms; none means raw.
	Forms []string
	// Dense is how dense layers are written; "" means MatMul.
	Dense Dense
	// Precision is how weights are stored; "" means Float32. Another one keeps batch normalisations as nodes, and
	// Int8Weights writes dense layers as Gemm.
	Precision Precision
	// MaxError, unless 0, refuses a precision that changes an output by more, predicted or measured: see Effect.
	MaxError float64
	// Layout is how images lie in files that take or give bytes; "" means NHWC.
	Layout Layout
	// Before, unless nil, is called once nothing can be refused any more and before anything is written, with the names of the files.
	Before func(names []string) error
}

// forms are those that the options name.
func (o Options) forms() ([]Form, error) {
	names := o.Forms
	if len(names) == 0 {
		names = []string{rawForm.Name}
	}
	if o.Dense != "" && o.Dense != MatMul && o.Dense != Gemm {
		return nil, fmt.Errorf("dense is %q, want %s or %s", o.Dense, MatMul, Gemm)
	}
	if o.Layout != "" && o.Layout != NHWC && o.Layout != NCHW {
		return nil, fmt.Errorf("layout is %q, want %s or %s", o.Layout, NHWC, NCHW)
	}
	var list []Form
	var known []string
	for _, f := range Forms() {
		if known = append(known, f.Name); slices.Contains(names, f.Name) {
			list = append(list, f)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no form is called %q: there is %s%s", name, strings.Join(known, ", "), suggest.DidYouMean(name, known))
		}
	}
	return list, nil
}

// settled is the options with what others imply. Weights that are rounded are those that were trained, so that batch normalisations
// stay nodes. And int8 weights go into a Gemm: a MatMul behind a DequantizeLinear becomes, in ONNX Runtime, one that rounds its input,
// too.
func (o Options) settled() Options {
	o.KeepBatchNorm = o.KeepBatchNorm || o.Precision.narrow()
	if o.Precision == Int8Weights {
		o.Dense = Gemm
	}
	return o
}

// Dense is a way to write dense layers.
type Dense string

// The ways, which docs/loading.md compares by what loads them.
const (
	MatMul Dense = "matmul" // MatMul with weights (In, Out), and Add of a bias (1, Out)
	Gemm   Dense = "gemm"   // Gemm with weights (Out, In), transB = 1, and a bias (Out), as PyTorch writes it
)

// Exported is one file as it was written.
type Exported struct {
	Form  string // the name of the Form
	Name  string // of the file: that of a net in form raw
	Dir   string // OUT/NAME
	Model string // OUT/NAME/NAME.onnx
	Bytes int
	// Effects are what the precision does to each net of the file; none where that is Float32.
	Effects []Effect
}

// Folder writes m with the weights of s into out, in the forms of the options, each file in a folder of its own.
func Folder(out string, m model.Model, s *checkpoint.Snapshot, o Options) ([]Exported, error) {
	var written []Exported
	files, err := filesOf(m, o) // all, before anything is written
	if err != nil {
		return nil, err
	}
	if err := o.checkPrecision(); err != nil {
		return nil, err
	}
	o = o.settled()
	effects := map[string]Effect{}
	for _, f := range files {
		for _, net := range f.nets {
			if _, known := effects[net.Name]; known || !o.Precision.narrow() {
				continue
			}
			e, err := effect(m, net, s, o.Precision)
			if err != nil {
				return nil, fmt.Errorf("effect of %s: %w", o.Precision, err)
			}
			if o.MaxError > 0 && !(max(e.Predicted, e.Measured) <= o.MaxError) {
				return nil, &PrecisionError{o.Precision, e, o.MaxError}
			}
			effects[net.Name] = e
		}
	}
	if o.Before != nil {
		var names []string
		for _, f := range files {
			names = append(names, f.name)
		}
		if err := o.Before(names); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		e, err := write(out, m, f, s, o)
		if err != nil {
			return written, fmt.Errorf("export of %s: %w", f.name, err)
		}
		for _, net := range f.nets {
			if effect, ok := effects[net.Name]; ok {
				e.Effects = append(e.Effects, effect)
			}
		}
		written = append(written, e)
	}
	return written, nil
}

// filesOf are the files of a model in the forms of the options.
func filesOf(m model.Model, o Options) (files []file, err error) {
	forms, err := o.forms()
	if err != nil {
		return nil, err
	}
	for _, f := range forms {
		own, err := f.files(m, o)
		if err != nil {
			return nil, fmt.Errorf("form %s: %w", f.Name, err)
		}
		files = append(files, own...)
	}
	return files, nil
}

func write(out string, m model.Model, f file, s *checkpoint.Snapshot, o Options) (Exported, error) {
	proto, err := modelOf(m, f, s, o)
	if err != nil {
		return Exported{}, err
	}
	b, err := onnx.Marshal(proto)
	if err != nil {
		return Exported{}, err
	}
	stored, err := o.Precision.stored(m, s)
	if err != nil {
		return Exported{}, err
	}
	vectors, err := f.record(recorder{m, stored})
	if err != nil {
		return Exported{}, err
	}
	dir := filepath.Join(out, f.name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return Exported{}, err
	}
	e := Exported{Form: f.form, Name: f.name, Dir: dir, Model: filepath.Join(dir, f.name+".onnx"), Bytes: len(b)}
	if err := atomicfile.Write(e.Model, b); err != nil {
		return Exported{}, err
	}
	return e, writeVectors(dir, vectors)
}

// Model makes the ONNX model of one net, in form raw, with the weights of a snapshot.
func Model(m model.Model, net layer.Net, s *checkpoint.Snapshot, o Options) (*pb.ModelProto, error) {
	return modelOf(m, raw(net), s, o)
}

func modelOf(m model.Model, f file, s *checkpoint.Snapshot, o Options) (*pb.ModelProto, error) {
	if o.Opset == 0 {
		o.Opset = DefaultOpset
	}
	if o.Opset < MinOpset || o.Opset > MaxOpset {
		return nil, fmt.Errorf("opset is %d, want %d to %d", o.Opset, MinOpset, MaxOpset)
	}
	o = o.settled()
	d := &draft{source: m, file: f, snapshot: s, options: o}
	for _, p := range passes {
		if err := p.run(d); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return d.model, nil
}

// Weights are the tensors of floats that the model of a net holds, in its order: those of the snapshot, or, where batch
// normalisations are folded, what becomes of them. A model file can be compared with them bit for bit.
func Weights(net layer.Net, s *checkpoint.Snapshot, o Options) ([]checkpoint.Tensor, error) {
	o.Opset = DefaultOpset // the weights are the same in all
	o = o.settled()
	d := &draft{file: raw(net), snapshot: s, options: o}
	for _, step := range []func(*draft) error{emit, rewrite, narrowWeights} {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	var list []checkpoint.Tensor
	for _, p := range d.model.GetGraph().GetInitializer() {
		t, err := onnx.FromProto(p)
		if err != nil {
			return nil, err
		}
		if data, ok := t.Data.(onnx.Slice[float32]); ok {
			list = append(list, checkpoint.Tensor{Name: t.Name, Dims: t.Dims, Data: data})
		}
	}
	return list, nil
}

// trainedNet is a net's plan with the weights of a snapshot.
func trainedNet(net layer.Net, s *checkpoint.Snapshot) (*layer.Plan, map[string]checkpoint.Tensor, error) {
	plan, err := net.Plan()
	if err != nil {
		return nil, nil, err
	}
	weights, err := weightsOf(plan, s)
	return plan, weights, err
}

// weightsOf picks the plan's parameters from a snapshot. The error names every one that is missing or misshapen.
func weightsOf(p *layer.Plan, s *checkpoint.Snapshot) (map[string]checkpoint.Tensor, error) {
	have := map[string]checkpoint.Tensor{}
	for _, t := range s.Tensors {
		have[t.Name] = t
	}
	var problems []error
	picked := map[string]checkpoint.Tensor{}
	for q := range p.Params() {
		t, ok := have[q.Name]
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("%s: missing from the checkpoint", q.Name))
		case layer.Shape(t.Dims).String() != q.Shape.String():
			problems = append(problems, fmt.Errorf("%s: shape %v, want %v", q.Name, layer.Shape(t.Dims), q.Shape))
		}
		picked[q.Name] = t
	}
	return picked, errors.Join(problems...)
}

// Package export turns a checkpoint into ONNX files.
//
// It reads a checkpoint, never a live graph: what is verified is what ships. A Form says which files there are and what
// their inputs and outputs are; the plans of the nets emit the nodes, and a list of passes finishes the model. Golden
// vectors, recorded from the training graph in inference, are written beside it in the layout that ONNX's own test runners
// replay:
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

// Provenance is what a model file says about its origin.
type Provenance struct {
	Version    string // of petrify
	Seed       uint64
	DataName   string
	DataDigest string   // sha256 of the training data
	Classes    []string // names of the classes, in their order, for nets that take them; none means that they are numbers
}

// Options say how to export.
type Options struct {
	Opset      int64 // 0 means DefaultOpset
	Provenance Provenance
	// KeepBatchNorm writes batch normalisations as nodes instead of folding them into the layers before them.
	KeepBatchNorm bool
	// Forms are the names of the forms to write, in the order of Forms; none means raw.
	Forms []string
	// Dense is how dense layers are written; "" means MatMul.
	Dense Dense
	// Precision says how weights are stored and in which precision nets compute; "" means Float32. Int8Weights and Int8 write dense
	// layers as Gemm.
	Precision Precision
	// Images returns pixels as the nets take them, (n, channels, height, width) in the range of the model. Int8 is calibrated on them
	// for nets that take images, and the effect of a precision is measured on them. Unless Int8 needs them, nil, or an error, means
	// random ones.
	Images func() ([]float32, error)
	// MaxError, unless 0, refuses a precision that changes an output by more, predicted or measured: see Effect.
	MaxError float64
	// Layout is how images lie in files that take or give bytes; "" means NHWC.
	Layout Layout
	// Before, unless nil, is called with the names of the files after all checks have passed and before anything is written.
	Before func(names []string) error
}

// forms are those that the options name.
func (o Options) forms() ([]Form, error) {
	names := o.Forms
	if len(names) == 0 {
		names = []string{rawForm.Name}
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
			return nil, fmt.Errorf("unknown form %q, want one of %s%s", name, strings.Join(known, ", "), suggest.DidYouMean(name, known))
		}
	}
	return list, nil
}

// settled is the options with what others imply. int8 weights go into a Gemm: a MatMul behind a DequantizeLinear becomes, in ONNX
// Runtime, one that rounds its input, too.
func (o Options) settled() Options {
	if o.Opset == 0 {
		o.Opset = DefaultOpset
	}
	if o.Precision == Int8Weights || o.Precision == Int8 {
		o.Dense = Gemm
	}
	return o
}

// check says what is wrong with the options, forms aside.
func (o Options) check() error {
	if o.Opset != 0 && (o.Opset < MinOpset || o.Opset > MaxOpset) {
		return fmt.Errorf("opset is %d, want %d to %d", o.Opset, MinOpset, MaxOpset)
	}
	if o.Dense != "" && o.Dense != MatMul && o.Dense != Gemm {
		return fmt.Errorf("dense is %q, want %s or %s", o.Dense, MatMul, Gemm)
	}
	if o.Layout != "" && o.Layout != NHWC && o.Layout != NCHW {
		return fmt.Errorf("layout is %q, want %s or %s", o.Layout, NHWC, NCHW)
	}
	if o.Precision != "" && !slices.Contains(Precisions(), o.Precision) {
		return fmt.Errorf("precision is %q, want one of %v", o.Precision, Precisions())
	}
	if !(o.MaxError >= 0) {
		return fmt.Errorf("the largest error is %g, want 0 or more", o.MaxError)
	}
	return nil
}

// Dense is a way of writing dense layers.
type Dense string

// The ways of writing dense layers. docs/loading.md says which runtimes load which.
const (
	MatMul Dense = "matmul" // MatMul with weights (In, Out), and Add of a bias (1, Out)
	Gemm   Dense = "gemm"   // Gemm with weights (Out, In), transB = 1, and a bias (Out), as PyTorch writes it
)

// Exported describes one file that was written.
type Exported struct {
	Form  string // the name of the Form
	Name  string // of the file: that of a net in form raw
	Dir   string // OUT/NAME
	Model string // OUT/NAME/NAME.onnx
	Bytes int
	// Effects are what the precision does to each net of the file; none where that is Float32.
	Effects []Effect
}

// Folder writes m with the weights of s into out, in the requested forms, each file in its own folder.
func Folder(out string, m model.Model, s *checkpoint.Snapshot, o Options) ([]Exported, error) {
	var written []Exported
	files, err := filesOf(m, o) // all, before anything is written
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	src := newSource(m, s, o)
	effects := map[string]Effect{}
	for _, f := range files {
		for _, net := range f.nets {
			if _, known := effects[net.Name]; known || !src.options.Precision.narrow() {
				continue
			}
			e, err := src.effect(net)
			if err != nil {
				return nil, fmt.Errorf("effect of %s on %s: %w", o.Precision, net.Name, err)
			}
			if e.refused(o.MaxError) {
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
		e, err := src.write(out, f)
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

func (s *source) write(out string, f file) (Exported, error) {
	p, err := s.proto(f)
	if err != nil {
		return Exported{}, err
	}
	b, err := onnx.Marshal(p)
	if err != nil {
		return Exported{}, err
	}
	vectors, err := f.record(s)
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
	if err := o.check(); err != nil {
		return nil, err
	}
	return newSource(m, s, o).proto(raw(net))
}

// proto makes the ONNX model of a file.
func (s *source) proto(f file) (*pb.ModelProto, error) {
	d := &draft{source: s, file: f}
	for _, p := range passes() {
		if err := p.run(d); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return d.proto, nil
}

// Weights returns the weight tensors of the model of a net, in the model's order: those of the snapshot, or what becomes of them when batch
// normalisations are folded or another precision is used (then without int32 biases). A model file can be compared with them bit for bit:
// weights stored as float16 or int8 are widened to float32, without applying a scale.
func Weights(net layer.Net, s *checkpoint.Snapshot, o Options) ([]checkpoint.Tensor, error) {
	return weightsIn(raw(net), s, o)
}

// FileWeights is Weights for a file by its name, in any form. It is an error if the model has no such
// file.
func FileWeights(m model.Model, name string, s *checkpoint.Snapshot, o Options) ([]checkpoint.Tensor, error) {
	for _, form := range Forms() {
		files, err := form.files(m, o)
		if err != nil {
			continue // a model need not have every form
		}
		for _, f := range files {
			if f.name == name {
				return weightsIn(f, s, o)
			}
		}
	}
	return nil, fmt.Errorf("%s has no file called %s", m.Name, name)
}

func weightsIn(f file, s *checkpoint.Snapshot, o Options) ([]checkpoint.Tensor, error) {
	o.Opset = DefaultOpset // the weights are the same in all
	d := &draft{source: newSource(model.Model{}, s, o), file: f}
	steps := []func(*draft) error{emit, rewrite, narrow}
	if o.Precision == Int8 {
		steps[2] = storeWeights
	}
	for _, step := range steps {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	var list []checkpoint.Tensor
	for _, p := range d.proto.GetGraph().GetInitializer() {
		t, err := onnx.FromProto(p)
		if err != nil {
			return nil, err
		}
		if data, ok := t.Weights(); ok {
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

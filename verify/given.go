package verify

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/npy"
	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
)

// Given is what the caller specifies about the inputs of models. The rest is drawn.
type Given struct {
	Shapes map[string][]int // lengths of all axes of an input
	// Sizes are lengths of free axes, by name. A name that is also in Shapes means the input of that
	// name if the model has one with a single axis, and otherwise the free axis.
	Sizes    map[string]int
	Ranges   map[string]Range  // numbers to draw for an input
	Files    map[string]string // inputs in files: .npy, .npz, or .pb (an ONNX message)
	Archives []string          // .npz files whose arrays have the names of inputs
}

// A Range is an interval of numbers from Low to High; for integers, High is included.
type Range struct{ Low, High float64 }

// empty reports whether nothing is given.
func (g Given) empty() bool {
	return len(g.Shapes)+len(g.Sizes)+len(g.Ranges)+len(g.Files)+len(g.Archives) == 0
}

// names reports whether something is given for an input.
func (g Given) names(input string) bool {
	_, shape := g.Shapes[input]
	_, between := g.Ranges[input]
	_, file := g.Files[input]
	return shape || between || file || len(g.Archives) > 0
}

// take puts what is given to the inputs that it is for.
func (d *drawing) take(o Options) error {
	g := o.Given
	find := func(flag, name, what string) (*input, error) {
		for i := range d.inputs {
			if d.inputs[i].Name == name {
				return &d.inputs[i], nil
			}
		}
		var known []string
		for _, in := range d.all {
			known = append(known, in.Name)
		}
		return nil, fmt.Errorf("%s %s=%s: the model has no input of this name%s; its inputs: %s", flag, name, what, suggest.DidYouMean(name, known), describeInputs(d.all))
	}
	for _, name := range slices.Sorted(maps.Keys(g.Files)) {
		in, err := find("--input", name, g.Files[name])
		if err != nil {
			return err
		}
		if err := in.read(g.Files[name], o.Limits); err != nil {
			return fmt.Errorf("--input %s=%s: %w; the model's inputs: %s", name, g.Files[name], err, describeInputs(d.all))
		}
	}
	for _, path := range g.Archives {
		arrays, err := npy.ReadArchive(path, mostArray)
		if err != nil {
			return fmt.Errorf("--input %s: %w", path, err)
		}
		for _, name := range slices.Sorted(maps.Keys(arrays)) {
			in, err := find("--input", name, path)
			if err != nil {
				return err
			}
			if err := in.set(path, arrays[name]); err != nil {
				return fmt.Errorf("--input %s, array %s: %w; the model's inputs: %s", path, name, err, describeInputs(d.all))
			}
		}
	}
	d.inputs = slices.DeleteFunc(d.inputs, func(in input) bool { return in.Optional && in.value == nil && !g.asks(in.Name) })
	for _, name := range slices.Sorted(maps.Keys(g.Shapes)) {
		if _, either := g.Sizes[name]; either && !d.column(name) {
			continue
		}
		in, err := find("--shape", name, shapeText(g.Shapes[name]))
		if err != nil {
			return err
		}
		if err := in.shaped(g.Shapes[name]); err != nil {
			return fmt.Errorf("--shape %s=%s: %w; the model's inputs: %s", name, shapeText(g.Shapes[name]), err, describeInputs(d.all))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.Ranges)) {
		r := g.Ranges[name]
		what := fmt.Sprintf("%g..%g", r.Low, r.High)
		in, err := find("--range", name, what)
		switch {
		case err != nil:
			return err
		case in.value != nil:
			return fmt.Errorf("--range %s=%s: the input is given in %s, so nothing is drawn for it", name, what, in.file)
		case in.sequence || in.Type.Elem == pb.TensorProto_STRING || in.Type.Elem == pb.TensorProto_BOOL:
			return fmt.Errorf("--range %s=%s: the input is %s, want one of numbers; the model's inputs: %s", name, what, in, describeInputs(d.all))
		}
		if err := in.spans(r); err != nil {
			return fmt.Errorf("--range %s=%s: %w; the model's inputs: %s", name, what, err, describeInputs(d.all))
		}
		in.between = &interval{r.Low, r.High}
	}
	return nil
}

// spans reports whether there are numbers of the input's type from Low to High, and these two are.
func (in *input) spans(r Range) error {
	low, high := -math.MaxFloat64, math.MaxFloat64
	least, greatest, whole := onnx.IntegerRange(in.Type.Elem)
	switch {
	case whole:
		low, high = float64(least), float64(greatest)
	case in.Type.Elem == pb.TensorProto_FLOAT || in.Type.Elem == pb.TensorProto_BFLOAT16:
		low, high = -math.MaxFloat32, math.MaxFloat32
	case in.Type.Elem == pb.TensorProto_FLOAT16:
		low, high = -65504, 65504
	}
	switch {
	case r.Low < low || r.High > high:
		return fmt.Errorf("the input is %s, which holds numbers from %.6g to %.6g", in, low, high)
	case whole && math.Ceil(r.Low) > math.Floor(r.High):
		return errors.New("there is no integer between them, which the input wants")
	}
	return nil
}

// asks reports whether something is asked of an input by its name.
func (g Given) asks(input string) bool {
	g.Archives = nil
	return g.names(input)
}

// column reports whether there is an input of this name that may have one axis.
func (d *drawing) column(name string) bool {
	return slices.ContainsFunc(d.inputs, func(in input) bool {
		return in.Name == name && !in.sequence && (in.Type.Dims == nil || len(in.Type.Dims) == 1)
	})
}

// mostArray is the most bytes of an array.
const mostArray = 8 * mostDrawn

// read takes the input from a file.
func (in *input) read(path string, lim wire.Limits) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npy", ".npz":
		a, err := npy.ReadFile(path, in.Name, mostArray)
		if err != nil {
			return err
		}
		return in.set(path, a)
	case ".pb":
		v, err := readValue(path, in.proto, lim)
		if err != nil {
			return err
		}
		in.file = path
		return in.hold(v)
	}
	return fmt.Errorf("got a file %q, want .npy, .npz or .pb", filepath.Base(path))
}

// set takes the input from an array.
func (in *input) set(from string, a npy.Array) error {
	if in.sequence {
		return fmt.Errorf("the input is %s, which no array holds: want a .pb file", in)
	}
	data, ok := onnx.DataOf(a.Data.Plain())
	if bits, half := a.Data.(npy.Others[npy.Half]); half {
		data, ok = halves(bits), true
	}
	if !ok {
		return fmt.Errorf("elements of type %T make no tensor", a.Data.Plain())
	}
	if bits, ok := data.(onnx.Slice[uint16]); ok && in.Type.Elem == pb.TensorProto_BFLOAT16 {
		data = bfloat16s(bits) // numpy has no bfloat16
	}
	t, err := onnx.TensorOf(in.Name, data, a.Dims...)
	if err != nil {
		return err
	}
	v, err := reference.FromTensor(t)
	if err != nil {
		return err
	}
	in.file = from
	return in.hold(v)
}

func halves(bits []npy.Half) onnx.Slice[onnx.Float16] {
	s := make(onnx.Slice[onnx.Float16], len(bits))
	for i, b := range bits {
		s[i] = onnx.Float16(b)
	}
	return s
}

// hold keeps a value for the input if the input can be that.
func (in *input) hold(v *reference.Value) error {
	v.Name = in.Name
	if v.Kind != in.Kind {
		return fmt.Errorf("got %s, want %s", v, in)
	}
	if in.Kind == reference.Tensor {
		if v.Type != in.Type.Elem && in.Type.Elem != pb.TensorProto_UNDEFINED {
			return fmt.Errorf("got %s, want %s: convert it, nothing is converted here", v, in)
		}
		if err := in.shaped(v.Dims); err != nil {
			return err
		}
		t, err := v.Tensor()
		if err != nil {
			return err
		}
		in.given = t
	}
	in.value = v
	return nil
}

// shaped gives the input the lengths of its axes.
func (in *input) shaped(dims []int) error {
	if in.sequence {
		return fmt.Errorf("the input is %s, want a tensor", in)
	}
	if in.value != nil && !slices.Equal(in.given.Dims, dims) {
		return fmt.Errorf("the input in %s is %s", in.file, in.value)
	}
	if in.Type.Dims == nil {
		in.Type.Dims = slices.Repeat([]onnx.Dim{onnx.Unknown()}, len(dims))
	}
	if len(dims) != len(in.Type.Dims) {
		return fmt.Errorf("got %d axes, want %d as in %s", len(dims), len(in.Type.Dims), in.Input)
	}
	for i, d := range in.Type.Dims {
		if d.Known() && d.Size != int64(dims[i]) {
			return fmt.Errorf("got %d on axis %d, want %d as in %s", dims[i], i, d.Size, in.Input)
		}
	}
	in.shape = slices.Clone(dims)
	return nil
}

// fix gives the free axes the lengths requested.
func (d *drawing) fix(o Options) error {
	taken := map[string]bool{}
	for _, in := range d.inputs {
		for i, n := range in.shape {
			k := d.of[in.Name][i]
			if k < 0 {
				continue
			}
			f := &d.free[k]
			if f.fixed >= 0 && f.fixed != n {
				return fmt.Errorf("axis %d of input %s is %d, and %s is %d elsewhere; the model's inputs: %s", i, in.Name, n, f.name, f.fixed, describeInputs(d.all))
			}
			f.fixed = n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Given.Sizes)) {
		if _, either := o.Given.Shapes[name]; either && d.column(name) {
			continue
		}
		var known []string
		for k := range d.free {
			f := &d.free[k]
			known = append(known, f.name)
			if f.name != name {
				continue
			}
			taken[name] = true
			if n := o.Given.Sizes[name]; f.fixed >= 0 && f.fixed != n {
				return fmt.Errorf("--shape %s=%d: %s is %d by what else is given", name, n, name, f.fixed)
			}
			f.fixed = o.Given.Sizes[name]
		}
		if i := slices.IndexFunc(d.inputs, func(in input) bool { return in.Name == name }); !taken[name] && i >= 0 {
			dims := []int{o.Given.Sizes[name]}
			return fmt.Errorf("--shape %s=%s: %w; its inputs: %s", name, shapeText(dims), d.inputs[i].shaped(dims), describeInputs(d.all))
		}
		if !taken[name] {
			free := "it has none"
			if len(known) > 0 {
				free = "it has " + strings.Join(known, ", ")
			}
			return fmt.Errorf("--shape %s=%d: the model has no free axis of this name, %s%s; its inputs: %s", name, o.Given.Sizes[name], free, suggest.DidYouMean(name, known), describeInputs(d.all))
		}
	}
	return nil
}

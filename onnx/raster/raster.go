// Package raster recognises image models by their inputs and outputs: noise or codes, a seed, images as numbers or as bytes.
//
// All of petrify's forms are read here, and models of other programs that look like one of them: see [Of]. Images are bytes
// outside of a model, 0 for black and 255 for white, whatever it takes and gives; [Levels] has the one way from one to the other.
package raster

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Keys of the metadata that say what a model's images are.
const (
	MetaForm   = "petrify.form"   // of petrify export, where it is not raw
	MetaPixels = "petrify.pixels" // "LOW,HIGH": the values that stand for black and white
	MetaLayout = "petrify.layout" // of images as bytes: a Layout
	// MetaClasses are the names of the classes that a model takes, in the order of their numbers: a JSON array of strings.
	MetaClasses = "petrify.classes"
)

// Layout is the order of the axes of images.
type Layout string

// The layouts.
const (
	NHWC Layout = "nhwc" // as pictures lie in files, in a canvas and in OpenCV: the channels of a pixel side by side
	NCHW Layout = "nchw" // as the nets have them: one plane a channel
)

// Levels are the values that stand for black and white.
type Levels struct{ Low, High float64 }

// Bytes are those of images as uint8.
var Bytes = Levels{0, 255}

// ToBytes is the factor and the offset that make a byte of a value, before it is clamped and rounded.
func (l Levels) ToBytes() (factor, offset float32) {
	wide := 255 / (l.High - l.Low)
	return float32(wide), float32(-l.Low * wide)
}

// Byte is a value as a byte: scaled, clamped, and rounded to the nearest whole number, halves to the even one, in float32, as the
// graphs of form image do it. v must be a number.
func (l Levels) Byte(v float32) uint8 {
	factor, offset := l.ToBytes()
	return rounded(float32(v*factor) + offset)
}

func rounded(v float32) uint8 { return uint8(math.RoundToEven(float64(min(max(v, 0), 255)))) }

// Float is a byte as a value.
func (l Levels) Float(b uint8) float32 {
	return float32(float32(b)*float32((l.High-l.Low)/255)) + float32(l.Low)
}

// LevelsOf reads the levels from a model's metadata; they are -1 and 1 where it does not say.
func LevelsOf(m *pb.ModelProto) (Levels, error) {
	text, ok := meta(m, MetaPixels)
	if !ok {
		return Levels{-1, 1}, nil
	}
	a, b, _ := strings.Cut(text, ",")
	low, err1 := strconv.ParseFloat(a, 64)
	high, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil || !(low < high) || math.IsInf(high-low, 0) {
		return Levels{}, &onnx.FormatError{Offset: -1, Where: "metadata " + MetaPixels, What: onnx.Quote(text) + ", want LOW,HIGH"}
	}
	return Levels{low, high}, nil
}

func meta(m *pb.ModelProto, key string) (string, bool) {
	for _, e := range m.GetMetadataProps() {
		if e.GetKey() == key {
			return e.GetValue(), true
		}
	}
	return "", false
}

// Kind is what a model of images works from.
type Kind int

// The kinds.
const (
	Points Kind = iota // noise, or codes: float32 (N, K), or of more axes; and perhaps the class of each image, see Class
	Images             // images, float32 or uint8 (N, C, H, W) or (N, H, W, C)
	Seed               // form sample: seed and count, int64 (1), and truncation, float32 (1); the noise is drawn inside
	Pair               // form latent's interpolate: from and to, an image each, and t, float32 (N)
)

// A Model is a model of images: what it takes, and how its images are to be read.
type Model struct {
	Kind   Kind
	Input  Input // of one row for each image; of Seed it is nothing, of Pair it is t
	Ends   [2]Input
	Class  Class
	levels Levels // of images as float32
	layout Layout // "" where the file does not say
}

// An Input is an input of such a model: its name, and how its elements are to be read.
type Input struct {
	Name   string
	Elem   pb.TensorProto_DataType // FLOAT, or UINT8 for images
	Dims   []int                   // of one row, without the batch
	Size   int                     // their product
	Layout Layout                  // of images; "" for what is none
	Levels Levels                  // of images
}

// Shape is that of images: channels, height, width.
func (p Input) Shape() (c, h, w int) {
	if p.Layout == NHWC {
		return p.Dims[2], p.Dims[0], p.Dims[1]
	}
	return p.Dims[0], p.Dims[1], p.Dims[2]
}

// mostRow is the largest row that an input may have, in elements.
const mostRow = 1 << 20

// Of finds out what a model works from. It is an *onnx.UnsupportedError where it is not a model of images, and an *onnx.FormatError
// where its metadata are wrong. m must be one that package check finds no error in.
func Of(m *pb.ModelProto) (r Model, err error) {
	if r.levels, err = LevelsOf(m); err != nil {
		return r, err
	}
	layout, _ := meta(m, MetaLayout)
	if r.layout = Layout(layout); r.layout != "" && r.layout != NHWC && r.layout != NCHW {
		return r, &onnx.FormatError{Offset: -1, Where: "metadata " + MetaLayout, What: onnx.Quote(layout) + ", want nhwc or nchw"}
	}
	var inputs []*pb.ValueInfoProto
	if r.Class, inputs, err = classOf(m, inputsOf(m.GetGraph())); err != nil {
		return r, err
	}
	switch {
	case len(inputs) == 1:
		r.Input, err = r.input(inputs[0], false)
		if r.Input.Layout != "" {
			r.Kind = Images
		}
	case r.seeded(inputs):
		r.Kind = Seed
	case !r.Class.Taken() && r.paired(inputs):
		r.Kind = Pair
	default:
		var names []string
		for _, v := range inputsOf(m.GetGraph()) {
			names = append(names, onnx.Quote(v.GetName()))
		}
		err = unsupported("%d inputs (%s), want a generator's one, or those of petrify's forms", len(names), strings.Join(names, ", "))
	}
	return r, err
}

// inputsOf are those that a caller must give.
func inputsOf(g *pb.GraphProto) []*pb.ValueInfoProto {
	weights := map[string]bool{}
	for _, t := range g.GetInitializer() {
		weights[t.GetName()] = true
	}
	return slices.DeleteFunc(slices.Clone(g.GetInput()), func(v *pb.ValueInfoProto) bool { return weights[v.GetName()] })
}

func unsupported(format string, args ...any) error {
	return &onnx.UnsupportedError{Why: fmt.Sprintf(format, args...)}
}

// port reads an input whose first axis takes any number of rows, or one alone.
func (r Model) input(v *pb.ValueInfoProto, one bool) (Input, error) {
	t, ok := onnx.TypeOf(v.GetType())
	p := Input{Name: v.GetName(), Elem: t.Elem, Size: 1}
	bad := func(want string) error { return unsupported("input %s is %v, want %s", onnx.Quote(p.Name), t, want) }
	if !ok || t.Elem != pb.TensorProto_FLOAT && t.Elem != pb.TensorProto_UINT8 || len(t.Dims) < 2 || t.Dims[0].Known() != one || one && t.Dims[0].Size != 1 {
		return p, bad("float with a free first axis, as in float[N,100], or images, as in uint8[N,28,28,1]")
	}
	for _, d := range t.Dims[1:] {
		if !d.Known() || d.Size < 1 || d.Size > mostRow/int64(p.Size) {
			return p, bad(fmt.Sprintf("known lengths, of not more than %d in all, after the first axis", mostRow))
		}
		p.Dims = append(p.Dims, int(d.Size))
		p.Size *= int(d.Size)
	}
	p.Levels = r.levels
	if t.Elem == pb.TensorProto_UINT8 {
		p.Levels = Bytes
	}
	if p.Layout = r.layoutOf(p.Dims); p.Layout != "" && t.Elem == pb.TensorProto_FLOAT {
		if p.Dims[1]*p.Dims[2] == 1 {
			p.Layout = "" // noise with axes of one, as a generator of convolutions takes it
		}
	}
	if t.Elem == pb.TensorProto_UINT8 && p.Layout == "" {
		return p, bad("images of 1 or 3 channels, as in uint8[N,28,28,1]")
	}
	return p, nil
}

// layoutOf is that of images whose axes after the first are dims, "" where they are none. A file that does not say which layout
// it has is read as NCHW where it may be either.
func (r Model) layoutOf(dims []int) Layout {
	channels := func(at int) bool { return dims[at] == 1 || dims[at] == 3 }
	switch {
	case len(dims) != 3:
		return ""
	case r.layout == NHWC && channels(2):
		return NHWC
	case channels(0):
		return NCHW
	case r.layout == "" && channels(2):
		return NHWC
	}
	return ""
}

// seeded tells the inputs of form sample.
func (r Model) seeded(inputs []*pb.ValueInfoProto) bool {
	return len(inputs) == 3 && single(inputs[0], "seed", pb.TensorProto_INT64) && single(inputs[1], "count", pb.TensorProto_INT64) &&
		single(inputs[2], "truncation", pb.TensorProto_FLOAT)
}

func single(v *pb.ValueInfoProto, name string, elem pb.TensorProto_DataType) bool {
	t, ok := onnx.TypeOf(v.GetType())
	return ok && v.GetName() == name && t.Elem == elem && len(t.Dims) == 1 && t.Dims[0].Size == 1
}

// paired tells the inputs of form latent's interpolate, and reads them.
func (r *Model) paired(inputs []*pb.ValueInfoProto) bool {
	if len(inputs) != 3 || inputs[2].GetName() != "t" {
		return false
	}
	t, ok := onnx.TypeOf(inputs[2].GetType())
	if !ok || t.Elem != pb.TensorProto_FLOAT || len(t.Dims) != 1 || t.Dims[0].Known() {
		return false
	}
	for i, name := range []string{"from", "to"} {
		p, err := r.input(inputs[i], true)
		if err != nil || p.Name != name || p.Layout == "" {
			return false
		}
		r.Ends[i] = p
	}
	r.Input = Input{Name: "t", Elem: pb.TensorProto_FLOAT, Size: 1}
	return true
}

// Rows is a tensor of noise, codes or the like for the input: data is (n, p.Size).
func (p Input) Rows(data []float32) (*onnx.Tensor, error) {
	if len(data)%p.Size != 0 {
		return nil, fmt.Errorf("%d numbers for input %s, want a multiple of %d", len(data), onnx.Quote(p.Name), p.Size)
	}
	return onnx.NewTensor(p.Name, data, append([]int{len(data) / p.Size}, p.Dims...)...)
}

// Pixels is a tensor of images for the input: b is (n, C, H, W) of bytes.
func (p Input) Pixels(b []byte) (*onnx.Tensor, error) {
	if p.Layout == "" || len(b)%p.Size != 0 {
		return nil, fmt.Errorf("%d bytes for input %s, want images of %d", len(b), onnx.Quote(p.Name), p.Size)
	}
	c, h, w := p.Shape()
	t := &onnx.Tensor{Name: p.Name, Dims: append([]int{len(b) / p.Size}, p.Dims...)}
	if p.Elem == pb.TensorProto_UINT8 {
		data := make(onnx.Slice[uint8], len(b))
		for i, v := range b {
			data[place(p.Layout, i, c, h*w)] = v
		}
		t.Data = data
		return t, nil
	}
	data := make(onnx.Slice[float32], len(b))
	for i, v := range b {
		data[place(p.Layout, i, c, h*w)] = p.Levels.Float(v)
	}
	t.Data = data
	return t, nil
}

// place is where element i of (N, C, H, W) lies in a layout.
func place(l Layout, i, channels, area int) int {
	if l == NCHW || channels == 1 {
		return i
	}
	n, c, at := i/(channels*area), i/area%channels, i%area
	return (n*area+at)*channels + c
}

// Output tells whether a value of dims, the batch first, is images, and which: channels, height, width, layout.
func (r Model) Output(elem pb.TensorProto_DataType, dims []int) (c, h, w int, layout Layout) {
	if elem != pb.TensorProto_FLOAT && elem != pb.TensorProto_UINT8 || len(dims) != 4 {
		return 0, 0, 0, ""
	}
	p := Input{Dims: dims[1:], Layout: r.layoutOf(dims[1:])}
	if p.Layout != "" {
		c, h, w = p.Shape()
	}
	return c, h, w, p.Layout
}

// Bytes writes images that the model has made, all of the tensor t, to dst as (N, H, W, C), and allocates nothing. A value that is
// not a number is an error that says where it is.
func (r Model) Bytes(dst []byte, t *onnx.Tensor) error { return r.write(dst, t, NHWC) }

// Planes is Bytes as (N, C, H, W).
func (r Model) Planes(dst []byte, t *onnx.Tensor) error { return r.write(dst, t, NCHW) }

func (r Model) write(dst []byte, t *onnx.Tensor, to Layout) error {
	c, h, w, from := r.Output(t.Type(), t.Dims)
	if from == "" || len(dst) != t.Len() {
		return fmt.Errorf("output %s came with elements of type %v and dims %v, want %d pixels of images", onnx.Quote(t.Name), onnx.ElemName(t.Type()), slices.Clone(t.Dims), len(dst))
	}
	area := h * w
	if data, ok := t.Data.(onnx.Slice[uint8]); ok {
		if from == to || c == 1 {
			copy(dst, data)
			return nil
		}
		for i := range data {
			dst[place(to, i, c, area)] = data[place(from, i, c, area)]
		}
		return nil
	}
	data := t.Data.(onnx.Slice[float32])
	factor, offset := r.levels.ToBytes()
	for i := range data {
		v := data[place(from, i, c, area)]
		if v != v {
			return fmt.Errorf("image %d, channel %d, row %d, column %d: not a number", i/(c*area), i/area%c, i%area/w, i%w)
		}
		dst[place(to, i, c, area)] = rounded(float32(v*factor) + offset)
	}
	return nil
}

package raster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Class is an input of numbers of classes, one for each image: int64 (N). In a model of kind Seed it is (M), where M is the count of
// images, or 1 for one class of all.
type Class struct {
	Input string   // its name; "" where a model takes no class
	Names []string // of the classes, in the order of their numbers; nil where the file does not say
}

// Taken tells whether the model takes classes.
func (c Class) Taken() bool { return c.Input != "" }

// Number finds a class by its name, or, where the file names none, by its number.
func (c Class) Number(name string) (int64, error) {
	if !c.Taken() {
		return 0, fmt.Errorf("class %s: the model takes none", onnx.Quote(name))
	}
	if c.Names == nil {
		n, err := strconv.ParseInt(name, 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("class %s: want a number, 0 for the first, as the file does not name its classes", onnx.Quote(name))
		}
		return n, nil
	}
	if i := slices.Index(c.Names, name); i >= 0 {
		return int64(i), nil
	}
	const most = 40
	var known []string
	for _, n := range c.Names[:min(most, len(c.Names))] {
		known = append(known, quote.Name(n))
	}
	if len(c.Names) > most {
		known = append(known, fmt.Sprintf("and %d more", len(c.Names)-most))
	}
	return 0, fmt.Errorf("unknown class %s, want one of %s", onnx.Quote(name), strings.Join(known, ", "))
}

// Tensor is the input of so many classes.
func (c Class) Tensor(numbers []int64) *onnx.Tensor {
	return &onnx.Tensor{Name: c.Input, Dims: []int{len(numbers)}, Data: onnx.Slice[int64](numbers)}
}

// classOf takes the input of classes out of those of a model, and reads the names.
func classOf(m *pb.ModelProto, inputs []*pb.ValueInfoProto) (c Class, others []*pb.ValueInfoProto, err error) {
	for _, v := range inputs {
		t, ok := onnx.TypeOf(v.GetType())
		if ok && !c.Taken() && t.Elem == pb.TensorProto_INT64 && len(t.Dims) == 1 && !t.Dims[0].Known() {
			c.Input = v.GetName()
		} else {
			others = append(others, v)
		}
	}
	if text, ok := meta(m, MetaClasses); ok && c.Taken() {
		if err := json.Unmarshal([]byte(text), &c.Names); err != nil || len(c.Names) == 0 {
			return c, nil, &onnx.FormatError{Offset: -1, Where: "metadata " + MetaClasses, What: onnx.Quote(text) + `, want names as in ["cat","dog"]`}
		}
	}
	return c, others, nil
}

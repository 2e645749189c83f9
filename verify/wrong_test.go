package verify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
)

// A spoiledNode is a model of one node with one thing wrong, or only unusual, and what it is run on.
type spoiledNode struct {
	how    string
	model  *pb.ModelProto // whose inputs have no known shapes
	inputs []*onnx.Tensor
}

// whole is the model with its inputs in it.
func (s *spoiledNode) whole() *pb.ModelProto {
	m := proto.CloneOf(s.model)
	for _, x := range s.inputs {
		m.Graph.Initializer = append(m.Graph.Initializer, x.Proto())
	}
	m.Graph.Input = nil
	return withTypes(m)
}

// shaped is the model with inputs of known ranks, and lengths that are free.
func (s *spoiledNode) shaped() *pb.ModelProto {
	m := proto.CloneOf(s.model)
	for i, v := range m.Graph.Input {
		typ := onnx.Type{Elem: s.inputs[i].Type(), Dims: []onnx.Dim{}}
		for axis := range s.inputs[i].Dims {
			typ.Dims = append(typ.Dims, onnx.Symbolic(fmt.Sprintf("%d_%d", i, axis)))
		}
		v.Type = typ.Proto()
	}
	return withTypes(m)
}

// withTypes gives outputs the types that inference has for them.
func withTypes(m *pb.ModelProto) *pb.ModelProto {
	types, _ := infer.Types(m)
	for _, out := range m.Graph.Output {
		if typ, ok := types[out.GetName()]; ok && typ.Elem != pb.TensorProto_UNDEFINED {
			out.Type = typ.Proto()
		}
	}
	return m
}

// spoiledNodes are copies of a model of one node, each with one attribute, or one of the inputs, changed.
func spoiledNodes(m *pb.ModelProto, inputs []*onnx.Tensor) (all []*spoiledNode) {
	open := proto.CloneOf(m)
	for _, v := range slices.Concat(open.Graph.Input, open.Graph.Output) {
		if t := v.Type.GetTensorType(); t != nil {
			t.Shape = nil
		}
	}
	add := func(how string, change func(n *pb.NodeProto) bool) {
		c := proto.CloneOf(open)
		if change(c.Graph.Node[0]) {
			all = append(all, &spoiledNode{how, c, inputs})
		}
	}
	for i, a := range m.Graph.Node[0].Attribute {
		attr := func(how string, change func(a *pb.AttributeProto)) {
			add(a.GetName()+" "+how, func(n *pb.NodeProto) bool { change(n.Attribute[i]); return true })
		}
		switch a.GetType() {
		case pb.AttributeProto_STRING:
			attr("BAD", func(a *pb.AttributeProto) { a.S = []byte("BAD") })
		case pb.AttributeProto_STRINGS:
			attr("one more", func(a *pb.AttributeProto) { a.Strings = append(a.Strings, []byte("BAD")) })
		case pb.AttributeProto_FLOAT:
			for _, v := range []float32{0, -1, float32(math.Inf(1))} {
				attr(fmt.Sprint(v), func(a *pb.AttributeProto) { a.F = &v })
			}
		case pb.AttributeProto_INT:
			for _, v := range []int64{-77, -2, -1, 0, 1, 2, 3, 77} {
				attr(fmt.Sprint(v), func(a *pb.AttributeProto) { a.I = &v })
			}
		case pb.AttributeProto_INTS:
			attr("one more", func(a *pb.AttributeProto) { a.Ints = append(a.Ints, 1) })
			if len(a.Ints) > 0 {
				attr("one less", func(a *pb.AttributeProto) { a.Ints = a.Ints[1:] })
				for _, v := range []int64{-77, -1, 0, 1, 2, 77} {
					attr(fmt.Sprint("begins with ", v), func(a *pb.AttributeProto) { a.Ints[0] = v })
				}
			}
		case pb.AttributeProto_FLOATS:
			attr("one more", func(a *pb.AttributeProto) { a.Floats = append(a.Floats, 1) })
			if len(a.Floats) > 0 {
				attr("one less", func(a *pb.AttributeProto) { a.Floats = a.Floats[1:] })
			}
		}
		add(a.GetName()+" left out", func(n *pb.NodeProto) bool { n.Attribute = slices.Delete(n.Attribute, i, i+1); return true })
	}
	for i := range m.Graph.Node[0].Input {
		add(fmt.Sprintf("input %d left out", i), func(n *pb.NodeProto) bool {
			if n.Input[i] = ""; i == len(n.Input)-1 {
				n.Input = n.Input[:i]
			}
			return true
		})
	}
	for i, x := range inputs {
		of := func(how string, y *onnx.Tensor) {
			with := slices.Clone(inputs)
			with[i] = y
			all = append(all, &spoiledNode{fmt.Sprintf("input %d %s", i, how), open, with})
		}
		reshaped := func(how string, dims ...int) { of(how, repeated(x, dims)) }
		reshaped("with an axis of 1 before", slices.Concat([]int{1}, x.Dims)...)
		reshaped("with an axis of 2 before", slices.Concat([]int{2}, x.Dims)...)
		reshaped("with an axis of 1 behind", append(slices.Clone(x.Dims), 1)...)
		if rank := len(x.Dims); rank > 0 {
			reshaped("without its first axis", x.Dims[1:]...)
			reshaped("without its last axis", x.Dims[:rank-1]...)
			reshaped("as a scalar")
			for _, axis := range slices.Compact([]int{0, min(1, rank-1), rank - 1}) {
				for _, n := range []int{0, 1, x.Dims[axis] - 1, x.Dims[axis] + 1} {
					if n >= 0 && n != x.Dims[axis] {
						dims := slices.Clone(x.Dims)
						dims[axis] = n
						reshaped(fmt.Sprintf("with %d for %d on axis %d", n, x.Dims[axis], axis), dims...)
					}
				}
			}
		}
		if wide, ok := x.Data.Wide().(onnx.Slice[int64]); ok && len(wide) > 0 {
			for _, at := range slices.Compact([]int{0, len(wide) - 1}) {
				for _, v := range []int64{math.MinInt64, -100, -1, 0, 1, 100, math.MaxInt64} {
					other := slices.Clone(wide)
					other[at] = v
					if data, ok := onnx.Narrow(x.Type(), other); ok {
						of(fmt.Sprintf("with %d as element %d", v, at), &onnx.Tensor{Name: x.Name, Dims: x.Dims, Data: data})
					}
				}
			}
		}
	}
	return all
}

// repeated is a tensor of other dimensions with the elements of x, again and again where it is larger.
func repeated(x *onnx.Tensor, dims []int) *onnx.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	index := make([]int, n)
	for i := range index {
		if index[i] = -1; x.Data.Len() > 0 {
			index[i] = i % x.Data.Len()
		}
	}
	data := x.Data.Make(n)
	data.Gather(0, x.Data, index)
	return &onnx.Tensor{Name: x.Name, Dims: slices.Clone(dims), Data: data}
}

// A refusal says why a node is refused: by check or inference, and by the reference; nil where it is not.
type refusal struct{ static, reference error }

// ask has check, inference, the reference and load try a node.
func ask(t *testing.T, s *spoiledNode) (why refusal) {
	t.Helper()
	begin := time.Now()
	guard := func(what string, f func() error) (err error) {
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("%s: %s panics: %v\n%s", s.how, what, p, debug.Stack())
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("%s: %s takes %v", s.how, what, took)
			}
			begin = time.Now()
		}()
		return f()
	}
	why.static = guard("check", func() error {
		_, found := infer.Types(s.whole())
		for _, f := range append(found, check.Model(s.whole())...) {
			if f.Severity == rule.Error && f.Code != "required-field-missing" {
				return errors.New(f.String())
			}
		}
		return nil
	})
	model := func(m *pb.ModelProto) *onnx.Model {
		b, err := onnx.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return &onnx.Model{Proto: m, Bytes: b}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	why.reference = guard("reference", func() error {
		p, err := reference.Compile(model(s.model), reference.Options{Memory: 1 << 26, Work: 1 << 30})
		if err == nil {
			_, err = p.RunTensors(ctx, s.inputs)
		}
		return err
	})
	_ = guard("load", func() error {
		session, err := load.Open(model(s.shaped()))
		if err == nil {
			_, err = session.Run(ctx, s.inputs)
			_ = session.Close()
		}
		return err
	})
	return why
}

// ran asks ONNX Runtime, in as many processes as crashes, and models that take over ten seconds, make it take.
func ran(t *testing.T, paths []string) (said []string) {
	t.Helper()
	node := witnesstest.Node(t, "onnxruntime-node")
	for len(said) < len(paths) {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, node, filepath.Join("testdata", "run.js"))
		cmd.Env = append(os.Environ(), "ORT_DISABLE_TELEMETRY=1")
		cmd.Stdin = strings.NewReader(strings.Join(paths[len(said):], "\n"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(10*time.Second, cancel)
		begun := len(said)
		for lines := bufio.NewScanner(out); lines.Scan(); late.Reset(10 * time.Second) {
			said = append(said, lines.Text())
		}
		late.Stop()
		cancel()
		_ = cmd.Wait()
		if len(said) < len(paths) && len(said) == begun && begun == 0 {
			t.Fatal("ONNX Runtime says nothing")
		}
		if len(said) < len(paths) {
			said = append(said, "it crashed, or took too long")
		}
	}
	return said
}

// ofRuntime is what ONNX Runtime refuses for reasons of its own, in parts of its messages.
var ofRuntime = []string{
	// what it lacks
	"Could not find an implementation", "Failed to find kernel", "is not a registered function/op", "Unsupported data type", "Unsupported tensor type",
	"Non tensor type is temporarily not supported", "ValidateOpsetForDomain", "layout_ == 0", "Locale", "locale", "X_shape.NumDimensions() == 4", "Non per-tensor quantization",
	"QLinearMatmul :", "mode only supports", "not defined for empty set with bool type", "zero effective input extent",
	// what ONNX leaves open, or allows
	"hidden_size", "division by zero", "modulo by zero", "alpha_ > 0", "beta_ > 0", "size_ % 2", "Invalid input shape. Only N can be zero", "pad should be smaller than kernel", "Pad should be smaller than kernel",
	"allowzero", "only subscript labels", "must be positive", "must be greater than 0", "must be a positive multiple", "operand cannot broadcast on dim", "Should be scalars", "should be scalars",
	"The input tensor cannot be reshaped", "Invalid position of 0", "dim0_offset", "Invalid num_outputs value", "exceeds the remaining size", "highest_index", "output_shape is smaller", "Explicit output",
	"[B,C] dimensions with B > 0", "Mismatch between number of inferred and declared dimensions", "Tensor shape", "scale_ > 0", "attn_mask", "it crashed, or took too long",
}

// What ONNX Runtime refuses to run, one of check, inference and the reference refuses as well, or there is a reason; and nothing that is wrong makes
// them, or load, panic or take long. -sweep.count N tries so many spoiled nodes, from -sweep.first on, instead of a few.
func TestWrongNodesAreRefused(t *testing.T) {
	models := onnxtest.Models(t)
	seen := map[string]bool{}
	var all []*spoiledNode
	for _, path := range models {
		m, err := wire.Read(path, wire.Limits{})
		if err != nil || len(m.Proto.GetGraph().GetNode()) != 1 || m.Proto.GetIrVersion() < 4 || len(m.Bytes) > 100_000 {
			continue
		}
		n := m.Proto.Graph.Node[0]
		d, err := readSet(filepath.Join(filepath.Dir(path), "test_data_set_0"), m.Proto.Graph, wire.Limits{})
		if err != nil || len(d.inputs) != len(m.Proto.Graph.Input) || slices.ContainsFunc(d.inputs, func(x *onnx.Tensor) bool { return x.Data == nil || x.Data.Wide() == nil }) {
			continue
		}
		for _, s := range spoiledNodes(m.Proto, d.inputs) {
			if key := fmt.Sprint(n.GetOpType(), len(n.Input), s.how); !seen[key] {
				seen[key] = true
				s.how = filepath.Base(filepath.Dir(path)) + ": " + s.how
				all = append(all, s)
			}
		}
	}
	if *sweepCount > 0 {
		all = all[min(*sweepFirst, len(all)):min(*sweepFirst+*sweepCount, len(all))]
	} else {
		few := all[:0]
		for i := 0; i < len(all); i += 101 {
			few = append(few, all[i])
		}
		all = few
	}
	dir := t.TempDir()
	var paths []string
	for i, s := range all {
		path := filepath.Join(dir, fmt.Sprintf("%d.onnx", i))
		if err := os.WriteFile(path, onnxtest.Bytes(t, s.whole()), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	refused, excused := 0, 0
	for i, said := range ran(t, paths) {
		s := all[i]
		why := ask(t, s)
		switch {
		case said == "ok":
			continue
		case slices.ContainsFunc(ofRuntime, func(reason string) bool { return strings.Contains(said, reason) }):
			excused++
		case why.static == nil && why.reference == nil:
			t.Errorf("%s: accepted, and ONNX Runtime says %s", s.how, said)
		}
		refused++
	}
	t.Logf("%d spoiled nodes: ONNX Runtime refuses %d, %d of them for reasons of its own", len(all), refused, excused)
}

package gorgonnx

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	goonnx "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness/child"
)

const (
	childEnv  = "PETRIFY_CHILD"
	childName = "gorgonnx"

	memoryLimit = 4 << 30 // of the child; declared dimensions alone can make onnx-go take all there is
)

var armed atomic.Bool

// Main must be the first call in main, and in TestMain of a test, of a program that uses this package. In a child process
// started by this package it runs the model and ends the process; otherwise it returns at once.
func Main() {
	armed.Store(true)
	if os.Getenv(childEnv) != childName {
		return
	}
	os.Unsetenv(childEnv)
	out := os.Stdout
	os.Stdout = os.Stderr // a stray print must not end up among the frames
	go watchMemory()
	if err := child.Serve(os.Stdin, out, &driver{}); err != nil {
		fmt.Fprintln(os.Stderr, "gorgonnx:", err)
		os.Exit(3)
	}
	os.Exit(0)
}

func watchMemory() {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		metrics.Read(sample)
		if sample[0].Value.Uint64() > memoryLimit {
			fmt.Fprintf(os.Stderr, "more than %d MiB of memory taken\n", memoryLimit>>20)
			os.Exit(3)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// driver is stock onnx-go on the child's side. Shapes freeze at a graph's first run, so there is one graph for each shape of
// the inputs, used as often as that shape comes.
type driver struct {
	model  []byte
	graphs map[string]*graph
}

type graph struct {
	model   *goonnx.Model
	backend *gorgonnx.Graph
}

// graphsKept bounds the memory of a session that is given ever new shapes.
const graphsKept = 8

func (*driver) Version() string {
	version := "onnx-go"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if slices.Contains([]string{"github.com/owulveryck/onnx-go", "gorgonia.org/gorgonia"}, d.Path) {
				version += " " + d.Path[strings.LastIndex(d.Path, "/")+1:] + " " + d.Version
			}
		}
	}
	return strings.Replace(version, "onnx-go onnx-go", "onnx-go", 1)
}

func (d *driver) Open(model []byte, _ int) (err error) {
	d.model, d.graphs = model, map[string]*graph{}
	_, err = decode(model)
	return err
}

func decode(model []byte) (g *graph, err error) {
	defer recovered(&err, "decoding")
	g = &graph{backend: gorgonnx.NewGraph()}
	g.model = goonnx.NewModel(g.backend)
	if err := g.model.UnmarshalBinary(model); err != nil {
		return nil, lacking(fmt.Errorf("decoding: %w", err))
	}
	return g, nil
}

func (d *driver) Run(inputs []*onnx.Tensor) (outputs []*onnx.Tensor, err error) {
	key := ""
	for _, t := range inputs {
		key += fmt.Sprintf("%q%v", t.Name, t.Dims)
	}
	defer func() {
		if err != nil {
			delete(d.graphs, key) // it is built in part, and would fail in another way the next time
		}
	}()
	defer recovered(&err, "running")
	g := d.graphs[key]
	if g == nil {
		if len(d.graphs) >= graphsKept {
			clear(d.graphs)
		}
		if g, err = decode(d.model); err != nil {
			return nil, err
		}
		d.graphs[key] = g
	}
	for _, t := range inputs {
		if err := g.set(t); err != nil {
			return nil, err
		}
	}
	if err := g.backend.Run(); err != nil {
		return nil, lacking(fmt.Errorf("running: %w", err))
	}
	values, err := g.model.GetOutputTensors()
	if err != nil {
		return nil, lacking(err)
	}
	for i, v := range values {
		named, ok := g.backend.Node(g.model.Output[i]).(goonnx.Namer)
		if !ok {
			return nil, lacking(fmt.Errorf("output %d has no node", i))
		}
		t, err := fromDense(named.GetName(), v)
		if err != nil {
			return nil, lacking(err)
		}
		outputs = append(outputs, t)
	}
	return outputs, nil
}

// set gives an input its value, by name, since onnx-go's SetInput counts nodes, not inputs.
func (g *graph) set(t *onnx.Tensor) error {
	n, ok := g.model.GetNodeByName(t.Name)
	if !ok {
		return fmt.Errorf("no input %q", t.Name)
	}
	carrier, ok := n.(goonnx.DataCarrier)
	if !ok {
		return lacking(fmt.Errorf("input %q takes no value", t.Name))
	}
	opts := []tensor.ConsOpt{tensor.WithBacking(t.Data.Plain())} // nobody else holds it: the driver may keep its inputs
	if len(t.Dims) > 0 {
		opts = append(opts, tensor.WithShape(t.Dims...))
	}
	if err := carrier.SetTensor(tensor.New(opts...)); err != nil {
		return lacking(fmt.Errorf("input %q: %w", t.Name, err))
	}
	return nil
}

// fromDense copies a result out of Gorgonia, whatever its strides.
func fromDense(name string, v tensor.Tensor) (*onnx.Tensor, error) {
	d, ok := v.(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("output %q is a %T", name, v)
	}
	switch data := d.Data().(type) {
	case float32:
		return onnx.NewTensor(name, []float32{data}, d.Shape()...)
	case []float32:
		if !d.RequiresIterator() && !d.DataOrder().IsColMajor() {
			return onnx.NewTensor(name, slices.Clone(data[:d.Shape().TotalSize()]), d.Shape()...)
		}
		var values []float32
		it := d.Iterator()
		for i, err := it.Next(); err == nil; i, err = it.Next() {
			values = append(values, data[i])
		}
		return onnx.NewTensor(name, values, d.Shape()...)
	}
	return nil, fmt.Errorf("output %q has elements of type %v", name, d.Dtype())
}

func recovered(err *error, doing string) {
	if r := recover(); r != nil {
		*err = lacking(fmt.Errorf("%s: panic: %v", doing, r))
	}
}

// lacking blames the library: the model passed petrify's own checks before it came here.
func lacking(err error) error {
	if e, ok := errors.AsType[*goonnx.ErrNotImplemented](err); ok {
		why := e.Message
		if e.AttributeName != "" {
			why = fmt.Sprintf("attribute %s: %s", e.AttributeName, e.Message)
		}
		return &onnx.UnsupportedError{Op: e.Operator, Why: "stock onnx-go: " + why}
	}
	return &onnx.UnsupportedError{Why: "stock onnx-go: " + err.Error()}
}

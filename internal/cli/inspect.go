package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/verify"
)

type inspectOptions struct {
	streams *Streams
	path    string
	maxSize byteSize
	json    bool
	text    bool
	weights bool
}

func newInspectCmd(s *Streams, run func(context.Context, inspectOptions) error) *cobra.Command {
	o := inspectOptions{streams: s, maxSize: 2 << 30}
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Show what is in an ONNX file",
		Long: `inspect shows the inputs and outputs of a model with their types, its operators, parameters,
versions and metadata, and the memory and work of one run, with free axes counted as one. It reads
within limits, as check does, and the model need not be valid; check says whether it is. MODEL is a
file, or - for the standard input. Names from the file are quoted.`,
		Example: `  petrify inspect model.onnx
  petrify inspect --text model.onnx
  petrify inspect --weights model.onnx
  petrify inspect --json model.onnx | jq .parameters`,
		Args: arguments(1, 1, "a model file, or - for the standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = args[0]
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.Var(&o.maxSize, "max-size", "largest file to read")
	f.BoolVar(&o.json, "json", false, "write JSON")
	f.BoolVar(&o.text, "text", false, "print the whole model as text, one line per node")
	f.BoolVar(&o.weights, "weights", false, "show statistics of each initializer")
	exclusive(cmd, "json", "text")
	exclusive(cmd, "text", "weights")
	return cmd
}

// An inspectReport is a model as `petrify inspect --json` shows it.
type inspectReport struct {
	File        string           `json:"file"`
	Bytes       int              `json:"bytes"`
	SHA256      string           `json:"sha256"`
	IRVersion   int64            `json:"ir_version"`
	Opsets      []inspectOpset   `json:"opsets"`
	Producer    string           `json:"producer"`
	ProducerVer string           `json:"producer_version"`
	Domain      string           `json:"domain"`
	Version     int64            `json:"model_version"`
	Doc         string           `json:"doc"`
	Metadata    []inspectEntry   `json:"metadata"`
	Graph       string           `json:"graph"`
	Inputs      []inspectValue   `json:"inputs"`
	Outputs     []inspectValue   `json:"outputs"`
	Nodes       int              `json:"nodes"`
	Operators   []inspectCount   `json:"operators"`
	Functions   int              `json:"functions"`
	Tensors     int              `json:"tensors"`
	Parameters  int64            `json:"parameters"`
	ParamBytes  int64            `json:"parameter_bytes"`
	External    bool             `json:"external_data"`
	RunMemory   int64            `json:"run_memory"`
	RunWork     int64            `json:"run_work"`
	Weights     []inspectWeights `json:"weights,omitempty"`
}

type inspectOpset struct {
	Domain  string `json:"domain"`
	Version int64  `json:"version"`
}

type inspectEntry struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type inspectValue struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type inspectCount struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
	Count  int    `json:"count"`
}

type inspectWeights struct {
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Statistics *inspectStatistics `json:"statistics,omitempty"` // of floats in the model itself
}

type inspectStatistics struct {
	Min       verify.Number `json:"min"`
	Max       verify.Number `json:"max"`
	Mean      verify.Number `json:"mean"`
	Deviation verify.Number `json:"deviation"`
	Zero      int64         `json:"zero"`
	Subnormal int64         `json:"subnormal"`
	NaN       int64         `json:"nan"`
	Infinite  int64         `json:"infinite"`
}

func runInspect(_ context.Context, o inspectOptions) error {
	m, err := readModel(o.streams.In, o.path, wire.Limits{Size: int64(o.maxSize)})
	if f, ok := errors.AsType[*onnx.FormatError](err); ok {
		return &exitError{exitFinding, errors.New(quote.Text(f.Error()))}
	}
	if err != nil {
		return errors.New(quote.Text(err.Error()))
	}
	switch {
	case o.text:
		return onnx.Text(o.streams.Out, m.Proto)
	case o.json:
		return writeJSON(o.streams.Out, describeFile(m, o.weights))
	}
	return writeInspection(o.streams.Out, describeFile(m, o.weights))
}

// readModel reads a file, or the standard input.
func readModel(in io.Reader, path string, lim wire.Limits) (*onnx.Model, error) {
	if path == stdin {
		return wire.ReadFrom("standard input", in, lim)
	}
	return wire.Read(path, lim)
}

func describeFile(m *onnx.Model, weights bool) inspectReport {
	p, sum := m.Proto, sha256.Sum256(m.Bytes)
	s, run := onnx.Summarize(p), infer.Model(p, infer.Budget{})
	r := inspectReport{
		File: m.Path, Bytes: len(m.Bytes), SHA256: hex.EncodeToString(sum[:]), IRVersion: p.GetIrVersion(),
		Producer: p.GetProducerName(), ProducerVer: p.GetProducerVersion(), Domain: p.GetDomain(), Version: p.GetModelVersion(), Doc: p.GetDocString(),
		Graph: p.GetGraph().GetName(), Functions: len(p.Functions), External: m.External(),
		Tensors: s.Tensors, Parameters: s.Parameters, ParamBytes: s.Bytes, RunMemory: run.Memory, RunWork: run.Work,
		Opsets: []inspectOpset{}, Metadata: []inspectEntry{}, Operators: []inspectCount{},
	}
	for _, i := range p.OpsetImport {
		domain := i.GetDomain()
		if domain == "" {
			domain = "ai.onnx"
		}
		r.Opsets = append(r.Opsets, inspectOpset{domain, i.GetVersion()})
	}
	for _, e := range p.MetadataProps {
		r.Metadata = append(r.Metadata, inspectEntry{e.GetKey(), e.GetValue()})
	}
	for _, c := range s.Operators {
		r.Operators = append(r.Operators, inspectCount(c))
		r.Nodes += c.Count
	}
	initial := map[string]bool{}
	for _, t := range p.GetGraph().GetInitializer() {
		initial[t.GetName()] = true
		if weights {
			r.Weights = append(r.Weights, describeWeights(t))
		}
	}
	r.Inputs = describeValues(p.GetGraph().GetInput(), initial)
	r.Outputs = describeValues(p.GetGraph().GetOutput(), nil)
	return r
}

// describeValues lists values except for those that have a default.
func describeValues(list []*pb.ValueInfoProto, but map[string]bool) []inspectValue {
	values := []inspectValue{}
	for _, v := range list {
		if !but[v.GetName()] {
			values = append(values, inspectValue{v.GetName(), onnx.TypeText(v.Type)})
		}
	}
	return values
}

func describeWeights(t *pb.TensorProto) inspectWeights {
	dims := make([]onnx.Dim, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = onnx.Fixed(d)
	}
	w := inspectWeights{Name: t.GetName(), Type: onnx.Type{Elem: pb.TensorProto_DataType(t.GetDataType()), Dims: dims}.String()}
	if s, ok := onnx.StatisticsOf(t); ok {
		w.Statistics = &inspectStatistics{verify.Number(s.Min), verify.Number(s.Max), verify.Number(s.Mean), verify.Number(s.Deviation), s.Zero, s.Subnormal, s.NaN, s.Infinite}
	}
	return w
}

func writeInspection(out io.Writer, r inspectReport) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("file", "%s, %s", shown(r.File), sizeText(int64(r.Bytes)))
	row("sha256", "%s", r.SHA256)
	row("ir", "%d", r.IRVersion)
	for _, o := range r.Opsets {
		row("opset", "%s %d", onnx.Quote(o.Domain), o.Version)
	}
	if r.Producer != "" {
		row("producer", "%s %s", onnx.Quote(r.Producer), onnx.Quote(r.ProducerVer))
	}
	if r.Domain != "" || r.Version != 0 {
		row("model", "%s, version %d", onnx.Quote(r.Domain), r.Version)
	}
	if r.Doc != "" {
		row("doc", "%s", onnx.Quote(r.Doc))
	}
	for _, e := range r.Metadata {
		row("metadata", "%s = %s", onnx.Quote(e.Key), onnx.Quote(e.Value))
	}
	row("graph", "%s, %d nodes, %d functions", onnx.Quote(r.Graph), r.Nodes, r.Functions)
	for _, v := range r.Inputs {
		row("input", "%s %s", onnx.Quote(v.Name), v.Type)
	}
	for _, v := range r.Outputs {
		row("output", "%s %s", onnx.Quote(v.Name), v.Type)
	}
	where := ""
	if r.External {
		where = ", some of them in other files"
	}
	row("parameters", "%d in %d tensors, %s%s", r.Parameters, r.Tensors, sizeText(r.ParamBytes), where)
	row("one run", "%s of values at the same time, %s multiplications and additions", sizeText(r.RunMemory), roughly(r.RunWork))
	for _, c := range r.Operators {
		name := c.Name
		if c.Domain != "" {
			name = c.Domain + "." + c.Name
		}
		row("operator", "%s %d", onnx.Printable(name), c.Count)
	}
	if len(r.Weights) > 0 {
		fmt.Fprintln(w, "\nWEIGHTS\tTYPE\tMIN\tMAX\tMEAN\tDEVIATION\tZERO\tSUBNORMAL\tNAN\tINFINITE")
	}
	for _, t := range r.Weights {
		columns := []string{onnx.Quote(t.Name), t.Type}
		if s := t.Statistics; s != nil {
			for _, v := range []verify.Number{s.Min, s.Max, s.Mean, s.Deviation} {
				columns = append(columns, fmt.Sprintf("%.4g", float64(v)))
			}
			for _, n := range []int64{s.Zero, s.Subnormal, s.NaN, s.Infinite} {
				columns = append(columns, fmt.Sprint(n))
			}
		}
		fmt.Fprintln(w, strings.Join(columns, "\t"))
	}
	return w.Flush()
}

// roughly shows a large number with the letter of its power of a thousand.
func roughly(n int64) string {
	v, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T", "P"} {
		if v < 1e3 {
			break
		}
		v, unit = v/1e3, u
	}
	if unit == "" || n == math.MaxInt64 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

package onnx

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Summary describes a model in figures.
type Summary struct {
	Operators  []OperatorCount
	Tensors    int   // initializers and constants, those of nested graphs and functions too
	Parameters int64 // their elements
	Bytes      int64 // what these take, whether in the model or in files beside it
}

// An OperatorCount is the number of nodes of one operator, including nested graphs and functions.
type OperatorCount struct {
	Domain string // "" for ai.onnx
	Name   string
	Count  int
}

// Summarize counts the contents of a model. Tensors with an invalid shape are counted without
// elements.
func Summarize(m *pb.ModelProto) Summary {
	var s Summary
	type operator struct{ domain, name string }
	counts := make(map[operator]int)
	count := func(list []*pb.NodeProto) {
		for n := range Nodes(list) {
			counts[operator{Domain(n.GetDomain()), n.GetOpType()}]++
		}
	}
	count(m.GetGraph().GetNode())
	for _, f := range m.GetFunctions() {
		count(f.Node)
	}
	for key, n := range counts {
		s.Operators = append(s.Operators, OperatorCount{key.domain, key.name, n})
	}
	slices.SortFunc(s.Operators, func(a, b OperatorCount) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Domain, b.Domain))
	})
	for t := range Tensors(m) {
		s.Tensors++
		n, err := ElementCount(t.Dims)
		if err != nil {
			continue
		}
		s.Parameters = sat.Add(s.Parameters, n)
		if b, ok := RawBytes(pb.TensorProto_DataType(t.GetDataType()), n); ok {
			s.Bytes = sat.Add(s.Bytes, b)
		}
		for _, v := range t.StringData {
			s.Bytes = sat.Add(s.Bytes, int64(len(v)))
		}
	}
	return s
}

// Statistics describe the elements of one floating-point tensor. Extremes, mean and deviation are
// those of the finite elements, or 0 if there are none.
type Statistics struct {
	Count, NaN, Infinite, Subnormal, Zero int64
	Min, Max, Mean, Deviation             float64
}

// StatisticsOf computes the statistics of a tensor of the types float, double,
// float16 and bfloat16, without a copy of its elements. It is false for other
// types, for external data and for tensors that Check finds errors in.
func StatisticsOf(t *pb.TensorProto) (Statistics, bool) {
	typ := pb.TensorProto_DataType(t.GetDataType())
	n, err := ElementCount(t.Dims)
	if err != nil || IsExternal(t) || checkStorage(t, storages[typ], n) != nil {
		return Statistics{}, false
	}
	s := running{}
	switch b := t.RawData; typ {
	case pb.TensorProto_FLOAT:
		for ; len(b) >= 4; b = b[4:] {
			s.add(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 0x1p-126)
		}
		for _, v := range t.FloatData {
			s.add(float64(v), 0x1p-126)
		}
	case pb.TensorProto_DOUBLE:
		for ; len(b) >= 8; b = b[8:] {
			s.add(math.Float64frombits(binary.LittleEndian.Uint64(b)), 0x1p-1022)
		}
		for _, v := range t.DoubleData {
			s.add(v, 0x1p-1022)
		}
	case pb.TensorProto_FLOAT16:
		for ; len(b) >= 2; b = b[2:] {
			s.add(float64(Float16(binary.LittleEndian.Uint16(b)).Float32()), 0x1p-14)
		}
		for _, v := range t.Int32Data {
			s.add(float64(Float16(v).Float32()), 0x1p-14)
		}
	case pb.TensorProto_BFLOAT16:
		for ; len(b) >= 2; b = b[2:] {
			s.add(float64(BFloat16(binary.LittleEndian.Uint16(b)).Float32()), 0x1p-126)
		}
		for _, v := range t.Int32Data {
			s.add(float64(BFloat16(v).Float32()), 0x1p-126)
		}
	default:
		return Statistics{}, false
	}
	return s.result(), true
}

// running holds what is known of the elements so far: mean and squares by
// Welford's recurrence (Technometrics 4, 1962), which does not cancel.
type running struct {
	Statistics
	finite, squares float64
}

func (s *running) add(v, normal float64) {
	s.Count++
	switch abs := math.Abs(v); {
	case v != v:
		s.NaN++
		return
	case math.IsInf(v, 0):
		s.Infinite++
		return
	case abs == 0:
		s.Zero++
	case abs < normal:
		s.Subnormal++
	}
	if s.finite++; s.finite == 1 {
		s.Min, s.Max = v, v
	}
	s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	d := v - s.Mean
	s.Mean += d / s.finite
	s.squares += d * (v - s.Mean)
}

func (s *running) result() Statistics {
	if s.finite > 0 {
		s.Deviation = math.Sqrt(s.squares / s.finite)
	}
	return s.Statistics
}

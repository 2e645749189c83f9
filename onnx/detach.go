package onnx

import (
	"slices"
	"strconv"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// Detach moves initializers to external data: it returns a model in which each initializer of the
// main graph with at least the given number of bytes refers to a file at location, and the contents
// of that file in order, as pieces to be written one after the other. Offsets are multiples of 64,
// with zeros as padding. The model shares everything else with m, and neither may be changed
// afterwards.
func Detach(m *pb.ModelProto, location string, least int) (*pb.ModelProto, [][]byte) {
	const aligned = 64
	var parts [][]byte
	var offset int64
	d := shallow(m)
	for i, t := range d.Graph.Initializer {
		if len(t.RawData) < max(least, 1) || IsExternal(t) {
			continue
		}
		if gap := -offset & (aligned - 1); gap > 0 {
			parts = append(parts, make([]byte, gap))
			offset += gap
		}
		length := int64(len(t.RawData))
		entry := func(key, value string) *pb.StringStringEntryProto {
			return &pb.StringStringEntryProto{Key: &key, Value: &value}
		}
		d.Graph.Initializer[i] = &pb.TensorProto{
			Name: t.Name, Dims: t.Dims, DataType: t.DataType, DocString: t.DocString, DataLocation: new(pb.TensorProto_EXTERNAL),
			ExternalData: []*pb.StringStringEntryProto{entry("location", location), entry("offset", strconv.FormatInt(offset, 10)), entry("length", strconv.FormatInt(length, 10))},
		}
		parts = append(parts, t.RawData)
		offset += length
	}
	return d, parts
}

// shallow copies a model and its main graph, and nothing in them.
func shallow(m *pb.ModelProto) *pb.ModelProto {
	g := m.GetGraph()
	return &pb.ModelProto{
		IrVersion: m.IrVersion, OpsetImport: m.OpsetImport, ProducerName: m.ProducerName, ProducerVersion: m.ProducerVersion, Domain: m.Domain,
		ModelVersion: m.ModelVersion, DocString: m.DocString, MetadataProps: m.MetadataProps, TrainingInfo: m.TrainingInfo, Functions: m.Functions, Configuration: m.Configuration,
		Graph: &pb.GraphProto{
			Node: slices.Clone(g.GetNode()), Name: g.Name, Initializer: slices.Clone(g.GetInitializer()), SparseInitializer: g.GetSparseInitializer(), DocString: g.DocString,
			Input: g.GetInput(), Output: slices.Clone(g.GetOutput()), ValueInfo: g.GetValueInfo(), QuantizationAnnotation: g.GetQuantizationAnnotation(), MetadataProps: g.GetMetadataProps(),
		},
	}
}

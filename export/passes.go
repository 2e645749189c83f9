package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pass"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// draft is a model on its way through the passes.
type draft struct {
	*source
	file file

	proto   *pb.ModelProto
	bodies  []*body             // of the nets of the file
	weights []checkpoint.Tensor // in the order of the plan
	norm    string              // NormFolded or NormKept, "" where nothing is normalised
}

// A making is one step in the making of a model.
type making struct {
	name string
	run  func(*draft) error
}

// passes make a model, in order.
func passes() []making {
	return []making{{"emit", emit}, {"rewrite", rewrite}, {"narrow", narrow}, {"describe", describe}, {"check", validate}}
}

// emit writes the nets down as they were trained.
func emit(d *draft) error {
	weights := map[string]checkpoint.Tensor{}
	for _, n := range d.file.nets {
		plan, own, err := trainedNet(n, d.snapshot)
		if err != nil {
			return err
		}
		d.bodies = append(d.bodies, &body{Plan: plan})
		maps.Copy(weights, own)
	}
	asked := map[string]bool{}
	e := onnx.NewEmitter(onnx.EmitterOptions{
		Graph: d.file.name,
		Opset: d.options.Opset,
		IR:    IRVersion,
		Param: func(full string) (*onnx.Tensor, error) {
			t, ok := weights[full]
			if !ok {
				return nil, fmt.Errorf("%s: no such parameter", full)
			}
			asked[full] = true
			return onnx.NewTensor(full, t.Data, t.Dims...)
		},
	})
	d.file.emit(e, d.bodies)
	for _, p := range d.bodies {
		for q := range p.Params() {
			if asked[q.Name] {
				d.weights = append(d.weights, weights[q.Name])
			}
		}
	}
	var err error
	d.proto, err = e.Model()
	return err
}

// rewrite applies what happens to the graph as it was trained before it ships: batch normalisations are folded, unless they
// must be kept, and dense layers are written as the options say.
func rewrite(d *draft) error {
	if slices.ContainsFunc(d.proto.GetGraph().GetNode(), func(n *pb.NodeProto) bool { return n.GetOpType() == "BatchNormalization" }) {
		if d.norm = NormKept; !d.options.KeepBatchNorm {
			d.norm, d.proto = NormFolded, pass.Apply(d.proto, pass.FoldBatchNorm)
		}
	}
	if d.options.Dense == Gemm {
		d.proto = pass.Apply(d.proto, pass.ProductsToGemm)
	}
	return nil
}

// Keys of the metadata that petrify writes. They hold no times and no paths.
const (
	MetaModel   = "petrify.model"
	MetaNet     = "petrify.net"
	MetaSeed    = "petrify.seed"
	MetaStep    = "petrify.step"
	MetaData    = "petrify.data"
	MetaDataSum = "petrify.data.sha256"
	MetaWeights = "petrify.weights.sha256"
	MetaForm    = raster.MetaForm     // the name of the Form, where it is not raw
	MetaDense   = "petrify.dense"     // how dense layers are written, where that is not MatMul
	MetaWidth   = "petrify.precision" // how weights are stored, where that is not Float32
	MetaPixels  = raster.MetaPixels   // "LOW,HIGH": the values that stand for black and white
	MetaLayout  = raster.MetaLayout   // of images as bytes: NHWC or NCHW
	MetaNorm    = "petrify.batchnorm" // NormFolded or NormKept, in nets that have batch normalisations
	MetaClasses = raster.MetaClasses  // names of the classes that the nets take, in their order, as JSON
)

// What became of batch normalisations: merged into the layers before them, or kept as nodes.
const (
	NormFolded = "folded"
	NormKept   = "kept"
)

// Producer is what exported models name as the tool that made them.
const Producer = "petrify"

// describe says where the model comes from.
func describe(d *draft) error {
	p := d.options.Provenance
	d.proto.ProducerName = proto.String(Producer)
	d.proto.ProducerVersion = proto.String(p.Version)
	d.proto.DocString = proto.String(fmt.Sprintf("%s, %s: %s", d.model.Title, d.file.name, d.file.doc))
	px := d.model.Recipe.Pixels
	if d.file.layout != "" {
		px = model.Pixels{Low: 0, High: 255}
	}
	var nets []string
	for _, n := range d.file.nets {
		nets = append(nets, n.Name)
	}
	dense := string(d.options.Dense)
	if d.options.Dense == MatMul {
		dense = ""
	}
	precision := ""
	if d.options.Precision.narrow() {
		precision = string(d.options.Precision)
	}
	classes, err := d.classes()
	if err != nil {
		return err
	}
	form := d.file.form
	if form == rawName {
		form = ""
	}
	for _, e := range [][2]string{
		{MetaModel, d.model.Name},
		{MetaNet, strings.Join(nets, ",")},
		{MetaForm, form},
		{MetaSeed, strconv.FormatUint(p.Seed, 10)},
		{MetaStep, strconv.Itoa(d.snapshot.Step)},
		{MetaData, p.DataName},
		{MetaDataSum, p.DataDigest},
		{MetaWeights, checkpoint.Digest(d.weights)},
		{MetaNorm, d.norm},
		{MetaDense, dense},
		{MetaWidth, precision},
		{MetaPixels, fmt.Sprintf("%g,%g", px.Low, px.High)},
		{MetaLayout, string(d.file.layout)},
		{MetaClasses, classes},
	} {
		if e[1] == "" {
			continue
		}
		d.proto.MetadataProps = append(d.proto.MetadataProps, &pb.StringStringEntryProto{Key: proto.String(e[0]), Value: proto.String(e[1])})
	}
	return nil
}

// classes are the names of those that the nets of the file take, as JSON: digits where they have none, "" where nets take none.
func (d *draft) classes() (string, error) {
	c := layer.Class{}
	for _, n := range d.file.nets {
		if n.Class.Count > 0 {
			c = n.Class
		}
	}
	if c.Count == 0 {
		return "", nil
	}
	names := d.options.Provenance.Classes
	for i := range c.Count {
		if len(d.options.Provenance.Classes) == 0 {
			names = append(names, strconv.Itoa(i))
		}
	}
	if len(names) != c.Count {
		return "", fmt.Errorf("%d names of classes, want %d", len(names), c.Count)
	}
	b, err := json.Marshal(names)
	return string(b), err
}

// validate refuses to write what our own checker would refuse to read.
func validate(d *draft) error {
	var problems []error
	for _, f := range check.Model(d.proto) {
		if f.Severity == rule.Error {
			problems = append(problems, fmt.Errorf("%s: %s: %s", f.Where, f.Code, f.Message))
		}
	}
	return errors.Join(problems...)
}

package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/buildinfo"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/train"
)

const (
	onnxFolder      = "onnx"
	certificateFile = "certificate.json"
)

// ExportOptions say how to export. The zero value gives the export that ends a training run.
type ExportOptions struct {
	Out           string // folder to write to; "" means the run's own, see ONNX
	Opset         int64  // 0 means export.DefaultOpset
	KeepBatchNorm bool   // write batch normalisations as nodes, not folded into the layers in front
	Licence       string // of the models, as an SPDX identifier or free text; "" means that none is stated

	Forms     []string         // names of export.Forms; none means raw
	Dense     export.Dense     // how dense layers are written; "" means export.MatMul
	Precision export.Precision // how weights are stored and what is computed in; "" means export.Float32
	Data      string           // where the run's training data is now, if it was moved; int8 is calibrated on it
	MaxError  float64          // unless 0, refuse a precision that changes an output by more than this
	Layout    export.Layout    // of images as bytes; "" means export.NHWC
}

// ONNX returns the folder for exports: one folder per net, and the certificate.
func (f *Folder) ONNX() string { return f.path(onnxFolder) }

// Certificate returns the path of the certificate of the exported models.
func (f *Folder) Certificate() string { return filepath.Join(f.ONNX(), certificateFile) }

// Samples returns the folder of the sample pictures.
func (f *Folder) Samples() string { return f.path(samplesFolder) }

// Curves returns the path of the plot of the losses.
func (f *Folder) Curves() string { return f.path(curvesFile) }

// Model returns the architecture that the run trains.
func (f *Folder) Model() (model.Model, error) {
	m, err := models.Build(f.about.Model, f.about.Sizes)
	if err != nil {
		return m, fmt.Errorf("%s: %w", f.dir, err)
	}
	return m, nil
}

// Sampler returns the path of the exported net that makes images, according to the model's
// objective.
func (f *Folder) Sampler() (string, error) {
	m, err := f.Model()
	if err != nil {
		return "", err
	}
	net := m.Objective.Roles().Sampler
	return filepath.Join(f.ONNX(), net, net+".onnx"), nil
}

// Encoder returns the path of the exported net that turns images into the inputs of Sampler's net, or "" if the model has
// none.
func (f *Folder) Encoder() (string, error) {
	m, err := f.Model()
	if err != nil {
		return "", err
	}
	roles := m.Objective.Roles()
	if !slices.Contains(roles.Flows, model.Flow{From: roles.Images, To: roles.Sampler}) {
		return "", nil
	}
	return filepath.Join(f.ONNX(), roles.Images, roles.Images+".onnx"), nil
}

// trained are the model of the run and its latest checkpoint.
func (f *Folder) trained() (m model.Model, s *checkpoint.Snapshot, err error) {
	if m, err = f.Model(); err == nil {
		s, err = f.Load()
	}
	return m, s, err
}

// Export writes the models of the latest checkpoint, each with its model card and bill of materials, see package card. Existing ones, and
// a certificate beside them, are removed first, since they describe the old files. While it writes to the run's own folder, it locks the
// folder as a Run does.
func (f *Folder) Export(ctx context.Context, o ExportOptions) (written []export.Exported, err error) {
	m, s, err := f.trained()
	if err != nil {
		return nil, err
	}
	if o.Out == "" {
		o.Out = f.ONNX()
		if f.lock == nil {
			l, err := acquire(f.dir)
			if err != nil {
				return nil, fmt.Errorf("%w, or export to another folder", err)
			}
			defer func() { err = errors.Join(err, l.release()) }()
		}
	}
	written, err = export.Folder(o.Out, m, s, export.Options{
		Opset: o.Opset, KeepBatchNorm: o.KeepBatchNorm, Forms: o.Forms, Layout: o.Layout, Dense: o.Dense, Precision: o.Precision, MaxError: o.MaxError,
		Provenance: export.Provenance{
			Version: buildinfo.Version(), Seed: f.about.Seed, DataName: f.about.Data.Name, DataDigest: f.about.Data.Digest, Classes: f.about.Data.Classes,
		},
		Images: sync.OnceValues(func() ([]float32, error) { return f.calibrationImages(ctx, m, o.Data) }),
		Before: func(names []string) error { return removeDescriptions(o.Out, names) },
	})
	if err != nil {
		return written, err
	}
	for _, e := range written {
		if err := f.writeCard(m, s, e, o.Licence); err != nil {
			return written, err
		}
	}
	return written, nil
}

// calibrationImages are images of the training data from all over the set, as the nets of the run take them.
func (f *Folder) calibrationImages(ctx context.Context, m model.Model, place string) ([]float32, error) {
	found, err := f.imagesAgain(ctx, ResumeOptions{Data: place})
	if err != nil {
		return nil, fmt.Errorf("the data that the run learnt from: %w", err)
	}
	var pixels []float32
	px := m.Recipe.Pixels
	n := min(found.train.N, 512)
	for i := range n {
		for _, b := range found.train.Image(i * found.train.N / n) {
			pixels = append(pixels, float32(px.Low+float64(b)/255*(px.High-px.Low)))
		}
	}
	return pixels, nil
}

// Weights reads the latest checkpoint and returns a function that gives the tensors of an exported model, by the name of its graph:
// the trained ones, or what becomes of them when the options fold batch normalisations, write dense layers as Gemm, or use another
// precision. For a graph that is not one of the run's, they are those of all its nets.
func (f *Folder) Weights() (func(string, export.Options) ([]checkpoint.Tensor, error), error) {
	m, s, err := f.trained()
	if err != nil {
		return nil, err
	}
	return func(name string, o export.Options) (weights []checkpoint.Tensor, err error) {
		if own, err := export.FileWeights(m, name, s, o); err == nil {
			return own, nil
		}
		seen := map[string]bool{}
		for _, net := range m.Exports() {
			tensors, err := export.Weights(net, s, o)
			if err != nil {
				return nil, err
			}
			for _, t := range tensors {
				if !seen[t.Name] {
					weights = append(weights, t)
				}
				seen[t.Name] = true
			}
		}
		return weights, nil
	}, nil
}

// Sample makes n images with the generator, or decoder, of the latest checkpoint, from standard normal noise determined by the
// seed: the same as `petrify sample` with that seed. A model that learns classes goes in turn through the given ones, which are
// indices into Description.Data.Classes, or through all of them. A model that was not trained on noise, such as a plain
// autoencoder, is an error.
func (f *Folder) Sample(seed uint64, n int, classes ...int) (*train.Images, error) {
	m, err := f.Model()
	if err != nil {
		return nil, err
	}
	net, ok := m.Net(m.Objective.Roles().Sampler)
	if !ok || !net.Input.Noise {
		return nil, fmt.Errorf("%s: a run of %s, which makes no images from noise", f.dir, m.Name)
	}
	s, err := f.Load()
	if err != nil {
		return nil, err
	}
	plan, err := net.Plan()
	if err != nil {
		return nil, err
	}
	inf, err := plan.NewInference(n, func(p layer.Param) ([]float32, error) {
		for _, t := range s.Tensors {
			if t.Name == p.Name {
				return t.Data, nil
			}
		}
		return nil, fmt.Errorf("%s: missing from the checkpoint", p.Name)
	})
	if err != nil {
		return nil, err
	}
	if err := setClasses(inf, net, n, classes); err != nil {
		return nil, fmt.Errorf("%s: %w", f.dir, err)
	}
	random.Noise{Seed: int64(seed)}.Fill(inf.Input(), net.Input.Shape.Len(), 0)
	out, err := inf.Run()
	if err != nil {
		return nil, err
	}
	m.Recipe.Pixels.ToUnit(out[0])
	shape := f.about.Sizes.Image
	return &train.Images{Pixels: out[0], N: n, C: shape[0], H: shape[1], W: shape[2]}, nil
}

// setClasses gives the classes of n images to a net that takes them: those requested in turn, or all.
func setClasses(inf *layer.Inference, net layer.Net, n int, asked []int) error {
	c := net.Class
	if c.Count == 0 {
		if len(asked) > 0 {
			return fmt.Errorf("%s takes no class", net.Name)
		}
		return nil
	}
	of := make([]int, n)
	for i := range of {
		of[i] = i % c.Count
		if len(asked) > 0 {
			of[i] = asked[i%len(asked)]
		}
		if of[i] < 0 || of[i] >= c.Count {
			return fmt.Errorf("class %d, want 0 to %d", of[i], c.Count-1)
		}
	}
	c.OneHot(inf.Class(), of)
	return nil
}

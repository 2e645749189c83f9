package export

import (
	"fmt"

	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// latentForm is the two ways of an autoencoder, and the way between two images.
//
//	encode       image -> latent, the mean where the encoder gives a distribution
//	decode       latent -> image
//	interpolate  from, to, t -> image: the decoded points (1-t) from + t to of the latent space, one for each t
var latentForm = Form{
	Name: "latent",
	Doc:  "an autoencoder's ways: encode, decode, and interpolate between two images",
	files: func(m model.Model, o Options) ([]file, error) {
		c, err := coderOf(m, o)
		if err != nil {
			return nil, err
		}
		return []file{c.encode(), c.decode(), c.interpolate()}, nil
	},
}

// coder is an encoder and the decoder that takes what it gives.
type coder struct {
	encoder, decoder layer.Net
	mean             int // the step of the encoder that gives points of the latent space
	image            int // the step of the decoder that gives images
	latent           layer.Shape
	pictures         pictures
	pixels           model.Pixels
}

func coderOf(m model.Model, o Options) (c coder, err error) {
	roles := m.Objective.Roles()
	var ok, ok2 bool
	c.encoder, ok = m.Net(roles.Images)
	c.decoder, ok2 = m.Net(roles.Sampler)
	if !ok || !ok2 || !hasFlow(roles, model.Flow{From: roles.Images, To: roles.Sampler}) {
		return c, fmt.Errorf("%s has no encoder whose points a decoder takes", m.Name)
	}
	if m.Class().Count > 0 {
		return c, fmt.Errorf("nets of %s take a class", m.Name)
	}
	encoder, err := c.encoder.Plan()
	if err != nil {
		return c, err
	}
	decoder, err := c.decoder.Plan()
	if err != nil {
		return c, err
	}
	c.mean, c.image, c.latent, c.pixels = encoder.Outputs[0], decoder.Outputs[0], c.decoder.Input.Shape, m.Recipe.Pixels
	c.pictures = picturesOf(m, c.encoder.Input.Shape, o)
	return c, nil
}

func hasFlow(r model.Roles, want model.Flow) bool {
	for _, f := range r.Flows {
		if f == want {
			return true
		}
	}
	return false
}

// emitStep writes what one step of a plan needs, under full names.
func emitStep(e *onnx.Emitter, b *body, x onnx.Value, step int) onnx.Value {
	return b.EmitNodes(e, x, onnx.Value{}, []int{step}, func(i int) string { return b.Steps[i].Name })[0]
}

func (c coder) encode() file {
	f := file{form: "latent", name: "encode", nets: []layer.Net{c.encoder}, layout: c.pictures.layout}
	f.doc = "images as bytes, 0 for black and 255 for white, to points of the latent space"
	f.emit = func(e *onnx.Emitter, nets []*body) {
		x := c.pictures.net(e, "image", c.pictures.input(e, "image", onnx.Symbolic("N")))
		y := nets[0].EmitNodes(e, x, onnx.Value{}, []int{c.mean}, func(i int) string {
			if i == c.mean {
				return "latent"
			}
			return nets[0].Steps[i].Name
		})
		e.Output(y[0], pb.TensorProto_FLOAT, axes(c.latent)...)
	}
	f.record = func(s *source) (vectors []Vector, err error) {
		for i, batch := range goldenBatches {
			b := c.pictures.draw(random.New(0, fmt.Sprintf("golden/encode/%d", i)), batch, i == len(goldenBatches)-1)
			out, err := s.run(c.encoder, given{n: batch, x: c.pictures.floats(b)})
			if err != nil {
				return nil, err
			}
			vectors = append(vectors, Vector{
				Inputs:  []*onnx.Tensor{c.pictures.tensor("image", batch, b)},
				Outputs: []*onnx.Tensor{{Name: "latent", Dims: dims(batch, c.latent), Data: onnx.Slice[float32](out[0])}},
			})
		}
		return vectors, nil
	}
	return f
}

func (c coder) decode() file {
	f := file{form: "latent", name: "decode", nets: []layer.Net{c.decoder}, layout: c.pictures.layout}
	f.doc = "points of the latent space to images as bytes, 0 for black and 255 for white"
	f.emit = func(e *onnx.Emitter, nets []*body) {
		x := e.Input("latent", pb.TensorProto_FLOAT, axes(c.latent)...)
		c.pictures.output(e, "image", emitStep(e, nets[0], x, c.image))
	}
	f.record = func(s *source) (vectors []Vector, err error) {
		for i, batch := range goldenBatches {
			z := make([]float32, batch*c.latent.Len())
			fill(random.New(0, fmt.Sprintf("golden/decode/%d", i)), z, c.decoder.Input, c.pixels)
			out, err := s.run(c.decoder, given{n: batch, x: z})
			if err != nil {
				return nil, err
			}
			vectors = append(vectors, Vector{
				Inputs:  []*onnx.Tensor{{Name: "latent", Dims: dims(batch, c.latent), Data: onnx.Slice[float32](z)}},
				Outputs: []*onnx.Tensor{c.pictures.tensor("image", batch, c.pictures.bytes(out[0]))},
			})
		}
		return vectors, nil
	}
	return f
}

func (c coder) interpolate() file {
	f := file{form: "latent", name: "interpolate", nets: []layer.Net{c.encoder, c.decoder}, layout: c.pictures.layout}
	f.doc = "two images as bytes, and numbers from 0 to 1, to the images on the straight way between them in the latent space"
	f.emit = func(e *onnx.Emitter, nets []*body) {
		one := onnx.Fixed(1)
		from, to := c.pictures.input(e, "from", one), c.pictures.input(e, "to", one)
		t := e.Input("t", pb.TensorProto_FLOAT, onnx.Symbolic("N"))
		e.Step("ends", "ends")
		both := e.Node("Concat", "", []onnx.Value{from, to}, onnx.Int("axis", 0))
		points := emitStep(e, nets[0], c.pictures.net(e, "ends", both), c.mean)
		e.Step("point", "point")
		b := arithmetic{e}
		column := []int64{-1}
		for range c.latent {
			column = append(column, 1)
		}
		share := e.Node("Reshape", "share", []onnx.Value{t, numbers(e, "column", column...)})
		rest := b.sub("rest", number[float32](e, "one", 1), share)
		start := e.Node("Gather", "from", []onnx.Value{points, numbers(e, "first", int64(0))}, onnx.Int("axis", 0))
		end := e.Node("Gather", "to", []onnx.Value{points, numbers(e, "second", int64(1))}, onnx.Int("axis", 0))
		x := b.add("", b.mul("from.part", rest, start), b.mul("to.part", share, end))
		c.pictures.output(e, "image", emitStep(e, nets[1], x, c.image))
	}
	f.record = func(s *source) (vectors []Vector, err error) {
		for i, batch := range goldenBatches {
			stream := random.New(0, fmt.Sprintf("golden/interpolate/%d", i))
			from, to := c.pictures.draw(stream, 1, false), c.pictures.draw(stream, 1, i > 0)
			t := make([]float32, batch)
			if stream.Uniform(t); batch > 1 {
				t[0], t[batch-1] = 0, 1
			}
			ends, err := s.run(c.encoder, given{n: 2, x: append(c.pictures.floats(from), c.pictures.floats(to)...)})
			if err != nil {
				return nil, err
			}
			n := c.latent.Len()
			x := make([]float32, batch*n)
			for k := range x {
				x[k] = float32((1-t[k/n])*ends[0][k%n]) + float32(t[k/n]*ends[0][n+k%n])
			}
			out, err := s.run(c.decoder, given{n: batch, x: x})
			if err != nil {
				return nil, err
			}
			vectors = append(vectors, Vector{
				Inputs: []*onnx.Tensor{
					c.pictures.tensor("from", 1, from), c.pictures.tensor("to", 1, to),
					{Name: "t", Dims: []int{batch}, Data: onnx.Slice[float32](t)},
				},
				Outputs: []*onnx.Tensor{c.pictures.tensor("image", batch, c.pictures.bytes(out[0]))},
			})
		}
		return vectors, nil
	}
	return f
}

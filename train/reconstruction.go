package train

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
)

// Reconstruction trains an encoder and a decoder to give back the image that went in: the loss is the mean absolute error
// of the pixels.
type Reconstruction struct {
	Encoder string // net: images to points of the latent space
	Decoder string // net: points of the latent space to images
}

// Roles is what the nets are to each other.
func (o Reconstruction) Roles() model.Roles { return coderRoles(o.Encoder, o.Decoder, "mae") }

// reconstruction is Reconstruction at work: x -> encoder -> decoder -> mean absolute error against x.
type reconstruction struct {
	*coder
	update  *update
	x       []float32
	figures [1]Metric
}

func newReconstruction(t *Trainer, o Reconstruction) (*reconstruction, error) {
	c, err := newCoder(t, o.Encoder, o.Decoder)
	if err != nil {
		return nil, err
	}
	r := &reconstruction{coder: c, figures: [1]Metric{{Name: "mae"}}}
	g, err := r.graph(t.config.Batch, true)
	if err != nil {
		return nil, err
	}
	r.x = g.x
	r.update, err = newUpdate(updateConfig{loss: g.loss, learners: g.nets, nets: c.nets(), adam: t.config.Adam})
	return r, err
}

// absoluteError is the graph of the loss.
type absoluteError struct {
	x    []float32
	nets []*bound
	loss *G.Node
}

func (r *reconstruction) graph(batch int, training bool) (*absoluteError, error) {
	graph := G.NewGraph()
	x, input := inputOf(graph, r.encoder, batch)
	nets, err := r.bind(graph)
	if err != nil {
		return nil, err
	}
	latent, err := nets[0].build(x, training, layer.Need{Params: training}, "")
	if err != nil {
		return nil, err
	}
	y, err := nets[1].build(latent[0], training, layer.Need{Params: training, Input: training}, "")
	if err != nil {
		return nil, err
	}
	loss, err := gop.L1("loss", y[0], x)
	return &absoluteError{x: input, nets: nets, loss: loss}, err
}

func (r *reconstruction) iterate() (err error) {
	r.batches.next(r.x)
	r.figures[0].Value, err = r.update.run()
	return err
}

func (r *reconstruction) metrics() []Metric { return r.figures[:] }

func (r *reconstruction) layout(e Event) string {
	return fmt.Sprintf("%d [MAE: %f]", e.Step, e.Metrics[0].Value)
}

func (r *reconstruction) evaluate(split *dataSplit) ([]Metric, error) {
	mean, err := split.mean(func(batch int) (*measure, error) {
		g, err := r.graph(batch, false)
		if err != nil {
			return nil, err
		}
		return newMeasure(g.x, nil, g.loss)
	})
	if err != nil {
		return nil, err
	}
	return []Metric{{Name: "test_mae", Value: mean[0]}}, nil
}

// pictures are originals above what is made of them, and the way between neighbours in the latent space.
func (r *reconstruction) pictures(n int) ([]Picture, error) {
	pairs, err := r.pairs(n)
	if err != nil {
		return nil, err
	}
	pairs.Name = "samples"
	between, err := r.between(n)
	if err != nil {
		return nil, err
	}
	return append([]Picture{pairs}, between...), nil
}

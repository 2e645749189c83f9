package export

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/layer"
)

// prepared is a plan with its weights, on its way to the emitter.
type prepared struct {
	plan    *layer.Plan
	weights map[string]checkpoint.Tensor // by full name
}

// foldBatchNorm merges every batch normalisation into the layer in front of it, whose weights take on its scale and whose
// bias its offset. That layer is a convolution, a transposed one, or a dense layer, there also with a change of shape
// between them. Where nothing of the kind stands in front, or another step sees the value between, the normalisation stays.
//
// The running statistics enter, in float64, with one rounding at the end: gamma/sqrt(variance + epsilon) for the scale s of
// a channel, weight s for a weight, (bias - mean) s + beta for a bias.
func foldBatchNorm(p prepared) prepared {
	plan := *p.plan
	plan.Steps, plan.Outputs = slices.Clone(p.plan.Steps), slices.Clone(p.plan.Outputs)
	out := prepared{plan: &plan, weights: map[string]checkpoint.Tensor{}}
	for name, w := range p.weights {
		out.weights[name] = w
	}
	for i := 0; i < len(plan.Steps); {
		if !out.fold(i) {
			i++
		}
	}
	return out
}

// fold merges step i into an earlier one, if it is a normalisation that can be, and removes it.
func (p *prepared) fold(i int) bool {
	steps := p.plan.Steps
	norm, ok := steps[i].Layer.(layer.BatchNorm)
	if !ok {
		return false
	}
	at, ok := p.source(i)
	if !ok {
		return false
	}
	scale, offset := p.affine(steps[i].Name, norm)
	s := steps[at]
	switch l := s.Layer.(type) {
	case layer.Dense:
		per := l.Out / len(scale) // columns of a channel, when a change of shape follows
		p.apply(&s, scale, offset, l.NoBias, l.Out, func(k int) int { return k % l.Out / per }, func(out int) int { return out / per })
		l.NoBias = false
		s.Layer = l
	case layer.Conv2D:
		area := s.Params[0].Shape.Len() / l.Out
		p.apply(&s, scale, offset, l.NoBias, l.Out, func(k int) int { return k / area }, func(out int) int { return out })
		l.NoBias = false
		s.Layer = l
	case layer.ConvTranspose2D:
		shape := s.Params[0].Shape // (C, Out/groups, KH, KW)
		area := shape[2] * shape[3]
		perGroup := shape[0] / max(l.Groups, 1)
		p.apply(&s, scale, offset, l.NoBias, l.Out, func(k int) int {
			group := k / (area * shape[1]) / perGroup
			return group*shape[1] + k/area%shape[1]
		}, func(out int) int { return out })
		l.NoBias = false
		s.Layer = l
	}
	s.Params = s.Layer.Params(s.In...)
	for k := range s.Params {
		s.Params[k].Name = s.Name + "." + s.Params[k].Name
	}
	steps[at] = s
	p.remove(i)
	return true
}

// source is the step whose weights can take on the normalisation of step i.
func (p *prepared) source(i int) (int, bool) {
	steps := p.plan.Steps
	channels := steps[i].In[0][0]
	reshaped := false
	for at := steps[i].From[0]; at >= 0 && p.uses(at) == 1; at = steps[at].From[0] {
		switch l := steps[at].Layer.(type) {
		case layer.Reshape, layer.Flatten:
			reshaped = true
		case layer.Dense:
			return at, l.Out%channels == 0
		case layer.Conv2D:
			return at, !reshaped
		case layer.ConvTranspose2D:
			return at, !reshaped
		default:
			return 0, false
		}
	}
	return 0, false
}

// uses counts who sees what a step computes.
func (p *prepared) uses(i int) int {
	n := 0
	for _, s := range p.plan.Steps {
		for _, from := range s.From {
			if from == i {
				n++
			}
		}
	}
	for _, out := range p.plan.Outputs {
		if out == i {
			n++
		}
	}
	return n
}

// affine is a normalisation in inference: y = scale x + offset for each channel.
func (p *prepared) affine(name string, l layer.BatchNorm) (scale, offset []float64) {
	of := func(short string) []float32 { return p.weights[name+"."+short].Data }
	gamma, beta, mean, variance := of("gamma"), of("beta"), of("mean"), of("variance")
	for c := range gamma {
		s := float64(gamma[c]) / math.Sqrt(float64(variance[c])+l.Epsilon)
		scale = append(scale, s)
		offset = append(offset, float64(beta[c])-float64(mean[c])*s)
	}
	return scale, offset
}

// apply gives a step new weights: each is scaled by its channel, and so is the bias, which the offset joins. channel tells
// the channel of a weight by its index, biasChannel that of an output.
func (p *prepared) apply(s *layer.Step, scale, offset []float64, noBias bool, out int, channel, biasChannel func(int) int) {
	w := p.weights[s.Name+".weight"]
	w.Data = slices.Clone(w.Data)
	for k, v := range w.Data {
		w.Data[k] = float32(float64(v) * scale[channel(k)])
	}
	p.weights[w.Name] = w
	b := checkpoint.Tensor{Name: s.Name + ".bias", Dims: []int{out}, Data: make([]float32, out)}
	for k := range b.Data {
		c := biasChannel(k)
		v := offset[c]
		if !noBias {
			v += float64(p.weights[b.Name].Data[k]) * scale[c]
		}
		b.Data[k] = float32(v)
	}
	p.weights[b.Name] = b
}

// remove takes step i out: who continued it now continues the step before, which takes over its name where it is an output.
func (p *prepared) remove(i int) {
	gone := p.plan.Steps[i]
	for _, q := range gone.Params {
		delete(p.weights, q.Name)
	}
	moved := func(at int) int {
		switch {
		case at == i:
			return gone.From[0]
		case at > i:
			return at - 1
		}
		return at
	}
	for k, out := range p.plan.Outputs {
		if out == i {
			p.plan.Steps[gone.From[0]].ONNX = gone.ONNX
		}
		p.plan.Outputs[k] = moved(out)
	}
	p.plan.Steps = slices.Delete(p.plan.Steps, i, i+1)
	for k := range p.plan.Steps {
		s := &p.plan.Steps[k]
		s.From = slices.Clone(s.From)
		for j := range s.From {
			s.From[j] = moved(s.From[j])
		}
	}
}

package reference

import (
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	random32 "github.com/petrify-ml/petrify/random"
)

// BenchmarkDCGAN evaluates the generator of the DCGAN, in its own size and with
// limits, on a batch of 7.
func BenchmarkDCGAN(b *testing.B) {
	m, err := models.Find("dcgan")
	if err != nil {
		b.Fatal(err)
	}
	net, _ := m.Net("generator")
	plan, err := net.Plan()
	if err != nil {
		b.Fatal(err)
	}
	s := &checkpoint.Snapshot{Step: 1, Meta: map[string]string{}}
	for q := range plan.Params() {
		w := make([]float32, q.Shape.Len())
		q.Init(random32.New(1, q.Name), w)
		s.Tensors = append(s.Tensors, checkpoint.Tensor{Name: q.Name, Dims: q.Shape, Data: w})
	}
	proto, err := export.Model(m, net, s, export.Options{})
	if err != nil {
		b.Fatal(err)
	}
	p, err := Compile(&onnx.Model{Proto: proto}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	z := make([]float32, 7*net.Input.Shape.Len())
	random32.New(1, "z").Normal(z)
	x := tensor(b, net.Input.Name, z, append([]int{7}, net.Input.Shape...)...)
	for b.Loop() {
		r, err := p.RunTensors(b.Context(), []*onnx.Tensor{x})
		if err != nil {
			b.Fatal(err)
		}
		if r.Outputs[0].Sound == nil {
			b.Fatal("no limits")
		}
	}
}

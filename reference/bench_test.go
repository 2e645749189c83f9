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

// BenchmarkNode evaluates single nodes whose operands carry limits, in sizes of usual networks.
func BenchmarkNode(b *testing.B) {
	for _, bc := range []struct {
		name, source string
		shape        []int
	}{
		{"conv 3x3, 64 channels, 56x56", "in x float 1,64,56,56\na = Tanh(x)\ny = Conv(a, w)\nout y", []int{64, 64, 3, 3}},
		{"conv 1x1, 256 to 64 channels, 56x56", "in x float 1,256,56,56\na = Tanh(x)\ny = Conv(a, w)\nout y", []int{64, 256, 1, 1}},
		{"depthwise conv 3x3, 144 channels, 56x56", "in x float 1,144,56,56\na = Tanh(x)\ny = Conv(a, w) group=144\nout y", []int{144, 1, 3, 3}},
		{"product, 128 by 768 by 768", "in x float 128,768\na = Tanh(x)\ny = MatMul(a, w)\nout y", []int{768, 768}},
		{"one row by 2048 by 1000", "in x float 1,2048\na = Tanh(x)\ny = MatMul(a, w)\nout y", []int{2048, 1000}},
		{"Relu of 64 channels, 112x112", "in x float 1,64,112,112\na = Tanh(x)\ny = Relu(a)\nout y w", []int{1}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			w := make([]float32, size(bc.shape))
			random32.New(1, "w").Normal(w)
			p, err := Compile(graph(b, 13, bc.source, tensor(b, "w", w, bc.shape...)), Options{})
			if err != nil {
				b.Fatal(err)
			}
			dims := convert(p.Inputs()[0].Type.Dims, func(d onnx.Dim) int { return int(d.Size) })
			x := make([]float32, size(dims))
			random32.New(1, "x").Normal(x)
			in := []*onnx.Tensor{tensor(b, "x", x, dims...)}
			for b.Loop() {
				if _, err := p.RunTensors(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

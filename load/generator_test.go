package load

import (
	"bytes"
	"context"
	"errors"
	"image"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// generatorOf opens a model of the tests as a generator.
func generatorOf(t testing.TB, m *onnx.Model) *Generator {
	t.Helper()
	g, err := OpenGenerator(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// An image is what a run of its noise gives, whichever images are made with it, and whoever else makes some at the same time.
func TestGeneratorMakesTheImagesOfItsNoise(t *testing.T) {
	for name, m := range map[string]*onnx.Model{"dense": generator(t, false), "convolutional": convolutional(t, false)} {
		t.Run(name, func(t *testing.T) {
			g, s := generatorOf(t, m), open(t, m)
			if g.Latent() != 100 || g.Channels() != 1 || g.Bounds() != image.Rect(0, 0, 28, 28) {
				t.Fatalf("latent %d, channels %d, bounds %v", g.Latent(), g.Channels(), g.Bounds())
			}
			n := race.Pick(mostAtOnce+2, 5)
			images, err := g.Sample(t.Context(), -7, n)
			if err != nil || len(images) != n {
				t.Fatalf("%d images, %v", len(images), err)
			}
			for _, i := range []int{0, 1, n - 1} {
				z := make([]float32, 100)
				random.Noise{Seed: -7}.Fill(z, 100, i)
				y, _, err := s.Apply(t.Context(), z)
				if err != nil {
					t.Fatal(err)
				}
				got := images[i].(*image.Gray)
				for k, v := range y {
					if want := 127.5 * (float64(v) + 1); !(float64(got.Pix[k]) >= want-0.5001 && float64(got.Pix[k]) <= want+0.5001) {
						t.Fatalf("image %d: pixel %d is %d, want %v rounded", i, k, got.Pix[k], want)
					}
				}
			}
			var all sync.WaitGroup
			for worker := range 4 {
				all.Go(func() {
					some, err := g.Sample(context.Background(), -7, 1+worker)
					if err != nil {
						t.Error(err)
					}
					for i := range some {
						if !bytes.Equal(some[i].(*image.Gray).Pix, images[i].(*image.Gray).Pix) {
							t.Errorf("image %d of %d is another than of %d", i, len(some), n)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// colour is a model whose red, green and blue are the first three numbers of the noise, on pixels of 0 to 2.
func colour(t testing.TB) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3), onnx.Fixed(1), onnx.Fixed(1))
	e.Step("y", "y")
	e.Output(e.Node("Abs", "", []onnx.Value{x}), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(3), onnx.Fixed(1), onnx.Fixed(1))
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String("petrify.pixels"), Value: proto.String("0,2")}}
	return &onnx.Model{Proto: m}
}

func TestGeneratorInColour(t *testing.T) {
	g := generatorOf(t, colour(t))
	images, err := g.Sample(t.Context(), 7, 2)
	if err != nil {
		t.Fatal(err)
	}
	// The noise of seed 7 is 0.168, 0.155 in image 0, and -0.735 first in image 1.
	if c := images[0].(*image.RGBA).RGBAAt(0, 0); c.R != 21 || c.G != 20 || c.A != 255 {
		t.Errorf("image 0 is %v", c)
	}
	if c := images[1].(*image.RGBA).RGBAAt(0, 0); c.R != 94 {
		t.Errorf("image 1 is %v", c)
	}
	far := make([]byte, 3)
	if err := g.Pixels(t.Context(), far, random.Noise{Seed: 7}, 1); err != nil || far[0] != 94 {
		t.Errorf("image 1 alone is %v, %v", far, err)
	}
	limited := make([]byte, 3*100)
	if err := g.Pixels(t.Context(), limited, random.Noise{Seed: 7, Truncation: 0.5}, 0); err != nil || slices.Max(limited) > 64 {
		t.Errorf("within 0.5: %d, %v", slices.Max(limited), err)
	}
}

func TestGeneratorsThatAreNone(t *testing.T) {
	for claim, test := range map[string]struct {
		spoil func(*pb.ModelProto)
		want  string
	}{
		"a fixed batch": {func(m *pb.ModelProto) {
			dim(m.Graph.Input[0], 0).Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: 1}
		}, "want float with a free first axis"},
		"images for noise": {func(m *pb.ModelProto) {
			dim(m.Graph.Input[0], 2).Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: 2}
		}, ""},
		"two channels": {func(m *pb.ModelProto) {
			dim(m.Graph.Input[0], 1).Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: 2}
		}, ""},
		"a range that is not": {func(m *pb.ModelProto) { m.MetadataProps[0].Value = proto.String("2,0") }, `"2,0", want LOW,HIGH`},
		"no range":            {func(m *pb.ModelProto) { m.MetadataProps[0].Value = proto.String("\x1b[31m") }, "want LOW,HIGH"},
	} {
		m := colour(t)
		test.spoil(m.Proto)
		if g, err := OpenGenerator(m); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v, error %v, want %q", claim, g, err, test.want)
		}
	}
	if _, err := GeneratorBytes([]byte("garbage")); err == nil {
		t.Error("garbage is a generator")
	}
	if _, err := GeneratorFile("nowhere.onnx"); err == nil {
		t.Error("nothing is a generator")
	}
	g := generatorOf(t, colour(t))
	if _, err := g.Sample(t.Context(), 1, -1); err == nil {
		t.Error("-1 images")
	}
	if images, err := g.Sample(t.Context(), 1, 0); err != nil || len(images) != 0 {
		t.Errorf("no images: %v, %v", images, err)
	}
	if err := g.Pixels(t.Context(), make([]byte, 4), random.Noise{}, 0); err == nil {
		t.Error("a part of an image")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Sample(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	g.Close()
	if _, err := g.Sample(t.Context(), 1, 1); err == nil {
		t.Error("closed, and it makes images")
	}
}

func dim(v *pb.ValueInfoProto, i int) *pb.TensorShapeProto_Dimension {
	return v.GetType().GetTensorType().GetShape().GetDim()[i]
}

func TestRunIntoFillsTheCallersTensors(t *testing.T) {
	for name, m := range map[string]*onnx.Model{
		"one output": generator(t, false), "convolutional": convolutional(t, false), "every value an output": generator(t, true),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, m)
			in := []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(9, 300, 1), 3, 100)}
			want, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(8, 300, 1), 3, 100)})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.RunInto(t.Context(), in, out); err != nil {
				t.Fatal(err)
			}
			kept := make([]*onnx.Tensor, len(out))
			for i := range out {
				if !slices.Equal(floats(out[i]), floats(want[i])) {
					t.Errorf("output %s is another than that of Run", out[i].Name)
				}
				kept[i] = out[i].Clone()
			}
			if _, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(7, 300, 1), 3, 100)}); err != nil {
				t.Fatal(err)
			}
			for i := range out {
				if !slices.Equal(floats(out[i]), floats(kept[i])) {
					t.Errorf("a later run has changed output %s", out[i].Name)
				}
			}
			for claim, wrong := range map[string]*onnx.Tensor{
				"too short": onnxtest.Tensor(t, "", make([]float32, 2), 2), "of another type": onnxtest.Tensor(t, "", make([]float64, 3*784), 3, 1, 28, 28),
				"of another batch": onnxtest.Tensor(t, "", make([]float32, 2*784), 2, 1, 28, 28), "without elements": {Dims: []int{3, 1, 28, 28}},
			} {
				bad := slices.Clone(out)
				bad[len(bad)-1] = wrong
				if err := s.RunInto(t.Context(), in, bad); err == nil || !strings.Contains(err.Error(), "the tensor for it") {
					t.Errorf("%s: error %v", claim, err)
				}
			}
			if err := s.RunInto(t.Context(), in, append(out, out[0])); err == nil {
				t.Error("a tensor too many")
			}
			if err := s.RunInto(t.Context(), in, make([]*onnx.Tensor, len(out))); err == nil {
				t.Error("tensors that are nil")
			}
		})
	}
}

func TestNothingIsAllocatedAtSteadyState(t *testing.T) {
	for name, m := range map[string]*onnx.Model{"dense": generator(t, false), "convolutional": convolutional(t, false), "of classes": classed(t, false, three)} {
		s, g := open(t, m), generatorOf(t, m)
		in := []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(9, 2*g.Latent(), 1), 2, g.Latent())}
		if in[0].Name = g.input.Name; name == "of classes" {
			in = append(in, onnxtest.Tensor(t, "class", []int64{2, 0}, 2))
		}
		out, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got := race.AllocsPerRun(20, func() {
			if err := s.RunInto(t.Context(), in, out); err != nil {
				t.Fatal(err)
			}
		}); got > 0 {
			t.Errorf("%s: RunInto allocates %v times", name, got)
		}
		b := make([]byte, 2*g.imageBytes())
		if got := race.AllocsPerRun(20, func() {
			if err := g.Pixels(t.Context(), b, random.Noise{Seed: 3}, 0); err != nil {
				t.Fatal(err)
			}
		}); got > 0 {
			t.Errorf("%s: Pixels allocates %v times", name, got)
		}
	}
}

// BenchmarkGenerator makes the pixels of images, from the noise on.
func BenchmarkGenerator(b *testing.B) {
	for name, m := range map[string]*onnx.Model{"dense": generator(b, false), "convolutional": convolutional(b, false)} {
		for _, n := range []int{1, 16} {
			b.Run(name+"/"+map[int]string{1: "images=1", 16: "images=16"}[n], func(b *testing.B) {
				g := generatorOf(b, m)
				dst := make([]byte, n*784)
				b.ReportAllocs()
				for b.Loop() {
					if err := g.Pixels(b.Context(), dst, random.Noise{Seed: 1}, 0); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

package load

import (
	"bytes"
	"context"
	"errors"
	"image"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// An image is the same whoever else asks for some at the same time.
func TestBatchedImagesAreThoseOfTheGenerator(t *testing.T) {
	g := generatorOf(t, generator(t, false))
	for _, o := range []BatcherOptions{{}, {Images: 5, Runs: 1}, {Images: 64, Runs: 1, Wait: time.Millisecond}} {
		b, err := NewBatcher(g, o)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for worker := range 12 {
			all.Go(func() {
				for round := range 3 {
					seed, n, first := int64(worker), 1+(worker+round)%9, 3*round
					want, got := make([]byte, n*784), make([]byte, n*784)
					noise := random.Noise{Seed: seed, Truncation: float32(worker % 3)}
					if err := errors.Join(g.Pixels(context.Background(), want, noise, first), b.Pixels(context.Background(), got, noise, first)); err != nil {
						t.Error(err)
					}
					if !bytes.Equal(got, want) {
						t.Errorf("%+v: the images from %d on of seed %d are others", o, first, seed)
					}
				}
			})
		}
		all.Wait()
		want, err1 := g.Sample(t.Context(), -7, 7)
		got, err2 := b.Sample(t.Context(), -7, 7)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for i := range want {
			if !bytes.Equal(want[i].(*image.Gray).Pix, got[i].(*image.Gray).Pix) {
				t.Errorf("%+v: image %d of a sample is another", o, i)
			}
		}
	}
}

// Who comes while all runs are busy goes through the model together, and who leaves holds nobody up.
func TestABatchGathersAndCallersLeave(t *testing.T) {
	g := generatorOf(t, generator(t, false))
	b, err := NewBatcher(g, BatcherOptions{Images: 8, Runs: 1, Wait: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ask := func(ctx context.Context, n int) chan error {
			answer := make(chan error, 1)
			go func() { answer <- b.Pixels(ctx, make([]byte, n*784), random.Noise{Seed: 3}, 0) }()
			synctest.Wait()
			return answer
		}
		ctx, cancel := context.WithCancel(context.Background())
		gone, stays := ask(ctx, 3), ask(context.Background(), 2)
		if len(gone)+len(stays) != 0 {
			t.Fatal("a batch that should wait for others has begun")
		}
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who left was told %v", err)
		}
		if err := <-ask(context.Background(), 3); err != nil { // the batch is full with it
			t.Error(err)
		}
		if err := <-stays; err != nil {
			t.Error(err)
		}
		began := time.Now()
		if err := <-ask(context.Background(), 1); err != nil {
			t.Error(err)
		}
		if waited := time.Since(began); waited != time.Hour {
			t.Errorf("an image alone waited for %v, want an hour", waited)
		}
		alone, leave := context.WithCancel(context.Background())
		last := ask(alone, 1)
		leave()
		if err := <-last; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour) // nothing is left to end: synctest says so of goroutines, and this of the batch
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.free != 1 || b.open != nil || len(b.full) != 0 {
			t.Errorf("%d runs are free, %v gathers and %d are full", b.free, b.open, len(b.full))
		}
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Pixels(ended, make([]byte, 784), random.Noise{}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that had ended: %v", err)
	}
	if err := b.Pixels(t.Context(), make([]byte, 783), random.Noise{}, 0); err == nil {
		t.Error("a part of an image")
	}
	if _, err := b.Sample(t.Context(), 1, -1); err == nil {
		t.Error("-1 images")
	}
	g.Close()
	if err := b.Pixels(t.Context(), make([]byte, 8*784), random.Noise{}, 0); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("of a generator that is closed: %v", err)
	}
	if _, err := NewBatcher(g, BatcherOptions{Images: 65, Runs: -1, Wait: -1}); err == nil || strings.Count(err.Error(), "want") != 3 {
		t.Errorf("options that cannot be: %v", err)
	}
}

func TestABatchedCallAllocatesLittle(t *testing.T) {
	b, err := NewBatcher(generatorOf(t, generator(t, false)), BatcherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 784)
	if got := race.AllocsPerRun(50, func() {
		if err := b.Pixels(t.Context(), dst, random.Noise{Seed: 3}, 0); err != nil {
			t.Fatal(err)
		}
	}); got > 8 { // a batch, its parts, its channel, its goroutine
		t.Errorf("%v allocations in a call", got)
	}
}

// BenchmarkBatcher has eight callers a processor ask for one image each, with and without a batcher.
func BenchmarkBatcher(b *testing.B) {
	for name, m := range map[string]*onnx.Model{"dense": generator(b, false), "convolutional": convolutional(b, false)} {
		g := generatorOf(b, m)
		batcher, err := NewBatcher(g, BatcherOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for way, pixels := range map[string]pixelsFunc{"alone": g.Pixels, "batched": batcher.Pixels} {
			b.Run(name+"/"+way, func(b *testing.B) {
				b.SetParallelism(8)
				b.ReportAllocs()
				b.RunParallel(func(p *testing.PB) {
					dst := make([]byte, 784)
					for p.Next() {
						if err := pixels(context.Background(), dst, random.Noise{Seed: 1}, 0); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
		runtime.GC()
	}
}

// mirror is a model whose codes are its images of two by one pixels, as numbers from -1 to 1 or as bytes in three channels, and back.
func mirror(t testing.TB, encodes bool, elem pb.TensorProto_DataType) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	n := onnx.Symbolic("N")
	reshape := func(x onnx.Value, name string, dims ...int64) onnx.Value {
		shape, err := onnx.NewTensor("shape", dims, len(dims))
		if err != nil {
			t.Fatal(err)
		}
		e.Step(name, name)
		return e.Node("Reshape", "", []onnx.Value{x, e.Const("shape", shape)})
	}
	switch {
	case !encodes:
		z := e.Input("z", pb.TensorProto_FLOAT, n, onnx.Fixed(2))
		e.Output(reshape(z, "image", 0, 1, 1, 2), pb.TensorProto_FLOAT, n, onnx.Fixed(1), onnx.Fixed(1), onnx.Fixed(2))
	case elem == pb.TensorProto_UINT8:
		x := e.Input("image", elem, n, onnx.Fixed(2), onnx.Fixed(1), onnx.Fixed(3))
		e.Step("float", "float")
		y := e.Node("Cast", "", []onnx.Value{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
		e.Output(reshape(y, "code", 0, 6), pb.TensorProto_FLOAT, n, onnx.Fixed(6))
	default:
		x := e.Input("image", elem, n, onnx.Fixed(1), onnx.Fixed(1), onnx.Fixed(2))
		e.Output(reshape(x, "code", 0, 2), pb.TensorProto_FLOAT, n, onnx.Fixed(2))
	}
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: m}
}

func TestAnAutoencoderReconstructs(t *testing.T) {
	encoder, err := OpenEncoder(mirror(t, true, pb.TensorProto_FLOAT))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	a, err := NewAutoencoder(encoder, generatorOf(t, mirror(t, false, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var images []image.Image
	for i := range mostAtOnce + 3 {
		m := image.NewGray(image.Rect(5, 7, 7, 8)) // at a place of its own
		m.Pix[0], m.Pix[1] = uint8(i), uint8(255-i)
		images = append(images, m)
	}
	codes, err := encoder.Encode(t.Context(), images)
	if err != nil || len(codes) != len(images) || codes[0][0] != -1 || codes[0][1] != 1 || cap(codes[0]) != 2 {
		t.Fatalf("the codes are %v, %v", codes, err)
	}
	made, err := a.Reconstruct(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	for i := range images {
		if !bytes.Equal(made[i].(*image.Gray).Pix, images[i].(*image.Gray).Pix) {
			t.Errorf("image %d became %v", i, made[i])
		}
	}
	if _, err := encoder.Encode(t.Context(), []image.Image{images[0], image.NewGray(image.Rect(0, 0, 3, 1))}); err == nil || err.Error() != "image 1 is 3x1, want 2x1" {
		t.Errorf("of another size: %v", err)
	}
	if _, err := encoder.Encode(t.Context(), []image.Image{nil}); err == nil {
		t.Error("no image")
	}
	if _, err := a.Decoder.Decode(t.Context(), [][]float32{{1, 2}, {3}}); err == nil || err.Error() != "point 1 has 1 numbers, want 2" {
		t.Errorf("a point that is none: %v", err)
	}
	colours, err := OpenEncoder(mirror(t, true, pb.TensorProto_UINT8))
	if err != nil {
		t.Fatal(err)
	}
	defer colours.Close()
	m := image.NewRGBA(colours.Bounds())
	copy(m.Pix, []uint8{10, 20, 30, 255, 40, 50, 60, 255})
	if codes, err := colours.Encode(t.Context(), []image.Image{m}); err != nil || len(codes[0]) != 6 || codes[0][1] != 20 || codes[0][5] != 60 {
		t.Errorf("the code of colours is %v, %v", codes, err)
	}
	if _, err := NewAutoencoder(colours, a.Decoder); err == nil {
		t.Error("an encoder and a decoder of other codes")
	}
	for name, m := range map[string]*onnx.Model{"a generator": mirror(t, false, 0), "nothing": nil} {
		if _, err := OpenEncoder(m); err == nil {
			t.Errorf("%s encodes", name)
		}
	}
}

func TestADiscriminatorScores(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 13, IR: 8})
	x := e.Input("image", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(2), onnx.Fixed(2))
	e.Step("score", "score")
	e.Output(e.Node("ReduceMean", "", []onnx.Value{x}, onnx.Ints("axes", 1, 2, 3), onnx.Int("keepdims", 0)), pb.TensorProto_FLOAT, onnx.Symbolic("N"))
	p, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDiscriminator(&onnx.Model{Proto: p})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	white := image.NewGray(d.Bounds())
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	if scores, err := d.Score(t.Context(), []image.Image{image.NewGray(d.Bounds()), white}); err != nil || len(scores) != 2 || scores[0] != -1 || scores[1] != 1 {
		t.Errorf("the scores are %v, %v", scores, err)
	}
	if _, err := OpenDiscriminator(mirror(t, true, pb.TensorProto_FLOAT)); err == nil || !strings.Contains(err.Error(), "want one number for each image") {
		t.Errorf("an encoder scores: %v", err)
	}
}

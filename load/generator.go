package load

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
)

// A Generator makes images from noise. Its methods may be called from several goroutines at once.
//
// The model has an input float32 (N, K) or (N, K, 1, 1) for any N, possibly a second input with the class of each image, int64 (N), and an output of images with C channels, 1 for grey or 3 for
// red, green and blue: float32 or uint8, (N, C, H, W) or (N, H, W, C). That is a generator, or the decoder of a variational autoencoder, in any form that petrify exports, or a similar model of
// another program. A file of form sample works, too: the part that draws the noise is removed.
type Generator struct {
	session *Session
	model   raster.Model
	input   Port
	output  int    // which of the session's
	size    [3]int // C, H, W
	latent  int    // K
	layout  raster.Layout
	scratch sync.Pool
}

// GeneratorFile opens the generator in a file, see File.
func GeneratorFile(path string) (*Generator, error) { return fromFile(path, OpenGenerator) }

// fromFile reads a model for open, which makes it ready to run.
func fromFile[T any](path string, open func(*onnx.Model) (T, error)) (t T, err error) {
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return t, err
	}
	if err := wire.Embed(m, wire.Limits{}); err != nil {
		return t, err
	}
	if t, err = open(m); err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// GeneratorBytes opens a generator from the contents of a file, such as one embedded in the program.
func GeneratorBytes(b []byte) (*Generator, error) {
	m, err := wire.Parse("generator", b, wire.Limits{})
	if err != nil {
		return nil, err
	}
	return OpenGenerator(m)
}

// OpenGenerator prepares a model to generate images, see Open. It returns an *onnx.UnsupportedError if the model is not a
// generator.
func OpenGenerator(m *onnx.Model) (*Generator, error) {
	if err := validate(m); err != nil {
		return nil, err
	}
	g := &Generator{}
	var err error
	if g.model, err = raster.Of(m.Proto); err != nil {
		return nil, err
	}
	if g.model.Kind == raster.Seed {
		if m, err = WithoutNoise(context.Background(), m); err != nil {
			return nil, err
		}
		if g.model, err = raster.Of(m.Proto); err != nil {
			return nil, err
		}
	}
	if g.session, err = Open(m); err != nil {
		return nil, err
	}
	if err := g.settle(); err != nil {
		return nil, errors.Join(err, g.session.Close())
	}
	return g, nil
}

// WithoutNoise returns the generator inside a model of form sample, with noise float32 (N, K) as its input and images as its output. The
// part that draws the noise is removed after it was found to draw that of random.Noise; a model that draws other noise, or is of another
// form, is an *onnx.UnsupportedError.
func WithoutNoise(ctx context.Context, m *onnx.Model) (*onnx.Model, error) {
	noise, points, err := raster.Split(m.Proto)
	if err != nil {
		return nil, err
	}
	s, err := Open(&onnx.Model{Proto: noise})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for _, n := range []random.Noise{{Seed: 7}, {Seed: math.MinInt64, Truncation: 1.5}} {
		const rows = 3
		out, err := s.Run(ctx, []*onnx.Tensor{
			{Name: "seed", Dims: []int{1}, Data: onnx.Slice[int64]{n.Seed}}, {Name: "count", Dims: []int{1}, Data: onnx.Slice[int64]{rows}},
			{Name: "truncation", Dims: []int{1}, Data: onnx.Slice[float32]{n.Truncation}},
		})
		if err != nil {
			return nil, err
		}
		drawn, _ := out[0].Data.(onnx.Slice[float32])
		want := make([]float32, len(drawn))
		n.Fill(want, max(1, len(drawn)/rows), 0)
		if len(drawn) == 0 || len(out[0].Dims) != 2 || out[0].Dims[0] != rows || !slices.Equal(drawn, want) {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("it draws other noise of seed %d than this version of petrify", n.Seed)}
		}
	}
	return &onnx.Model{Proto: points}, nil
}

// settle finds out what goes in and what comes out.
func (g *Generator) settle() error {
	unsupported := func(format string, args ...any) error {
		return &onnx.UnsupportedError{Why: fmt.Sprintf(format, args...)}
	}
	for _, p := range g.session.signature.Inputs {
		if p.Name == g.model.Input.Name {
			g.input = p
		}
	}
	dims := g.model.Input.Dims
	if g.model.Kind != raster.Points || len(dims) != 1 && (len(dims) != 3 || dims[1] != 1 || dims[2] != 1) {
		return unsupported("input %s, want noise as in float[N,100]", g.input)
	}
	g.latent = g.model.Input.Size
	var err error
	g.output, g.size, g.layout, err = imagesOut(g.session, g.model)
	return err
}

// imagesOut finds the images among the outputs of a session.
func imagesOut(s *Session, m raster.Model) (output int, size [3]int, layout raster.Layout, err error) {
	var seen []string
	for i, p := range s.signature.Outputs {
		dims := make([]int, len(p.Type.Dims))
		for k, d := range p.Type.Dims {
			const most = 1 << 14
			if k > 0 && (!d.Known() || d.Size < 1 || d.Size > most) {
				dims = nil
				break
			}
			dims[k] = int(d.Size)
		}
		if c, h, w, l := m.Output(p.Type.Elem, dims); l != "" {
			return i, [3]int{c, h, w}, l, nil
		}
		seen = append(seen, p.String())
	}
	return 0, size, "", &onnx.UnsupportedError{Why: fmt.Sprintf("outputs %s, want images as in float[N,1,28,28]", strings.Join(seen, ", "))}
}

// Classes returns the names of the model's classes, in the order of their numbers; nil for a model that takes no class, or does not
// name its classes.
func (g *Generator) Classes() []string { return slices.Clone(g.model.Class.Names) }

// Latent returns the number of dimensions of the noise that an image is made from.
func (g *Generator) Latent() int { return g.latent }

// Channels returns 1 for grey images and 3 for colour.
func (g *Generator) Channels() int { return g.size[0] }

// Bounds returns the bounds of an image, starting at (0, 0).
func (g *Generator) Bounds() image.Rectangle { return image.Rect(0, 0, g.size[2], g.size[1]) }

// Close releases the model's memory. Calls in progress finish normally, later ones fail.
func (g *Generator) Close() error { return g.session.Close() }

// Sample makes n images from a seed: the same as `petrify sample --seed`, from the noise random.Noise{Seed: seed}. The first images of a
// seed are the same for every n. They are *image.Gray, or *image.RGBA for three channels. A model that takes a class goes through all of
// its classes in turn, see SampleClass.
func (g *Generator) Sample(ctx context.Context, seed int64, n int) ([]image.Image, error) {
	return g.sample(ctx, seed, n, g.Pixels, nil)
}

// SampleClass is Sample for the given classes, which are indices into Classes and are used in turn. With the same seed, different
// classes get the same noise, so the images share their style.
func (g *Generator) SampleClass(ctx context.Context, seed int64, n int, classes ...int) ([]image.Image, error) {
	return g.sample(ctx, seed, n, g.Pixels, classes)
}

// sample is Sample where pixels are made by a function such as Pixels.
func (g *Generator) sample(ctx context.Context, seed int64, n int, pixels pixelsFunc, classes []int) ([]image.Image, error) {
	if n < 0 {
		return nil, fmt.Errorf("%d images, want 0 or more", n)
	}
	return g.images(n, func(b []byte, from int) error { return pixels(ctx, b, random.Noise{Seed: seed}, from, classes...) })
}

// pixelsFunc is Pixels.
type pixelsFunc func(ctx context.Context, dst []byte, noise random.Noise, first int, classes ...int) error

// Decode makes one image from each point, which has Latent numbers: the caller's own noise, codes from an Encoder, or points in between.
// Classes are as in SampleClass.
func (g *Generator) Decode(ctx context.Context, points [][]float32, classes ...int) ([]image.Image, error) {
	if err := knows(g.model.Class, classes); err != nil {
		return nil, err
	}
	for i, p := range points {
		if len(p) != g.latent {
			return nil, fmt.Errorf("point %d has %d numbers, want %d", i, len(p), g.latent)
		}
	}
	return g.images(len(points), func(b []byte, from int) error {
		s := g.take(len(b) / g.imageBytes())
		defer g.scratch.Put(s)
		for i := range len(s.z) / g.latent {
			copy(s.z[i*g.latent:], points[from+i])
		}
		g.classify(s.classes, from, classes)
		return g.run(ctx, s, b)
	})
}

// images are n, whose pixels are made by a function, those from image number from on, mostAtOnce at most.
func (g *Generator) images(n int, pixels func(b []byte, from int) error) ([]image.Image, error) {
	images := make([]image.Image, n)
	room := make([]byte, min(n, mostAtOnce)*g.imageBytes())
	for from := 0; from < n; from += mostAtOnce {
		part := images[from:min(from+mostAtOnce, n)]
		b := room[:len(part)*g.imageBytes()]
		if err := pixels(b, from); err != nil {
			return nil, err
		}
		for i := range part {
			part[i] = g.image(b[i*g.imageBytes() : (i+1)*g.imageBytes()])
		}
	}
	return images, nil
}

// mostAtOnce images go through the model together.
const mostAtOnce = 64

// imageBytes is what Pixels writes for an image.
func (g *Generator) imageBytes() int { return g.size[0] * g.size[1] * g.size[2] }

// image is a copy of the pixels of one.
func (g *Generator) image(b []byte) image.Image {
	if g.size[0] == 1 {
		m := image.NewGray(g.Bounds())
		copy(m.Pix, b)
		return m
	}
	m := image.NewRGBA(g.Bounds())
	for i := range len(b) / 3 {
		copy(m.Pix[4*i:], b[3*i:3*i+3])
		m.Pix[4*i+3] = 0xff
	}
	return m
}

// Pixels fills dst with the images of the noise, starting with the image of index first: H rows of W pixels of C bytes each. The length of
// dst must be a multiple of the size of an image. After a first call with as many images, it allocates nothing. Classes are used in
// turn, as in SampleClass: image i has class number i modulo the number of classes given.
func (g *Generator) Pixels(ctx context.Context, dst []byte, noise random.Noise, first int, classes ...int) error {
	if err := knows(g.model.Class, classes); err != nil {
		return err
	}
	size := g.imageBytes()
	if len(dst)%size != 0 {
		return fmt.Errorf("room for %d bytes, want a multiple of %d", len(dst), size)
	}
	for done := 0; done < len(dst); {
		b := dst[done:min(done+mostAtOnce*size, len(dst))]
		if err := g.some(ctx, b, portion{noise, first + done/size, len(b) / size, classes}); err != nil {
			return err
		}
		done += len(b)
	}
	return nil
}

// some is Pixels for at most mostAtOnce images.
func (g *Generator) some(ctx context.Context, dst []byte, p portion) error {
	s := g.take(p.n)
	defer g.scratch.Put(s)
	g.fill(s, 0, p.n, p, 0)
	return g.run(ctx, s, dst)
}

// fill puts images low to high of those that go through the model together in place: of a portion, from its image number skip on.
func (g *Generator) fill(s *scratch, low, high int, p portion, skip int) {
	p.noise.Fill(s.z[low*g.latent:high*g.latent], g.latent, p.first+skip)
	if s.classes != nil {
		g.classify(s.classes[low:high], p.first+skip, p.classes)
	}
}

// classify fills in the classes of images, that of index first in front: those requested in turn, or all that the model names.
func (g *Generator) classify(numbers []int64, first int, asked []int) {
	for i := range numbers {
		switch names := len(g.model.Class.Names); {
		case len(asked) > 0:
			numbers[i] = int64(asked[inTurn(first+i, len(asked))])
		case names > 0:
			numbers[i] = int64(inTurn(first+i, names))
		default:
			numbers[i] = 0
		}
	}
}

// inTurn is i modulo n, and never negative: an index may have gone round.
func inTurn(i, n int) int { return ((i % n) + n) % n }

// knows says whether a model has such classes.
func knows(class raster.Class, classes []int) error {
	for _, c := range classes {
		switch names := len(class.Names); {
		case !class.Taken():
			return fmt.Errorf("class %d, and the model takes none", c)
		case names > 0 && (c < 0 || c >= names):
			return fmt.Errorf("class %d, want 0 to %d", c, names-1)
		case c < 0:
			return fmt.Errorf("class %d, want 0 or more", c)
		}
	}
	return nil
}

// batch fills dst with the images of all parts. A session keeps the graphs of few batch sizes: these are 64, 16, 4 and 1.
func (g *Generator) batch(ctx context.Context, dst []byte, parts []portion) error {
	size := g.imageBytes()
	for at := 0; len(dst) > 0; {
		n := 1
		for n < mostAtOnce && 4*n*size <= len(dst) {
			n *= 4
		}
		s := g.take(n)
		var from int // the first image of the portion
		for _, p := range parts {
			if low, high := max(at, from), min(at+n, from+p.n); low < high {
				g.fill(s, low-at, high-at, p, low-from)
			}
			from += p.n
		}
		err := g.run(ctx, s, dst[:n*size])
		g.scratch.Put(s)
		if err != nil {
			return err
		}
		at, dst = at+n, dst[n*size:]
	}
	return nil
}

// take is memory for a call that makes n images.
func (g *Generator) take(n int) *scratch {
	s, ok := g.scratch.Get().(*scratch)
	if !ok {
		s = &scratch{}
	}
	s.resize(g, n)
	return s
}

// run makes images of the points in s.
func (g *Generator) run(ctx context.Context, s *scratch, dst []byte) error {
	if s.out != nil {
		if err := g.session.RunInto(ctx, s.in, s.out); err != nil {
			return err
		}
		return g.model.Bytes(dst, s.out[0])
	}
	out, err := g.session.Run(ctx, s.in)
	if err != nil {
		return err
	}
	return g.model.Bytes(dst, out[g.output])
}

// scratch is the memory of one call.
type scratch struct {
	z       []float32      // (n, latent), the beginning of noise
	classes []int64        // (n), the beginning of numbers; nil where the model takes none
	in      []*onnx.Tensor // of z, and of classes
	out     []*onnx.Tensor // nil for a model with other outputs beside the images
	noise   []float32
	numbers []int64
	floats  []float32
	bytes   []uint8
}

// resize makes room for n images.
func (s *scratch) resize(g *Generator, n int) {
	if s.in == nil {
		dims := make([]int, len(g.input.Type.Dims))
		for i := range dims {
			dims[i] = 1
		}
		dims[0], dims[1] = 0, g.latent
		s.in = []*onnx.Tensor{{Name: g.input.Name, Dims: dims}}
		if c := g.model.Class; c.Taken() {
			s.in = append(s.in, c.Tensor(nil))
		}
		if outputs := g.session.signature.Outputs; len(outputs) == 1 {
			s.out = []*onnx.Tensor{{Name: outputs[0].Name, Dims: make([]int, 4)}}
			for i, d := range outputs[0].Type.Dims[1:] {
				s.out[0].Dims[i+1] = int(d.Size)
			}
		}
	}
	if s.in[0].Dims[0] == n {
		return
	}
	s.z = room(&s.noise, n*g.latent)
	s.in[0].Dims[0], s.in[0].Data = n, onnx.Slice[float32](s.z)
	if g.model.Class.Taken() {
		s.classes = room(&s.numbers, n)
		s.in[1].Dims[0], s.in[1].Data = n, onnx.Slice[int64](s.classes)
	}
	if s.out == nil {
		return
	}
	s.out[0].Dims[0] = n
	if g.session.signature.Outputs[0].Type.Elem == pb.TensorProto_UINT8 {
		s.out[0].Data = onnx.Slice[uint8](room(&s.bytes, n*g.imageBytes()))
	} else {
		s.out[0].Data = onnx.Slice[float32](room(&s.floats, n*g.imageBytes()))
	}
}

// room is the first n elements of memory that grows where it must.
func room[T any](memory *[]T, n int) []T {
	if cap(*memory) < n {
		*memory = make([]T, n)
	}
	return (*memory)[:n]
}

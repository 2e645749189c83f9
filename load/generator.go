package load

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
)

// A Generator makes images of noise. Its methods may be called from several goroutines at once.
//
// The model has one input, float32 (N, K) or (N, K, 1, 1) for any N, and an output of images, float32 (N, C, H, W) with C of 1 for grey or
// 3 for red, green and blue: a generator, or the decoder of a variational autoencoder, as petrify exports them, or another program's.
type Generator struct {
	session *Session
	input   Port
	output  int     // which of the session's
	latent  int     // K
	size    [3]int  // C, H, W
	low     float64 // the values of black
	high    float64 // and white
	scratch sync.Pool
}

// GeneratorFile opens the generator in a file, see File.
func GeneratorFile(path string) (*Generator, error) {
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return nil, err
	}
	if err := wire.Embed(m, wire.Limits{}); err != nil {
		return nil, err
	}
	g, err := OpenGenerator(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// GeneratorBytes opens the generator in the bytes of a file, such as one that is embedded in the program.
func GeneratorBytes(b []byte) (*Generator, error) {
	m, err := wire.Parse("generator", b, wire.Limits{})
	if err != nil {
		return nil, err
	}
	return OpenGenerator(m)
}

// OpenGenerator makes a model ready to make images, see Open. It gives an *onnx.UnsupportedError for a model that is no generator.
func OpenGenerator(m *onnx.Model) (*Generator, error) {
	s, err := Open(m)
	if err != nil {
		return nil, err
	}
	g := &Generator{session: s}
	if err := errors.Join(g.settle(), g.pixelRange(m.Proto)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return g, nil
}

// settle finds out what goes in and what comes out.
func (g *Generator) settle() error {
	in, out := g.session.signature.Inputs, g.session.signature.Outputs
	unsupported := func(format string, args ...any) error {
		return &onnx.UnsupportedError{Why: fmt.Sprintf(format, args...)}
	}
	if len(in) != 1 {
		return unsupported("%d inputs, want the one of a generator", len(in))
	}
	g.input = in[0]
	dims := g.input.Type.Dims
	if g.input.Type.Elem != pb.TensorProto_FLOAT || len(dims) != 2 && len(dims) != 4 || dims[0].Known() {
		return unsupported("input %s, want noise as in float[N,100]", g.input)
	}
	g.latent = 1
	for i, d := range dims[1:] {
		const most = 1 << 20
		if !d.Known() || d.Size < 1 || d.Size > most || i > 0 && d.Size != 1 {
			return unsupported("input %s, want noise as in float[N,100]", g.input)
		}
		g.latent *= int(d.Size)
	}
	var seen []string
	for i, p := range out {
		if d := p.Type.Dims; p.Type.Elem == pb.TensorProto_FLOAT && len(d) == 4 && !slices.ContainsFunc(d[1:], func(d onnx.Dim) bool {
			const most = 1 << 14
			return !d.Known() || d.Size < 1 || d.Size > most
		}) && (d[1].Size == 1 || d[1].Size == 3) {
			g.output, g.size = i, [3]int{int(d[1].Size), int(d[2].Size), int(d[3].Size)}
			return nil
		}
		seen = append(seen, p.String())
	}
	return unsupported("outputs %s, want images as in float[N,1,28,28]", strings.Join(seen, ", "))
}

// pixelRange reads which values stand for black and white, -1 and 1 where the file does not say.
func (g *Generator) pixelRange(m *pb.ModelProto) error {
	const key = "petrify.pixels"
	g.low, g.high = -1, 1
	for _, e := range m.GetMetadataProps() {
		if e.GetKey() != key {
			continue
		}
		low, high, _ := strings.Cut(e.GetValue(), ",")
		var err1, err2 error
		g.low, err1 = strconv.ParseFloat(low, 64)
		g.high, err2 = strconv.ParseFloat(high, 64)
		if err1 != nil || err2 != nil || !(g.low < g.high) || math.IsInf(g.high-g.low, 0) {
			return &onnx.FormatError{Offset: -1, Where: "metadata " + key, What: onnx.Quote(e.GetValue()) + ", want LOW,HIGH"}
		}
	}
	return nil
}

// Latent is how many numbers make an image.
func (g *Generator) Latent() int { return g.latent }

// Channels is 1 for grey images and 3 for those in colour.
func (g *Generator) Channels() int { return g.size[0] }

// Bounds is the rectangle of an image, from (0, 0) on.
func (g *Generator) Bounds() image.Rectangle { return image.Rect(0, 0, g.size[2], g.size[1]) }

// Close lets go of the memory. Images that are under way are made, later ones are not.
func (g *Generator) Close() error { return g.session.Close() }

// Sample makes n images of the noise of a seed: those of `petrify sample --seed`, and of the noise random.Noise{Seed: seed}. The first
// images of a seed are the same whatever n is. They are *image.Gray, or *image.RGBA for three channels.
func (g *Generator) Sample(ctx context.Context, seed int64, n int) ([]image.Image, error) {
	if n < 0 {
		return nil, fmt.Errorf("%d images, want 0 or more", n)
	}
	images := make([]image.Image, n)
	pixels := make([]byte, min(n, mostAtOnce)*g.imageBytes())
	for from := 0; from < n; from += mostAtOnce {
		part := images[from:min(from+mostAtOnce, n)]
		b := pixels[:len(part)*g.imageBytes()]
		if err := g.Pixels(ctx, b, random.Noise{Seed: seed}, from); err != nil {
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

// Pixels fills dst with images of noise, from that of index first on, one after the other: H rows of W pixels of C bytes. It makes as many
// as dst has room for, which must be a whole number of them. Once it has made as many before, it allocates nothing.
func (g *Generator) Pixels(ctx context.Context, dst []byte, noise random.Noise, first int) error {
	size := g.imageBytes()
	if len(dst)%size != 0 {
		return fmt.Errorf("room for %d bytes, want a multiple of %d", len(dst), size)
	}
	for done := 0; done < len(dst); {
		b := dst[done:min(done+mostAtOnce*size, len(dst))]
		if err := g.some(ctx, b, noise, first+done/size); err != nil {
			return err
		}
		done += len(b)
	}
	return nil
}

// some is Pixels for at most mostAtOnce images.
func (g *Generator) some(ctx context.Context, dst []byte, noise random.Noise, first int) error {
	s, ok := g.scratch.Get().(*scratch)
	if !ok {
		s = &scratch{}
	}
	defer g.scratch.Put(s)
	s.resize(g, len(dst)/g.imageBytes())
	noise.Fill(s.z, g.latent, first)
	var made []float32
	if s.out != nil {
		if err := g.session.RunInto(ctx, s.in[:], s.out); err != nil {
			return err
		}
		made = s.out[0].Data.(onnx.Slice[float32])
	} else {
		out, err := g.session.Run(ctx, s.in[:])
		if err != nil {
			return err
		}
		t := out[g.output]
		data, ok := t.Data.(onnx.Slice[float32])
		if !ok || len(data) != len(dst) {
			return fmt.Errorf("output %s came as dims %v", g.session.signature.Outputs[g.output], t.Dims)
		}
		made = data
	}
	return g.bytes(dst, made)
}

// bytes turns (N, C, H, W) of the model's values into (N, H, W, C) of bytes.
func (g *Generator) bytes(dst []byte, made []float32) error {
	channels, plane := g.size[0], g.size[1]*g.size[2]
	span := g.high - g.low
	for n := range len(dst) / (channels * plane) {
		for c := range channels {
			from := made[(n*channels+c)*plane:][:plane]
			to := dst[n*channels*plane+c:]
			for i, v := range from {
				if v != v {
					return fmt.Errorf("image %d, channel %d, row %d, column %d: not a number", n, c, i/g.size[2], i%g.size[2])
				}
				unit := float32((float64(v) - g.low) / span) // in float32, as petrify sample has it: the same pictures
				to[i*channels] = uint8(min(max(float64(unit), 0), 1)*255 + 0.5)
			}
		}
	}
	return nil
}

// scratch is the memory of one call.
type scratch struct {
	room []float32
	z    []float32 // (n, latent), the beginning of room
	in   [1]*onnx.Tensor
	out  []*onnx.Tensor // nil for a model with other outputs beside the images
	made []float32
}

// resize makes room for n images.
func (s *scratch) resize(g *Generator, n int) {
	if s.in[0] == nil {
		dims := make([]int, len(g.input.Type.Dims))
		for i := range dims {
			dims[i] = 1
		}
		dims[0], dims[1] = 0, g.latent
		s.in[0] = &onnx.Tensor{Name: g.input.Name, Dims: dims}
		if len(g.session.signature.Outputs) == 1 {
			s.out = []*onnx.Tensor{{Name: g.session.signature.Outputs[0].Name, Dims: []int{0, g.size[0], g.size[1], g.size[2]}}}
		}
	}
	if s.in[0].Dims[0] == n {
		return
	}
	if need := n * g.latent; cap(s.room) < need {
		s.room = make([]float32, need)
	}
	s.z = s.room[:n*g.latent]
	s.in[0].Dims[0], s.in[0].Data = n, onnx.Slice[float32](s.z)
	if s.out != nil {
		if need := n * g.imageBytes(); cap(s.made) < need {
			s.made = make([]float32, need)
		}
		s.out[0].Dims[0], s.out[0].Data = n, onnx.Slice[float32](s.made[:n*g.imageBytes()])
	}
}

package load

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
)

// reader is a model that makes numbers of images.
type reader struct {
	session *Session
	input   raster.Input
	class   raster.Class
	output  int // which of the session's
	width   int // numbers of an image
}

// openReader wants a model of one input of images and, first among its outputs, float32 (N, K) or (N), the K of which is known.
func openReader(m *onnx.Model) (r reader, err error) {
	if err := validate(m); err != nil {
		return r, err
	}
	is, err := raster.Of(m.Proto)
	if err != nil {
		return r, err
	}
	if is.Kind != raster.Images {
		return r, &onnx.UnsupportedError{Why: fmt.Sprintf("input %s takes no images, as in float[N,1,28,28]", onnx.Quote(is.Input.Name))}
	}
	if r.session, err = Open(m); err != nil {
		return r, err
	}
	r.input, r.class, r.width = is.Input, is.Class, 1
	out := r.session.signature.Outputs[0]
	for i, d := range out.Type.Dims {
		if i > 0 && (!d.Known() || d.Size < 1 || d.Size > 1<<20/int64(r.width)) {
			r.width = 0
			break
		}
		if i > 0 {
			r.width *= int(d.Size)
		}
	}
	if out.Type.Elem != pb.TensorProto_FLOAT || len(out.Type.Dims) == 0 || len(out.Type.Dims) > 2 && r.isImages(is, out) || r.width == 0 {
		err := &onnx.UnsupportedError{Why: fmt.Sprintf("output %s, want numbers for each image, as in float[N,32]", out)}
		return r, errors.Join(err, r.session.Close())
	}
	return r, nil
}

// isImages tells outputs that are images themselves.
func (reader) isImages(m raster.Model, p Port) bool {
	dims := make([]int, len(p.Type.Dims))
	for i, d := range p.Type.Dims {
		dims[i] = int(d.Size)
	}
	_, h, w, layout := m.Output(p.Type.Elem, dims)
	return layout != "" && h*w > 1
}

func (r *reader) bounds() image.Rectangle {
	_, h, w := r.input.Shape()
	return image.Rect(0, 0, w, h)
}

// numbers are those of images, (len(images), r.width), and their classes where the model takes them.
func (r *reader) numbers(ctx context.Context, images []image.Image, classes []int) ([]float32, error) {
	all := make([]float32, 0, len(images)*r.width)
	first := 0
	for part := range slices.Chunk(images, mostAtOnce) {
		b, err := r.bytes(part, first)
		if err != nil {
			return nil, err
		}
		x, err := r.input.Pixels(b)
		if err != nil {
			return nil, err
		}
		inputs := []*onnx.Tensor{x}
		if r.class.Taken() {
			of := make([]int64, len(part))
			for i := range of {
				of[i] = int64(classes[first+i])
			}
			inputs = append(inputs, r.class.Tensor(of))
		}
		out, err := r.session.Run(ctx, inputs)
		if err != nil {
			return nil, err
		}
		y, ok := out[r.output].Data.(onnx.Slice[float32])
		if !ok || len(y) != len(part)*r.width {
			return nil, fmt.Errorf("output %s came as dims %v for %d images", r.session.signature.Outputs[r.output], out[r.output].Dims, len(part))
		}
		all, first = append(all, y...), first+len(part)
	}
	return all, nil
}

// bytes are images as (N, C, H, W); first is the number of the first of them.
func (r *reader) bytes(images []image.Image, first int) ([]byte, error) {
	c, h, w := r.input.Shape()
	b := make([]byte, 0, len(images)*c*h*w)
	for i, m := range images {
		if m == nil || m.Bounds().Dx() != w || m.Bounds().Dy() != h {
			size := "nil"
			if m != nil {
				size = fmt.Sprintf("%dx%d", m.Bounds().Dx(), m.Bounds().Dy())
			}
			return nil, fmt.Errorf("image %d is %s, want %dx%d", first+i, size, w, h)
		}
		at := m.Bounds().Min
		for channel := range c {
			for y := range h {
				for x := range w {
					from := m.At(at.X+x, at.Y+y)
					if c == 1 {
						b = append(b, color.GrayModel.Convert(from).(color.Gray).Y)
						continue
					}
					rgba := color.RGBAModel.Convert(from).(color.RGBA)
					b = append(b, [3]uint8{rgba.R, rgba.G, rgba.B}[channel])
				}
			}
		}
	}
	return b, nil
}

// An Encoder turns images into codes, which are points of a latent space. Its methods may be called from several
// goroutines at once.
//
// The model has one input of images, float32 or uint8, and a first output of K numbers per image, float32 (N, K): the encoder of
// an autoencoder in any form that petrify exports (for a variational one, the means), or a similar model of another program.
type Encoder struct{ reader }

// EncoderFile opens the encoder in a file, see File.
func EncoderFile(path string) (*Encoder, error) { return fromFile(path, OpenEncoder) }

// OpenEncoder prepares a model to encode images, see Open. It returns an *onnx.UnsupportedError if the model is not an encoder.
func OpenEncoder(m *onnx.Model) (*Encoder, error) {
	r, err := openReader(m)
	if err != nil {
		return nil, err
	}
	if r.class.Taken() {
		err := &onnx.UnsupportedError{Why: fmt.Sprintf("input %s, beside the images, is of classes, and an encoder takes none", onnx.Quote(r.class.Input))}
		return nil, errors.Join(err, r.session.Close())
	}
	return &Encoder{r}, nil
}

// Latent returns the number of dimensions of a code.
func (e *Encoder) Latent() int { return e.width }

// Bounds returns the bounds of the images, starting at (0, 0).
func (e *Encoder) Bounds() image.Rectangle { return e.bounds() }

// Close releases the model's memory. Calls in progress finish normally, later ones fail.
func (e *Encoder) Close() error { return e.session.Close() }

// Encode returns the code of each image. The images must have the size of Bounds; scale others first. Colours are converted to grey
// if the model has one channel.
func (e *Encoder) Encode(ctx context.Context, images []image.Image) ([][]float32, error) {
	numbers, err := e.numbers(ctx, images, nil)
	if err != nil {
		return nil, err
	}
	codes := make([][]float32, len(images))
	for i := range codes {
		codes[i] = numbers[i*e.width : (i+1)*e.width : (i+1)*e.width]
	}
	return codes, nil
}

// A Discriminator scores how much images look like those that it was trained on. Its methods may be called from several goroutines at
// once.
//
// The model has an input of images, as an Encoder has, possibly a second input with their classes, int64 (N), and a first output with
// one number per image, float32 (N, 1) or (N).
type Discriminator struct{ reader }

// DiscriminatorFile opens the discriminator in a file, see File.
func DiscriminatorFile(path string) (*Discriminator, error) {
	return fromFile(path, OpenDiscriminator)
}

// OpenDiscriminator prepares a model to score images, see Open. It returns an *onnx.UnsupportedError if the model is not a discriminator.
func OpenDiscriminator(m *onnx.Model) (*Discriminator, error) {
	r, err := openReader(m)
	if err != nil {
		return nil, err
	}
	if r.width != 1 {
		err := &onnx.UnsupportedError{Why: fmt.Sprintf("output %s, want one number for each image, as in float[N,1]", r.session.signature.Outputs[0])}
		return nil, errors.Join(err, r.session.Close())
	}
	return &Discriminator{r}, nil
}

// Classes returns the names of the model's classes, in the order of their numbers; nil for a model that takes no class, or does not name
// its classes.
func (d *Discriminator) Classes() []string { return slices.Clone(d.class.Names) }

// Bounds is the rectangle of the images, from (0, 0) on.
func (d *Discriminator) Bounds() image.Rectangle { return d.bounds() }

// Close releases the model's memory. Calls in progress finish normally, later ones fail.
func (d *Discriminator) Close() error { return d.session.Close() }

// Score returns the model's output for each image: for the discriminators that petrify trains, the probability that the image is from
// the data set, and of its class. The images must have the size of Bounds. For a model that takes classes, give one per image, or one
// for all, as indices into Classes.
func (d *Discriminator) Score(ctx context.Context, images []image.Image, classes ...int) ([]float32, error) {
	if err := knows(d.class, classes); err != nil {
		return nil, err
	}
	switch given := len(classes); {
	case d.class.Taken() && given != len(images) && given != 1:
		return nil, fmt.Errorf("%d classes for %d images, want one for each, or one for all", given, len(images))
	case given == 1:
		classes = slices.Repeat(classes, len(images))
	}
	return d.numbers(ctx, images, classes)
}

// An Autoencoder is an encoder with the decoder that takes its codes. Its methods may be called from several goroutines at
// once.
type Autoencoder struct {
	Encoder *Encoder
	Decoder *Generator
}

// NewAutoencoder combines an encoder and a decoder. The caller remains responsible for closing
// them.
func NewAutoencoder(e *Encoder, d *Generator) (*Autoencoder, error) {
	if e.Latent() != d.Latent() || e.Bounds() != d.Bounds() {
		return nil, fmt.Errorf("the encoder makes %d numbers of images of %v, and the decoder of %d such of %v", e.Latent(), e.Bounds().Max, d.Latent(), d.Bounds().Max)
	}
	return &Autoencoder{Encoder: e, Decoder: d}, nil
}

// Reconstruct encodes images and decodes the codes again, which shows what the model preserves.
func (a *Autoencoder) Reconstruct(ctx context.Context, images []image.Image) ([]image.Image, error) {
	codes, err := a.Encoder.Encode(ctx, images)
	if err != nil {
		return nil, err
	}
	return a.Decoder.Decode(ctx, codes)
}

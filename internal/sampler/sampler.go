// Package sampler makes pictures with an ONNX file or a run folder, of noise, of points, of seeds and of other pictures: in any of the
// forms that petrify writes, on any runtime. It is what the commands sample, web and serve have in common.
package sampler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/latent"
	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/run"
	"github.com/petrify-ml/petrify/witness"
)

// A Sampler makes pictures of points of a latent space, and, where it has an encoder, points of pictures.
type Sampler struct {
	Net
	note    func(string) // is called with messages for the user
	encoder *Net
	ends    []*onnx.Tensor // pictures that a net of form latent goes between
	Classes []int64        // those of the pictures to make; nil for a net that takes none
	noted   bool           // that its input looks like images
}

// A Net is an ONNX file of a model of images, made ready to run.
type Net struct {
	Path    string
	File    *onnx.Model
	Is      raster.Model
	session witness.Session
}

// Open opens what makes pictures, and its encoder. Who asks for points gets of a file of form sample what takes them.
func Open(ctx context.Context, note func(string), rt witness.Runtime, path, encoder string, points bool) (*Sampler, error) {
	generator, own, err := Find(path)
	if err != nil {
		return nil, err
	}
	n, err := openNet(ctx, rt, generator, points)
	if err != nil {
		return nil, err
	}
	s := &Sampler{Net: *n, note: note}
	if encoder == "" {
		encoder = own
	}
	if encoder != "" {
		if s.encoder, err = openNet(ctx, rt, encoder, false); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Sampler) Close() {
	s.session.Close()
	if s.encoder != nil {
		s.encoder.session.Close()
	}
}

func openNet(ctx context.Context, rt witness.Runtime, path string, points bool) (*Net, error) {
	n, err := Read(path)
	if err != nil {
		return nil, err
	}
	if points {
		if err := n.WithoutNoise(ctx); err != nil {
			return nil, err
		}
	}
	if n.session, err = rt.Open(ctx, n.File); err != nil {
		return nil, n.Fail(err)
	}
	return n, nil
}

// Read reads and checks a file. What it returns cannot run yet.
func Read(path string) (*Net, error) {
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return nil, err
	}
	if err := wire.Embed(m, wire.Limits{}); err != nil { // so that no runtime opens a file on its own
		return nil, err
	}
	n := &Net{Path: path, File: m}
	for _, f := range check.Model(m.Proto) {
		if f.Severity == rule.Error {
			return nil, n.Fail(fmt.Errorf("not valid ONNX: %v", f))
		}
	}
	if n.Is, err = raster.Of(m.Proto); err != nil {
		return nil, n.Fail(err)
	}
	return n, nil
}

// WithoutNoise makes of a net that draws its own noise one that takes it.
func (n *Net) WithoutNoise(ctx context.Context) error {
	if n.Is.Kind != raster.Seed {
		return nil
	}
	m, err := load.WithoutNoise(ctx, n.File)
	if err != nil {
		return n.Fail(err)
	}
	if n.Is, err = raster.Of(m.Proto); err != nil {
		return n.Fail(err)
	}
	n.File = m
	return nil
}

func (n *Net) Fail(err error) error { return fmt.Errorf("%s: %w", quote.Name(n.Path), err) }

// readPictures reads picture files for an input of square images: bytes (len(files), C, H, W).
func (n *Net) readPictures(in raster.Input, files []string) ([]byte, error) {
	if in.Layout == "" {
		return nil, n.Fail(fmt.Errorf("input %s is %v, want images, as in float[N,1,28,28]", onnx.Quote(in.Name), layer.Shape(in.Dims)))
	}
	channels, height, width := in.Shape()
	if height != width {
		return nil, n.Fail(fmt.Errorf("input %s is %v: pictures are read for square images", onnx.Quote(in.Name), layer.Shape(in.Dims)))
	}
	var all []byte
	for _, file := range files {
		pixels, err := dataset.ReadPicture(file, width, channels)
		if err != nil {
			return nil, err
		}
		all = append(all, pixels...)
	}
	return all, nil
}

// picturesOf is bytes (N, C, H, W) as pictures.
func picturesOf(b []byte, c, h, w int) picture.Images {
	images := picture.Images{Pixels: make([]float32, len(b)), N: len(b) / (c * h * w), C: c, H: h, W: w}
	for i, v := range b {
		images.Pixels[i] = float32(v) / 255
	}
	return images
}

// Why no pictures are made, where something else has to be given: whoever asks knows how it is given.
var (
	ErrNamelessClasses = errors.New("it takes a class, and the file does not name them")
	ErrWantsPictures   = errors.New("it makes pictures of pictures")
	ErrNoEncoder       = errors.New("it makes pictures of points, not points of pictures")
)

// AllClasses is what names every class.
const AllClasses = "all"

// mostRows of images go through a net at once.
const mostRows = 4096

// Pick settles the classes of the pictures: those named, all where none is named, and none for a net that takes none.
func (s *Sampler) Pick(names []string) error {
	c := s.Is.Class
	if !c.Taken() {
		if names != nil {
			return s.Fail(errors.New("it takes no class"))
		}
		return nil
	}
	if names == nil || slices.Contains(names, AllClasses) && !slices.Contains(c.Names, AllClasses) {
		if c.Names == nil {
			return s.Fail(ErrNamelessClasses)
		}
		if len(names) > 1 {
			return s.Fail(fmt.Errorf("class %q leaves no other to name", AllClasses))
		}
		names = c.Names
	}
	s.Classes = make([]int64, len(names))
	for i, name := range names {
		var err error
		if s.Classes[i], err = c.Number(name); err != nil {
			return s.Fail(err)
		}
	}
	return nil
}

// Rows makes pictures by a function of one class, for each class in turn.
func (s *Sampler) Rows(pictures func(class []int64) (picture.Images, error)) (all picture.Images, err error) {
	if s.Classes == nil {
		return pictures(nil)
	}
	for i := range s.Classes {
		images, err := pictures(s.Classes[i : i+1])
		if err != nil {
			return all, err
		}
		all = joined(all, images)
	}
	return all, nil
}

// joined are pictures of one size, those of b after those of a.
func joined(a, b picture.Images) picture.Images {
	b.Pixels, b.N = append(a.Pixels, b.Pixels...), a.N+b.N
	return b
}

// Decode makes a picture of every point. classes are theirs, one for all or one for each, for a net that takes them.
func (s *Sampler) Decode(ctx context.Context, points []float32, classes []int64) (picture.Images, error) {
	if s.Is.Kind == raster.Images && s.Is.Input.Elem != pb.TensorProto_FLOAT {
		return picture.Images{}, s.Fail(ErrWantsPictures)
	}
	if s.Is.Kind == raster.Images && !s.noted {
		s.note(fmt.Sprintf("input %s has the shape of images, %v: it may not be made for noise", onnx.Quote(s.Is.Input.Name), layer.Shape(s.Is.Input.Dims)))
		s.noted = true
	}
	at := 0
	return inParts(points, s.Is.Input.Size, func(rows []float32) (picture.Images, error) {
		t, err := s.Is.Input.Rows(rows)
		if err != nil {
			return picture.Images{}, s.Fail(err)
		}
		n := t.Dims[0]
		inputs := append(slices.Clone(s.ends), t)
		if classes != nil {
			own := make([]int64, n)
			for i := range own {
				own[i] = classes[(at+i)%len(classes)]
			}
			inputs = append(inputs, s.Is.Class.Tensor(own))
		}
		at += n
		return s.pictures(ctx, n, inputs...)
	})
}

// Along are the classes of the pictures of a film: those of the Sampler one after the other.
func (s *Sampler) Along(frames int) []int64 {
	if s.Classes == nil {
		return nil
	}
	classes := make([]int64, frames)
	for i := range classes {
		classes[i] = s.Classes[i*len(s.Classes)/frames]
	}
	return classes
}

// inParts makes pictures of rows, so many at once as go through a net.
func inParts[T any](rows []T, size int, pictures func([]T) (picture.Images, error)) (all picture.Images, err error) {
	for part := range slices.Chunk(rows, mostRows*size) {
		images, err := pictures(part)
		if err != nil {
			return all, err
		}
		all = joined(all, images)
	}
	return all, nil
}

// pictures runs the net, and finds the pictures among its outputs.
func (n *Net) pictures(ctx context.Context, count int, inputs ...*onnx.Tensor) (none picture.Images, err error) {
	outputs, err := n.session.Run(ctx, inputs)
	if err != nil {
		return none, n.Fail(err)
	}
	var seen []string
	for _, t := range outputs {
		c, h, w, layout := n.Is.Output(t.Type(), t.Dims)
		if layout == "" || t.Dims[0] != count {
			seen = append(seen, fmt.Sprintf("%q of %v", t.Name, t.Dims))
			continue
		}
		b := make([]byte, t.Len())
		if err := n.Is.Planes(b, t); err != nil {
			return none, n.Fail(err)
		}
		return picturesOf(b, c, h, w), nil
	}
	return none, n.Fail(fmt.Errorf("the outputs are %s, want pictures of [%d 1 H W] or [%[2]d 3 H W]", strings.Join(seen, ", "), count))
}

// OfSeed makes the pictures of a seed, n of each class.
func (s *Sampler) OfSeed(ctx context.Context, seed uint64, truncation float64, n int) (picture.Images, error) {
	return s.Rows(func(class []int64) (picture.Images, error) {
		if s.Is.Kind != raster.Seed {
			return s.Decode(ctx, s.Noise(seed, truncation, n), class)
		}
		inputs := []*onnx.Tensor{
			{Name: "seed", Dims: []int{1}, Data: onnx.Slice[int64]{int64(seed)}},
			{Name: "count", Dims: []int{1}, Data: onnx.Slice[int64]{int64(n)}},
			{Name: "truncation", Dims: []int{1}, Data: onnx.Slice[float32]{float32(truncation)}},
		}
		if class != nil {
			inputs = append(inputs, s.Is.Class.Tensor(class))
		}
		return s.pictures(ctx, n, inputs...)
	})
}

// EncodeFiles finds the points of pictures.
func (s *Sampler) EncodeFiles(ctx context.Context, files []string) ([]float32, error) {
	if s.encoder == nil {
		return nil, s.Fail(ErrNoEncoder)
	}
	b, err := s.encoder.readPictures(s.encoder.Is.Input, files)
	if err != nil {
		return nil, err
	}
	return s.encode(ctx, b)
}

// encode finds the points of images: of a distribution that the encoder gives, its mean, which comes first.
func (s *Sampler) encode(ctx context.Context, b []byte) ([]float32, error) {
	in := s.encoder.Is.Input
	t, err := in.Pixels(b)
	if err != nil {
		return nil, s.encoder.Fail(err)
	}
	outputs, err := s.encoder.session.Run(ctx, []*onnx.Tensor{t})
	if err != nil {
		return nil, s.encoder.Fail(err)
	}
	n := t.Dims[0]
	var seen []string
	for _, t := range outputs {
		if data, ok := t.Data.(onnx.Slice[float32]); ok && len(data) == n*s.Is.Input.Size {
			return data, nil
		}
		seen = append(seen, fmt.Sprintf("%q of %v", t.Name, t.Dims))
	}
	return nil, s.encoder.Fail(fmt.Errorf("the outputs are %s, want %d numbers for each picture, which %s takes", strings.Join(seen, ", "), s.Is.Input.Size, quote.Name(s.Path)))
}

// Reconstruct reads pictures and makes them again. It returns both, the pictures first.
func (s *Sampler) Reconstruct(ctx context.Context, files []string) (both picture.Images, err error) {
	if s.encoder == nil && s.Is.Kind != raster.Images {
		return both, s.Fail(ErrNoEncoder)
	}
	reader := &s.Net // one from images to images
	if s.encoder != nil {
		reader = s.encoder
	}
	b, err := reader.readPictures(reader.Is.Input, files)
	if err != nil {
		return both, err
	}
	c, h, w := reader.Is.Input.Shape()
	both = picturesOf(b, c, h, w)
	made, err := s.anew(ctx, b, both.N)
	if err != nil {
		return both, err
	}
	if made.C != both.C || made.H != both.H || made.W != both.W {
		return both, s.Fail(fmt.Errorf("it makes pictures of %dx%dx%d of those of %dx%dx%d", made.C, made.H, made.W, both.C, both.H, both.W))
	}
	return joined(both, made), nil
}

// again makes n pictures of as many: by way of their points, where there is an encoder.
func (s *Sampler) anew(ctx context.Context, b []byte, n int) (none picture.Images, err error) {
	if s.encoder != nil {
		points, err := s.encode(ctx, b)
		if err != nil {
			return none, err
		}
		return s.Decode(ctx, points, nil)
	}
	t, err := s.Is.Input.Pixels(b)
	if err != nil {
		return none, s.Fail(err)
	}
	return s.pictures(ctx, n, t)
}

// Between makes the net of form latent go between two pictures: its points are numbers from 0 to 1.
func (s *Sampler) Between(ends []string) error {
	for i, end := range ends {
		b, err := s.readPictures(s.Is.Ends[i], []string{end})
		if err != nil {
			return err
		}
		t, err := s.Is.Ends[i].Pixels(b)
		if err != nil {
			return s.Fail(err)
		}
		s.ends = append(s.ends, t)
	}
	return nil
}

// Noise is that of n pictures.
func (s *Sampler) Noise(seed uint64, truncation float64, n int) []float32 {
	z := make([]float32, n*s.Is.Input.Size)
	random.Noise{Seed: int64(seed), Truncation: float32(truncation)}.Fill(z, s.Is.Input.Size, 0)
	return z
}

// Way is that from one point to another.
func (s *Sampler) Way() latent.Way {
	if s.TakesNoise() != nil {
		return latent.Straight
	}
	return latent.Spherical
}

// Find finds what makes pictures in a run folder, and the encoder, if there is one; a file is taken as it is.
func Find(path string) (generator, encoder string, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path, "", err
	}
	folder, err := run.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("%s is neither an ONNX file nor a run folder", quote.Name(path))
	}
	if err != nil {
		return "", "", err
	}
	file, err := folder.Sampler()
	if err != nil {
		return "", "", err
	}
	if encoder, err = folder.Encoder(); err != nil {
		return "", "", err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("%s was not exported yet: petrify export %s", quote.Name(path), quote.Shell(path))
	} else if err != nil {
		return "", "", err
	}
	return file, encoder, nil
}

// TakesNoise refuses a net of petrify's that was not trained on noise. Of other files it knows nothing.
func (n *Net) TakesNoise() error {
	if err := madeForNoise(n.File.Proto); err != nil {
		return n.Fail(err)
	}
	return nil
}

func madeForNoise(file *pb.ModelProto) error {
	var about, net string
	for _, e := range file.GetMetadataProps() {
		switch e.GetKey() {
		case export.MetaModel:
			about = e.GetValue()
		case export.MetaNet:
			net = e.GetValue()
		}
	}
	m, err := models.Find(about)
	if err != nil {
		return nil
	}
	for _, n := range m.Exports() {
		if n.Name != net || n.Input.Noise {
			continue
		}
		if makers := ofNoise(m); len(makers) > 0 {
			return fmt.Errorf("the %s of a %s takes no noise (%s): sample its %s", net, m.Name, n.Doc, strings.Join(makers, " or "))
		}
		var others []string
		for _, other := range models.All() {
			if len(ofNoise(other)) > 0 {
				others = append(others, other.Name)
			}
		}
		return fmt.Errorf("the %s of an %s takes no noise (%s), and nothing else in that model does; models that make pictures of noise are %s",
			net, m.Name, n.Doc, strings.Join(others, ", "))
	}
	return nil
}

// ofNoise are the nets of a model that make something of noise.
func ofNoise(m model.Model) []string {
	var names []string
	for _, n := range m.Exports() {
		if n.Input.Noise {
			names = append(names, n.Name)
		}
	}
	return names
}

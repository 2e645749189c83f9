package cli

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

// A sampler makes pictures of points of a latent space, and, where it has an encoder, points of pictures.
type sampler struct {
	onnxNet
	streams *Streams
	encoder *onnxNet
	ends    []*onnx.Tensor // pictures that a net of form latent goes between
	classes []int64        // those of the pictures to make; nil for a net that takes none
	noted   bool           // that its input looks like images
}

// An onnxNet is an ONNX file of a model of images, made ready to run.
type onnxNet struct {
	path    string
	file    *onnx.Model
	is      raster.Model
	session witness.Session
}

// openSampler opens what makes pictures, and its encoder. Who asks for points gets of a file of form sample what takes them.
func openSampler(ctx context.Context, streams *Streams, rt witness.Runtime, path, encoder string, points bool) (*sampler, error) {
	generator, own, err := netsOf(path)
	if err != nil {
		return nil, err
	}
	n, err := openNet(ctx, rt, generator, points)
	if err != nil {
		return nil, err
	}
	s := &sampler{onnxNet: *n, streams: streams}
	if encoder == "" {
		encoder = own
	}
	if encoder != "" {
		if s.encoder, err = openNet(ctx, rt, encoder, false); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *sampler) close() {
	s.session.Close()
	if s.encoder != nil {
		s.encoder.session.Close()
	}
}

func openNet(ctx context.Context, rt witness.Runtime, path string, points bool) (*onnxNet, error) {
	n, err := readNet(path)
	if err != nil {
		return nil, err
	}
	if points {
		if err := n.withoutNoise(ctx); err != nil {
			return nil, err
		}
	}
	if n.session, err = rt.Open(ctx, n.file); err != nil {
		return nil, n.fail(err)
	}
	return n, nil
}

// readNet reads and checks a file. What it returns cannot run yet.
func readNet(path string) (*onnxNet, error) {
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return nil, err
	}
	if err := wire.Embed(m, wire.Limits{}); err != nil { // so that no runtime opens a file on its own
		return nil, err
	}
	n := &onnxNet{path: path, file: m}
	for _, f := range check.Model(m.Proto) {
		if f.Severity == rule.Error {
			return nil, n.fail(fmt.Errorf("not valid ONNX: %v", f))
		}
	}
	if n.is, err = raster.Of(m.Proto); err != nil {
		return nil, n.fail(err)
	}
	return n, nil
}

// withoutNoise makes of a net that draws its own noise one that takes it.
func (n *onnxNet) withoutNoise(ctx context.Context) error {
	if n.is.Kind != raster.Seed {
		return nil
	}
	m, err := load.WithoutNoise(ctx, n.file)
	if err != nil {
		return n.fail(err)
	}
	if n.is, err = raster.Of(m.Proto); err != nil {
		return n.fail(err)
	}
	n.file = m
	return nil
}

func (n *onnxNet) fail(err error) error { return fmt.Errorf("%s: %w", quote.Name(n.path), err) }

// readPictures reads picture files for an input of square images: bytes (len(files), C, H, W).
func (n *onnxNet) readPictures(in raster.Port, files []string) ([]byte, error) {
	if in.Layout == "" {
		return nil, n.fail(fmt.Errorf("input %s is %v, want images, as in float[N,1,28,28]", onnx.Quote(in.Name), layer.Shape(in.Dims)))
	}
	channels, height, width := in.Shape()
	if height != width {
		return nil, n.fail(fmt.Errorf("input %s is %v: pictures are read for square images", onnx.Quote(in.Name), layer.Shape(in.Dims)))
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

// mostRows of images go through a net at once.
const mostRows = 4096

// pick settles the classes of the pictures: those named, all where none is named, and none for a net that takes none.
func (s *sampler) pick(names []string) error {
	c := s.is.Class
	if !c.Taken() {
		if names != nil {
			return s.fail(errors.New("--class: it takes no class"))
		}
		return nil
	}
	if names == nil || slices.Contains(names, allClasses) && !slices.Contains(c.Names, allClasses) {
		if c.Names == nil {
			return s.fail(errors.New("it takes a class, and the file does not name them: --class tells which, by a number, 0 for the first"))
		}
		if len(names) > 1 {
			return s.fail(fmt.Errorf("--class %s leaves no other to name", allClasses))
		}
		names = c.Names
	}
	s.classes = make([]int64, len(names))
	for i, name := range names {
		var err error
		if s.classes[i], err = c.Number(name); err != nil {
			return s.fail(fmt.Errorf("--class: %w", err))
		}
	}
	return nil
}

// rows makes pictures by a function of one class, for each class in turn.
func (s *sampler) rows(pictures func(class []int64) (picture.Images, error)) (all picture.Images, err error) {
	if s.classes == nil {
		return pictures(nil)
	}
	for i := range s.classes {
		images, err := pictures(s.classes[i : i+1])
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

// decode makes a picture of every point. classes are theirs, one for all or one for each, for a net that takes them.
func (s *sampler) decode(ctx context.Context, points []float32, classes []int64) (picture.Images, error) {
	if s.is.Kind == raster.Images && s.is.Input.Elem != pb.TensorProto_FLOAT {
		return picture.Images{}, s.fail(fmt.Errorf("input %s takes images: --from-image names them", onnx.Quote(s.is.Input.Name)))
	}
	if s.is.Kind == raster.Images && !s.noted {
		fmt.Fprintf(s.streams.Err, "note: input %s has the shape of images, %v: it may not be made for noise\n", onnx.Quote(s.is.Input.Name), layer.Shape(s.is.Input.Dims))
		s.noted = true
	}
	at := 0
	return inParts(points, s.is.Input.Size, func(rows []float32) (picture.Images, error) {
		t, err := s.is.Input.Rows(rows)
		if err != nil {
			return picture.Images{}, s.fail(err)
		}
		n := t.Dims[0]
		inputs := append(slices.Clone(s.ends), t)
		if classes != nil {
			own := make([]int64, n)
			for i := range own {
				own[i] = classes[(at+i)%len(classes)]
			}
			inputs = append(inputs, s.is.Class.Tensor(own))
		}
		at += n
		return s.pictures(ctx, n, inputs...)
	})
}

// along are the classes of the pictures of a film: those of the sampler one after the other.
func (s *sampler) along(frames int) []int64 {
	if s.classes == nil {
		return nil
	}
	classes := make([]int64, frames)
	for i := range classes {
		classes[i] = s.classes[i*len(s.classes)/frames]
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
func (n *onnxNet) pictures(ctx context.Context, count int, inputs ...*onnx.Tensor) (none picture.Images, err error) {
	outputs, err := n.session.Run(ctx, inputs)
	if err != nil {
		return none, n.fail(err)
	}
	var seen []string
	for _, t := range outputs {
		c, h, w, layout := n.is.Output(t.Type(), t.Dims)
		if layout == "" || t.Dims[0] != count {
			seen = append(seen, fmt.Sprintf("%q of %v", t.Name, t.Dims))
			continue
		}
		b := make([]byte, t.Len())
		if err := n.is.Planes(b, t); err != nil {
			return none, n.fail(err)
		}
		return picturesOf(b, c, h, w), nil
	}
	return none, n.fail(fmt.Errorf("the outputs are %s, want pictures of [%d 1 H W] or [%[2]d 3 H W]", strings.Join(seen, ", "), count))
}

// ofSeed makes the pictures of a seed, n of each class.
func (s *sampler) ofSeed(ctx context.Context, seed uint64, truncation float64, n int) (picture.Images, error) {
	return s.rows(func(class []int64) (picture.Images, error) {
		if s.is.Kind != raster.Seed {
			return s.decode(ctx, s.noise(seed, truncation, n), class)
		}
		inputs := []*onnx.Tensor{
			{Name: "seed", Dims: []int{1}, Data: onnx.Slice[int64]{int64(seed)}},
			{Name: "count", Dims: []int{1}, Data: onnx.Slice[int64]{int64(n)}},
			{Name: "truncation", Dims: []int{1}, Data: onnx.Slice[float32]{float32(truncation)}},
		}
		if class != nil {
			inputs = append(inputs, s.is.Class.Tensor(class))
		}
		return s.pictures(ctx, n, inputs...)
	})
}

// encodeFiles finds the points of pictures.
func (s *sampler) encodeFiles(ctx context.Context, files []string) ([]float32, error) {
	if s.encoder == nil {
		return nil, s.lacksEncoder()
	}
	b, err := s.encoder.readPictures(s.encoder.is.Input, files)
	if err != nil {
		return nil, err
	}
	return s.encode(ctx, b)
}

func (s *sampler) lacksEncoder() error {
	return s.fail(errors.New("it makes pictures of points, not points of pictures: --encoder names the file that does, where there is one"))
}

// encode finds the points of images: of a distribution that the encoder gives, its mean, which comes first.
func (s *sampler) encode(ctx context.Context, b []byte) ([]float32, error) {
	in := s.encoder.is.Input
	t, err := in.Pixels(b)
	if err != nil {
		return nil, s.encoder.fail(err)
	}
	outputs, err := s.encoder.session.Run(ctx, []*onnx.Tensor{t})
	if err != nil {
		return nil, s.encoder.fail(err)
	}
	n := t.Dims[0]
	var seen []string
	for _, t := range outputs {
		if data, ok := t.Data.(onnx.Slice[float32]); ok && len(data) == n*s.is.Input.Size {
			return data, nil
		}
		seen = append(seen, fmt.Sprintf("%q of %v", t.Name, t.Dims))
	}
	return nil, s.encoder.fail(fmt.Errorf("the outputs are %s, want %d numbers for each picture, which %s takes", strings.Join(seen, ", "), s.is.Input.Size, quote.Name(s.path)))
}

// reconstruct reads pictures and makes them anew. It returns both, the pictures first.
func (s *sampler) reconstruct(ctx context.Context, files []string) (both picture.Images, err error) {
	if s.encoder == nil && s.is.Kind != raster.Images {
		return both, s.lacksEncoder()
	}
	reader := &s.onnxNet // one from images to images
	if s.encoder != nil {
		reader = s.encoder
	}
	b, err := reader.readPictures(reader.is.Input, files)
	if err != nil {
		return both, err
	}
	c, h, w := reader.is.Input.Shape()
	both = picturesOf(b, c, h, w)
	var made picture.Images
	if s.encoder != nil {
		points, err := s.encode(ctx, b)
		if err != nil {
			return both, err
		}
		made, err = s.decode(ctx, points, nil)
		if err != nil {
			return both, err
		}
	} else {
		t, err := reader.is.Input.Pixels(b)
		if err != nil {
			return both, err
		}
		if made, err = s.pictures(ctx, both.N, t); err != nil {
			return both, err
		}
	}
	if made.C != both.C || made.H != both.H || made.W != both.W {
		return both, s.fail(fmt.Errorf("it makes pictures of %dx%dx%d of those of %dx%dx%d", made.C, made.H, made.W, both.C, both.H, both.W))
	}
	both.Pixels, both.N = append(both.Pixels, made.Pixels...), both.N+made.N
	return both, nil
}

// between makes the net of form latent go between two pictures: its points are numbers from 0 to 1.
func (s *sampler) between(ends []string) error {
	for i, end := range ends {
		b, err := s.readPictures(s.is.Ends[i], []string{end})
		if err != nil {
			return err
		}
		t, err := s.is.Ends[i].Pixels(b)
		if err != nil {
			return s.fail(err)
		}
		s.ends = append(s.ends, t)
	}
	return nil
}

// noise is that of n pictures.
func (s *sampler) noise(seed uint64, truncation float64, n int) []float32 {
	z := make([]float32, n*s.is.Input.Size)
	random.Noise{Seed: int64(seed), Truncation: float32(truncation)}.Fill(z, s.is.Input.Size, 0)
	return z
}

// way is that from one point to another.
func (s *sampler) way() latent.Way {
	if s.takesNoise() != nil {
		return latent.Straight
	}
	return latent.Spherical
}

// netsOf finds what makes pictures in a run folder, and the encoder, if there is one; a file is taken as it is.
func netsOf(path string) (generator, encoder string, err error) {
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

// takesNoise refuses a net of petrify's that was not trained on noise. Of other files it knows nothing.
func (n *onnxNet) takesNoise() error {
	if err := madeForNoise(n.file.Proto); err != nil {
		return n.fail(err)
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

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/latent"
	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/layer"
	"github.com/petrify-ml/petrify/model"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pb"
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
	noted   bool // that its input looks like images
}

// An onnxNet is an ONNX file of one input, made ready to run.
type onnxNet struct {
	path      string
	file      *onnx.Model
	in        port
	low, high float64 // black and white
	session   witness.Session
}

func openSampler(ctx context.Context, streams *Streams, rt witness.Runtime, path, encoder string) (*sampler, error) {
	generator, own, err := netsOf(path)
	if err != nil {
		return nil, err
	}
	n, err := openNet(ctx, rt, generator)
	if err != nil {
		return nil, err
	}
	s := &sampler{onnxNet: *n, streams: streams}
	if encoder == "" {
		encoder = own
	}
	if encoder != "" {
		if s.encoder, err = openNet(ctx, rt, encoder); err != nil {
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

func openNet(ctx context.Context, rt witness.Runtime, path string) (*onnxNet, error) {
	n, err := readNet(path)
	if err != nil {
		return nil, err
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
	if err := n.check(); err != nil {
		return nil, n.fail(err)
	}
	return n, nil
}

func (n *onnxNet) check() (err error) {
	if n.in, err = noisePort(n.file.Proto.GetGraph()); err != nil {
		return err
	}
	for _, f := range check.Model(n.file.Proto) {
		if f.Severity == rule.Error {
			return fmt.Errorf("not valid ONNX: %v", f)
		}
	}
	n.low, n.high, err = pixelRange(n.file.Proto)
	return err
}

func (n *onnxNet) fail(err error) error { return fmt.Errorf("%s: %w", quote.Name(n.path), err) }

// run gives the net rows of its input.
func (n *onnxNet) run(ctx context.Context, rows []float32) ([]*onnx.Tensor, error) {
	input, err := onnx.NewTensor(n.in.name, rows, append([]int{len(rows) / n.in.size}, n.in.dims...)...)
	if err != nil {
		return nil, err
	}
	return n.session.Run(ctx, []*onnx.Tensor{input})
}

// images is the side and the channels of the square images that the net takes.
func (n *onnxNet) images() (side, channels int, err error) {
	d := n.in.dims
	if len(d) != 3 || d[0] != 1 && d[0] != 3 {
		return 0, 0, n.fail(fmt.Errorf("input %q is %v, want images, as in float[N,1,28,28]", n.in.name, layer.Shape(d)))
	}
	if d[1] != d[2] {
		return 0, 0, n.fail(fmt.Errorf("input %q is %v: pictures are read for square images", n.in.name, layer.Shape(d)))
	}
	return d[1], d[0], nil
}

// read reads picture files as images of the net, and the same with 0 for black and 1 for white.
func (n *onnxNet) read(files []string) (rows []float32, shown picture.Images, err error) {
	side, channels, err := n.images()
	if err != nil {
		return nil, shown, err
	}
	for _, file := range files {
		pixels, err := dataset.ReadPicture(file, side, channels)
		if err != nil {
			return nil, shown, err
		}
		for _, v := range pixels {
			shown.Pixels = append(shown.Pixels, float32(v)/255)
			rows = append(rows, float32(n.low+float64(v)/255*(n.high-n.low)))
		}
	}
	shown.N, shown.C, shown.H, shown.W = len(files), channels, side, side
	return rows, shown, nil
}

// mostRows of images go through a net at once.
const mostRows = 4096

// decode makes a picture of every point.
func (s *sampler) decode(ctx context.Context, points []float32) (picture.Images, error) {
	if d := s.in.dims; len(d) == 3 && d[1]*d[2] > 1 && !s.noted {
		fmt.Fprintf(s.streams.Err, "note: input %s has the shape of images, %v: it may not be made for noise\n", onnx.Quote(s.in.name), layer.Shape(d))
		s.noted = true
	}
	return s.pictures(ctx, points)
}

func (n *onnxNet) pictures(ctx context.Context, rows []float32) (all picture.Images, err error) {
	for part := range slices.Chunk(rows, mostRows*n.in.size) {
		outputs, err := n.run(ctx, part)
		if err != nil {
			return all, n.fail(err)
		}
		images, err := imagesOf(outputs, len(part)/n.in.size, n.low, n.high)
		if err != nil {
			return all, n.fail(err)
		}
		images.Pixels, images.N = append(all.Pixels, images.Pixels...), all.N+images.N
		all = images
	}
	return all, nil
}

// encodeFiles finds the points of pictures.
func (s *sampler) encodeFiles(ctx context.Context, files []string) ([]float32, error) {
	if s.encoder == nil {
		return nil, s.lacksEncoder()
	}
	rows, _, err := s.encoder.read(files)
	if err != nil {
		return nil, err
	}
	return s.encode(ctx, rows)
}

func (s *sampler) lacksEncoder() error {
	return s.fail(errors.New("it makes pictures of points, not points of pictures: --encoder names the file that does, where there is one"))
}

// encode finds the points of images: of a distribution that the encoder gives, its mean, which comes first.
func (s *sampler) encode(ctx context.Context, rows []float32) ([]float32, error) {
	outputs, err := s.encoder.run(ctx, rows)
	if err != nil {
		return nil, s.encoder.fail(err)
	}
	n := len(rows) / s.encoder.in.size
	var seen []string
	for _, t := range outputs {
		if data, ok := t.Data.(onnx.Slice[float32]); ok && len(data) == n*s.in.size {
			return data, nil
		}
		seen = append(seen, fmt.Sprintf("%q of %v", t.Name, t.Dims))
	}
	return nil, s.encoder.fail(fmt.Errorf("the outputs are %s, want %d numbers for each picture, which %s takes", strings.Join(seen, ", "), s.in.size, quote.Name(s.path)))
}

// reconstruct reads pictures and makes them anew. It returns both, the pictures first.
func (s *sampler) reconstruct(ctx context.Context, files []string) (both picture.Images, err error) {
	reader := &s.onnxNet // one from images to images
	if s.encoder != nil {
		reader = s.encoder
	} else if len(s.in.dims) != 3 {
		return both, s.lacksEncoder()
	}
	rows, both, err := reader.read(files)
	if err == nil && s.encoder != nil {
		rows, err = s.encode(ctx, rows)
	}
	if err != nil {
		return both, err
	}
	made, err := s.pictures(ctx, rows)
	if err != nil {
		return both, err
	}
	if made.C != both.C || made.H != both.H || made.W != both.W {
		return both, s.fail(fmt.Errorf("it makes pictures of %dx%dx%d of those of %dx%dx%d", made.C, made.H, made.W, both.C, both.H, both.W))
	}
	both.Pixels, both.N = append(both.Pixels, made.Pixels...), both.N+made.N
	return both, nil
}

// noise is that of n pictures.
func (s *sampler) noise(seed uint64, truncation float64, n int) []float32 {
	z := make([]float32, n*s.in.size)
	random.Noise{Seed: int64(seed), Truncation: float32(truncation)}.Fill(z, s.in.size, 0)
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

// A port is an input for noise.
type port struct {
	name string
	dims []int // without the batch
	size int
}

// noisePort finds the one input that is no initializer. Its first axis must take any number of samples.
func noisePort(g *pb.GraphProto) (port, error) {
	var p port
	weights := map[string]bool{}
	for _, t := range g.GetInitializer() {
		weights[t.GetName()] = true
	}
	inputs := slices.DeleteFunc(slices.Clone(g.GetInput()), func(v *pb.ValueInfoProto) bool { return weights[v.GetName()] })
	if len(inputs) != 1 {
		return p, fmt.Errorf("has %d inputs, want a generator's one", len(inputs))
	}
	t, ok := onnx.TypeOf(inputs[0].GetType())
	p = port{name: inputs[0].GetName(), size: 1}
	if !ok || t.Elem != pb.TensorProto_FLOAT || len(t.Dims) < 2 || t.Dims[0].Known() {
		return p, fmt.Errorf("input %q is %v, want float with a free first axis, as in float[N,100]", p.name, t)
	}
	for _, d := range t.Dims[1:] {
		if !d.Known() || d.Size < 1 || d.Size > 1<<20/int64(p.size) {
			return p, fmt.Errorf("input %q is %v, want known lengths, of not more than %d in all, after the first axis", p.name, t, 1<<20)
		}
		p.dims = append(p.dims, int(d.Size))
		p.size *= int(d.Size)
	}
	return p, nil
}

// pixelRange reads which values stand for black and white: from the file's metadata, or -1 and 1.
func pixelRange(m *pb.ModelProto) (low, high float64, err error) {
	for _, e := range m.GetMetadataProps() {
		if e.GetKey() != export.MetaPixels {
			continue
		}
		a, b, _ := strings.Cut(e.GetValue(), ",")
		low, err1 := strconv.ParseFloat(a, 64)
		high, err2 := strconv.ParseFloat(b, 64)
		if err1 != nil || err2 != nil || !(low < high) || math.IsInf(high-low, 0) {
			return 0, 0, fmt.Errorf("metadata %s is %q, want LOW,HIGH", export.MetaPixels, e.GetValue())
		}
		return low, high, nil
	}
	return -1, 1, nil
}

// imagesOf finds the pictures among the outputs.
func imagesOf(outputs []*onnx.Tensor, n int, low, high float64) (picture.Images, error) {
	var seen []string
	for _, t := range outputs {
		data, ok := t.Data.(onnx.Slice[float32])
		if d := t.Dims; ok && len(d) == 4 && d[0] == n && (d[1] == 1 || d[1] == 3) {
			pixels := make([]float32, len(data))
			for i, v := range data {
				pixels[i] = float32((float64(v) - low) / (high - low))
			}
			return picture.Images{Pixels: pixels, N: d[0], C: d[1], H: d[2], W: d[3]}, nil
		}
		seen = append(seen, fmt.Sprintf("%q of %v", t.Name, t.Dims))
	}
	return picture.Images{}, fmt.Errorf("the outputs are %s, want pictures of [%d 1 H W] or [%[2]d 3 H W]", strings.Join(seen, ", "), n)
}

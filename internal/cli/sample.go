package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/export"
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
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/run"
	"github.com/petrify-ml/petrify/witness"
)

type sampleOptions struct {
	streams *Streams
	model   string
	n       int
	seed    uint64
	out     string
	runtime string
	places  runtimeOptions
	columns int
	scale   int
}

func newSampleCmd(s *Streams, run func(context.Context, sampleOptions) error) *cobra.Command {
	o := sampleOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "sample MODEL",
		Short: "Make pictures with an ONNX generator",
		Long: `sample gives a generator standard normal noise and writes the pictures that it makes as one grid: PNG, JPEG or GIF, by the
name of the file. MODEL is an ONNX file with one input (N,K) and an output (N,C,H,W) of 1 or 3 channels, or a run folder.
The same seed gives the same pictures.`,
		Example: `  petrify sample runs/gan -o grid.png
  petrify sample runs/gan/onnx/generator/generator.onnx -n 64 --seed 7 -o grid.png
  petrify sample generator.onnx --runtime ort-node -o - > grid.png`,
		Args: arguments(1, 1, "one ONNX file or run folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.model = args[0]
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.IntVarP(&o.n, "count", "n", 16, "pictures to make")
	f.Uint64Var(&o.seed, "seed", 1, "of the noise")
	f.StringVarP(&o.out, "out", "o", "samples.png", "file to write, .png, .jpg or .gif; - writes PNG to the standard output")
	f.StringVarP(&o.runtime, "runtime", "r", "load", "what runs the model: "+strings.Join(runtimeNames(), ", "))
	f.IntVar(&o.columns, "columns", 0, "pictures in a row (default: as square as can be)")
	f.IntVar(&o.scale, "scale", 0, "how many pixels wide each pixel becomes (default: pictures of about 112 pixels)")
	o.places.placeFlags(f)
	mustComplete(cmd, "runtime", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return runtimeNames(), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// mostSamples bounds a picture to what an image viewer opens.
const mostSamples = 4096

func runSample(ctx context.Context, o sampleOptions) error {
	var problems []error
	if o.n < 1 || o.n > mostSamples {
		problems = append(problems, fmt.Errorf("-n is %d, want 1 to %d", o.n, mostSamples))
	}
	if o.columns < 0 || o.columns > mostSamples {
		problems = append(problems, fmt.Errorf("--columns is %d, want 1 to %d, or 0", o.columns, mostSamples))
	}
	if o.scale < 0 || o.scale > 64 {
		problems = append(problems, fmt.Errorf("--scale is %d, want 1 to 64, or 0", o.scale))
	}
	encode, err := encoderFor(o.out)
	if err != nil {
		problems = append(problems, err)
	}
	if problems != nil {
		return errors.Join(problems...)
	}
	found := []witness.Runtime{reference.Runtime{}}
	if o.runtime != judge {
		var err error
		if found, err = findRuntimes([]string{o.runtime}, o.places); err != nil {
			return err
		}
	}
	path, err := generatorOf(o.model)
	if err != nil {
		return err
	}
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return err
	}
	if err := wire.Embed(m, wire.Limits{}); err != nil { // so that no runtime opens a file on its own
		return err
	}
	images, err := o.generate(ctx, found[0], m)
	if err != nil {
		return fmt.Errorf("%s: %w", quote.Name(path), err)
	}
	scale := o.scale
	if scale == 0 {
		scale = picture.Visible(images.W)
	}
	var b bytes.Buffer
	if err := picture.Grid(&b, images, picture.GridOptions{Columns: o.columns, Scale: scale}); err != nil {
		return fmt.Errorf("%s: %w", quote.Name(path), err)
	}
	if encode != nil {
		if err := encode(&b); err != nil {
			return fmt.Errorf("%s: %w", quote.Name(o.out), err)
		}
	}
	if o.out == "-" {
		_, err := o.streams.plainOut.Write(b.Bytes())
		return err
	}
	if err := writeFile(o.out, b.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(o.streams.Err, "%d pictures of %dx%d in %s\n", images.N, images.W, images.H, quote.Name(o.out))
	return nil
}

// encoderFor finds what makes of a PNG a picture as the name of a file asks for it; it is nil where PNG is asked for.
func encoderFor(name string) (func(*bytes.Buffer) error, error) {
	anew := func(encode func(w io.Writer, img image.Image) error) func(*bytes.Buffer) error {
		return func(b *bytes.Buffer) error {
			img, err := png.Decode(b)
			if err != nil {
				return err
			}
			b.Reset()
			return encode(b, img)
		}
	}
	switch suffix := strings.ToLower(filepath.Ext(name)); suffix {
	case ".png", "":
		return nil, nil
	case ".jpg", ".jpeg":
		return anew(func(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, &jpeg.Options{Quality: 95}) }), nil
	case ".gif":
		return anew(func(w io.Writer, img image.Image) error {
			if grey, ok := img.(*image.Gray); ok { // whose 256 levels a GIF can hold
				shades := image.NewPaletted(grey.Rect, make(color.Palette, 256))
				for i := range shades.Palette {
					shades.Palette[i] = color.Gray{uint8(i)}
				}
				shades.Pix, shades.Stride = grey.Pix, grey.Stride
				img = shades
			}
			return gif.Encode(w, img, nil)
		}), nil
	default:
		return nil, fmt.Errorf("--out %s: no picture is written as %s, want .png, .jpg or .gif", quote.Name(name), suffix)
	}
}

// generatorOf finds what makes pictures in a run folder; a file is taken as it is.
func generatorOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path, err
	}
	folder, err := run.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is neither an ONNX file nor a run folder", quote.Name(path))
	}
	if err != nil {
		return "", err
	}
	file, err := folder.Sampler()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s was not exported yet: petrify export %s", quote.Name(path), quote.Shell(path))
	} else if err != nil {
		return "", err
	}
	return file, nil
}

// generate runs the model on noise.
func (o sampleOptions) generate(ctx context.Context, rt witness.Runtime, m *onnx.Model) (picture.Images, error) {
	var none picture.Images
	if err := takesNoise(m.Proto); err != nil {
		return none, err
	}
	port, err := noisePort(m.Proto.GetGraph())
	if err != nil {
		return none, err
	}
	if d := port.dims; len(d) == 3 && d[1]*d[2] > 1 {
		fmt.Fprintf(o.streams.Err, "note: input %s has the shape of images, %v: it may not be made for noise\n", onnx.Quote(port.name), layer.Shape(d))
	}
	for _, f := range check.Model(m.Proto) {
		if f.Severity == rule.Error {
			return none, fmt.Errorf("not valid ONNX: %v", f)
		}
	}
	low, high, err := pixelRange(m.Proto)
	if err != nil {
		return none, err
	}
	z := make([]float32, o.n*port.size)
	random.New(o.seed, "sample").Normal(z)
	input, err := onnx.NewTensor(port.name, z, append([]int{o.n}, port.dims...)...)
	if err != nil {
		return none, err
	}
	session, err := rt.Open(ctx, m)
	if err != nil {
		return none, err
	}
	defer session.Close()
	outputs, err := session.Run(ctx, []*onnx.Tensor{input})
	if err != nil {
		return none, err
	}
	return imagesOf(outputs, o.n, low, high)
}

// takesNoise refuses a net of petrify's that was not trained on noise. Of other files it knows nothing.
func takesNoise(file *pb.ModelProto) error {
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
			return p, fmt.Errorf("input %q is %v, want known lengths, of not more than %d in all, behind the first axis", p.name, t, 1<<20)
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

package export_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/random"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
)

// formsOf are the forms that a model has, raw aside.
func formsOf(model string) []string {
	m, err := models.Build(model, models.Options{})
	if err != nil {
		panic(err)
	}
	return export.FormsOf(m)[1:]
}

// Autoencoders have nothing that noise goes into, and GANs nothing that encodes.
func TestFormsOf(t *testing.T) {
	for model, want := range map[string]string{
		"gan": "raw image sample", "cgan": "raw image sample", "dcgan": "raw image sample", "vae": "raw image sample latent", "conv-vae": "raw image sample latent",
		"autoencoder": "raw image latent", "conv-autoencoder": "raw image latent",
	} {
		if got := strings.Join(append([]string{"raw"}, formsOf(model)...), " "); got != want {
			t.Errorf("%s has %s, want %s", model, got, want)
		}
	}
}

// withWeb adds ONNX Runtime Web to runtimes.
func withWeb(t *testing.T) (list []witness.Runtime, must []string) {
	list, must = runtimes(t)
	t.Run("ONNX Runtime Web is here", func(t *testing.T) {
		web := child.Web()
		web.Program = witnesstest.Node(t, "onnxruntime-web")
		list, must = append(list, web), append(must, "ort-web")
	})
	return list, must
}

// Every form computes in every runtime what the training graph and the Go of package random compute. ONNX Runtime, for Node
// and for the web, is asked about three models, with PETRIFY_FORMS=all about all of them.
func TestEveryFormIsWhatItsModelComputes(t *testing.T) {
	list, must := withWeb(t)
	for _, own := range models.All() {
		m := small(t, own.Name)
		t.Run(m.Name, func(t *testing.T) {
			list, must, forms, layout := list, must, formsOf(m.Name), export.NHWC
			switch {
			case os.Getenv("PETRIFY_FORMS") == "all" || m.Name == "gan" || m.Name == "cgan":
			case m.Name == "conv-vae":
				forms, layout = []string{"latent"}, export.NCHW
			default:
				list, must = list[:1], must[:2] // load, and what is recorded
			}
			dir := t.TempDir()
			written, err := export.Folder(dir, m, trained(t, m), export.Options{Forms: forms, Layout: layout})
			if err != nil {
				t.Fatal(err)
			}
			verified(t, dir, len(written), list, must)
		})
	}
}

// The noise inside of form sample is random.Noise bit for bit, wherever it is computed.
func TestNoiseIsTheSameEverywhere(t *testing.T) {
	m := small(t, "gan")
	dir := t.TempDir()
	if _, err := export.Folder(dir, m, drawn(t, m), export.Options{Forms: []string{"sample"}}); err != nil {
		t.Fatal(err)
	}
	file, err := wire.Read(filepath.Join(dir, "generator_sample", "generator_sample.onnx"), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	noise := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(100)}}
	file.Proto.Graph.Output = []*pb.ValueInfoProto{{Name: proto.String("noise"), Type: noise.Proto()}}
	if file.Bytes, err = onnx.Marshal(file.Proto); err != nil {
		t.Fatal(err)
	}
	list, _ := withWeb(t)
	for _, rt := range append(list, nil) { // nil is the reference
		if rt != nil && rt.Name() == "gorgonnx" {
			continue // which has no integers
		}
		name := "reference"
		var s witness.Session
		if rt != nil {
			name = rt.Name()
			if s, err = rt.Open(t.Context(), file); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
		}
		for _, c := range []struct {
			seed       int64
			count      int
			truncation float32
		}{
			{0, 200, 0}, {1, 1, 0}, {math.MinInt64, 3, 0}, {math.MaxInt64, 3, 2.5}, {-1, 3, 0.015625}, {1<<26 - 1, 3, 0.01},
			{1 << 26, 3, 5.75}, {1<<52 + 1, 3, 1e30}, {-(1 << 52), 3, -4}, {77, 0, 1},
		} {
			want := make([]float32, c.count*100)
			random.Noise{Seed: c.seed, Truncation: c.truncation}.Fill(want, 100, 0)
			inputs := []*onnx.Tensor{ints("seed", c.seed), ints("count", int64(c.count)), {Name: "truncation", Dims: []int{1}, Data: onnx.Slice[float32]{c.truncation}}}
			var got []float64
			if rt == nil {
				values, err := reference.Run(file, inputs)
				if err != nil {
					t.Fatal(err)
				}
				got = values[0].Data.(onnx.Slice[float64])
			} else {
				values, err := s.Run(t.Context(), inputs)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, z := range values[0].Data.(onnx.Slice[float32]) {
					got = append(got, float64(z))
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%s, %+v: %d numbers, want %d", name, c, len(got), len(want))
			}
			for i, z := range got {
				if z != float64(want[i]) || math.Signbit(z) != math.Signbit(float64(want[i])) {
					t.Fatalf("%s, %+v: number %d is %v, want %v", name, c, i, z, want[i])
				}
			}
		}
	}
}

func ints(name string, v ...int64) *onnx.Tensor {
	return &onnx.Tensor{Name: name, Dims: []int{len(v)}, Data: onnx.Slice[int64](v)}
}

// The onnx package's own checker, with its shape inference, accepts every form at every opset, and so does petrify's, which
// looks at every model before it is written.
func TestOnnxAcceptsEveryForm(t *testing.T) {
	python := witnesstest.Python(t, "onnx", "numpy")
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"gan", "vae"} {
		m := small(t, name)
		s := drawn(t, m)
		for opset := int64(export.MinOpset); opset <= 17; opset++ { // onnx 1.12 knows no more
			written, err := export.Folder(filepath.Join(dir, fmt.Sprint(name, opset)), m, s, export.Options{Opset: opset, Forms: formsOf(name)})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range written {
				files = append(files, f.Model)
			}
		}
	}
	const program = `
import sys, onnx
from onnx import checker, shape_inference
for path in sys.argv[1:]:
    model = onnx.load(path)
    checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    print(path, inferred.graph.output[0].type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim])
`
	out, err := exec.CommandContext(t.Context(), python, append([]string{"-c", program}, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Of the gan two files of images a version, of the vae four.
	if n := strings.Count(string(out), "2 ['N', 28, 28, 1]"); n != 5*(2+4) {
		t.Errorf("%d files with images as bytes, want 30:\n%s", n, out)
	}
}

// What a file of a form says of itself.
func TestFilesOfForms(t *testing.T) {
	m := small(t, "vae")
	dir := t.TempDir()
	written, err := export.Folder(dir, m, drawn(t, m), export.Options{Forms: []string{"latent", "sample", "image", "raw"}, Layout: export.NCHW})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, w := range written {
		file, err := wire.Read(w.Model, wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		p := file.Proto
		meta := map[string]string{}
		for _, e := range p.MetadataProps {
			meta[e.GetKey()] = e.GetValue()
		}
		lines = append(lines, fmt.Sprintln(w.Form, w.Name, meta[export.MetaForm], meta[export.MetaNet], meta[export.MetaPixels], meta[export.MetaLayout], ports(p.Graph.Input), ports(p.Graph.Output)))
	}
	want := `raw encoder  encoder 0,1  [image float[N,1,28,28]] [mean float[N,20] logvar float[N,20]]
raw decoder  decoder 0,1  [z float[N,20]] [image float[N,1,28,28]]
image encoder_image image encoder 0,255 nchw [image uint8[N,1,28,28]] [mean float[N,20] logvar float[N,20]]
image decoder_image image decoder 0,255 nchw [z float[N,20]] [image uint8[N,1,28,28]]
sample decoder_sample sample decoder 0,255 nchw [seed int64[1] count int64[1] truncation float[1]] [image uint8[N,1,28,28]]
latent encode latent encoder 0,255 nchw [image uint8[N,1,28,28]] [latent float[N,20]]
latent decode latent decoder 0,255 nchw [latent float[N,20]] [image uint8[N,1,28,28]]
latent interpolate latent encoder,decoder 0,255 nchw [from uint8[1,1,28,28] to uint8[1,1,28,28] t float[N]] [image uint8[N,1,28,28]]
`
	if got := strings.Join(lines, ""); got != want {
		t.Errorf("files are\n%s\nwant\n%s", got, want)
	}
}

// The ends of an interpolation are what encode and decode make of the images, and a colour image's channels keep their place.
func TestInterpolationMeetsItsEnds(t *testing.T) {
	m, err := models.Build("conv-autoencoder", models.Options{Width: 4, Image: []int{3, 8, 12}})
	if err != nil {
		t.Fatal(err)
	}
	s := drawn(t, m)
	run := func(layout export.Layout, name string, inputs ...*onnx.Tensor) []uint8 {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "onnx")
		if _, err := export.Folder(dir, m, s, export.Options{Forms: []string{"latent", "image"}, Layout: layout}); err != nil {
			t.Fatal(err)
		}
		session, err := load.File(filepath.Join(dir, name, name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		out, err := session.Run(t.Context(), inputs)
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Data.(onnx.Slice[uint8])
	}
	const area, channels = 8 * 12, 3
	picture := func(name string, seed uint64) (nhwc, nchw *onnx.Tensor) {
		a, b := make(onnx.Slice[uint8], channels*area), make(onnx.Slice[uint8], channels*area)
		r := random.New(seed, name)
		for at := range area {
			for c := range channels {
				v := uint8(r.Intn(256))
				a[at*channels+c], b[c*area+at] = v, v
			}
		}
		return &onnx.Tensor{Name: name, Dims: []int{1, 8, 12, 3}, Data: a}, &onnx.Tensor{Name: name, Dims: []int{1, 3, 8, 12}, Data: b}
	}
	from, fromPlanes := picture("from", 1)
	to, toPlanes := picture("to", 2)
	ways := &onnx.Tensor{Name: "t", Dims: []int{3}, Data: onnx.Slice[float32]{0, 0.5, 1}}
	frames := run(export.NHWC, "interpolate", from, to, ways)
	planes := run(export.NCHW, "interpolate", fromPlanes, toPlanes, ways)
	image := *from
	image.Name = "image"
	first := run(export.NHWC, "autoencoder_image", &image)
	differ := 0
	for i := range channels * area {
		at, c := i/channels, i%channels
		if a, b := frames[i], planes[c*area+at]; max(a, b)-min(a, b) > 1 {
			t.Fatalf("pixel %d, channel %d: %d in NHWC, %d in NCHW", at, c, a, b)
		}
		if a, b := frames[i], first[i]; max(a, b)-min(a, b) > 1 {
			t.Fatalf("pixel %d, channel %d: %d at t = 0, %d of the first image alone", at, c, a, b)
		}
		if frames[i] != frames[2*channels*area+i] {
			differ++
		}
	}
	if differ == 0 {
		t.Error("both ends are alike")
	}
}

func TestFormsThatAModelLacks(t *testing.T) {
	for _, c := range []struct{ model, form, layout, want string }{
		{"autoencoder", "sample", "", "form sample: autoencoder makes no images from noise"},
		{"gan", "latent", "", "form latent: gan has no encoder whose points a decoder takes"},
		{"gan", "imgae", "", `unknown form "imgae", want one of raw, image, sample, latent; did you mean image?`},
		{"gan", "image", "hwc", `layout is "hwc", want nhwc or nchw`},
	} {
		m := small(t, c.model)
		dir := filepath.Join(t.TempDir(), "out")
		_, err := export.Folder(dir, m, drawn(t, m), export.Options{Forms: []string{"raw", c.form}, Layout: export.Layout(c.layout)})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s in form %s: error is %v, want %s", c.model, c.form, err, c.want)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s in form %s: %s was made", c.model, c.form, dir)
		}
	}
}

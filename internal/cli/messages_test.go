package cli

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A mistake gets an answer of one line that says how it is meant, and exit code 2.
func TestMistakesAreAnswered(t *testing.T) {
	dir := t.TempDir()
	good := modelFile(t, dir, "good.onnx", nil)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"trian", "gan"}, `unknown command "trian"; did you mean train? (see petrify --help)`},
		{[]string{"help", "trian"}, `unknown command "trian"; did you mean train? (see petrify --help)`},
		{[]string{"help", "verify", "more"}, `unknown command "more" (see petrify verify --help)`},
		{[]string{"models", "gan", "vae"}, "models: want one model at most, got gan vae (see petrify models --help)"},
		{[]string{"models", "gna"}, `unknown model "gna"`},
		{[]string{"version", "x"}, "version: want no arguments, got x (see petrify version --help)"},
		{[]string{"check", good, "--json", "--sarif"}, "--json and --sarif cannot be given together: choose one (see petrify check --help)"},
		{[]string{"inspect", good, "--json", "--text"}, "--json and --text cannot be given together: choose one (see petrify inspect --help)"},
		{[]string{"inspect", good, "--text", "--weights"}, "--text and --weights cannot be given together: choose one"},
		{[]string{"train", "--resume", "x", "--out", "y"}, "--resume and --out cannot be given together: choose one"},
		{[]string{"verify", good, "--timeout", "5"}, `--timeout is "5", want a time with its unit, such as 5s, 2m or 1h30m (see petrify verify --help)`},
		{[]string{"verify", good, "--timeout", "-5s"}, `--timeout is "-5s", want a time above 0, such as 5s, 2m or 1h30m`},
		{[]string{"diff", good, good, "--timeout", "0"}, `--timeout is "0", want a time above 0`},
		{[]string{"verify", good, "--runtime", "ort"}, "did you mean ort-node?"},
		{[]string{"verify", good, "--seed", "-1"}, `--seed is "-1", want a whole number from 0 on`},
		{[]string{"train", "gan", "--lr", "fast"}, `--lr is "fast", want a number`},
		{[]string{"check", good, "--budget", "1QB"}, `--budget: "1QB" is not a size, want one such as 1048576, 512MiB or 2GB`},
		{[]string{"check", good, "--jsno"}, "unknown flag: --jsno; did you mean --json?"},
		{[]string{"completion"}, "completion: want a shell: bash, fish, powershell, zsh"},
		{[]string{"completion", "tcsh"}, `unknown shell "tcsh", want one of bash, fish, powershell, zsh`},
		{[]string{"completion", "bash", "zsh"}, "completion: want one shell, got bash zsh (see petrify completion bash --help)"},
		{[]string{"verify", "-"}, "verify reads no standard input (-), want files"},
		{[]string{"verify", good, "--runtime", ""}, "--runtime is empty: give it a value, or leave it out (see petrify verify --help)"},
		{[]string{"train", "gan", "--out="}, "--out is empty: give it a value, or leave it out (see petrify train --help)"},
		{[]string{"train", "gan", "--data", ""}, "--data is empty"},
		{[]string{"sample", good, "-n", "1.5"}, `--count is "1.5", want a whole number, such as 500, 20k or 2e4`},
		{[]string{"sample", good, "-n", "0"}, "-n is 0, want 1 to 4096"},
		{[]string{"sample", good, "-o", "x.bmp"}, "--out x.bmp: unknown picture format .bmp, want .png, .jpg or .gif"},
	} {
		code, out, errs := cli(t, "", c.args...)
		if code != exitProblem || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("petrify %s: exit code %d, stdout %q, stderr %q, want %q", strings.Join(c.args, " "), code, out, errs, c.want)
		}
	}
}

func TestHelpOfACommand(t *testing.T) {
	_, long, _ := cli(t, "", "verify", "--help")
	if code, out, errs := cli(t, "", "help", "verify"); code != exitDone || out != long || errs != "" {
		t.Errorf("exit code %d, stderr %q, stdout\n%s", code, errs, out)
	}
	if code, out, _ := cli(t, "", "help"); code != exitDone || !strings.Contains(out, "train ") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code, out, _ := cli(t, "", "completion", "bash"); code != exitDone || !strings.Contains(out, "__start_petrify") {
		t.Errorf("exit code %d, %d bytes", code, len(out))
	}
}

func TestVersionSaysWhatABugReportAsks(t *testing.T) {
	want := regexp.MustCompile(`^petrify version \S+( \(commit [0-9a-f]+( with changes)?\))?, ` + regexp.QuoteMeta(runtime.Version()) + `, ` +
		runtime.GOOS + `/` + runtime.GOARCH + ` \(.+\)\nreads ONNX up to opset \d+, IR version \d+; writes opset 13 to 18, IR version 8\n$`)
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if code, out, _ := cli(t, "", args...); code != exitDone || !want.MatchString(out) {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
}

// generatorFile writes a model that makes pictures of 2 by 2 pixels: y = Reshape(z, (-1, 1, 2, 2)), said to be of a net.
func generatorFile(t *testing.T, model, net string, dims ...int64) string {
	t.Helper()
	if dims == nil {
		dims = []int64{4}
	}
	typ := func(dims ...int64) *pb.TypeProto {
		d := []onnx.Dim{onnx.Symbolic("N")}
		for _, n := range dims {
			d = append(d, onnx.Fixed(n))
		}
		return onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: d}.Proto()
	}
	return modelFile(t, t.TempDir(), "generator.onnx", func(m *pb.ModelProto) {
		m.Graph.Node = []*pb.NodeProto{{OpType: proto.String("Reshape"), Input: []string{"z", "shape"}, Output: []string{"y"}}}
		m.Graph.Input = []*pb.ValueInfoProto{{Name: proto.String("z"), Type: typ(dims...)}}
		m.Graph.Output = []*pb.ValueInfoProto{{Name: proto.String("y"), Type: typ(1, 2, 2)}}
		m.Graph.Initializer = []*pb.TensorProto{{Name: proto.String("shape"), DataType: proto.Int32(7), Dims: []int64{4}, Int64Data: []int64{-1, 1, 2, 2}}}
		m.MetadataProps = []*pb.StringStringEntryProto{{Key: proto.String("petrify.model"), Value: proto.String(model)}, {Key: proto.String("petrify.net"), Value: proto.String(net)}}
	})
}

func TestSampleWritesWhatTheNameAsksFor(t *testing.T) {
	file := generatorFile(t, "", "")
	for name, format := range map[string]string{"a.png": "png", "a.jpg": "jpeg", "a.JPEG": "jpeg", "a.gif": "gif", "a": "png"} {
		path := filepath.Join(t.TempDir(), name)
		if code, _, errs := cli(t, "", "sample", file, "-n", "4", "-o", path); code != exitDone {
			t.Errorf("%s: exit code %d: %s", name, code, errs)
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		img, got, err := image.Decode(bytes.NewReader(b))
		if err != nil || got != format || img.Bounds().Dx() < 100 {
			t.Errorf("%s: is %s (%v)", name, got, err)
		}
	}
}

// Noise goes only into nets that were trained on it.
func TestSampleRefusesWhatTakesNoNoise(t *testing.T) {
	for _, c := range []struct {
		model, net string
		dims       []int64
		code       int
		want       string
	}{
		{"gan", "generator", nil, exitDone, ""},
		{"vae", "decoder", nil, exitDone, ""},
		{"somebody's", "decoder", nil, exitDone, ""},
		{"somebody's", "net", []int64{1, 2, 2}, exitDone, `note: input "z" has the shape of images, 1x2x2: it may not be made for noise`},
		{"somebody's", "net", []int64{4, 1, 1}, exitDone, ""},
		{"autoencoder", "decoder", nil, exitProblem, "the decoder of an autoencoder takes no noise (points of the latent space to images in [0, 1]), and nothing else in that model does; models that make pictures of noise are gan, cgan, vae, dcgan, conv-vae"},
		{"autoencoder", "autoencoder", nil, exitProblem, "takes no noise"},
		{"conv-autoencoder", "decoder", nil, exitProblem, "takes no noise"},
		{"vae", "encoder", nil, exitProblem, "the encoder of a vae takes no noise"},
		{"gan", "discriminator", nil, exitProblem, "sample its generator"},
	} {
		code, _, errs := cli(t, "", "sample", generatorFile(t, c.model, c.net, c.dims...), "-o", filepath.Join(t.TempDir(), "a.png"))
		if code != c.code || !strings.Contains(errs, c.want) || c.want == "" && strings.Contains(errs, "note") {
			t.Errorf("%s of %s, %v: exit code %d, stderr %q, want %d and %q", c.net, c.model, c.dims, code, errs, c.code, c.want)
		}
	}
}

func TestStockOnnxGoIsForOwnExportsUnlessItIsNamed(t *testing.T) {
	for producer, want := range map[string]bool{"petrify": false, "pytorch": true, "": true} {
		for _, rt := range usualRuntimes(runtimeOptions{}) {
			m := &onnx.Model{Proto: &pb.ModelProto{ProducerName: &producer}}
			if got := notFor(rt, m); got != (want && rt.Name() == "gorgonnx") {
				t.Errorf("%s is left out of a model of %q: %v", rt.Name(), producer, got)
			}
		}
	}
	if found, err := findRuntimes([]string{"gorgonnx"}, runtimeOptions{}); err != nil || len(found) != 1 {
		t.Errorf("by its name: %v, %v", found, err)
	}
}

package reference

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

func decoderOf(t testing.TB, format string) *onnx.Model {
	t.Helper()
	return graph(t, 20, fmt.Sprintf("in x uint8 N\ny = ImageDecoder(x) pixel_format=%q\nout y", format))
}

func decode(t testing.TB, format string, file []byte) (*Value, error) {
	t.Helper()
	out, err := Run(decoderOf(t, format), []*onnx.Tensor{{Name: "x", Dims: []int{len(file)}, Data: onnx.Slice[uint8](file)}})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func TestPicturesAreThoseThatPillowDecodes(t *testing.T) {
	python, dir := witnesstest.Python(t, "PIL", "numpy"), t.TempDir()
	list, err := exec.CommandContext(t.Context(), python, "testdata/pictures.py", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for line := range strings.Lines(string(list)) {
		var name string
		var width, height int
		if _, err := fmt.Sscan(line, &name, &width, &height); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			format, suffix string
			channels       int
		}{{"RGB", ".rgb", 3}, {"BGR", ".rgb", 3}, {"Grayscale", ".grey", 1}} {
			got, err := decode(t, c.format, read(name))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			want := read(name + c.suffix)
			if got.Dims[0] != height || got.Dims[1] != width || got.Dims[2] != c.channels || got.Len() != len(want) {
				t.Errorf("%s, %s: %s, want %d by %d by %d", name, c.format, got, height, width, c.channels)
				continue
			}
			beyond := 0
			for i := range got.Len() {
				at := i
				if c.format == "BGR" {
					at = i/3*3 + 2 - i%3
				}
				if d := got.Float(i) - float64(want[at]); d > got.Screen(i) || -d > got.Screen(i) {
					beyond++
				}
			}
			if beyond > 0 {
				t.Errorf("%s, %s: %d of %d samples are beyond their limits", name, c.format, beyond, got.Len())
			}
		}
	}
}

// The standard names the way in which chroma is made larger: repeating each sample is none.
func TestChromaIsNotRepeated(t *testing.T) {
	m := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := range 32 * 32 {
		m.Pix[4*i+3] = 255
		if i%32 > 13 && i%32 < 21 {
			m.Pix[4*i] = 230
		} else {
			m.Pix[4*i+2] = 230
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	got, err := decode(t, "RGB", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	repeated, err := jpeg.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	beyond := 0
	for i := range 32 * 32 {
		r, _, _, _ := repeated.At(i%32, i/32).RGBA()
		if d := got.Float(3*i) - float64(r>>8); d > got.Screen(3*i) || -d > got.Screen(3*i) {
			beyond++
		}
	}
	if beyond == 0 {
		t.Error("all samples are within their limits")
	}
}

func FuzzPicture(f *testing.F) {
	for _, seed := range []string{"P1\n2 1\n1 0", "P6 1 1 255\nabc", "P5 1 1 65535\nab", "BM", "RIFF....WEBPVP8 ", "II*\x00", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "P3 99999 99999 1\n", "\x00\x00\x00\x0cjP"} {
		f.Add([]byte(seed))
	}
	for _, ratio := range []int{1, 16, 33} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, ratio, 17)), nil); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	p, err := Compile(decoderOf(f, "RGB"), fuzzBudget)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := p.RunTensors(t.Context(), []*onnx.Tensor{{Name: "x", Dims: []int{len(file)}, Data: onnx.Slice[uint8](file)}})
		if err == nil && (len(r.Outputs[0].Dims) != 3 || r.Outputs[0].Len() != r.Outputs[0].Dims[0]*r.Outputs[0].Dims[1]*3) {
			t.Errorf("%s of %d elements", r.Outputs[0], r.Outputs[0].Len())
		}
	})
}

func TestFlexAttentionWithGraphs(t *testing.T) {
	modifier := func(name, op string) *pb.AttributeProto {
		v := func(name string) *pb.ValueInfoProto {
			return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Unknown(), onnx.Unknown(), onnx.Unknown(), onnx.Unknown()}}.Proto()}
		}
		return &pb.AttributeProto{Name: &name, Type: pb.AttributeProto_GRAPH.Enum(), G: &pb.GraphProto{Name: &name,
			Input: []*pb.ValueInfoProto{v(name + ".in")}, Output: []*pb.ValueInfoProto{v(name + ".out")},
			Node: []*pb.NodeProto{{OpType: &op, Input: []string{name + ".in"}, Output: []string{name + ".out"}}}}}
	}
	// Scores 0 and ln 3 for the first head, 0 and 0 for the second, which share keys and values.
	const ln3 = 1.0986122886681098
	q := &onnx.Tensor{Name: "q", Dims: []int{1, 2, 1, 1}, Data: onnx.Slice[float32]{1, 0}}
	k := &onnx.Tensor{Name: "k", Dims: []int{1, 1, 2, 1}, Data: onnx.Slice[float32]{0, ln3}}
	v := &onnx.Tensor{Name: "v", Dims: []int{1, 1, 2, 1}, Data: onnx.Slice[float32]{4, 8}}
	for _, c := range []struct {
		name string
		mods []*pb.AttributeProto
		want [2]float64
	}{
		{"none", nil, [2]float64{7, 6}},
		{"of the scores", []*pb.AttributeProto{modifier("score_mod", "Neg")}, [2]float64{5, 6}},
		{"of the weights", []*pb.AttributeProto{modifier("prob_mod", "Neg")}, [2]float64{-7, -6}},
		{"of both", []*pb.AttributeProto{modifier("score_mod", "Neg"), modifier("prob_mod", "Neg")}, [2]float64{-5, -6}},
	} {
		m := graph(t, 23, "in q float 1,2,1,1\nin k float 1,1,2,1\nin v float 1,1,2,1\ny = FlexAttention(q, k, v)\nout y")
		m.Proto.OpsetImport = append(m.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("ai.onnx.preview"), Version: proto.Int64(1)})
		m.Proto.Graph.Node[0].Domain = proto.String("ai.onnx.preview")
		m.Proto.Graph.Node[0].Attribute = c.mods
		out, err := Run(m, []*onnx.Tensor{q, k, v})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, want := range c.want {
			if d := out[0].Float(i) - want; !(d < 1e-6 && -d < 1e-6) || !(out[0].Sound[i] < 1e-4) {
				t.Errorf("%s: head %d gives %v within %v, want %v", c.name, i, out[0].Float(i), out[0].Sound[i], want)
			}
		}
	}
}

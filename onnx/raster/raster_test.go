package raster_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
)

// value is an input or an output as in "z float[N,100]".
func value(t testing.TB, name string, elem pb.TensorProto_DataType, dims ...int64) *pb.ValueInfoProto {
	t.Helper()
	var d []onnx.Dim
	for _, n := range dims {
		if n < 0 {
			d = append(d, onnx.Symbolic("N"))
		} else {
			d = append(d, onnx.Fixed(n))
		}
	}
	return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: d}.Proto()}
}

// modelOf is a model of these inputs, with metadata KEY=VALUE.
func modelOf(inputs []*pb.ValueInfoProto, about ...string) *pb.ModelProto {
	m := &pb.ModelProto{Graph: &pb.GraphProto{Input: inputs}}
	for _, a := range about {
		key, v, _ := strings.Cut(a, "=")
		m.MetadataProps = append(m.MetadataProps, &pb.StringStringEntryProto{Key: proto.String("petrify." + key), Value: proto.String(v)})
	}
	return m
}

const (
	float = pb.TensorProto_FLOAT
	bytes = pb.TensorProto_UINT8
	whole = pb.TensorProto_INT64
)

func TestKinds(t *testing.T) {
	in := func(elem pb.TensorProto_DataType, dims ...int64) []*pb.ValueInfoProto {
		return []*pb.ValueInfoProto{value(t, "x", elem, dims...)}
	}
	seeds := []*pb.ValueInfoProto{value(t, "seed", whole, 1), value(t, "count", whole, 1), value(t, "truncation", float, 1)}
	pair := []*pb.ValueInfoProto{value(t, "from", bytes, 1, 8, 6, 3), value(t, "to", bytes, 1, 8, 6, 3), value(t, "t", float, -1)}
	for _, c := range []struct {
		name   string
		model  *pb.ModelProto
		kind   raster.Kind
		layout raster.Layout
		shape  [3]int
		size   int
	}{
		{"noise", modelOf(in(float, -1, 100)), raster.Points, "", [3]int{}, 100},
		{"noise with axes of one", modelOf(in(float, -1, 100, 1, 1)), raster.Points, "", [3]int{}, 100},
		{"noise of one number with axes of one", modelOf(in(float, -1, 1, 1, 1)), raster.Points, "", [3]int{}, 1},
		{"points with a shape of their own", modelOf(in(float, -1, 4, 7, 7)), raster.Points, "", [3]int{}, 196},
		{"images as numbers", modelOf(in(float, -1, 1, 28, 28)), raster.Images, raster.NCHW, [3]int{1, 28, 28}, 784},
		{"images as numbers of another program", modelOf(in(float, -1, 8, 6, 3)), raster.Images, raster.NHWC, [3]int{3, 8, 6}, 144},
		{"bytes", modelOf(in(bytes, -1, 8, 6, 3), "layout=nhwc"), raster.Images, raster.NHWC, [3]int{3, 8, 6}, 144},
		{"planes of bytes", modelOf(in(bytes, -1, 3, 8, 6), "layout=nchw"), raster.Images, raster.NCHW, [3]int{3, 8, 6}, 144},
		{"which may be either, and say which", modelOf(in(bytes, -1, 3, 8, 1), "layout=nhwc"), raster.Images, raster.NHWC, [3]int{1, 3, 8}, 24},
		{"which may be either, and do not say", modelOf(in(bytes, -1, 3, 8, 1)), raster.Images, raster.NCHW, [3]int{3, 8, 1}, 24},
		{"a seed", modelOf(seeds), raster.Seed, "", [3]int{}, 0},
		{"two images", modelOf(pair, "layout=nhwc"), raster.Pair, "", [3]int{}, 1},
	} {
		m, err := raster.Of(c.model)
		if err != nil || m.Kind != c.kind || m.Input.Layout != c.layout || m.Input.Size != c.size {
			t.Errorf("%s: %+v, %v", c.name, m, err)
			continue
		}
		if c.layout != "" {
			if ch, h, w := m.Input.Shape(); [3]int{ch, h, w} != c.shape {
				t.Errorf("%s: channels %d, height %d, width %d, want %v", c.name, ch, h, w, c.shape)
			}
		}
	}
}

func TestModelsOfNoImages(t *testing.T) {
	in := func(elem pb.TensorProto_DataType, dims ...int64) []*pb.ValueInfoProto {
		return []*pb.ValueInfoProto{value(t, "x\x1b", elem, dims...)}
	}
	noise := []*pb.ValueInfoProto{value(t, "z", float, -1, 3)}
	for _, c := range []struct {
		name, want string
		invalid    bool
		model      *pb.ModelProto
	}{
		{"nothing", "0 inputs", false, modelOf(nil)},
		{"a fixed batch", `input "x\x1b" is float[1,3]`, false, modelOf(in(float, 1, 3))},
		{"no batch", "free first axis", false, modelOf(in(float, -1))},
		{"unknown lengths", "known lengths", false, modelOf(in(float, -1, -1))},
		{"a length of 0", "known lengths", false, modelOf(in(float, -1, 0))},
		{"more than memory holds", "known lengths", false, modelOf(in(float, -1, 1<<20, 1<<20, 1<<20, 1<<20))},
		{"doubles", "float with a free first axis", false, modelOf(in(pb.TensorProto_DOUBLE, -1, 3))},
		{"bytes that are not images", "images of 1 or 3 channels", false, modelOf(in(bytes, -1, 2, 8, 8))},
		{"inputs of no form", `2 inputs ("z", "z")`, false, modelOf(append(noise, noise...))},
		{"levels the wrong way round", `"2,0", want LOW,HIGH`, true, modelOf(noise, "pixels=2,0")},
		{"levels that are none", `"NaN,1", want LOW,HIGH`, true, modelOf(noise, "pixels=NaN,1")},
		{"levels without end", "want LOW,HIGH", true, modelOf(noise, "pixels=-Inf,1")},
		{"another layout", `"chwn", want nhwc or nchw`, true, modelOf(noise, "layout=chwn")},
	} {
		_, err := raster.Of(c.model)
		_, format := errors.AsType[*onnx.FormatError](err)
		_, unsupported := errors.AsType[*onnx.UnsupportedError](err)
		if err == nil || !strings.Contains(err.Error(), c.want) || format != c.invalid || unsupported == c.invalid || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestLevelsAreRoundedToTheNearest(t *testing.T) {
	l := raster.Levels{Low: -1, High: 1}
	for _, c := range []struct {
		v    float32
		want uint8
	}{
		{-1, 0}, {1, 255}, {-7, 0}, {7, 255}, {float32(math.Inf(1)), 255}, {float32(math.Inf(-1)), 0},
		{0, 128},            // 127.5 is a half: the even one
		{-1 + 1.0/255, 0},   // so is 0.5
		{-1 + 3.0/255, 2},   // and 1.5, except for what float32 makes of it
		{-1 + 2.002/255, 1}, // nearer to 1
		{0.5, 191}, {0.25, 159},
	} {
		if got := l.Byte(c.v); got != c.want {
			t.Errorf("%v: %d, want %d", c.v, got, c.want)
		}
	}
	for b := range 256 {
		for _, l := range []raster.Levels{l, {0, 1}, {0, 255}, {-3, 12}} {
			if got := l.Byte(l.Float(uint8(b))); got != uint8(b) {
				t.Errorf("%v: %d goes to %v and comes back as %d", l, b, l.Float(uint8(b)), got)
			}
		}
	}
}

// What goes into a model and what comes out are the same pictures, however they lie.
func TestLayoutsOfTheSamePictures(t *testing.T) {
	const n, c, h, w = 2, 3, 4, 5
	picture := make([]byte, n*c*h*w) // (N, C, H, W)
	for i := range picture {
		picture[i] = byte(7 * i)
	}
	sides := make([]byte, len(picture)) // (N, H, W, C)
	for i := range picture {
		image, channel, at := i/(c*h*w), i/(h*w)%c, i%(h*w)
		sides[(image*h*w+at)*c+channel] = picture[i]
	}
	for _, input := range []*pb.ValueInfoProto{
		value(t, "x", float, -1, c, h, w), value(t, "x", float, -1, h, w, c), value(t, "x", bytes, -1, c, h, w), value(t, "x", bytes, -1, h, w, c),
	} {
		m, err := raster.Of(modelOf([]*pb.ValueInfoProto{input}))
		if err != nil {
			t.Fatal(err)
		}
		x, err := m.Input.Pixels(picture)
		if err != nil || x.Dims[0] != n {
			t.Fatal(x.Dims, err)
		}
		planes, together := make([]byte, len(picture)), make([]byte, len(picture))
		if err := errors.Join(m.Planes(planes, x), m.Bytes(together, x)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(planes, picture) || !slices.Equal(together, sides) {
			t.Errorf("%v: the pictures are others", input.GetType())
		}
		if _, err := m.Input.Pixels(picture[1:]); err == nil {
			t.Error("a part of an image")
		}
		if err := m.Planes(planes[1:], x); err == nil {
			t.Error("room for a part of an image")
		}
		if data, ok := x.Data.(onnx.Slice[float32]); ok {
			data[c*h*w+h*w+w+2] = float32(math.NaN())
			err := m.Planes(planes, x)
			if m.Input.Layout == raster.NCHW && (err == nil || err.Error() != "image 1, channel 1, row 1, column 2: not a number") || err == nil {
				t.Errorf("not a number: %v", err)
			}
		}
	}
}

// A part of a model whose noise is used twice, or not drawn, cannot be had.
func TestSplitRefusesWhatItCannotPart(t *testing.T) {
	seeds := []*pb.ValueInfoProto{value(t, "seed", whole, 1), value(t, "count", whole, 1), value(t, "truncation", float, 1)}
	node := func(op, out string, in ...string) *pb.NodeProto {
		return &pb.NodeProto{OpType: proto.String(op), Name: proto.String(out), Input: in, Output: []string{out}}
	}
	axis := &pb.TensorProto{Name: proto.String("noise.axis"), Dims: []int64{1, 3}}
	whole := func(change func(*pb.ModelProto)) *pb.ModelProto {
		m := modelOf(seeds, "form=sample")
		m.Graph.Node = []*pb.NodeProto{node("Draw", "noise", "seed", "count", "truncation", "noise.axis"), node("Net", "image", "noise", "w"), node("Idle", "idle", "seed")}
		m.Graph.Initializer = []*pb.TensorProto{axis, {Name: proto.String("w")}}
		m.Graph.Output = []*pb.ValueInfoProto{{Name: proto.String("image")}}
		change(m)
		return m
	}
	noise, points, err := raster.Split(whole(func(*pb.ModelProto) {}))
	if err != nil {
		t.Fatal(err)
	}
	if g := points.Graph; len(g.Node) != 1 || g.Node[0].GetOpType() != "Net" || len(g.Initializer) != 1 || g.Input[0].GetName() != "noise" || points.MetadataProps[0].GetValue() != "image" {
		t.Errorf("the net is %v", points)
	}
	if g := noise.Graph; len(g.Node) != 1 || g.Node[0].GetOpType() != "Draw" || len(g.Input) != 3 || g.Output[0].GetName() != "noise" {
		t.Errorf("the noise is %v", noise)
	}
	for name, change := range map[string]func(*pb.ModelProto){
		"no noise":        func(m *pb.ModelProto) { m.Graph.Node[0].Output[0] = "z" },
		"no width":        func(m *pb.ModelProto) { m.Graph.Initializer[0] = m.Graph.Initializer[1] },
		"other inputs":    func(m *pb.ModelProto) { m.Graph.Input = m.Graph.Input[1:] },
		"the seed again":  func(m *pb.ModelProto) { m.Graph.Node[1].Input[1] = "seed" },
		"through a node":  func(m *pb.ModelProto) { m.Graph.Node[1].Input[1] = "idle" },
		"functions in it": func(m *pb.ModelProto) { m.Functions = []*pb.FunctionProto{{}} },
		"a width beyond it": func(m *pb.ModelProto) {
			m.Graph.Initializer[0] = &pb.TensorProto{Name: axis.Name, Dims: []int64{1, 1 << 40}}
		},
	} {
		if _, _, err := raster.Split(whole(change)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

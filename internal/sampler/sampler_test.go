package sampler_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/internal/sampler"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/raster"
)

// file writes a model, with metadata KEY=VALUE, and returns its path.
func file(t *testing.T, name string, write func(e *onnx.Emitter), about ...string) string {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "net"})
	write(e)
	m := onnxtest.Model(t, e).Proto
	for _, a := range append(about, raster.MetaPixels+"=0,1") {
		key, value, _ := strings.Cut(a, "=")
		m.MetadataProps = append(m.MetadataProps, &pb.StringStringEntryProto{Key: proto.String(key), Value: proto.String(value)})
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, onnxtest.Bytes(t, m), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// shaped gives an output x under other dims, each value clipped to 0 and 1.
func shaped(e *onnx.Emitter, x onnx.Value, dims ...int64) {
	e.Step("out", "out")
	shape := onnx.Slice[int64](append([]int64{-1}, dims...))
	x = e.Node("Clip", "clipped", []onnx.Value{x, e.Const("low", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{0}}), e.Const("high", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{1}})})
	x = e.Node("Reshape", "", []onnx.Value{x, e.Const("shape", &onnx.Tensor{Dims: []int{len(shape)}, Data: shape})})
	out := []onnx.Dim{onnx.Symbolic("N")}
	for _, d := range dims {
		out = append(out, onnx.Fixed(d))
	}
	e.Output(x, pb.TensorProto_FLOAT, out...)
}

// decoder makes of 4 numbers a picture of 2 by 2.
func decoder(e *onnx.Emitter) {
	shaped(e, e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(4)), 1, 2, 2)
}

// encoder makes of a picture of 2 by 2 its 4 numbers.
func encoder(e *onnx.Emitter) {
	shaped(e, e.Input("image", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(2), onnx.Fixed(2)), 4)
}

// ofClass makes of 4 numbers and a class a picture as bright as the class: 0, 1.
func ofClass(e *onnx.Emitter) {
	z := e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(4))
	class := e.Input("class", pb.TensorProto_INT64, onnx.Symbolic("N"))
	e.Step("mixed", "mixed")
	column := e.Const("column", &onnx.Tensor{Dims: []int{2}, Data: onnx.Slice[int64]{-1, 1}})
	bright := e.Node("Cast", "bright", []onnx.Value{e.Node("Reshape", "class", []onnx.Value{class, column})}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	none := e.Node("Mul", "none", []onnx.Value{z, e.Const("zero", &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{0}})})
	shaped(e, e.Node("Add", "", []onnx.Value{none, bright}), 1, 2, 2)
}

func open(t *testing.T, path, encoder string) *sampler.Sampler {
	t.Helper()
	s, err := sampler.Open(t.Context(), func(string) {}, load.Runtime{}, path, encoder, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// gray writes a picture of these shades, two in a row, and returns its path.
func gray(t *testing.T, shades ...uint8) string {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 2, len(shades)/2))
	for i, v := range shades {
		img.SetGray(i%2, i/2, color.Gray{Y: v})
	}
	path := filepath.Join(t.TempDir(), "picture.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDecodingIsInTheOrderOfThePoints(t *testing.T) {
	s := open(t, file(t, "decoder.onnx", decoder), "")
	got, err := s.Decode(t.Context(), []float32{0, 1, 0.2, 0.4, -5, 5, 0.6, 0.8}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []uint8{0, 255, 51, 102, 0, 255, 153, 204}
	for i, v := range got.Pixels {
		if uint8(v*255+0.5) != want[i] {
			t.Errorf("pixel %d is %v, want %d of 255", i, v, want[i])
		}
	}
	if got.N != 2 || got.C != 1 || got.H != 2 || got.W != 2 {
		t.Errorf("pictures are %d of %dx%dx%d", got.N, got.C, got.H, got.W)
	}
}

func TestASeedMakesTheSamePictures(t *testing.T) {
	s := open(t, file(t, "decoder.onnx", decoder), "")
	several, err := s.OfSeed(t.Context(), 7, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		seed uint64
		n    int
		same bool
	}{{"fewer of them", 7, 1, true}, {"another seed", 8, 1, false}} {
		got, err := s.OfSeed(t.Context(), c.seed, 0, c.n)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(got.Pixels, several.Pixels[:4]) != c.same {
			t.Errorf("%s: the same first picture is %v, want %v", c.name, !c.same, c.same)
		}
	}
}

func TestPicturesAreMadeAnew(t *testing.T) {
	path := gray(t, 10, 200, 30, 0)
	for _, c := range []struct {
		name        string
		net, points string // what makes pictures of points, and points of pictures
	}{
		{"by way of points", file(t, "decoder.onnx", decoder), file(t, "encoder.onnx", encoder)},
		{"at once", file(t, "autoencoder.onnx", func(e *onnx.Emitter) {
			shaped(e, e.Input("image", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(2), onnx.Fixed(2)), 1, 2, 2)
		}), ""},
	} {
		s := open(t, c.net, c.points)
		both, err := s.Reconstruct(t.Context(), []string{path})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if both.N != 2 || !slices.Equal(both.Pixels[:4], both.Pixels[4:]) {
			t.Errorf("%s: %d pictures, %v", c.name, both.N, both.Pixels)
		}
	}
}

func TestClasses(t *testing.T) {
	named := file(t, "named.onnx", ofClass, raster.MetaClasses+`=["night","day"]`)
	nameless := file(t, "nameless.onnx", ofClass)
	for _, c := range []struct {
		name, path string
		classes    []string
		want       []int64
		err        string
	}{
		{"all by default", named, nil, []int64{0, 1}, ""},
		{"all by name", named, []string{"all"}, []int64{0, 1}, ""},
		{"in the order asked for", named, []string{"day", "night", "day"}, []int64{1, 0, 1}, ""},
		{"unknown", named, []string{"dusk"}, nil, "named.onnx: unknown class \"dusk\""},
		{"all and more", named, []string{"all", "day"}, nil, `class "all" leaves no other to name`},
		{"by numbers", nameless, []string{"1"}, []int64{1}, ""},
		{"none named", nameless, nil, nil, sampler.ErrNamelessClasses.Error()},
		{"none taken", file(t, "decoder.onnx", decoder), []string{"day"}, nil, "it takes no class"},
		{"none taken, none asked for", file(t, "decoder.onnx", decoder), nil, nil, ""},
	} {
		s := open(t, c.path, "")
		err := s.Pick(c.classes)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		} else if err == nil && !slices.Equal(s.Classes, c.want) {
			t.Errorf("%s: %v, want %v", c.name, s.Classes, c.want)
		}
	}
	s := open(t, named, "")
	if err := s.Pick([]string{"day", "night"}); err != nil {
		t.Fatal(err)
	}
	images, err := s.OfSeed(t.Context(), 1, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Concat(slices.Repeat([]float32{1}, 8), make([]float32, 8)); !slices.Equal(images.Pixels, want) {
		t.Errorf("two pictures of the day, then two of the night: %v", images.Pixels)
	}
	if got := s.Along(4); !slices.Equal(got, []int64{1, 1, 0, 0}) {
		t.Errorf("the classes of a film of 4 pictures are %v", got)
	}
}

func TestWhatIsLackingIsSaid(t *testing.T) {
	path := gray(t, 1, 2, 3, 4)
	bytesIn := file(t, "bytes.onnx", func(e *onnx.Emitter) {
		x := e.Input("image", pb.TensorProto_UINT8, onnx.Symbolic("N"), onnx.Fixed(2), onnx.Fixed(2), onnx.Fixed(1))
		e.Step("real", "real")
		shaped(e, e.Node("Cast", "", []onnx.Value{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT))), 1, 2, 2)
	})
	vectors := file(t, "vectors.onnx", func(e *onnx.Emitter) {
		shaped(e, e.Input("z", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(4)), 4)
	})
	for _, c := range []struct {
		name string
		path string
		do   func(context.Context, *sampler.Sampler) error
		is   error
		says string
	}{
		{"no encoder", file(t, "decoder.onnx", decoder), func(ctx context.Context, s *sampler.Sampler) error {
			_, err := s.Reconstruct(ctx, []string{path})
			return err
		}, sampler.ErrNoEncoder, "decoder.onnx: it makes pictures of points"},
		{"no encoder for points", file(t, "decoder.onnx", decoder), func(ctx context.Context, s *sampler.Sampler) error {
			_, err := s.EncodeFiles(ctx, []string{path})
			return err
		}, sampler.ErrNoEncoder, ""},
		{"pictures wanted", bytesIn, func(ctx context.Context, s *sampler.Sampler) error {
			_, err := s.Decode(ctx, make([]float32, 4), nil)
			return err
		}, sampler.ErrWantsPictures, "bytes.onnx: "},
		{"no pictures come out", vectors, func(ctx context.Context, s *sampler.Sampler) error {
			_, err := s.Decode(ctx, make([]float32, 4), nil)
			return err
		}, nil, `the outputs are "out" of [1 4], want pictures of [1 1 H W]`},
	} {
		err := c.do(t.Context(), open(t, c.path, ""))
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v and %q", c.name, err, c.is, c.says)
		} else if strings.Contains(err.Error(), "--") {
			t.Errorf("%s: %v names a flag, which is the command's to know", c.name, err)
		}
	}
}

func TestWhatIsNoGeneratorIsRefused(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(broken, []byte("no model"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, says string }{
		{"not there", filepath.Join(t.TempDir(), "none.onnx"), "no such file"},
		{"a folder that is no run", t.TempDir(), "is neither an ONNX file nor a run folder"},
		{"no ONNX", broken, "broken.onnx"},
	} {
		s, err := sampler.Open(t.Context(), nil, load.Runtime{}, c.path, "", false)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// Rows go through a net some thousands at once, and come out as they would alone.
func TestManyPoints(t *testing.T) {
	s := open(t, file(t, "decoder.onnx", decoder), "")
	const n = 4100
	points := s.Noise(3, 0, n)
	all, err := s.Decode(t.Context(), points, nil)
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.Decode(t.Context(), points[4*(n-1):], nil)
	if err != nil {
		t.Fatal(err)
	}
	if all.N != n || !slices.Equal(picture.Images(all).Pixels[4*(n-1):], last.Pixels) {
		t.Errorf("%d pictures, the last %v, want %v", all.N, all.Pixels[4*(n-1):], last.Pixels)
	}
}

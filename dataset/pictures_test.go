package dataset

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// pngOf is an image of one colour with a red stripe of two columns on either side, which the middle leaves out.
func pngOf(t testing.TB, w, h int, c color.Color) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
			if x < 2 || x >= w-2 {
				img.Set(x, y, color.NRGBA{0xff, 0, 0, 0xff})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, w, h int, level uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = level
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hugePNG is the head of a PNG that claims a size, and nothing else.
func hugePNG(w, h uint32) []byte {
	body := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	body = append(body, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
}

// treeOf writes files in folders.
func treeOf(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func opened(t *testing.T, dir string, o Options) *Source {
	t.Helper()
	s, err := OpenWith(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFolderOfImages(t *testing.T) {
	blue, grey := color.NRGBA{0, 0, 0xff, 0xff}, color.NRGBA{0x80, 0x80, 0x80, 0xff}
	dir := treeOf(t, map[string][]byte{
		"train/b/1.png":   pngOf(t, 12, 6, blue),
		"train/a/2.jpeg":  jpegOf(t, 20, 30, 200),
		"train/a/1.PNG":   pngOf(t, 9, 5, grey),
		"train/.DS_Store": []byte("no image"),
		"test/b/1.png":    pngOf(t, 12, 6, blue),
	})
	s := opened(t, dir, Options{Size: 4})
	set, err := s.Train(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if set.N != 3 || set.C != 3 || set.H != 4 || set.W != 4 || !slices.Equal(set.Labels, []uint32{0, 0, 1}) {
		t.Fatalf("read %dx%dx%dx%d with labels %v", set.N, set.C, set.H, set.W, set.Labels)
	}
	// Sorted by path: the grey PNG, the JPEG, the blue one; stripes at the sides are cut away.
	for i, want := range [][3]uint8{{0x80, 0x80, 0x80}, {200, 200, 200}, {0, 0, 0xff}} {
		for c, level := range want {
			for _, p := range set.Image(i)[c*16 : (c+1)*16] {
				if d := int(p) - int(level); d < -1 || d > 1 {
					t.Fatalf("image %d, channel %d has %d, want %d", i, c, p, level)
				}
			}
		}
	}
	if test, err := s.Test(t.Context()); err != nil || test.N != 1 {
		t.Errorf("test split: %v %v", test, err)
	}
	one, err := opened(t, filepath.Join(dir, "test"), Options{Size: 2, Channels: 1}).Train(t.Context())
	if err != nil || one.C != 1 || one.Pixels[0] != 29 { // 0.114 of blue
		t.Errorf("grey of blue: %v %v", one, err)
	}
	if _, err := opened(t, filepath.Join(dir, "test"), Options{}).Test(t.Context()); !errors.Is(err, ErrNoTest) {
		t.Errorf("error is %v, want ErrNoTest", err)
	}
}

func TestTransparentLiesOnBlack(t *testing.T) {
	img := (&picture{Image: image.NewNRGBA(image.Rect(0, 0, 3, 3)), turn: upright}).fit(2, 3)
	if !bytes.Equal(img, make([]uint8, 12)) {
		t.Errorf("pixels are %v", img)
	}
}

func TestBadImagesAreNamed(t *testing.T) {
	good := pngOf(t, 8, 8, color.White)
	for _, c := range []struct {
		claim string
		files map[string][]byte
		want  string
	}{
		{"text by an image's name", map[string][]byte{"a.png": []byte("hello")}, "a.png: want a PNG or JPEG image"},
		{"cut short", map[string][]byte{"a.png": good[:len(good)/2]}, "a.png: image is damaged"},
		{"a size that is claimed", map[string][]byte{"a.png": hugePNG(1<<16, 1<<16)}, "a.png: 65536x65536 pixels, want"},
		{"images beside labels", map[string][]byte{"a.png": good, "cats/a.png": good}, "holds images and folders of images"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			s, err := OpenWith(treeOf(t, c.files), Options{Size: 4})
			if err == nil {
				_, err = s.Train(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
	for _, o := range []Options{{Size: -1}, {Size: 1 << 20}, {Channels: 2}} {
		if _, err := OpenWith("mnist", o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestIDXSetsTakeAnotherSize(t *testing.T) {
	files := map[string][]byte{"train-images-idx3-ubyte": idx(ramp(24), 2, 3, 4), "train-labels-idx1-ubyte": idx([]byte{7, 9}, 2)}
	set, err := opened(t, treeOf(t, files), Options{Size: 6, Channels: 3}).Train(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if set.N != 2 || set.C != 3 || set.H != 6 || set.W != 6 || !slices.Equal(set.Labels, []uint32{7, 9}) {
		t.Errorf("read %dx%dx%dx%d with labels %v", set.N, set.C, set.H, set.W, set.Labels)
	}
}

// Whatever the bytes, decoding ends in an image that can be fitted, or in an error that names the file.
func FuzzDecodeImage(f *testing.F) {
	f.Add(pngOf(f, 5, 4, color.White))
	f.Add(jpegOf(f, 5, 4, 9))
	f.Add(hugePNG(1<<30, 1<<30))
	f.Add([]byte("\xff\xd8\xff"))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	webp, err := base64.StdEncoding.DecodeString(greenWebP)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(webp)
	for _, encode := range []func(w io.Writer, img image.Image) error{bmp.Encode, func(w io.Writer, img image.Image) error { return tiff.Encode(w, img, nil) }} {
		var b bytes.Buffer
		if err := encode(&b, image.NewNRGBA(image.Rect(0, 0, 3, 2))); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := decode("a.png", b)
		if err != nil {
			if !strings.Contains(err.Error(), "a.png") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		defer img.release()
		if n := len(img.fit(4, 3)); n != 48 {
			t.Errorf("%d values, want 48", n)
		}
	})
}

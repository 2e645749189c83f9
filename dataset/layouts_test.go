package dataset

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// told opens a folder and returns what a person is told of it.
func told(t *testing.T, dir string) (*Source, string, error) {
	t.Helper()
	var notes []string
	s, err := OpenWith(dir, Options{Size: 4, Note: func(n string) { notes = append(notes, n) }})
	if len(notes) == 0 {
		return s, "", err
	}
	_, about, _ := strings.Cut(notes[0], ": ")
	return s, about, err
}

// What folders are taken for, and what is said of it: name by name, as people and sites lay them out.
func TestLayouts(t *testing.T) {
	p := pngOf(t, 8, 8, color.White)
	for _, c := range []struct {
		claim string
		files []string // pictures, unless the name has text after a blank
		about string
	}{
		{"all for training", []string{"a.png", "b.JPG", "c.jpeg"}, "train: 3 images; test: none"},
		{"classes", []string{"cats/a.png", "dogs/a.png", "dogs/b.png"}, "train: 3 images in 2 classes (cats, dogs); test: none"},
		{"splits", []string{"train/a.png", "test/b.png"}, "train: 1 image of folder train; test: 1 image of folder test"},
		{"splits with capitals", []string{"Train/a.png", "Test/b.png"}, "train: 1 image of folder Train; test: 1 image of folder Test"},
		{"splits in full", []string{"training/a.png", "testing/b.png"}, "train: 1 image of folder training; test: 1 image of folder testing"},
		{"one in full", []string{"training/a.png", "test/b.png"}, "train: 1 image of folder training; test: 1 image of folder test"},
		{"splits with more words", []string{"train_data/a.png", "test_data/b.png"}, "train: 1 image of folder train_data; test: 1 image of folder test_data"},
		{"words in camel case", []string{"TrainingSet/a.png", "TestSet/b.png"}, "train: 1 image of folder TrainingSet; test: 1 image of folder TestSet"},
		{"years", []string{"train2017/a.png", "val2017/b.png"}, "train: 1 image of folder train2017; test: 1 image of folder val2017"},
		{"Keras's imagenette, fastai", []string{"train/n1/a.png", "train/n2/a.png", "val/n1/b.png"},
			"train: 2 images in 2 classes (n1, n2) of folder train; test: 1 image in 1 class (n1) of folder val"},
		{"fastai's MNIST sample", []string{"train/3/a.png", "train/7/a.png", "valid/3/b.png", "labels.csv x", "models/tmp.pth x"},
			"train: 2 images in 2 classes (3, 7) of folder train; test: 1 image in 1 class (3) of folder valid; ignored: 1 other file (models/tmp.pth)"},
		{"pictures beside labels", []string{"train/images/a.png", "train/labels/a.txt x", "valid/images/b.png"},
			"train: 1 image of folder train; test: 1 image of folder valid; ignored: 1 other file (train/labels/a.txt)"},
		{"a class of its own beside one called images", []string{"train/images/a.png", "train/cats/a.png"}, "train: 2 images in 2 classes (cats, images) of folder train; test: none"},
		{"fastai's MNIST", []string{"mnist_png/training/3/a.png", "mnist_png/testing/3/b.png"},
			"train: 1 image in 1 class (3) of folder mnist_png/training; test: 1 image in 1 class (3) of folder mnist_png/testing"},
		{"three splits", []string{"train/a.png", "dev/b.png", "test/c.png"},
			"train: 1 image of folder train; test: 1 image of folder test; not used: 1 image of folder dev"},
		{"a folder with folders of the same name", []string{"seg_train/seg_train/sea/a.png", "seg_test/seg_test/sea/b.png", "seg_pred/seg_pred/c.png"},
			"train: 1 image in 1 class (sea) of folder seg_train; test: 1 image in 1 class (sea) of folder seg_test; ignored: 1 image of folder seg_pred"},
		{"CelebA", []string{"img_align_celeba/img_align_celeba/1.jpg", "list_attr_celeba.csv x"}, "train: 1 image of folder img_align_celeba/img_align_celeba; test: none"},
		{"cats and dogs", []string{"PetImages/Cat/1.jpg", "PetImages/Dog/1.jpg", "PetImages/Dog/Thumbs.db x", "readme[1].txt x"},
			"train: 2 images in 2 classes (Cat, Dog) of folder PetImages; test: none"},
		{"more of the unlabelled kind", []string{"train/a/1.png", "test/a/2.png", "unlabeled/3.png"},
			"train: 1 image in 1 class (a) of folder train; test: 1 image in 1 class (a) of folder test; ignored: 1 image of folder unlabeled"},
		{"splits of each class", []string{"cats/train/a.png", "cats/test/b.png", "dogs/train/a.png", "dogs/train/b.png"},
			"train: 3 images in 2 classes (cats, dogs); test: 1 image in 1 class (cats)"},
		{"classes of which one has a folder called train", []string{"cats/train/a.png", "dogs/a.png"}, "train: 2 images in 2 classes (cats, dogs); test: none"},
		{"a class called train", []string{"bus/1.png", "car/1.png", "train/1.png"}, "train: 3 images in 3 classes (bus, car, train); test: none"},
		{"a class with a split's name within", []string{"test tube/1.png", "flask/1.png"}, "train: 2 images in 2 classes (flask, test tube); test: none"},
		{"classes and a test", []string{"a/1.png", "b/1.png", "test/a/2.png"}, "train: 2 images in 2 classes (a, b); test: 1 image in 1 class (a) of folder test"},
		{"images and a test", []string{"1.png", "test/2.png"}, "train: 1 image; test: 1 image of folder test"},
		{"folders within classes", []string{"a/old/1.png", "a/2.png", "b/3.png"}, "train: 3 images in 2 classes (a, b); test: none"},
		{"an empty class", []string{"a/1.png", "b/notes.txt x", "c/2.png"}, "train: 2 images in 2 classes (a, c); test: none; ignored: 1 other file (b/notes.txt)"},
		{"what Windows, macOS and hubs leave", []string{"a.png", "Thumbs.db x", "desktop.ini x", ".DS_Store x", "._a.png x", "__MACOSX/._a.png x", "metadata.jsonl x",
			"README.md x", "LICENSE x", "labels.csv x", "@eaDir/a.png x", ".ipynb_checkpoints/a-checkpoint.png x"}, "train: 1 image; test: none"},
		{"other files", []string{"a.png", "1.txt x", "2.txt x", "3.txt x", "4.txt x"}, "train: 1 image; test: none; ignored: 4 other files (1.txt, 2.txt, 3.txt, ...)"},
		{"pictures of other kinds", []string{"a.png", "b.heic x", "c.HEIC x", "d.avif x"}, "train: 1 image; test: none; ignored: 1 .avif file, 2 .heic files (convert them to PNG or JPEG)"},
		{"a run in it", []string{"a.png", "runs/gan/run.json x", "runs/gan/samples/1.png"}, "train: 1 image; test: none; ignored: 1 training run (runs/gan)"},
		{"a run on it", []string{"a.png", "run.json x", "curves.png", "samples/1.png"}, "train: 1 image; test: none"},
		{"names that act", []string{"a\x1b[31m/1.png", "b/1.png"}, `train: 2 images in 2 classes ("a\x1b[31m", b); test: none`},
	} {
		t.Run(c.claim, func(t *testing.T) {
			files := map[string][]byte{}
			for _, f := range c.files {
				name, text := f, ""
				if i := strings.LastIndex(f, " x"); i > 0 && i == len(f)-2 {
					name, text = f[:i], "x"
				}
				files[name] = p
				if text != "" {
					files[name] = []byte(text)
				}
			}
			_, about, err := told(t, treeOf(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if about != c.about {
				t.Errorf("said\n  %s, want\n  %s", about, c.about)
			}
		})
	}
}

func TestFoldersThatAreRefused(t *testing.T) {
	p := pngOf(t, 8, 8, color.White)
	for _, c := range []struct {
		claim string
		files map[string][]byte
		want  string
	}{
		{"HEIC alone", map[string][]byte{"a.heic": {1}, "b.heic": {1}}, "2 .heic files, which petrify does not read: convert them to PNG or JPEG"},
		{"a test alone", map[string][]byte{"test/a.png": p, "val/a.png": p}, `images to test with alone, in test: those to train on would be in a folder "train"`},
		{"runs alone", map[string][]byte{"gan/run.json": {1}}, "no images in it, but training runs (gan)"},
		{"images among classes", map[string][]byte{"a.png": p, "b/c.png": p}, "holds images and folders of images (b)"},
	} {
		if _, err := Open(treeOf(t, c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(treeOf(t, map[string][]byte{"mnist.zip": {1}}), "mnist.zip")); err == nil || !strings.Contains(err.Error(), "a file, want a folder: unpack it") {
		t.Errorf("an archive: error is %v", err)
	}
}

func TestLabelsFollowTheClasses(t *testing.T) {
	p := pngOf(t, 8, 8, color.White)
	s := opened(t, treeOf(t, map[string][]byte{"train/b/1.png": p, "train/a/1.png": p, "train/c/1.png": p, "test/b/1.png": p, "test/z/1.png": p, "test/c/1.png": p}), Options{Size: 4})
	train, err := s.Train(t.Context())
	if err != nil || !slices.Equal(train.Labels, []uint32{0, 1, 2}) {
		t.Fatalf("labels are %v (%v)", train.Labels, err)
	}
	test, err := s.Test(t.Context())
	if err != nil || !slices.Equal(test.Labels, []uint32{1, 2, 3}) { // z is of no class to train on
		t.Errorf("labels are %v (%v), want those of training", test.Labels, err)
	}
	many := map[string][]byte{}
	for i := range 300 {
		many[fmt.Sprintf("c%03d/1.png", i)] = p
	}
	_, about, _ := told(t, treeOf(t, many))
	s = opened(t, treeOf(t, many), Options{Size: 4})
	if train, err = s.Train(t.Context()); err != nil || train.N != 300 || train.Labels[299] != 299 || !strings.Contains(about, "300 classes (c000, c001, c002, ...)") {
		t.Errorf("300 classes: %v, said %s", err, about)
	}
}

func TestLinksAreFollowed(t *testing.T) {
	p := pngOf(t, 8, 8, color.White)
	dir := treeOf(t, map[string][]byte{"real/cats/1.png": p, "real/dogs/1.png": p, "set/birds/1.png": p})
	for from, to := range map[string]string{"set/cats": "../real/cats", "set/dogs": "../real/dogs", "set/birds/round": "..", "set/birds/2.png": "1.png"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Skipf("no links here: %v", err)
		}
	}
	s, about, err := told(t, filepath.Join(dir, "set"))
	if err != nil || about != "train: 4 images in 3 classes (birds, cats, dogs); test: none" {
		t.Fatalf("said %s (%v)", about, err)
	}
	if set, err := s.Train(t.Context()); err != nil || set.N != 4 {
		t.Errorf("read %v (%v)", set, err)
	}
	if err := os.Symlink("nowhere.png", filepath.Join(dir, "set", "birds", "3.png")); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "set", "birds", "3.png")
	if _, err := opened(t, filepath.Join(dir, "set"), Options{}).Train(t.Context()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a link to nowhere?") {
		t.Errorf("a broken link: error is %v, want the whole path %s", err, want)
	}
}

func TestKindsOfPictures(t *testing.T) {
	const w, h = 12, 12
	want := color.NRGBA{40, 200, 120, 0xff}
	flat := func(img interface {
		image.Image
		Set(x, y int, c color.Color)
	}) image.Image {
		for y := range h {
			for x := range w {
				img.Set(x, y, want)
			}
		}
		return img
	}
	r := image.Rect(0, 0, w, h)
	colours := color.Palette{color.Black, want, color.White}
	encoded := func(encode func(b *bytes.Buffer) error) []byte {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	asPNG := func(img image.Image) []byte {
		return encoded(func(b *bytes.Buffer) error { return png.Encode(b, img) })
	}
	webp, err := base64.StdEncoding.DecodeString(greenWebP)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		claim string
		file  []byte
		grey  bool
	}{
		{"PNG, 8 bits", asPNG(flat(image.NewNRGBA(r))), false},
		{"PNG, 16 bits", asPNG(flat(image.NewNRGBA64(r))), false},
		{"PNG, with a palette", asPNG(flat(image.NewPaletted(r, colours))), false},
		{"PNG, grey", asPNG(flat(image.NewGray(r))), true},
		{"PNG, grey of 16 bits", asPNG(flat(image.NewGray16(r))), true},
		{"JPEG", encoded(func(b *bytes.Buffer) error {
			return jpeg.Encode(b, flat(image.NewNRGBA(r)), &jpeg.Options{Quality: 100})
		}), false},
		{"GIF", encoded(func(b *bytes.Buffer) error { return gif.Encode(b, flat(image.NewPaletted(r, colours)), nil) }), false},
		{"BMP", encoded(func(b *bytes.Buffer) error { return bmp.Encode(b, flat(image.NewNRGBA(r))) }), false},
		{"TIFF", encoded(func(b *bytes.Buffer) error { return tiff.Encode(b, flat(image.NewNRGBA(r)), nil) }), false},
		{"TIFF, compressed", encoded(func(b *bytes.Buffer) error {
			return tiff.Encode(b, flat(image.NewNRGBA(r)), &tiff.Options{Compression: tiff.Deflate})
		}), false},
		{"WebP", webp, false},
	} {
		p, err := decode(c.claim, c.file)
		if err != nil {
			t.Error(err)
			continue
		}
		got := p.fit(1, 3)
		expect := []uint8{want.R, want.G, want.B}
		if c.grey {
			y := color.GrayModel.Convert(want).(color.Gray).Y
			expect = []uint8{y, y, y}
		}
		for i := range expect {
			if d := int(got[i]) - int(expect[i]); d < -2 || d > 2 {
				t.Errorf("%s: colour is %v, want %v", c.claim, got, expect)
				break
			}
		}
	}
	for _, c := range []struct {
		claim, head, want string
	}{
		{"a phone's picture by a wrong name", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "this is a HEIC picture, as iPhones take them: convert it"},
		{"AVIF", "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00", "an AVIF picture"},
		{"an animation", "RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02", "an animated WebP picture"},
		{"what a failed download leaves", "<!DOCTYPE html><html>", "a web page"},
		{"a drawing", "<svg xmlns=", "an SVG drawing"},
		{"a download that never came", "", "an empty file"},
		{"a clone without its large files", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"},
	} {
		if _, err := decode("a.jpg", []byte(c.head)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
	}
}

// greenWebP is 12x12 pixels of 40, 200, 120, without loss.
const greenWebP = "UklGRh4AAABXRUJQVlA4TBEAAAAvC8ACAAdQ5KIUr/+BiOh/AAA="

// A file of a few bytes does not take seconds, or gigabytes, on its word.
func TestBoundsBeforeWork(t *testing.T) {
	scans := func(n int) []byte {
		file := jpegOf(t, 16, 16, 9)
		at := bytes.Index(file, []byte{0xff, 0xc0}) + 5
		file[at], file[at+1], file[at+2], file[at+3] = 0x14, 0x00, 0x14, 0x00 // 5120 x 5120
		file = append(file, make([]byte, 60_000)...)                          // what its blocks take at least
		return append(file, bytes.Repeat([]byte{0xff, 0xda}, n)...)
	}
	for _, c := range []struct {
		claim string
		file  []byte
		want  string
	}{
		{"a thousand scans", scans(1000), "5120x5120 pixels, in 1001 scans, want at most 163 in all"},
		{"a JPEG of few bytes", scans(0)[:1000], "5120x5120 pixels, which 1000 bytes cannot hold"},
		{"a PNG of few bytes", hugePNG(1<<14, 1<<14), "16384x16384 pixels, which 33 bytes cannot hold"},
		{"a GIF of any size", []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02\x44\x01\x00;"), "65535x65535 pixels, want at most 67108864"},
	} {
		start := time.Now()
		if _, err := decode("a", c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: took %v", c.claim, took)
		}
	}
}

// A camera of 48 megapixels, upright and lying, is not a bomb.
func TestLargePictures(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes 48 megapixels")
	}
	img := image.NewGray(image.Rect(0, 0, 8064, 6048))
	for i := range img.Pix {
		img.Pix[i] = uint8(i >> 16)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	p, err := decode("a.jpg", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	if got := p.fit(4, 1); got[0] == got[15] {
		t.Errorf("pixels are %v", got)
	}
}

// Tables of pixels, as Kaggle hands out MNIST.
func TestTables(t *testing.T) {
	row := func(label string, shift int) string {
		cells := make([]string, 64)
		for i := range cells {
			cells[i] = fmt.Sprint((i + shift) % 256)
		}
		if label != "" {
			cells = append([]string{label}, cells...)
		}
		return strings.Join(cells, ",") + "\n"
	}
	head := func(label string) string {
		cells := make([]string, 64)
		for i := range cells {
			cells[i] = fmt.Sprintf("pixel%d", i)
		}
		if label != "" {
			cells = append([]string{label}, cells...)
		}
		return strings.Join(cells, ",") + "\n"
	}
	zip := func(s string) []byte { return gzipped(t, []byte(s)) }
	for _, c := range []struct {
		claim  string
		files  map[string][]byte
		labels []uint32
		test   int // images, -1 for none
	}{
		{"with names and labels", map[string][]byte{"mnist_train.csv": []byte(head("label") + row("3", 0) + row("7", 5)), "mnist_test.csv": []byte(head("label") + row("1", 1))}, []uint32{3, 7}, 1},
		{"the digit recogniser", map[string][]byte{"train.csv": []byte(head("label") + row("3", 0)), "test.csv": []byte(head("") + row("", 1) + row("", 2)), "sample_submission.csv": []byte("ImageId,Label\n1,0\n")}, []uint32{3}, 2},
		{"without names", map[string][]byte{"train.csv": []byte(row("9", 0) + row("2", 0))}, []uint32{9, 2}, -1},
		{"gzipped", map[string][]byte{"train.csv.gz": zip(head("label") + row("3", 0))}, []uint32{3}, -1},
		{"in a folder", map[string][]byte{"archive/A_Z Handwritten Data.csv": []byte(row("3", 0))}, []uint32{3}, -1},
		{"more classes than a byte counts", map[string][]byte{"train.csv": []byte(row("256", 0) + row("4294967295", 0))}, []uint32{256, 4294967295}, -1},
		{"pandas, with its numbers of lines", map[string][]byte{"train.csv": []byte("," + head("label") + "0," + row("3", 0) + "1," + row("4", 0))}, []uint32{3, 4}, -1},
		{"semicolons", map[string][]byte{"train.csv": []byte(strings.ReplaceAll(head("label")+row("3", 0), ",", ";"))}, []uint32{3}, -1},
		{"NumPy's savetxt", map[string][]byte{"train.csv": []byte(strings.ReplaceAll(row("3", 0), ",12,", ",1.200000000000000000e+01,"))}, []uint32{3}, -1},
		{"Windows, Excel", map[string][]byte{"train.csv": []byte("\ufeff" + strings.ReplaceAll(head("label")+strings.ReplaceAll(row("3", 0), ",", ".0,"), "\n", "\r\n"))}, []uint32{3}, -1},
	} {
		t.Run(c.claim, func(t *testing.T) {
			s, about, err := told(t, treeOf(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			s.options = Options{}
			set, err := s.Train(t.Context())
			if err != nil || set.C != 1 || set.H != 8 || set.W != 8 || !slices.Equal(set.Labels, c.labels) || set.Pixels[63] != 63 {
				t.Fatalf("read %+v (%v)", set, err)
			}
			test, err := s.Test(t.Context())
			if c.test < 0 && !errors.Is(err, ErrNoTest) || c.test >= 0 && (err != nil || test.N != c.test) {
				t.Errorf("test split: %v (%v)", test, err)
			}
			if !strings.HasPrefix(about, "tables of 8x8 pixels; train: ") {
				t.Errorf("said %s", about)
			}
		})
	}
	for _, c := range []struct{ claim, text, want string }{
		{"a cell that is not a number", row("1", 0) + strings.Replace(row("1", 0), ",7,", ",x,", 1), `line 2: column 9 is "x", want a whole number from 0 to 255`},
		{"a cell beyond 255", row("1", 0) + strings.Replace(row("1", 0), ",7,", ",256,", 1), `line 2: column 9 is "256"`},
		{"a short line", row("1", 0) + "1,2,3\n", "line 2: 2 pixels, want 64"},
		{"a long line", row("1", 0) + strings.Repeat("1,", longest), "line 2: longer than"},
	} {
		_, err := opened(t, treeOf(t, map[string][]byte{"train.csv": []byte(c.text)}), Options{}).Train(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "train.csv") {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
	}
	for _, c := range []struct{ claim, text, want string }{
		{"a table of something else", "id,name\n1,a\n", "line 1 has 2 columns, want a square number of pixels"},
		{"nothing", "", "it is empty"},
		{"names alone", head("label"), "no images follow"},
		{"fractions", strings.Replace(row("1", 0), ",7,", ",0.5,", 1), `line 1: column 9 is "0.5", want a whole number from 0 to 255`},
		{"names for classes", head("label") + row("cat", 0), `line 2: column 1 is "cat"`},
		{"UTF-16", "\xff\xfe1\x00,\x00", "UTF-16"},
	} {
		if _, err := Open(treeOf(t, map[string][]byte{"train.csv": []byte(c.text)})); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "train.csv") {
			t.Errorf("%s: error is %v, want %q", c.claim, err, c.want)
		}
	}
}

func FuzzCSV(f *testing.F) {
	cells := strings.Repeat("1,", 64)
	f.Add([]byte(cells + "2\n" + cells + "3"))
	f.Add([]byte("label," + cells + "\n\n"))
	f.Add([]byte("\ufeff\"1\",2.0\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := filesIn(t, map[string][]byte{"train.csv": text})
		s, err := Open(dir)
		if err != nil {
			return
		}
		set, err := s.Train(t.Context())
		if err != nil {
			if !strings.Contains(err.Error(), "train.csv") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		if set.N != len(set.Labels) || len(set.Pixels) != set.N*set.H*set.W {
			t.Errorf("read %d images of %dx%d with %d pixels and %d labels", set.N, set.H, set.W, len(set.Pixels), len(set.Labels))
		}
	})
}

// Kaggle's archive of MNIST has files, and folders of nearly the same names with the files again; torchvision's a folder in a
// folder; some sites the training images alone.
func TestPlacesOfIDX(t *testing.T) {
	images, labels := idx(ramp(24), 2, 3, 4), idx([]byte{7, 9}, 2)
	for _, c := range []struct {
		claim string
		files map[string][]byte
		test  bool
	}{
		{"Kaggle", map[string][]byte{
			"train-images.idx3-ubyte": images, "train-labels.idx1-ubyte": labels,
			"train-images-idx3-ubyte/train-images-idx3-ubyte": images, "train-labels-idx1-ubyte/train-labels-idx1-ubyte": labels,
		}, false},
		{"Kaggle's folders alone", map[string][]byte{
			"train-images-idx3-ubyte/train-images-idx3-ubyte": images, "train-labels-idx1-ubyte/train-labels-idx1-ubyte": labels,
		}, false},
		{"torchvision", map[string][]byte{
			"MNIST/raw/train-images-idx3-ubyte": images, "MNIST/raw/train-labels-idx1-ubyte": labels, "MNIST/raw/train-images-idx3-ubyte.gz": gzipped(t, images),
			"MNIST/raw/t10k-images-idx3-ubyte": images, "MNIST/raw/t10k-labels-idx1-ubyte": labels,
		}, true},
	} {
		s, about, err := told(t, treeOf(t, c.files))
		if err != nil {
			t.Errorf("%s: %v", c.claim, err)
			continue
		}
		set, err := s.Train(t.Context())
		if err != nil || set.N != 2 {
			t.Errorf("%s: %v (%v)", c.claim, set, err)
		}
		want := "IDX files; train: 2 images of 3x4; test: none"
		if c.test {
			want = "IDX files; train: 2 images of 3x4; test: 2 images of 3x4"
		}
		if about != want {
			t.Errorf("%s: said %s, want %s", c.claim, about, want)
		}
		if _, err := s.Test(t.Context()); c.test != (err == nil) || err != nil && !errors.Is(err, ErrNoTest) {
			t.Errorf("%s: the test split: %v", c.claim, err)
		}
	}
}

// The archive of EMNIST has six sets in one folder, and stores every image column by column.
func TestEMNIST(t *testing.T) {
	images, labels := idx(ramp(24), 2, 3, 4), idx([]byte{61, 1}, 2)
	files := map[string][]byte{"emnist-balanced-mapping.txt": {1}}
	for _, set := range []string{"balanced", "letters"} {
		for _, part := range []string{"train", "test"} {
			files["gzip/emnist-"+set+"-"+part+"-images-idx3-ubyte.gz"] = gzipped(t, images)
			files["gzip/emnist-"+set+"-"+part+"-labels-idx1-ubyte.gz"] = gzipped(t, labels)
		}
	}
	dir := treeOf(t, files)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "2 sets of images in one folder, want the name of one: "+filepath.Join(dir, "gzip", "emnist-balanced")+", ") {
		t.Errorf("two sets: error is %v", err)
	}
	s, about, err := told(t, filepath.Join(dir, "gzip", "emnist-letters"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "IDX files emnist-letters-*, transposed as EMNIST's images are stored column by column; train: 2 images of 3x4; test: 2 images of 3x4"; about != want {
		t.Errorf("said %s, want %s", about, want)
	}
	s.options = Options{}
	set, err := s.Train(t.Context())
	if err != nil || set.Name != "emnist-letters" || set.H != 4 || set.W != 3 || !slices.Equal(set.Labels, []uint32{61, 1}) ||
		!slices.Equal(set.Image(1), []uint8{12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23}) {
		t.Errorf("read %+v (%v)", set, err)
	}
	if _, err := s.Test(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := Open(s.Name()); err != nil {
		t.Errorf("not found again: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "gzip", "emnist-let")); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("half a name: error is %v", err)
	}
}

func TestOneOfSeveralTables(t *testing.T) {
	table := func(label string) []byte { return []byte(label + strings.Repeat(",1", 64) + "\n") }
	dir := treeOf(t, map[string][]byte{"fashion-mnist_train.csv": table("1"), "fashion-mnist_test.csv": table("2"), "mnist_train.csv": table("3"), "mnist_test.csv": table("4")})
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "2 sets of images in one folder") {
		t.Errorf("error is %v", err)
	}
	s := opened(t, filepath.Join(dir, "mnist"), Options{})
	train, err := s.Train(t.Context())
	if err != nil || !slices.Equal(train.Labels, []uint32{3}) {
		t.Errorf("read %+v (%v)", train, err)
	}
	if test, err := s.Test(t.Context()); err != nil || !slices.Equal(test.Labels, []uint32{4}) {
		t.Errorf("read %+v (%v)", test, err)
	}
}

func TestFormsThatAreNotReadAreNamed(t *testing.T) {
	for name, want := range map[string]string{
		"data/train-00000-of-00001.parquet": "Parquet files", "shard.tfrecord-00000-of-00005": "TFRecord files",
		"cifar-10-batches-py/data_batch_1": "CIFAR's batches", "data_batch_1.bin": "CIFAR's batches", "x/train_32x32.mat": "MATLAB files", "celeba.h5": "HDF5 files",
		"train.pkl": "pickled Python objects", "data.mdb": "LMDB files", "a.arrow": "Arrow files",
	} {
		dir := treeOf(t, map[string][]byte{name: {1, 2, 3}})
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want+", which petrify does not read") || !strings.Contains(err.Error(), "PNG") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if _, err := Open(treeOf(t, map[string][]byte{"shard-000000.tar": {1}})); err == nil || !strings.Contains(err.Error(), "nothing but archives (it has shard-000000.tar): unpack them") {
		t.Errorf("archives: error is %v", err)
	}
	dir := treeOf(t, map[string][]byte{"train.parquet": {1}})
	if _, err := Open(filepath.Join(dir, "train.parquet")); err == nil || !strings.Contains(err.Error(), "petrify does not read Parquet files: write") {
		t.Errorf("a file: error is %v", err)
	}
}

// A gigabyte of zeros in a megabyte is not unpacked.
func TestGzipBombs(t *testing.T) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	z.Write(idx(nil, 400, 1<<10, 1<<10))
	for range 400 {
		z.Write(zeros)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(b.Bytes(), 3); err == nil || !strings.Contains(err.Error(), "which no images do") {
		t.Errorf("error is %v", err)
	}
}

func TestOddImagesAreTold(t *testing.T) {
	white, black, striped := flatPNG(t, 255), flatPNG(t, 0), pngOf(t, 8, 8, color.White)
	for _, c := range []struct {
		claim string
		files map[string][]byte
		want  []string
	}{
		{"images of one colour", map[string][]byte{"a.png": white, "b.png": black}, []string{"2 of 2 images have no contrast: each is of a single colour"}},
		{"one of them", map[string][]byte{"a.png": white, "b.png": striped}, []string{"1 of 2 images have no contrast: each is of a single colour"}},
		{"the same image", map[string][]byte{"a.png": striped, "b.png": striped}, []string{"all 2 images are the same"}},
		{"one image", map[string][]byte{"a.png": striped}, []string{"there is one image to learn from"}},
	} {
		var notes []string
		s, err := OpenWith(treeOf(t, c.files), Options{Size: 8, Note: func(n string) { notes = append(notes, n) }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Train(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range notes {
			_, notes[i], _ = strings.Cut(notes[i], ": ")
		}
		if !slices.Equal(notes[1:], c.want) {
			t.Errorf("%s: told %q, want %q", c.claim, notes[1:], c.want)
		}
	}
}

func flatPNG(t *testing.T, level uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range img.Pix {
		img.Pix[i] = level
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A folder whose name is not UTF-8 gives sets, and a name to find it again by, that are.
func TestNamesThatAreNotUTF8(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "donn\xe9es")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no such names here: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.png"), flatPNG(t, 3), 0o644); err != nil {
		t.Fatal(err)
	}
	s := opened(t, dir, Options{Size: 4})
	set, err := s.Train(t.Context())
	if err != nil || set.Name != `donn\xe9es` || filepath.Base(s.Name()) != `donn\xe9es` {
		t.Fatalf("set %q, source %q (%v)", set.Name, s.Name(), err)
	}
	again, err := opened(t, s.Name(), Options{Size: 4}).Train(t.Context())
	if err != nil || again.Digest != set.Digest {
		t.Errorf("found again: %v", err)
	}
}

func TestReadingEndsAtOnce(t *testing.T) {
	files := map[string][]byte{}
	for i := range 200 {
		files[fmt.Sprintf("%d.jpg", i)] = jpegOf(t, 600, 600, 40)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done, all int
	s := opened(t, treeOf(t, files), Options{Size: 8, Progress: func(d, a int) {
		done, all = d, a
		if d == 3 {
			cancel()
		}
	}})
	if _, err := s.Train(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if done < 3 || done > 20 || all != 200 {
		t.Errorf("%d of %d were read", done, all)
	}
}

// All bad files are named at once, in their order, the first ones of many.
func TestBadFilesAreNamedAtOnce(t *testing.T) {
	for bad, want := range map[int]int{1: 1, 3: 3, 30: 10} {
		files := map[string][]byte{}
		for i := range 40 {
			files[fmt.Sprintf("a%02d.png", i)] = pngOf(t, 8, 8, color.White)
		}
		for i := range bad {
			files[fmt.Sprintf("b%02d.png", i)] = []byte("bad")
		}
		s := opened(t, treeOf(t, files), Options{Size: 8})
		for range 5 {
			_, err := s.Train(t.Context())
			if err == nil {
				t.Fatal("read")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != want || !slices.IsSorted(lines) || !strings.Contains(lines[0], "b00.png") {
				t.Fatalf("%d bad files: %d lines, want %d:\n%v", bad, len(lines), want, err)
			}
		}
	}
}

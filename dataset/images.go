package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/image/draw"
)

// Options say how images are brought to one size. The zero value leaves IDX files as they are, and makes 64x64 pixels in
// colour of the files of a folder.
type Options struct {
	Size     int // height and width in pixels; 0 for the set's own, or 64
	Channels int // 1 for grey, 3 for red, green, blue; 0 for the set's own, or 3
}

const (
	defaultSize, defaultChannels = 64, 3
	maxSize                      = 1024
	maxFile                      = 64 << 20 // bytes of an image file
	maxArea                      = 1 << 25  // pixels of an image before it is cropped, 32 million
	maxLabels                    = 256
)

func (o Options) check() error {
	if o.Size < 0 || o.Size > maxSize {
		return fmt.Errorf("image size is %d, want 1 to %d, or 0 for the set's own", o.Size, maxSize)
	}
	if o.Channels != 0 && o.Channels != 1 && o.Channels != 3 {
		return fmt.Errorf("%d channels, want 1 (grey) or 3 (red, green, blue), or 0 for the set's own", o.Channels)
	}
	return nil
}

// ErrNoTest says that a folder of images has none that are held out.
var ErrNoTest = errors.New(`no test images: they would be in a folder "test" beside "train"`)

// imageFile is one image of a folder.
type imageFile struct {
	path  string // below the folder, with forward slashes
	label uint8
}

// isImage tells by the extension.
func isImage(name string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg"}, strings.ToLower(path.Ext(name)))
}

// hasImages says whether a folder, or a folder in it, or one in that, holds an image.
func hasImages(folder fs.FS) bool {
	for _, pattern := range []string{"*", "*/*", "*/*/*"} {
		names, err := fs.Glob(folder, pattern)
		if err == nil && slices.ContainsFunc(names, isImage) {
			return true
		}
	}
	return false
}

// listImages lists the images below dir in the order of their names. Folders in it are labels, in the order of theirs. Files
// that begin with a dot are left out; any other file that is no image is an error.
func listImages(folder fs.FS, where, dir string) ([]imageFile, error) {
	entries, err := fs.ReadDir(folder, dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("data set %q: %w", where, err)
	}
	var list []imageFile
	labels := 0
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case !e.IsDir():
			if !isImage(e.Name()) {
				return nil, &FormatError{File: path.Join(where, name), Why: "want an image, .png, .jpg or .jpeg"}
			}
			list = append(list, imageFile{path: name})
		default:
			inner, err := fs.ReadDir(folder, name)
			if err != nil {
				return nil, fmt.Errorf("data set %q: %w", where, err)
			}
			if labels == maxLabels {
				return nil, fmt.Errorf("data set %q: more than %d folders in %s: each is a label", where, maxLabels, dir)
			}
			for _, f := range inner {
				file := path.Join(name, f.Name())
				if strings.HasPrefix(f.Name(), ".") {
					continue
				}
				if f.IsDir() || !isImage(f.Name()) {
					return nil, &FormatError{File: path.Join(where, file), Why: "want an image, .png, .jpg or .jpeg"}
				}
				list = append(list, imageFile{file, uint8(labels)})
			}
			labels++
		}
	}
	if labels > 0 && slices.ContainsFunc(list, func(f imageFile) bool { return path.Dir(f.path) == path.Clean(dir) }) {
		return nil, fmt.Errorf("data set %q: %s holds images and folders of images, want one or the other", where, dir)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("data set %q: no images in %s", where, dir)
	}
	return list, nil
}

// readImages decodes the images of a split, one after another.
func (s *Source) readImages(split string) (*Set, error) {
	dir := "."
	if info, err := fs.Stat(s.files, "train"); err == nil && info.IsDir() {
		dir = split
	}
	if split == "test" {
		if info, err := fs.Stat(s.files, dir); dir == "." || err != nil || !info.IsDir() {
			return nil, fmt.Errorf("data set %q: %w", s.name, ErrNoTest)
		}
	}
	list, err := listImages(s.files, s.name, dir)
	if err != nil {
		return nil, err
	}
	size, channels := s.options.Size, s.options.Channels
	if size == 0 {
		size = defaultSize
	}
	if channels == 0 {
		channels = defaultChannels
	}
	each := channels * size * size
	if total, ok := product(len(list), each); !ok || uint64(total) > maxBytes {
		return nil, fmt.Errorf("data set %q: %d images of %dx%dx%d take more than %d bytes", s.name, len(list), channels, size, size, uint64(maxBytes))
	}
	pixels, labels := make([]uint8, 0, len(list)*each), make([]uint8, 0, len(list))
	for _, f := range list {
		img, err := readImage(s.files, path.Join(s.name, f.path), f.path)
		if err != nil {
			return nil, err
		}
		pixels = append(pixels, fit(img, size, channels)...)
		labels = append(labels, f.label)
	}
	return New(s.short, len(list), channels, size, size, pixels, labels)
}

func readImage(folder fs.FS, where, name string) (image.Image, error) {
	info, err := fs.Stat(folder, name)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", where)
	}
	f, err := folder.Open(name)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return decodeImage(where, b)
}

// decodeImage decodes a PNG or a JPEG. What the file says of its size is believed only within limits: a few bytes may
// claim any.
func decodeImage(where string, b []byte) (image.Image, error) {
	if len(b) > maxFile {
		return nil, &FormatError{File: where, Why: fmt.Sprintf("more than %d bytes", maxFile)}
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, &FormatError{File: where, Why: "want a PNG or JPEG image", Err: err}
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxArea/c.Height {
		return nil, &FormatError{File: where, Why: fmt.Sprintf("%dx%d pixels, want at least one and at most %d", c.Width, c.Height, maxArea)}
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, &FormatError{File: where, Why: "image is damaged", Err: err}
	}
	return img, nil
}

// fit cuts the largest square from the middle of an image, brings it to the given size (Catmull-Rom, with a wider kernel
// where it shrinks) and returns it as (channels, size, size). What is transparent lies on black.
func fit(img image.Image, size, channels int) []uint8 {
	b := img.Bounds()
	side := min(b.Dx(), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	square := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.CatmullRom.Scale(square, square.Bounds(), img, image.Rectangle{corner, corner.Add(image.Pt(side, side))}, draw.Src, nil)
	area := size * size
	pixels := make([]uint8, channels*area)
	for i := range area {
		r, g, b := square.Pix[4*i], square.Pix[4*i+1], square.Pix[4*i+2]
		if channels == 1 {
			pixels[i] = luma(r, g, b)
			continue
		}
		pixels[i], pixels[area+i], pixels[2*area+i] = r, g, b
	}
	return pixels
}

// luma is the brightness of a colour by the weights of ITU-R BT.601, in integers.
func luma(r, g, b uint8) uint8 {
	return uint8((299*uint32(r) + 587*uint32(g) + 114*uint32(b) + 500) / 1000)
}

// resized brings a set of grey images to another size and number of channels. Where neither is asked for the set stays as it
// is, square or not.
func (s *Set) resized(o Options) (*Set, error) {
	if (o.Size == 0 || o.Size == s.H && o.Size == s.W) && (o.Channels == 0 || o.Channels == s.C) {
		return s, nil
	}
	size, channels := o.Size, o.Channels
	if size == 0 {
		size = min(s.H, s.W)
	}
	if channels == 0 {
		channels = s.C
	}
	each := channels * size * size
	if total, ok := product(s.N, each); !ok || uint64(total) > maxBytes {
		return nil, fmt.Errorf("data set %s: %d images of %dx%dx%d take more than %d bytes", s.Name, s.N, channels, size, size, uint64(maxBytes))
	}
	pixels := make([]uint8, 0, s.N*each)
	for i := range s.N {
		grey := &image.Gray{Pix: s.Image(i), Stride: s.W, Rect: image.Rect(0, 0, s.W, s.H)}
		pixels = append(pixels, fit(grey, size, channels)...)
	}
	return New(s.Name, s.N, channels, size, size, pixels, s.Labels)
}

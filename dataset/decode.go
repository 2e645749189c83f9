package dataset

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"strings"

	_ "golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// Limits for a picture file. What it says of its size is believed only as far as its bytes can bear it out.
const (
	maxFile  = 512 << 20 // bytes
	maxArea  = 1 << 28   // pixels of a PNG or JPEG before it is cropped: cameras have 200 million
	maxOther = 1 << 26   // of other formats, which may claim any size in a few bytes
	maxScans = 1 << 32   // pixels of a progressive JPEG times its scans: each scan goes through all of them again
	large    = 1 << 24   // pixels from which on a picture is decoded alone
)

// A picture is one that was decoded, and how it is to be turned.
type picture struct {
	image.Image
	turn    orientation
	several bool // the file has more of them
	alone   bool
}

// alone is held while a large picture is in memory, so that there is one at a time.
var alone = make(chan struct{}, 1)

// release ends the use of a picture.
func (p *picture) release() {
	if p.alone {
		<-alone
	}
}

func readPicture(where string, f io.Reader, size int64) (*picture, error) {
	if size > maxFile {
		return nil, tooLong(where)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return decode(where, b)
}

func tooLong(where string) error {
	return &FormatError{File: where, Why: fmt.Sprintf("more than %d bytes", maxFile)}
}

// decode decodes a picture. The caller releases it. A decoder that panics has met a damaged file.
func decode(where string, b []byte) (p *picture, err error) {
	defer func() {
		if r := recover(); r != nil {
			if p != nil {
				p.release()
			}
			p, err = nil, &FormatError{File: where, Why: fmt.Sprintf("image is damaged: %v", r)}
		}
	}()
	if len(b) > maxFile {
		return nil, tooLong(where)
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	switch {
	case len(b) == 0:
		return nil, &FormatError{File: where, Why: "want a PNG or JPEG image, this is an empty file"}
	case bytes.HasPrefix(b, []byte("version https://git-lfs")):
		return nil, &FormatError{File: where, Why: "want a PNG or JPEG image, this is a pointer of Git LFS in its place (git lfs pull brings it)"}
	}
	if kind := otherKind(b); kind != "" {
		return nil, &FormatError{File: where, Why: "want a PNG or JPEG image, this is " + kind + ": convert it"}
	}
	if err != nil {
		return nil, &FormatError{File: where, Why: "want a PNG or JPEG image", Err: err}
	}
	if why := implausible(b, format, c); why != "" {
		return nil, &FormatError{File: where, Why: fmt.Sprintf("%dx%d pixels, %s", c.Width, c.Height, why)}
	}
	p = &picture{turn: orientationOf(format, b), several: several(format, b)}
	if c.Width*c.Height >= large {
		alone <- struct{}{}
		p.alone = true
	}
	p.Image, _, err = image.Decode(bytes.NewReader(b))
	if err == nil && p.Bounds().Empty() {
		err = fmt.Errorf("it has no pixels")
	}
	if err != nil {
		p.release()
		return nil, &FormatError{File: where, Why: "image is damaged", Err: err}
	}
	return p, nil
}

// otherKind names what is a picture, or usually taken for one, and is not read.
func otherKind(b []byte) string {
	head := string(b[:min(len(b), 32)])
	brand := ""
	if len(head) >= 12 && head[4:8] == "ftyp" {
		brand = head[8:12]
	}
	switch {
	case strings.HasPrefix(brand, "he") || brand == "mif1" || brand == "msf1":
		return "a HEIC picture, as iPhones take them"
	case strings.HasPrefix(brand, "avi"):
		return "an AVIF picture"
	case brand != "":
		return "a film"
	case strings.HasPrefix(head, "\x00\x00\x00\x0cJXL ") || strings.HasPrefix(head, "\xff\x0a"):
		return "a JPEG XL picture"
	case strings.HasPrefix(head, "\x00\x00\x00\x0cjP  "):
		return "a JPEG 2000 picture"
	case strings.HasPrefix(head, "8BPS"):
		return "a Photoshop file"
	case strings.HasPrefix(head, "%PDF"):
		return "a PDF file"
	case strings.HasPrefix(head, "RIFF") && len(head) > 20 && head[8:16] == "WEBPVP8X" && head[20]&2 != 0:
		return "an animated WebP picture"
	case strings.HasPrefix(strings.ToLower(strings.TrimSpace(head)), "<svg") || strings.HasPrefix(head, "<?xml"):
		return "an SVG drawing, or other XML"
	case strings.HasPrefix(strings.ToLower(strings.TrimSpace(head)), "<!doctype html") || strings.HasPrefix(strings.ToLower(head), "<html"):
		return "a web page"
	}
	return ""
}

// implausible says why a picture of the size that its head claims is not decoded, "" where it is.
func implausible(b []byte, format string, c image.Config) string {
	if c.Width < 1 || c.Height < 1 {
		return "want at least one"
	}
	most := maxOther
	if format == "png" || format == "jpeg" {
		most = maxArea
	}
	if c.Width > most/c.Height {
		return fmt.Sprintf("want at most %d", most)
	}
	area, size := int64(c.Width)*int64(c.Height), int64(len(b))
	few := fmt.Sprintf("which %d bytes cannot hold", size)
	switch format {
	case "jpeg":
		// Every block of 8x8 takes one bit at least, in the scan of its mean.
		if int64(c.Width+7)/8*(int64(c.Height+7)/8) > 8*size {
			return few
		}
		if scans := int64(bytes.Count(b, []byte{0xff, 0xda})); scans*area > maxScans {
			return fmt.Sprintf("in %d scans, want at most %d in all", scans, int64(maxScans)/area)
		}
	case "png":
		if area*depth(c.ColorModel)/8/deflateRatio > size {
			return few
		}
	}
	return ""
}

// depth is the least number of bits that a pixel takes in a PNG file of a colour model.
func depth(m color.Model) int64 {
	switch m {
	case color.Gray16Model:
		return 16
	case color.RGBAModel, color.NRGBAModel:
		return 16 // grey with transparency; colour has more
	case color.RGBA64Model, color.NRGBA64Model:
		return 32
	}
	return 1
}

// fit cuts the largest square from the middle of a picture, brings it to the given size (Catmull-Rom, with a wider kernel
// where it shrinks), turned as it was taken, and returns it as (channels, size, size). What is transparent lies on black.
func (p *picture) fit(size, channels int) []uint8 {
	b := p.Bounds()
	w, h := b.Dx(), b.Dy()
	side := min(w, h)
	upright := image.Pt(w, h)
	if p.turn.swaps() {
		upright = image.Pt(h, w)
	}
	// The corner of the middle is one of the picture upright, where an odd pixel more is on the right and below.
	corner := p.turn.source(image.Pt((upright.X-side)/2, (upright.Y-side)/2), w-side, h-side)
	at := b.Min.Add(corner)
	square := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.CatmullRom.Scale(square, square.Bounds(), p.Image, image.Rectangle{at, at.Add(image.Pt(side, side))}, draw.Src, nil)
	area := size * size
	pixels := make([]uint8, channels*area)
	for i := range area {
		from := p.turn.source(image.Pt(i%size, i/size), size-1, size-1)
		rgba := square.Pix[4*(from.Y*size+from.X):]
		r, g, b := rgba[0], rgba[1], rgba[2]
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

// resized brings a set to another size and number of channels. Where neither is asked for the set stays as it
// is, square or not.
func (s *Set) resized(ctx context.Context, o Options) (*Set, error) {
	if (o.Size == 0 || o.Size == s.H && o.Size == s.W) && (o.Channels == 0 || o.Channels == s.C) {
		if s.Digest == "" {
			return New(s.Name, s.N, s.C, s.H, s.W, s.Pixels, s.Labels)
		}
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
	total, ok := product(s.N, each)
	if !ok || uint64(total) > maxBytes {
		return nil, fmt.Errorf("data set %s: %d images of %dx%dx%d take more than %d bytes", s.Name, s.N, channels, size, size, uint64(maxBytes))
	}
	pixels := make([]uint8, total)
	err := parallel(ctx, s.N, o.Progress, func(i int) error {
		p := &picture{Image: s.picture(i), turn: upright}
		copy(pixels[i*each:], p.fit(size, channels))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return New(s.Name, s.N, channels, size, size, pixels, s.Labels)
}

// picture is image i.
func (s *Set) picture(i int) image.Image {
	planes, bounds := s.Image(i), image.Rect(0, 0, s.W, s.H)
	if s.C == 1 {
		return &image.Gray{Pix: planes, Stride: s.W, Rect: bounds}
	}
	area := s.H * s.W
	p := image.NewRGBA(bounds)
	for at := range area {
		p.Pix[4*at], p.Pix[4*at+1], p.Pix[4*at+2], p.Pix[4*at+3] = planes[at], planes[area+at], planes[2*area+at], 255
	}
	return p
}

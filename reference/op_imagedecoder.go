package reference

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// opImageDecoder is a picture, (height, width, channels) of uint8, from the bytes of a file: PNG, JPEG, BMP, TIFF, WebP, PBM, PGM
// or PPM. The standard says how a JPEG's chroma is made larger, and not how exact its transform is: samples may be off by one
// each way, as IEEE 1180 allows. ONNX ImageDecoder, opset 20.
var opImageDecoder = operator{
	name: "ImageDecoder", in: []port{sizing},
	eval: single(func(c *call) *Value {
		raw := c.in[0]
		data := make([]byte, raw.Len())
		for i := range data {
			data[i] = byte(raw.Float(i))
		}
		p := c.decodePicture(data)
		format, channels := c.text("pixel_format"), 3
		if format == "Grayscale" {
			channels = 1
		}
		out := c.zeros(pb.TensorProto_UINT8, true, p.height, p.width, channels)
		pixels := elems[uint64](out)
		for i := range p.width * p.height {
			px := p.at(i%p.width, i/p.width)
			if channels == 1 {
				v, off := px.grey()
				pixels[i] = uint64(v)
				out.setFigures(i, number{sound: off, declared: off})
				continue
			}
			for k := range 3 {
				at := 3*i + k
				if format == "BGR" {
					at = 3*i + 2 - k
				}
				pixels[at] = uint64(px.rgb[k])
				out.setFigures(at, number{sound: px.off[k], declared: px.off[k]})
			}
		}
		return out
	}),
}

// A pixel is a colour, and how far decoders may be from it.
type pixel struct {
	rgb [3]uint8
	off [3]float64
	// Of what is stored as luma and chroma: the luma, which decoders may take for grey as it is.
	luma    uint8
	lumaOff float64
	hasLuma bool
}

// The weights of grey: ITU-R BT.601.
var greyWeights = [3]float64{0.299, 0.587, 0.114}

// grey is the grey of a pixel, which decoders round, from colours or weights that they have rounded before.
func (p pixel) grey() (v uint8, off float64) {
	if p.rgb[0] == p.rgb[1] && p.rgb[1] == p.rgb[2] && p.off == [3]float64{} {
		return p.rgb[0], 0
	}
	sum := 0.0
	off = 1
	for k, w := range greyWeights {
		sum += w * float64(p.rgb[k])
		off += w * p.off[k]
	}
	v = uint8(math.Round(sum))
	if p.hasLuma {
		off = math.Ceil(max(off, p.lumaOff+math.Abs(float64(v)-float64(p.luma))))
	}
	return v, off
}

// A picture is a decoded one.
type picture struct {
	width, height int
	at            func(x, y int) pixel
}

// decodePicture decodes a file, after it has accounted for its size.
func (c *call) decodePicture(data []byte) *picture {
	codec := struct {
		config func() (image.Config, error)
		decode func() (image.Image, error)
	}{}
	begins := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	reader := func() *bytes.Reader { return bytes.NewReader(data) }
	limited := false
	switch {
	case begins("\x89PNG"):
		codec.config, codec.decode = func() (image.Config, error) { return png.DecodeConfig(reader()) }, func() (image.Image, error) { return png.Decode(reader()) }
	case begins("\xff\xd8"):
		codec.config, codec.decode = func() (image.Config, error) { return jpeg.DecodeConfig(reader()) }, func() (image.Image, error) { return jpeg.Decode(reader()) }
	case begins("BM"):
		codec.config, codec.decode = func() (image.Config, error) { return bmp.DecodeConfig(reader()) }, func() (image.Image, error) { return bmp.Decode(reader()) }
	case begins("II*\x00"), begins("MM\x00*"):
		codec.config, codec.decode = func() (image.Config, error) { return tiff.DecodeConfig(reader()) }, func() (image.Image, error) { return tiff.Decode(reader()) }
	case begins("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		limited = true
		codec.config, codec.decode = func() (image.Config, error) { return webp.DecodeConfig(reader()) }, func() (image.Image, error) { return webp.Decode(reader()) }
	case begins("\x00\x00\x00\x0cjP"), begins("\xff\x4f\xff\x51"):
		fail(&onnx.UnsupportedError{Op: "ImageDecoder", Opset: c.opset, Why: "JPEG 2000"})
	case len(data) > 2 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6':
		return c.portable(data)
	default:
		fail(errors.New("the bytes are not a picture in a known format; ONNX returns an empty matrix for it, and does not say of which shape"))
	}
	config, err := codec.config()
	if err != nil {
		fail(fmt.Errorf("the picture: %w", err))
	}
	c.affordPicture(config.Width, config.Height)
	m, err := codec.decode()
	if err != nil {
		fail(fmt.Errorf("the picture: %w", err))
	}
	return c.pictureOf(m, limited)
}

// affordPicture refuses a picture that is beyond the budget.
func (c *call) affordPicture(width, height int) {
	const longest = 1 << 20
	if width < 1 || height < 1 || width > longest || height > longest {
		fail(fmt.Errorf("a picture of %d by %d", width, height))
	}
	n := 2 * int64(width) * int64(height) // what a decoder holds of it, 16 bytes for a pixel at most
	c.take(n)
	c.live -= n
}

// pictureOf are the pixels of a decoded picture. limited is true where luma is of 16 to 235.
func (c *call) pictureOf(m image.Image, limited bool) *picture {
	b := m.Bounds()
	p := &picture{width: b.Dx(), height: b.Dy()}
	switch m := m.(type) {
	case *image.YCbCr:
		p.at = chroma(m, limited)
		return p
	case *image.NYCbCrA:
		for _, a := range m.A {
			if a != 255 {
				c.transparent()
				return nil
			}
		}
		p.at = chroma(&m.YCbCr, limited)
		return p
	case *image.CMYK:
		fail(&onnx.UnsupportedError{Op: "ImageDecoder", Opset: c.opset, Why: "a picture in cyan, magenta, yellow and black"})
	case *image.Gray:
		off := 0.0
		if c.in[0].Len() > 1 && c.in[0].Float(0) == 0xff { // of a JPEG
			off = transformOff
		}
		p.at = func(x, y int) pixel {
			g := m.GrayAt(b.Min.X+x, b.Min.Y+y).Y
			return pixel{rgb: [3]uint8{g, g, g}, off: [3]float64{off, off, off}}
		}
		return p
	}
	off := 0.0
	switch m.ColorModel() {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		off = 1 // of 16 bits 8 are kept, cut off or rounded
	}
	if o, ok := m.(interface{ Opaque() bool }); !ok || !o.Opaque() {
		c.transparent()
		return nil
	}
	p.at = func(x, y int) pixel {
		r, g, bl, _ := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
		return pixel{rgb: [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8)}, off: [3]float64{off, off, off}}
	}
	return p
}

func (c *call) transparent() {
	fail(&onnx.UnsupportedError{Op: "ImageDecoder", Opset: c.opset, Why: "a picture that is transparent in parts, of which the standard says nothing"})
}

// transformOff is what a sample may differ by between two inverse transforms that meet IEEE 1180, each off by one at most.
const transformOff = 2

// chroma are the pixels of a picture of luma and chroma. A JPEG's chroma is made larger as the standard of ONNX says, which is
// libjpeg's way; that of WebP in whatever way, of which VP8's exact samples and the nearest are two.
func chroma(m *image.YCbCr, limited bool) func(x, y int) pixel {
	b := m.Bounds()
	wide, high := 1, 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		wide = 2
	case image.YCbCrSubsampleRatio420:
		wide, high = 2, 2
	case image.YCbCrSubsampleRatio440:
		high = 2
	case image.YCbCrSubsampleRatio411:
		wide = 4
	case image.YCbCrSubsampleRatio410:
		wide, high = 4, 2
	}
	columns, rows := (b.Dx()+wide-1)/wide, (b.Dy()+high-1)/high
	sample := func(plane []uint8, cx, cy int) int {
		cx, cy = min(max(cx, 0), columns-1), min(max(cy, 0), rows-1)
		return int(plane[m.COffset(b.Min.X+cx*wide, b.Min.Y+cy*high)])
	}
	return func(x, y int) pixel {
		luma := m.Y[m.YOffset(b.Min.X+x, b.Min.Y+y)]
		var s, off [2]float64
		for i, plane := range [][]uint8{m.Cb, m.Cr} {
			near := func(cx, cy int) int { return sample(plane, cx, cy) }
			s[i] = float64(enlarged(near, x, y, wide, high))
			if off[i] = transformOff; limited {
				off[i] = 1 + math.Abs(s[i]-float64(near(x/wide, y/high)))
			}
			s[i] -= 128
		}
		return lumaAndChroma(luma, s, off, limited)
	}
}

// enlarged is the chroma of a pixel: between the nearest sample and its neighbour, three parts to one, halves rounded down and
// up by turns; and the nearest where not every second sample is there along an axis.
func enlarged(near func(cx, cy int) int, x, y, wide, high int) int {
	cx, cy := x/wide, y/high
	nx, ny := cx+2*(x%2)-1, cy+2*(y%2)-1
	switch {
	case wide == 2 && high == 2:
		this := 3*near(cx, cy) + near(cx, ny)
		return (3*this + 3*near(nx, cy) + near(nx, ny) + 8 - x%2) >> 4
	case wide == 2 && high == 1:
		return (3*near(cx, cy) + near(nx, cy) + 1 + x%2) >> 2
	case wide == 1 && high == 2:
		return (3*near(cx, cy) + near(cx, ny) + 1 + y%2) >> 2
	}
	return near(cx, cy)
}

// lumaAndChroma is a colour of luma and chroma: ITU-R BT.601, with all values as in JFIF, or limited as in WebP.
func lumaAndChroma(luma uint8, s, off [2]float64, limited bool) pixel {
	p := pixel{luma: luma, hasLuma: true, lumaOff: transformOff}
	y, lumaOff := float64(luma), float64(transformOff)
	blue, red := [3]float64{0, -0.344136286, 1.772}, [3]float64{1.402, -0.714136286, 0}
	if limited {
		y, lumaOff = (y-16)*255/219, 1 // that is how exact the products are
		p.lumaOff = 1 + math.Abs(y-float64(luma))
		for k := range 3 {
			blue[k], red[k] = blue[k]*255/224, red[k]*255/224
		}
	}
	for k := range 3 {
		p.rgb[k] = uint8(min(max(math.Floor(y+blue[k]*s[0]+red[k]*s[1]+0.5), 0), 255))
		p.off[k] = lumaOff + math.Ceil(math.Abs(blue[k])*off[0]+math.Abs(red[k])*off[1])
	}
	return p
}

// portable decodes a portable bitmap, greymap or pixmap, as text or in bytes.
func (c *call) portable(data []byte) *picture {
	kind, at := data[1]-'0', 2
	token := func() int { // the next number, after white space and comments
		for at < len(data) && (data[at] <= ' ' || data[at] == '#') {
			if data[at] == '#' {
				for at < len(data) && data[at] != '\n' {
					at++
				}
				continue
			}
			at++
		}
		n, begun := 0, at
		for at < len(data) && data[at] >= '0' && data[at] <= '9' && n < 1<<24 {
			n = 10*n + int(data[at]-'0')
			at++
		}
		if at == begun {
			fail(errors.New("the picture: a portable map with no number where one is due"))
		}
		return n
	}
	var header [3]int // width, height, what is white
	header[2] = 1
	for i := range header {
		if i == 2 && (kind == 1 || kind == 4) {
			continue
		}
		n := token()
		header[i] = n
	}
	width, height, white := header[0], header[1], header[2]
	if white < 1 || white > 65535 {
		fail(fmt.Errorf("the picture: a portable map whose white is %d", white))
	}
	c.affordPicture(width, height)
	channels := 1
	if kind == 3 || kind == 6 {
		channels = 3
	}
	samples := make([]uint8, width*height*channels)
	level := func(n int) uint8 { return uint8((min(n, white)*255 + white/2) / white) }
	if kind > 3 {
		at++ // one character of white space
	}
	for i := range samples {
		var n int
		switch {
		case kind == 1: // digits need no space between them
			for at < len(data) && data[at] != '0' && data[at] != '1' {
				at++
			}
			if at == len(data) {
				fail(errors.New("the picture: a portable map that ends early"))
			}
			n = 1 - int(data[at]-'0')
			at++
		case kind < 4:
			n = token()
		case kind == 4:
			k := at + i/width*((width+7)/8) + i%width/8
			if k >= len(data) {
				fail(errors.New("the picture: a portable map that ends early"))
			}
			n = 1 - int(data[k]>>(7-i%width%8)&1)
		default:
			bytesEach := 1
			if white > 255 {
				bytesEach = 2
			}
			k := at + i*bytesEach
			if k+bytesEach > len(data) {
				fail(errors.New("the picture: a portable map that ends early"))
			}
			if n = int(data[k]); bytesEach == 2 {
				n = n<<8 | int(data[k+1])
			}
		}
		samples[i] = level(n)
	}
	off := 0.0
	if white != 255 && white != 1 {
		off = 1
	}
	return &picture{width, height, func(x, y int) pixel {
		i := (y*width + x) * channels
		return pixel{rgb: [3]uint8{samples[i], samples[i+channels/2], samples[i+channels-1]}, off: [3]float64{off, off, off}}
	}}
}

package dataset

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

// exifOf is a TIFF structure with an orientation, after an entry of another tag.
func exifOf(order binary.AppendByteOrder, o uint16) []byte {
	b := []byte("II*\x00")
	if order.String() == "BigEndian" {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	for _, e := range [][2]uint16{{0x010f, 7}, {0x0112, o}} {
		b = order.AppendUint16(b, e[0])
		b = order.AppendUint16(b, 3)
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, e[1])
		b = order.AppendUint16(b, 0)
	}
	return order.AppendUint32(b, 0)
}

// tagged puts an orientation into a JPEG, after a segment of another kind.
func tagged(file []byte, order binary.AppendByteOrder, o uint16) []byte {
	body := append([]byte(exifMark), exifOf(order, o)...)
	b := append([]byte{0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(body)+2))...)
	return append(append(b, body...), file[2:]...)
}

// corners are what an upright picture of 4 to 2 shows in its four quarters.
var corners = [2][2]uint8{{250, 170}, {90, 10}}

// lying is that picture as a camera writes it that is held otherwise: what a file of orientation o holds (Exif 2.32, figure 3).
func lying(o uint16, w, h int) *image.Gray {
	fw, fh := w, h
	if o >= 5 {
		fw, fh = h, w
	}
	img := image.NewGray(image.Rect(0, 0, fw, fh))
	for y := range h {
		for x := range w {
			// The file's row and column of the pixel at x, y, by what the 0th row and the 0th column are.
			var fx, fy int
			switch o {
			case 1: // row 0 on top, column 0 on the left
				fx, fy = x, y
			case 2: // top, right
				fx, fy = w-1-x, y
			case 3: // bottom, right
				fx, fy = w-1-x, h-1-y
			case 4: // bottom, left
				fx, fy = x, h-1-y
			case 5: // left, top
				fx, fy = y, x
			case 6: // right, top
				fx, fy = y, w-1-x
			case 7: // right, bottom
				fx, fy = h-1-y, w-1-x
			case 8: // left, bottom
				fx, fy = h-1-y, x
			}
			img.SetGray(fx, fy, color.Gray{corners[y*2/h][x*2/w]})
		}
	}
	return img
}

func TestPicturesStandUpright(t *testing.T) {
	for o := uint16(1); o <= 8; o++ {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			var b bytes.Buffer
			if err := jpeg.Encode(&b, lying(o, 32, 32), &jpeg.Options{Quality: 100}); err != nil {
				t.Fatal(err)
			}
			p, err := decode("a.jpg", tagged(b.Bytes(), order, o))
			if err != nil {
				t.Fatal(err)
			}
			got := p.fit(8, 1)
			for at, want := range map[int]uint8{0: corners[0][0], 7: corners[0][1], 56: corners[1][0], 63: corners[1][1]} {
				if d := int(got[at]) - int(want); d < -3 || d > 3 {
					t.Errorf("orientation %d, %s: pixel %d is %d, want %d", o, order, at, got[at], want)
				}
			}
		}
	}
}

// What is cut out does not depend on how the camera was held, to the pixel.
func TestTheMiddleIsThatOfTheUprightPicture(t *testing.T) {
	for _, size := range [][2]int{{9, 4}, {4, 9}, {8, 5}, {5, 5}} {
		var want []uint8
		for o := uint16(1); o <= 8; o++ {
			w, h := size[0], size[1]
			plain := image.NewGray(image.Rect(0, 0, w, h))
			for i := range plain.Pix {
				plain.Pix[i] = uint8(i * 5)
			}
			file := image.NewGray(image.Rect(0, 0, w, h))
			if o >= 5 {
				file = image.NewGray(image.Rect(0, 0, h, w))
			}
			fw, fh := file.Rect.Dx(), file.Rect.Dy()
			for y := range h {
				for x := range w {
					from := orientation(o).source(image.Pt(x, y), fw-1, fh-1)
					file.SetGray(from.X, from.Y, plain.GrayAt(x, y))
				}
			}
			got := (&picture{Image: file, turn: orientation(o)}).fit(min(w, h), 1)
			if o == 1 {
				want = got
			} else if !bytes.Equal(got, want) {
				t.Errorf("%v, orientation %d: %v, want %v", size, o, got, want)
			}
		}
	}
}

func TestOrientationOfOtherFormats(t *testing.T) {
	exif := exifOf(binary.BigEndian, 6)
	pngChunk := func(name string, body []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		b = append(append(b, name...), body...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	riff := func(name string, body []byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body)))
		b = append(b, body...)
		return append(b, make([]byte, len(body)%2)...)
	}
	png := append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", make([]byte, 13))...)
	webp := append([]byte("RIFF\x00\x00\x00\x00WEBP"), riff("VP8X", make([]byte, 9))...)
	for _, c := range []struct {
		claim, format string
		file          []byte
		want          orientation
	}{
		{"PNG", "png", append(bytes.Clone(png), pngChunk("eXIf", exif)...), 6},
		{"WebP", "webp", append(bytes.Clone(webp), riff("EXIF", exif)...), 6},
		{"WebP with the mark of JPEG", "webp", append(bytes.Clone(webp), riff("EXIF", append([]byte(exifMark), exif...))...), 6},
		{"TIFF", "tiff", exif, 6},
		{"a tag beyond the eight", "tiff", exifOf(binary.LittleEndian, 9), 1},
		{"none", "png", png, 1},
		{"a cut one", "tiff", exif[:20], 1},
	} {
		if got := orientationOf(c.format, c.file); got != c.want {
			t.Errorf("%s: orientation %d, want %d", c.claim, got, c.want)
		}
	}
}

// Whatever the bytes, there is an orientation from 1 to 8.
func FuzzOrientation(f *testing.F) {
	f.Add("tiff", exifOf(binary.BigEndian, 3))
	f.Add("jpeg", tagged([]byte{0xff, 0xd8, 0xff, 0xd9}, binary.LittleEndian, 8))
	f.Add("png", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x00eXIf"))
	f.Add("webp", []byte("RIFF\x00\x00\x00\x00WEBPEXIF\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, format string, b []byte) {
		if o := orientationOf(format, b); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}

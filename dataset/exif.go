package dataset

import (
	"bytes"
	"encoding/binary"
	"image"
)

// An orientation says how the rows and columns of a file lie in the picture: Exif 2.32 (CIPA DC-008), tag 0x0112, 1 to 8.
type orientation uint16

const upright orientation = 1

// swaps tells whether width and height change places.
func (o orientation) swaps() bool { return o >= 5 }

// source is where in the file a point of the upright picture lies; right and bottom are the largest coordinates in the file.
func (o orientation) source(p image.Point, right, bottom int) image.Point {
	switch o {
	case 2:
		return image.Pt(right-p.X, p.Y)
	case 3:
		return image.Pt(right-p.X, bottom-p.Y)
	case 4:
		return image.Pt(p.X, bottom-p.Y)
	case 5:
		return image.Pt(p.Y, p.X)
	case 6:
		return image.Pt(p.Y, bottom-p.X)
	case 7:
		return image.Pt(right-p.Y, bottom-p.X)
	case 8:
		return image.Pt(right-p.Y, p.X)
	}
	return p
}

// orientationOf reads the tag of a file; without one, or where it is damaged, the picture is upright.
func orientationOf(format string, b []byte) orientation {
	switch format {
	case "jpeg":
		return ofTIFF(exifOfJPEG(b))
	case "png":
		return ofTIFF(chunk(b, 8, binary.BigEndian, "eXIf", 4, 12))
	case "webp":
		return ofTIFF(bytes.TrimPrefix(chunk(b, 12, binary.LittleEndian, "EXIF", 0, 8), []byte(exifMark)))
	case "tiff":
		return ofTIFF(b)
	}
	return upright
}

const exifMark = "Exif\x00\x00"

// exifOfJPEG finds the first segment APP1 that is Exif.
func exifOfJPEG(b []byte) []byte {
	for at := 2; at+4 <= len(b) && b[at] == 0xff; {
		if b[at+1] == 0xff { // fill
			at++
			continue
		}
		end := at + 2 + int(binary.BigEndian.Uint16(b[at+2:]))
		if end > len(b) || b[at+1] == 0xda || b[at+1] == 0xd9 {
			return nil
		}
		if body := b[at+4 : max(end, at+4)]; b[at+1] == 0xe1 && bytes.HasPrefix(body, []byte(exifMark)) {
			return body[len(exifMark):]
		}
		at = end
	}
	return nil
}

// chunk finds a chunk of a PNG or RIFF file by its name, which stands nameAt bytes after the chunk's start; a chunk has so
// many bytes more than its body.
func chunk(b []byte, start int, order binary.ByteOrder, name string, nameAt, more int) []byte {
	for at := start; at+8 <= len(b); {
		n := int64(order.Uint32(b[at+4-nameAt:]))
		if n > int64(len(b)-at-8) {
			return nil
		}
		if string(b[at+nameAt:at+nameAt+4]) == name {
			return b[at+8 : at+8+int(n)]
		}
		at += int(n) + more
		if more == 8 {
			at += int(n % 2) // RIFF pads to even lengths
		}
	}
	return nil
}

// ofTIFF reads the tag from the first directory of a TIFF structure.
func ofTIFF(t []byte) orientation {
	if len(t) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(t[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	at := int64(order.Uint32(t[4:]))
	if at > int64(len(t)-2) {
		return upright
	}
	entries := int64(order.Uint16(t[at:]))
	for i := range entries {
		e := at + 2 + 12*i
		if e+12 > int64(len(t)) {
			return upright
		}
		const tag, short = 0x0112, 3
		if order.Uint16(t[e:]) == tag && order.Uint16(t[e+2:]) == short {
			if v := orientation(order.Uint16(t[e+8:])); v >= 1 && v <= 8 {
				return v
			}
			return upright
		}
	}
	return upright
}

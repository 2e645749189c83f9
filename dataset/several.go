package dataset

import (
	"bytes"
	"encoding/binary"
)

// several tells whether a file has more pictures than the one that is read: frames of a GIF or PNG, pages of a TIFF.
func several(format string, b []byte) bool {
	switch format {
	case "gif":
		return framesOfGIF(b) > 1
	case "png":
		return bytes.Contains(b[:min(len(b), 1024)], []byte("acTL")) // it comes before the pixels
	case "tiff":
		return morePages(b)
	}
	return false
}

// framesOfGIF counts the frames of a GIF (GIF89a specification, sections 18 to 26), two at most.
func framesOfGIF(b []byte) (n int) {
	if len(b) < 13 {
		return 0
	}
	colours := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	at := 13 + colours(b[10])
	for at < len(b) && n < 2 {
		switch b[at] {
		case 0x21: // an extension
			at += 2
		case 0x2c: // a frame
			if at+10 > len(b) {
				return n
			}
			n++
			at += 11 + colours(b[at+9])
		default:
			return n
		}
		for at < len(b) && b[at] != 0 { // blocks
			at += int(b[at]) + 1
		}
		at++
	}
	return n
}

// morePages tells whether the first directory of a TIFF file is followed by another.
func morePages(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(b[4:]))
	if at > int64(len(b)-2) {
		return false
	}
	next := at + 2 + 12*int64(order.Uint16(b[at:]))
	return next+4 <= int64(len(b)) && order.Uint32(b[next:]) != 0
}

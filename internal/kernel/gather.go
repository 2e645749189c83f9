package kernel

// GatherRows writes the rows of a table of pixels that rows lists, one behind
// the other, as numbers:
//
//	dst[i*rowLen+j] = scale float32(pixels[rows[i]*rowLen+j]) + offset
//
// The product and the sum are rounded apart, in every path, so that the result
// is the same to the last bit on every machine. With scale 1/127.5 and offset
// -1 the pixels 0 and 255 become exactly -1 and 1.
func GatherRows(dst []float32, pixels []uint8, rows []int, rowLen int, scale, offset float32) {
	need("gather rows", "dst", len(dst), len(rows)*rowLen)
	for i, r := range rows {
		src := pixels[r*rowLen:][:rowLen]
		for j, p := range src {
			dst[i*rowLen+j] = float32(float32(p)*scale) + offset
		}
	}
}

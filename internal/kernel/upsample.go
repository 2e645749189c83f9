package kernel

// UpsampleNearest repeats every element of planes of height by width fh times
// down and fw times across: y is (planes, height fh, width fw).
func UpsampleNearest[T Float](y, x []T, planes, height, width, fh, fw int) {
	const fn = "nearest upsampling"
	need(fn, "x", len(x), planes*height*width)
	need(fn, "y", len(y), planes*height*width*fh*fw)
	for r := range planes * height {
		row := y[r*fh*width*fw:][:width*fw]
		for c, v := range x[r*width:][:width] {
			for j := range row[c*fw : (c+1)*fw] {
				row[c*fw+j] = v
			}
		}
		for k := 1; k < fh; k++ {
			copy(y[(r*fh+k)*width*fw:], row)
		}
	}
}

// UpsampleNearestGrad writes the gradient with respect to x into dx: the sum of
// dy over what each element became.
func UpsampleNearestGrad[T Float](dx, dy []T, planes, height, width, fh, fw int) {
	const fn = "gradient of nearest upsampling"
	need(fn, "dx", len(dx), planes*height*width)
	need(fn, "dy", len(dy), planes*height*width*fh*fw)
	for r := range planes * height {
		row := dx[r*width:][:width]
		clear(row)
		for k := range fh {
			from := dy[(r*fh+k)*width*fw:][:width*fw]
			for c := range row {
				for _, v := range from[c*fw : (c+1)*fw] {
					row[c] += v
				}
			}
		}
	}
}

package kernel

import "math"

// LayerNorm writes gamma (x - m) / sqrt(v + epsilon) + beta into y for each of
// the rows of x, where m and v are mean and biased variance of the row (Ba,
// Kiros and Hinton 2016). gamma and beta have the length of a row. It keeps the
// mean and 1 / sqrt(v + epsilon) of each row in mean and inverse.
func LayerNorm[T Float](y, x, gamma, beta, mean, inverse []T, epsilon float64) {
	const fn = "layer normalisation"
	rows, cols := len(mean), len(gamma)
	need(fn, "x", len(x), rows*cols)
	need(fn, "y", len(y), rows*cols)
	need(fn, "beta", len(beta), cols)
	need(fn, "inverse", len(inverse), rows)
	for r := range rows {
		x, y := x[r*cols:][:cols], y[r*cols:][:cols]
		sum, _ := sumsOf(x, x, 0)
		mean[r] = T(sum / float64(cols))
		off := float64(mean[r]) - sum/float64(cols)
		inverse[r] = T(1 / math.Sqrt(squaresOf(x, mean[r])/float64(cols)-off*off+epsilon))
		scaleAbout(y, x, mean[r], inverse[r], 0)
		mul(y, y, gamma)
		add(y, y, beta[:cols])
	}
}

// LayerNormGrad writes the gradients of LayerNorm, from what that kept: with
// respect to x into dx, to gamma into dgamma, to beta into dbeta. The sums of
// dgamma and dbeta run from the first row to the last.
func LayerNormGrad[T Float](dx, dgamma, dbeta, x, dy, gamma, mean, inverse []T) {
	const fn = "gradient of layer normalisation"
	rows, cols := len(mean), len(gamma)
	need(fn, "dx", len(dx), rows*cols)
	need(fn, "x", len(x), rows*cols)
	need(fn, "dy", len(dy), rows*cols)
	need(fn, "dgamma", len(dgamma), cols)
	need(fn, "dbeta", len(dbeta), cols)
	need(fn, "inverse", len(inverse), rows)
	dgamma, dbeta = dgamma[:cols], dbeta[:cols]
	clear(dgamma)
	clear(dbeta)
	for r := range rows {
		dx, x, dy, inv := dx[r*cols:][:cols], x[r*cols:][:cols], dy[r*cols:][:cols], float64(inverse[r])
		for j, d := range dy {
			dgamma[j] += T(d * T((x[j]-mean[r])*inverse[r]))
			dbeta[j] += d
		}
		mul(dx, dy, gamma)
		sum, dot := sumsOf(dx, x, mean[r])
		slope, shift := -inv*inv*inv*dot/float64(cols), -inv*sum/float64(cols)
		combine(dx, x, inverse[r], T(slope), mean[r], T(shift))
	}
}

package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opNonMaxSuppression picks, for every class, the boxes of the highest scores that
// overlap no box picked before by more than a threshold. Boxes are two opposite
// corners (y, x, y, x), or, with center_point_box = 1, (x, y, width, height). The
// result lists batch, class and box. ONNX NonMaxSuppression, opset 10, 11.
var opNonMaxSuppression = operator{
	name: "NonMaxSuppression",
	in:   []port{sizing, sizing, sizing, sizing, sizing},
	eval: single(func(c *call) *Value {
		boxes, scores := c.in[0], c.in[1]
		if len(boxes.Dims) != 3 || boxes.Dims[2] != 4 || len(scores.Dims) != 3 || scores.Dims[0] != boxes.Dims[0] || scores.Dims[2] != boxes.Dims[1] {
			fail(fmt.Errorf("boxes of shape %v and scores of shape %v", boxes.Dims, scores.Dims))
		}
		most := 0
		if c.given(2) {
			most = c.intScalar(2)
		}
		overlap, least, bounded := 0.0, 0.0, false
		for i, to := range map[int]*float64{3: &overlap, 4: &least} {
			if !c.given(i) {
				continue
			}
			if c.in[i].Len() != 1 {
				fail(fmt.Errorf("input %d is %s, want a scalar", i, c.in[i]))
			}
			*to = c.in[i].Float(0)
			bounded = bounded || i == 4
		}
		n, classes := boxes.Dims[1], scores.Dims[1]
		var found []int64
		for b := range boxes.Dims[0] {
			corners := make([][4]float64, n)
			for k := range corners {
				corners[k] = c.corners(boxes, (b*n+k)*4)
			}
			for class := range classes {
				score := func(k int) float64 { return scores.Float((b*classes+class)*n + k) }
				var order, picked []int
				for k := range n {
					if !bounded || score(k) > least {
						order = append(order, k)
					}
				}
				slices.SortStableFunc(order, func(i, j int) int {
					switch {
					case score(i) > score(j):
						return -1
					case score(i) < score(j):
						return 1
					}
					return 0
				})
				for _, k := range order {
					if len(picked) >= most {
						break
					}
					c.spend(int64(len(picked)) + 1)
					if !slices.ContainsFunc(picked, func(p int) bool { return intersectionOverUnion(corners[p], corners[k]) > overlap }) {
						picked = append(picked, k)
						found = append(found, int64(b), int64(class), int64(k))
					}
				}
			}
		}
		out := c.zeros(pb.TensorProto_INT64, false, len(found)/3, 3)
		copy(elems[int64](out), found)
		return out
	}),
}

// corners returns the least and the largest coordinates of a box.
func (c *call) corners(boxes *Value, at int) [4]float64 {
	p, q, r, s := boxes.Float(at), boxes.Float(at+1), boxes.Float(at+2), boxes.Float(at+3)
	if c.int("center_point_box") != 0 {
		return [4]float64{p - r/2, q - s/2, p + r/2, q + s/2}
	}
	return [4]float64{min(p, r), min(q, s), max(p, r), max(q, s)}
}

func intersectionOverUnion(a, b [4]float64) float64 {
	width, height := min(a[2], b[2])-max(a[0], b[0]), min(a[3], b[3])-max(a[1], b[1])
	if width <= 0 || height <= 0 {
		return 0
	}
	area := func(x [4]float64) float64 { return (x[2] - x[0]) * (x[3] - x[1]) }
	both := width * height
	return both / (area(a) + area(b) - both)
}

package train

import "github.com/petrify-ml/petrify/random"

// Images are N pictures, (N,C,H,W) in row-major order, with 0 black and 1 white.
type Images struct {
	Pixels     []float32
	N, C, H, W int
}

// Images converts pixels in the range of the model, of pictures with the size of the training images, to [0, 1] in
// place.
func (t *Trainer) Images(pixels []float32) *Images {
	t.config.Model.Recipe.Pixels.ToUnit(pixels)
	d := t.config.Data
	return &Images{Pixels: pixels, N: len(pixels) / (d.C * d.H * d.W), C: d.C, H: d.H, W: d.W}
}

// decodeNoise makes n images of standard normal noise, the same at every call.
func (t *Trainer) decodeNoise(n *Net, count int) (*Images, error) {
	out, err := n.Infer(count, random.New(t.config.Seed, "samples").Normal)
	if err != nil {
		return nil, err
	}
	return t.Images(out[0]), nil
}

// decodeClasses makes n images or more of standard normal noise, the same at every call: a row for each class, or for some of
// many, each of the same noise.
func (t *Trainer) decodeClasses(n *Net, count int) (images *Images, columns int, err error) {
	const mostRows, leastColumns = 16, 8
	all := n.plan.Net.Class.Count
	rows := spread(min(all, mostRows), all)
	columns = max(leastColumns, (count+len(rows)-1)/len(rows))
	classes := make([]int, len(rows)*columns)
	for i := range classes {
		classes[i] = rows[i/columns]
	}
	out, err := n.Infer(len(classes), func(x []float32) {
		row := len(x) / len(rows)
		random.New(t.config.Seed, "samples").Normal(x[:row])
		for at := row; at < len(x); at += row {
			copy(x[at:], x[:row])
		}
	}, classes...)
	if err != nil {
		return nil, 0, err
	}
	return t.Images(out[0]), columns, nil
}

// A Picture shows the progress of a model: images in rows, or clouds of points.
type Picture struct {
	Name    string // "samples", for a file
	Title   string // for people
	Images  *Images
	Columns int // of the images; 0 chooses a suitable number
	Clouds  []Cloud
}

// A Cloud is a set of points in the plane with a common label.
type Cloud struct {
	Label string
	X, Y  []float64
}

// Pictures shows the model's present state. The first, named "samples", has n images or slightly fewer, of every class if
// the model learns classes; the others depend on the objective. Noise and images are the same in every call, so that
// successive pictures show the progress.
func (t *Trainer) Pictures(n int) ([]Picture, error) { return t.iteration.Pictures(n) }

// Samples returns the images of the first of Pictures.
func (t *Trainer) Samples(n int) (*Images, error) {
	list, err := t.iteration.Pictures(n)
	if err != nil {
		return nil, err
	}
	return list[0].Images, nil
}

// Codes returns the latent codes of at most n images of Config.Test, or of Config.Data: (N, size) in row-major order.
// They are nil for an objective without a latent space, that is one whose Iteration has no method Codes.
func (t *Trainer) Codes(n int) (points []float32, size int, err error) {
	c, ok := t.iteration.(interface {
		Codes(n int) ([]float32, int, error)
	})
	if !ok {
		return nil, 0, nil
	}
	return c.Codes(n)
}

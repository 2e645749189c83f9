package train

// Images are N pictures, (N,C,H,W) in row-major order, with 0 black and 1 white.
type Images struct {
	Pixels     []float32
	N, C, H, W int
}

// images are n pictures in the range of the model, brought to [0, 1] in place.
func (c Config) images(pixels []float32, n int) *Images {
	c.Model.Recipe.Pixels.ToUnit(pixels)
	return &Images{Pixels: pixels, N: n, C: c.Data.C, H: c.Data.H, W: c.Data.W}
}

// Picture is one thing to look at while a model learns: images in rows, or clouds of points.
type Picture struct {
	Name    string // "samples", for a file
	Title   string // for people
	Images  *Images
	Columns int // of the images; 0 is as many as looks well
	Clouds  []Cloud
}

// Cloud is a set of points on a plane that share a label.
type Cloud struct {
	Label string
	X, Y  []float64
}

// Pictures shows what the model can do by now. The first, named "samples", has n images or a few less; what the others are
// depends on the objective. Noise and images are the same at every call, so that successive pictures show one development.
func (t *Trainer) Pictures(n int) ([]Picture, error) { return t.objective.pictures(n) }

// Samples are the images of the first of Pictures.
func (t *Trainer) Samples(n int) (*Images, error) {
	list, err := t.objective.pictures(n)
	if err != nil {
		return nil, err
	}
	return list[0].Images, nil
}

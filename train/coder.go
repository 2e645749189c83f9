package train

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/dataset"
	"github.com/petrify-ml/petrify/model"
)

// coderRoles are the roles of an encoder and a decoder.
func coderRoles(encoder, decoder string, figures ...string) model.Roles {
	return model.Roles{
		Images:  encoder,
		Flows:   []model.Flow{{From: encoder, To: decoder}, {From: decoder, To: encoder}},
		Sampler: decoder,
		HeldOut: true,
		Figures: figures,
	}
}

// coder is an encoder and a decoder: what both kinds of autoencoder share.
type coder struct {
	trainer          *Trainer
	encoder, decoder *Net
	batches          *Batches
}

func newCoder(t *Trainer, encoder, decoder string) (*coder, error) {
	e, err := t.Net(encoder)
	if err != nil {
		return nil, err
	}
	d, err := t.Net(decoder)
	return &coder{trainer: t, encoder: e, decoder: d, batches: t.Batches()}, err
}

// shown is the set whose images pictures show: held-out ones where there are any.
func (c *coder) shown() *dataset.Set {
	if c.trainer.config.Test != nil {
		return c.trainer.config.Test
	}
	return c.trainer.config.Data
}

// spread picks n of all images, at even distances: folders of classes are read class by class, and each should be shown.
func spread(n, all int) []int {
	picked := make([]int, n)
	for i := range picked {
		picked[i] = int(int64(i) * int64(all) / int64(n))
	}
	return picked
}

// encode gives the first output of the encoder, (N, latent), for n images: the latent point, or its mean.
func (c *coder) encode(n int) (images, latent []float32, err error) {
	out, err := c.encoder.Infer(n, func(x []float32) {
		c.trainer.scale().gather(x, c.shown(), spread(n, c.shown().N))
		images = x
	})
	if err != nil {
		return nil, nil, err
	}
	return images, out[0], nil
}

// Codes are the latent points of n images, or of as many as there are, (N, latent).
func (c *coder) Codes(n int) (points []float32, size int, err error) {
	_, points, err = c.encode(min(n, c.shown().N))
	return points, c.latent(), err
}

// decode makes images of latent points.
func (c *coder) decode(latent []float32) (*Images, error) {
	n := len(latent) / c.latent()
	out, err := c.decoder.Infer(n, func(x []float32) { copy(x, latent) })
	if err != nil {
		return nil, err
	}
	return c.trainer.Images(out[0]), nil
}

// latent is the number of dimensions of the latent space.
func (c *coder) latent() int { return c.decoder.plan.Net.Input.Shape.Len() }

// widest is the most images in a row of a picture.
const widest = 10

// pairs shows about n images, half of them originals, each above what the decoder makes of its encoding.
func (c *coder) pairs(n int) (Picture, error) {
	count := min(max(n/2, 1), c.shown().N)
	columns := min(count, widest)
	count -= count % columns // whole rows
	pixels, latent, err := c.encode(count)
	if err != nil {
		return Picture{}, err
	}
	made, err := c.decode(latent)
	if err != nil {
		return Picture{}, err
	}
	originals := c.trainer.Images(pixels)
	both := *originals
	both.N, both.Pixels = 2*count, nil
	row := columns * both.C * both.H * both.W
	for at := 0; at < len(pixels); at += row {
		both.Pixels = append(append(both.Pixels, originals.Pixels[at:at+row]...), made.Pixels[at:at+row]...)
	}
	return Picture{Name: "reconstructions", Title: "images above their reconstructions", Images: &both, Columns: columns}, nil
}

// between walks in straight lines through the latent space, a row from each image to the next: a picture of about n images.
func (c *coder) between(n int) ([]Picture, error) {
	rows := min(max(n/widest, 1), c.shown().N-1)
	if rows < 1 {
		return nil, nil // from a single image there is no way to another
	}
	_, ends, err := c.encode(rows + 1)
	if err != nil {
		return nil, err
	}
	size := c.latent()
	var points []float32
	for row := range rows {
		a, b := ends[row*size:(row+1)*size], ends[(row+1)*size:(row+2)*size]
		for k := range widest {
			f := float32(k) / (widest - 1)
			for i := range a {
				points = append(points, (1-f)*a[i]+f*b[i])
			}
		}
	}
	images, err := c.decode(points)
	return []Picture{{Name: "latent", Title: "points between the encodings of two images", Images: images, Columns: widest}}, err
}

// planeSide is the number of points along either side of the latent plane.
const planeSide = 20

// plane decodes a grid of points of a latent space of two dimensions, at evenly spaced quantiles of the prior: the first
// dimension rises to the right, the second upwards.
func (c *coder) plane() (Picture, error) {
	quantile := func(i int) float32 {
		return float32(math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/planeSide-1))
	}
	var points []float32
	for y := range planeSide {
		for x := range planeSide {
			points = append(points, quantile(x), quantile(planeSide-1-y))
		}
	}
	images, err := c.decode(points)
	return Picture{Name: "plane", Title: "the latent plane, decoded", Images: images, Columns: planeSide}, err
}

// scatter shows where the encoder puts images on a latent plane, a cloud for each label.
func (c *coder) scatter() (Picture, error) {
	const most = 5000
	set := c.shown()
	n := min(set.N, most)
	_, latent, err := c.encode(n)
	if err != nil {
		return Picture{}, err
	}
	clouds := map[uint32]*Cloud{}
	for i, row := range spread(n, set.N) {
		label := set.Labels[row]
		p := clouds[label]
		if p == nil {
			p = &Cloud{Label: fmt.Sprint(label)}
			clouds[label] = p
		}
		p.X, p.Y = append(p.X, float64(latent[2*i])), append(p.Y, float64(latent[2*i+1]))
	}
	picture := Picture{Name: "scatter", Title: "encoded images by label"}
	for _, label := range slices.Sorted(maps.Keys(clouds)) {
		picture.Clouds = append(picture.Clouds, *clouds[label])
	}
	return picture, nil
}

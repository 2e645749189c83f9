package run

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/petrify-ml/petrify/internal/picture"
	"github.com/petrify-ml/petrify/train"
)

const (
	samplesFolder = "samples"
	samplePrefix  = "step-"
	sampleSuffix  = ".png"
	curvesFile    = "curves.png"
	// sampled is how many pictures a report shows.
	sampled = 16
)

// report leaves in the folder what belongs to an iteration. The checkpoint comes last: a run that is stopped before it
// goes on from the one before, and does all the rest again.
func (r *Run) report(ev train.Event, rate float64) error {
	s, err := r.snapshot()
	if err != nil {
		return err
	}
	line := Report{Step: ev.Step, Metrics: append(slices.Clone(ev.Metrics), train.Metric{Name: rateName, Value: rate})}
	if err := r.log.append(line); err != nil {
		return err
	}
	pictures, err := r.trainer.Pictures(sampled)
	if err != nil {
		return err
	}
	if err := r.draw(ev.Step, pictures); err != nil {
		return err
	}
	if err := r.health.report(r.trainer, pictures, ev.Step == r.about.Steps); err != nil {
		return err
	}
	c := r.trainer.Config()
	curves, err := r.curves.draw(fmt.Sprintf("%s on %s, seed %d, step %d", c.Model.Title, c.Data.Name, c.Seed, ev.Step))
	if err != nil {
		return err
	}
	if err := r.write(r.path(curvesFile), curves); err != nil {
		return err
	}
	return r.save(s, true)
}

// draw writes what the model makes by now.
func (r *Run) draw(step int, list []train.Picture) error {
	if err := os.MkdirAll(r.path(samplesFolder), 0o777); err != nil {
		return err
	}
	for i, p := range list {
		name := fmt.Sprintf("%s%06d", samplePrefix, step)
		if i > 0 {
			name += "-" + p.Name
		}
		b, err := draw(p)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.write(filepath.Join(r.path(samplesFolder), name+sampleSuffix), b); err != nil {
			return err
		}
	}
	return nil
}

func draw(p train.Picture) ([]byte, error) {
	var b bytes.Buffer
	if p.Images == nil {
		clouds := make([]picture.Cloud, len(p.Clouds))
		for i, c := range p.Clouds {
			clouds[i] = picture.Cloud(c)
		}
		err := picture.Scatter(&b, clouds, picture.ScatterOptions{Title: p.Title})
		return b.Bytes(), err
	}
	images := picture.Images(*p.Images)
	scale := picture.Visible(images.W * max(1, p.Columns/10)) // long rows are to fit a screen
	err := picture.Grid(&b, images, picture.GridOptions{Columns: p.Columns, Scale: scale})
	return b.Bytes(), err
}

package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/petrify-ml/petrify/card"
	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/internal/buildinfo"
	"github.com/petrify-ml/petrify/model"
)

// embedded is the data set inside the program, and its licence.
const (
	embedded        = "mnist"
	embeddedLicence = "CC-BY-SA-3.0"
)

// removeDescriptions removes what speaks of the files of these names that stand in a folder of exports: the certificate, the cards and
// the bills.
func removeDescriptions(out string, names []string) error {
	files := []string{filepath.Join(out, certificateFile)}
	for _, name := range names {
		files = append(files, filepath.Join(out, name, card.FileName), filepath.Join(out, name, card.BOMName(name+".onnx")))
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// writeCard puts the card and the bill of materials of an exported model beside it.
func (f *Folder) writeCard(m model.Model, s *checkpoint.Snapshot, e export.Exported, licence string) error {
	file, err := card.ReadFile(e.Model)
	if err != nil {
		return err
	}
	about := f.about
	c := card.Card{
		File: file, Architecture: m.Name, Title: m.Title, Source: m.Source, Task: task(m, file.Net), Licence: licence,
		Tool: "petrify " + buildinfo.Version(), Seed: about.Seed, Step: s.Step, Weights: about.Digest,
		Data: card.Data{Name: about.Data.Name, SHA256: about.Data.Digest},
		Training: []card.Entry{
			{Name: "iterations meant", Value: fmt.Sprint(about.Steps)},
			{Name: "images in a batch", Value: fmt.Sprint(about.Batch)},
			{Name: "learning rate", Value: fmt.Sprint(about.LearningRate)},
		},
		Figures: f.figures(s.Step),
	}
	if about.Data.Source == embedded {
		c.Data.Licence = embeddedLicence
	}
	bill, err := c.BOM()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(e.Dir, card.BOMName(file.Name)), bill); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(e.Dir, card.FileName), c.Markdown())
}

// figures are those of the last report up to a step. How many images a second takes depends on the machine, and is left out. A log that
// cannot be read has none: models are exported without it.
func (f *Folder) figures(step int) (list []card.Figure) {
	reports, err := f.Reports()
	if err != nil {
		return nil
	}
	for _, r := range reports {
		if r.Step > step {
			break
		}
		list = list[:0]
		for _, v := range r.Metrics {
			if v.Name != rateName {
				list = append(list, card.Figure{Name: v.Name, Value: v.Value})
			}
		}
	}
	return list
}

// task is what a file does that holds nets, as their objective uses them.
func task(m model.Model, nets string) card.Task {
	if strings.Contains(nets, ",") {
		return ""
	}
	net, ok := m.Net(nets)
	roles := m.Objective.Roles()
	switch {
	case !ok:
		return ""
	case net.Parts != nil:
		return card.Reconstructs
	case net.Name == roles.Sampler && net.Input.Noise:
		return card.Generates
	case net.Name != roles.Images:
		return ""
	}
	for _, flow := range roles.Flows {
		if flow.From == net.Name {
			return card.Extracts
		}
	}
	return card.Classifies
}

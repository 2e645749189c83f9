package sampler

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/models"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/web"
)

// Page is what a page says of a generator, and of the program that made the page.
func (n *Net) Page(madeBy string) web.Options {
	name := strings.TrimSuffix(filepath.Base(n.Path), filepath.Ext(n.Path))
	o := web.Options{Name: name, Title: name, About: n.File.Proto.GetDocString(), Generator: n.File, Noise: n.TakesNoise() == nil}
	meta := map[string]string{}
	for _, e := range n.File.Proto.GetMetadataProps() {
		meta[e.GetKey()] = e.GetValue()
	}
	if m, err := models.Find(meta[export.MetaModel]); err == nil {
		o.Name, o.Title, o.About = m.Name, m.Title, m.Doc
	}
	for _, f := range []struct{ name, key string }{
		{"Data", export.MetaData}, {"Steps", export.MetaStep}, {"Seed of the training", export.MetaSeed}, {"SHA-256 of the weights", export.MetaWeights},
	} {
		if v := meta[f.key]; v != "" {
			o.Facts = append(o.Facts, web.Fact{Name: f.name, Value: v})
		}
	}
	parameters := strconv.FormatInt(onnx.Summarize(n.File.Proto).Parameters, 10)
	o.Facts = append(o.Facts, web.Fact{Name: "Parameters", Value: parameters}, web.Fact{Name: "Made by", Value: madeBy})
	return o
}

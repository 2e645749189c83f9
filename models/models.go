// Package models lists the architectures that petrify trains, one file each: a table of layers and an objective.
package models

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/layer"
)

// All lists every model.
func All() []layer.Model {
	return []layer.Model{
		GAN(),
	}
}

// Find looks a model up by name.
func Find(name string) (layer.Model, error) {
	var names []string
	for _, m := range All() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return layer.Model{}, fmt.Errorf("no model is called %q: there is %s%s", name, strings.Join(names, ", "), suggest.DidYouMean(name, names))
}

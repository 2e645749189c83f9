package card

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/witness"
)

// BOMName returns the name of the bill of materials of a model file, in the same folder.
func BOMName(file string) string { return strings.TrimSuffix(file, ".onnx") + ".cdx.json" }

type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Tools     tools     `json:"tools"`
	Component component `json:"component"`
}

type tools struct {
	Components []component `json:"components"`
}

type component struct {
	Type        string          `json:"type"`
	Ref         string          `json:"bom-ref,omitempty"`
	Name        string          `json:"name"`
	Version     string          `json:"version,omitempty"`
	Description string          `json:"description,omitempty"`
	Hashes      []hash          `json:"hashes,omitempty"`
	Licences    []licenceChoice `json:"licenses,omitempty"`
	ModelCard   *modelCard      `json:"modelCard,omitempty"`
	Data        []dataset       `json:"data,omitempty"`
	Properties  []property      `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type licenceChoice struct {
	Licence licence `json:"license"`
}

type licence struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

type modelCard struct {
	Parameters     modelParameters `json:"modelParameters"`
	Analysis       *analysis       `json:"quantitativeAnalysis,omitempty"`
	Considerations considerations  `json:"considerations"`
	Properties     []property      `json:"properties,omitempty"`
}

type modelParameters struct {
	Approach     *approach `json:"approach,omitempty"`
	Task         string    `json:"task,omitempty"`
	Family       string    `json:"architectureFamily,omitempty"`
	Architecture string    `json:"modelArchitecture,omitempty"`
	Datasets     []ref     `json:"datasets"`
	Inputs       []format  `json:"inputs"`
	Outputs      []format  `json:"outputs"`
}

type approach struct {
	Type string `json:"type"`
}

type ref struct {
	Ref string `json:"ref"`
}

type format struct {
	Format string `json:"format"`
}

type analysis struct {
	Metrics []metric `json:"performanceMetrics"`
}

type metric struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type considerations struct {
	Limits []string `json:"technicalLimitations"`
}

type dataset struct {
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// BOM returns the card as a bill of materials, CycloneDX 1.6 in JSON. The serial number is derived from the rest of the
// contents, and there is no time in it.
func (c *Card) BOM() ([]byte, error) {
	const model, data = "model", "training-data"
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{
			Tools: tools{[]component{{Type: "application", Name: "petrify", Version: strings.TrimPrefix(c.Tool, "petrify ")}}},
			Component: component{
				Type: "machine-learning-model", Ref: model, Name: c.File.Name, Description: c.File.Doc,
				Hashes: sha(c.File.SHA256), Licences: licences(c.Licence),
				ModelCard: &modelCard{
					Parameters: modelParameters{
						Approach: &approach{"unsupervised"}, Task: string(c.Task), Family: c.Title, Architecture: c.title(),
						Datasets: []ref{{data}}, Inputs: formats(c.File.Inputs), Outputs: formats(c.File.Outputs),
					},
					Considerations: considerations{Limits: limits},
				},
			},
		},
		Components:   []component{{Type: "data", Ref: data, Name: c.Data.Name, Hashes: sha(c.Data.SHA256), Licences: licences(c.Data.Licence), Data: []dataset{{"dataset", c.Data.Name}}}},
		Dependencies: []dependency{{model, []string{data}}, {Ref: data}},
	}
	if c.Data.Name == "" {
		b.Components[0].Name = "not stated"
	}
	for _, f := range c.Figures {
		if b.Metadata.Component.ModelCard.Analysis == nil {
			b.Metadata.Component.ModelCard.Analysis = &analysis{}
		}
		a := b.Metadata.Component.ModelCard.Analysis
		a.Metrics = append(a.Metrics, metric{f.Name, figure(f.Value)})
	}
	add := func(name, value string) {
		if value != "" {
			p := &b.Metadata.Component.Properties
			*p = append(*p, property{"petrify:" + name, value})
		}
	}
	add("architecture", c.Architecture)
	add("net", c.File.Net)
	add("source", c.Source)
	add("seed", strconv.FormatUint(c.Seed, 10))
	add("iterations", strconv.Itoa(c.Step))
	for _, e := range c.Training {
		add(strings.ReplaceAll(e.Name, " ", "_"), e.Value)
	}
	add("weights.sha256", c.Weights)
	add("bytes", strconv.FormatInt(c.File.Bytes, 10))
	add("parameters", strconv.FormatInt(c.File.Parameters, 10))
	add("onnx.opset", strconv.FormatInt(c.File.Opset, 10))
	add("onnx.ir_version", strconv.FormatInt(c.File.IR, 10))
	for _, o := range c.File.Operators {
		add("onnx.operator."+o.Name, o.Value)
	}
	if sha(c.Data.SHA256) == nil && c.Data.SHA256 != "" {
		add("data.digest", c.Data.SHA256)
	}
	content, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	b.Serial = uuid(content)
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(quote.JSON(text), '\n'), nil
}

// uuid is a name-based identifier (RFC 9562, version 8) of bytes.
func uuid(b []byte) string {
	s := sha256.Sum256(b)
	s[6], s[8] = s[6]&0x0f|0x80, s[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

var hexadecimal = regexp.MustCompile(`^[0-9a-f]{64}$`)

func sha(digest string) []hash {
	if !hexadecimal.MatchString(digest) {
		return nil
	}
	return []hash{{"SHA-256", digest}}
}

// known are the identifiers of SPDX that models and images are often under; others are shown by their name.
var known = []string{
	"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "GPL-2.0-only", "GPL-3.0-only", "GPL-3.0-or-later", "AGPL-3.0-only",
	"LGPL-3.0-only", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "Unlicense",
}

func spdx(id string) bool { return slices.Contains(known, id) }

func licences(name string) []licenceChoice {
	switch {
	case name == "":
		return nil
	case spdx(name):
		return []licenceChoice{{licence{ID: name}}}
	}
	return []licenceChoice{{licence{Name: name}}}
}

func formats(list []witness.Port) []format {
	f := []format{}
	for _, p := range list {
		f = append(f, format{p.String()})
	}
	return f
}

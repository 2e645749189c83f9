// Package card writes what comes with a model file: a model card that people read, in Markdown with the head that model hubs read
// (Mitchell et al., Model Cards for Model Reporting, 2019; the fields of Hugging Face), and a bill of materials that programs read
// (CycloneDX 1.6, a machine-learning model). Both say what the model is, what it was trained on, with which seed, how well it
// performs, under which licence it is, and how to check it.
//
// They contain no times and no paths: the same model gives the same bytes. Names of any kind are escaped, whatever they
// contain.
package card

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/witness"
)

// A Card describes a model. Empty fields are left out, or reported as unknown.
type Card struct {
	File File

	Architecture string // the model's name, such as "gan"
	Title        string // of the architecture
	Source       string // paper or recipe
	Task         Task
	Licence      string // of the file, as an SPDX identifier or in words

	Tool     string // that made the file, with its version
	Seed     uint64
	Data     Data
	Training []Entry // settings, in order
	Step     int     // iterations that the weights were trained for
	Figures  []Figure
	Weights  string // digest of the weights as they were trained
}

// A Task is what a model does, in the terms of model hubs.
type Task string

// The tasks of nets.
const (
	Generates    Task = "unconditional-image-generation"
	Extracts     Task = "image-feature-extraction"
	Reconstructs Task = "image-to-image"
	Classifies   Task = "image-classification"
)

// Data describes the training data of a model.
type Data struct {
	Name    string
	SHA256  string // of the decoded images
	Licence string
}

// An Entry is a name with a value.
type Entry struct{ Name, Value string }

// A Figure is a measurement from the last report of the training.
type Figure struct {
	Name  string
	Value float64 // NaN where it was not finite
}

// A File describes the contents of a model file.
type File struct {
	Name       string // without a folder
	Net        string // as stated in the file; several are separated by commas
	Doc        string // the file's own description
	Bytes      int64
	SHA256     string // hexadecimal
	IR         int64
	Opset      int64
	Parameters int64
	Operators  []Entry // with how often each is used
	Inputs     []witness.Port
	Outputs    []witness.Port
}

// ReadFile reads a model file and describes it.
func ReadFile(path string) (File, error) {
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		return File{}, err
	}
	sum := sha256.Sum256(m.Bytes)
	s, ports := onnx.Summarize(m.Proto), witness.SignatureOf(m)
	f := File{
		Name: filepath.Base(path), Bytes: int64(len(m.Bytes)), SHA256: hex.EncodeToString(sum[:]),
		IR: m.Proto.GetIrVersion(), Opset: m.Opset(), Parameters: s.Parameters, Outputs: ports.Outputs,
	}
	_, f.Doc, _ = strings.Cut(m.Proto.GetDocString(), ": ")
	for _, e := range m.Proto.GetMetadataProps() {
		if e.GetKey() == "petrify.net" {
			f.Net = e.GetValue()
		}
	}
	for _, p := range ports.Inputs {
		if !p.Optional {
			f.Inputs = append(f.Inputs, p)
		}
	}
	for _, o := range s.Operators {
		name := o.Name
		if o.Domain != "" {
			name = o.Domain + "." + name
		}
		f.Operators = append(f.Operators, Entry{name, fmt.Sprint(o.Count)})
	}
	return f, nil
}

// title heads the card.
func (c *Card) title() string {
	switch {
	case c.Architecture == "":
		return strings.TrimSuffix(c.File.Name, ".onnx")
	case c.File.Net == "":
		return c.Architecture
	}
	return c.Architecture + ", " + c.File.Net
}

// limits are what every model of this kind has.
var limits = []string{
	"It has learnt from the images named above and from nothing else: it makes, and knows, what resembles them, with their faults and their gaps.",
	"Whether images of the training set can be told from the weights, or from what the model makes, was not measured; nor whether it serves people alike.",
	"It is small, and made to be looked at, taught with and built upon. What it makes is no evidence of anything.",
}

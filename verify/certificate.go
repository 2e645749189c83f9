package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/petrify-ml/petrify/reference"
)

// A Certificate tells those who receive a folder of models what was verified against what. The same
// report gives the same bytes: it contains no times, and no paths outside the folder.
type Certificate struct {
	Format int              `json:"format"` // of this structure: 1
	Tool   string           `json:"tool"`   // the program that verified, as named by the caller
	Method Method           `json:"method"`
	Models []CertifiedModel `json:"models"`
}

// A Method says how the verdicts were reached.
type Method struct {
	Reference string               `json:"reference"`
	Spreads   int                  `json:"spreads"` // allowed by the screen
	Functions []reference.Function `json:"declared_errors"`
}

// A CertifiedModel is one model of a certificate.
type CertifiedModel struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Opset  int64  `json:"opset"`
	// Arithmetic is the one that runtimes were expected to compute in, if it is not float32.
	Arithmetic string          `json:"arithmetic,omitempty"`
	Data       []FileDigest    `json:"data,omitempty"`
	Weights    *Weights        `json:"weights,omitempty"`
	Runtimes   []RuntimeReport `json:"runtimes"`
	Rows       []Comparison    `json:"rows"`
}

// A FileDigest names a file, relative to the folder, and its bytes.
type FileDigest struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// Certificate returns the certificate of the models in folder dir. It is an error if the verdict is
// not Equal, or if a model has changed since it was verified.
func (r *Report) Certificate(dir, tool string) (*Certificate, error) {
	if v := r.Verdict(); v != Equal {
		return nil, fmt.Errorf("no certificate: the verdict is %s", v)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	c := &Certificate{
		Format: 1, Tool: tool,
		Method: Method{
			Reference: "float64 interpreter with propagated rounding errors",
			Spreads:   reference.Screens,
			Functions: reference.Functions(),
		},
	}
	for _, m := range r.Models {
		if m.Verdict() != Equal {
			continue // unsupported: the report names it, a certificate does not
		}
		certified, err := certify(root, dir, m)
		if err != nil {
			return nil, err
		}
		c.Models = append(c.Models, certified)
	}
	return c, nil
}

func certify(root *os.Root, dir string, m *ModelReport) (CertifiedModel, error) {
	if m.External {
		return CertifiedModel{}, fmt.Errorf("%s: elements are in other files, and a certificate speaks of the model file alone", m.Path)
	}
	c := CertifiedModel{Opset: m.Opset, Arithmetic: m.Arithmetic, Weights: m.Weights, Rows: slices.Clone(m.Rows)}
	for i := range c.Rows {
		c.Rows[i].Reason = "" // may hold what an operating system said
	}
	for _, rt := range m.Runtimes {
		rt.Reason = "" // may name paths of this machine
		c.Runtimes = append(c.Runtimes, rt)
	}
	var err error
	if c.File, c.SHA256, err = digest(root, dir, m.Path); err != nil {
		return c, err
	}
	if c.SHA256 != m.SHA256 {
		return c, fmt.Errorf("%s: changed while it was verified: sha256 was %s, is %s", m.Path, m.SHA256, c.SHA256)
	}
	for _, s := range m.Sets {
		for _, path := range s.Files {
			var f FileDigest
			if f.File, f.SHA256, err = digest(root, dir, path); err != nil {
				return c, err
			}
			c.Data = append(c.Data, f)
		}
	}
	return c, nil
}

// digest returns the name of a file relative to dir, and its sha256.
func digest(root *os.Root, dir, path string) (name, sum string, err error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", "", &fs.PathError{Op: "certify", Path: path, Err: errors.New("not below " + dir)}
	}
	b, err := root.ReadFile(rel)
	if err != nil {
		return "", "", err
	}
	h := sha256.Sum256(b)
	return filepath.ToSlash(rel), hex.EncodeToString(h[:]), nil
}

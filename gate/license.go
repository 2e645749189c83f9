package gate

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/report"
)

// A provenanceItem is one thing that a model can say of where it comes from, in metadata under one of some keys, in any case and with
// spaces, dashes or underscores, or in a field of its own.
type provenanceItem struct {
	name, doc string
	keys      []string
	producer  bool // the field producer_name says it, too
}

var provenanceItems = []provenanceItem{
	{"author", "who made the model", []string{"author", "authors", "model_author", "creator", "organization"}, false},
	{"source", "where the model is from", []string{"source", "url", "homepage", "repository", "repo", "model_url"}, false},
	{"producer", "which program wrote the file", []string{"producer"}, true},
	{"training-data", "what the model was trained on", []string{"training_data", "dataset", "datasets", "trained_on", "petrify.data"}, false},
}

// licenseKeys are where a licence is looked for.
var licenseKeys = []string{"license", "licence", "licenses", "spdx_license", "spdx"}

func provenance(name string) (provenanceItem, bool) {
	i := slices.IndexFunc(provenanceItems, func(p provenanceItem) bool { return p.name == name })
	if i < 0 {
		return provenanceItem{}, false
	}
	return provenanceItems[i], true
}

func provenanceNames() []string {
	var names []string
	for _, p := range provenanceItems {
		names = append(names, p.name)
	}
	return names
}

func (p provenanceItem) found(x measured) bool {
	return x.property(p.keys) != "" || p.producer && strings.TrimSpace(x.producer) != ""
}

func (p provenanceItem) places() string {
	text := "metadata " + strings.Join(p.keys, " or ")
	if p.producer {
		text += " or the field producer_name"
	}
	return text
}

// property is the value of the first of some keys that has one.
func (x *measured) property(keys []string) string {
	plain := func(key string) string {
		return strings.ToLower(strings.NewReplacer("-", "_", " ", "_").Replace(strings.TrimSpace(key)))
	}
	for _, want := range keys {
		for _, key := range slices.Sorted(maps.Keys(x.properties)) {
			if v := strings.TrimSpace(x.properties[key]); plain(key) == want && v != "" {
				return v
			}
		}
	}
	return ""
}

// has says which metadata there is.
func (x *measured) has() string {
	const most = 10
	keys := slices.Sorted(maps.Keys(x.properties))
	if len(keys) == 0 {
		return "; the model has no metadata"
	}
	text := "; it has "
	for i, key := range keys[:min(len(keys), most)] {
		if i > 0 {
			text += ", "
		}
		text += onnx.Quote(key)
	}
	if n := len(keys) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// keep adds a finding where a model's licence is none of those that are allowed.
func (l *License) keep(f *report.File, x measured) {
	if l == nil {
		return
	}
	text := x.property(licenseKeys)
	if text == "" {
		f.AddRule("license-missing", "", "no licence: want metadata "+strings.Join(licenseKeys, " or ")+x.has())
		return
	}
	e, err := parseLicense(text)
	if err != nil {
		f.AddRule("license-not-allowed", "", fmt.Sprintf("the licence %s is not an SPDX expression (%v), want one of %s", onnx.Quote(text), err, strings.Join(l.Allow, ", ")))
		return
	}
	if !e.allowed(l.Allow) {
		f.AddRule("license-not-allowed", "", fmt.Sprintf("the licence is %s, want one of %s", onnx.Quote(text), strings.Join(l.Allow, ", ")))
	}
}

// A license is an expression of SPDX 2.3, annex D: an identifier, perhaps with an exception, or two expressions.
type license struct {
	id, exception string
	operator      string // AND or OR; empty for an identifier
	left, right   *license
}

// allowed reports whether somebody who may use what is under one of these licences may use this: of OR one side is enough, of AND
// both are needed. An exception adds to what a licence permits. Case does not matter.
func (e *license) allowed(list []string) bool {
	switch e.operator {
	case "OR":
		return e.left.allowed(list) || e.right.allowed(list)
	case "AND":
		return e.left.allowed(list) && e.right.allowed(list)
	}
	return slices.ContainsFunc(list, func(a string) bool {
		return strings.EqualFold(a, e.id) || e.exception != "" && strings.EqualFold(strings.Join(strings.Fields(a), " "), e.id+" WITH "+e.exception)
	})
}

var licenseID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:-]*\+?$`)

// mostLicense is how long an expression may be.
const mostLicense = 1000

// parseLicense reads an SPDX expression.
func parseLicense(text string) (*license, error) {
	if len(text) > mostLicense {
		return nil, fmt.Errorf("it has %d characters, want at most %d", len(text), mostLicense)
	}
	p := &licenseParser{words: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))}
	e, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%s is too much", onnx.Quote(p.words[0]))
	}
	return e, err
}

type licenseParser struct{ words []string }

func (p *licenseParser) next(word string) bool {
	if len(p.words) > 0 && strings.EqualFold(p.words[0], word) {
		p.words = p.words[1:]
		return true
	}
	return false
}

func (p *licenseParser) or() (*license, error)  { return p.pair("OR", p.and) }
func (p *licenseParser) and() (*license, error) { return p.pair("AND", p.one) }

func (p *licenseParser) pair(operator string, part func() (*license, error)) (*license, error) {
	left, err := part()
	for err == nil && p.next(operator) {
		var right *license
		right, err = part()
		left = &license{operator: operator, left: left, right: right}
	}
	return left, err
}

func (p *licenseParser) one() (*license, error) {
	if p.next("(") {
		e, err := p.or()
		if err == nil && !p.next(")") {
			err = errors.New("a bracket is not closed")
		}
		return e, err
	}
	id, err := p.name()
	if err != nil {
		return nil, err
	}
	e := &license{id: id}
	if p.next("WITH") {
		e.exception, err = p.name()
	}
	return e, err
}

func (p *licenseParser) name() (string, error) {
	if len(p.words) == 0 {
		return "", errors.New("an identifier is missing")
	}
	word := p.words[0]
	if !licenseID.MatchString(word) || slices.ContainsFunc([]string{"AND", "OR", "WITH"}, func(k string) bool { return strings.EqualFold(k, word) }) {
		return "", fmt.Errorf("%s is not an identifier", onnx.Quote(word))
	}
	p.words = p.words[1:]
	return word, nil
}

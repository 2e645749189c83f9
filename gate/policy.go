// Package gate judges model files as a policy says, for people who keep models in a repository or on a cluster.
//
// A [Policy] is the content of petrify.yaml: which files, which runtimes, budgets, what is allowed, what is ignored and until when.
// [Run] checks and verifies the files and returns a report, in which findings that the policy ignores or the baseline lists do not
// count.
package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"

	"github.com/petrify-ml/petrify/gate/target"
	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/report"
)

// A Policy is the content of a policy file. docs/schema/policy.json is its JSON schema, for
// editors.
type Policy struct {
	Version int `yaml:"version"` // of the file's format: 1
	// Models and Exclude are patterns, relative to the file's folder: ** matches any number of folders, and a folder matches
	// all models in and below it.
	Models  []string `yaml:"models"`
	Exclude []string `yaml:"exclude"`
	// Baseline names a file of findings that are known and do not count.
	Baseline string   `yaml:"baseline"`
	Ignore   []Ignore `yaml:"ignore"`
	Settings `yaml:",inline"`
	// Overrides change settings for some of the models; later ones win.
	Overrides []Override `yaml:"overrides"`
}

// An Override changes settings for the models that match a pattern.
type Override struct {
	Paths    []string `yaml:"paths"`
	Settings `yaml:",inline"`
}

// Settings are those that may differ between models. A nil field is not set.
type Settings struct {
	Severity   map[string]string `yaml:"severity"` // of rules: error, warning, info or off
	Runtimes   *Runtimes         `yaml:"runtimes"`
	Arithmetic string            `yaml:"arithmetic"`
	Timeout    *Duration         `yaml:"timeout"`
	Budgets    *Budgets          `yaml:"budgets"`
	Domains    []string          `yaml:"domains"` // of operators, that are allowed
	Operators  *Operators        `yaml:"operators"`
	Targets    []string          `yaml:"targets"`  // that each node must load in, as onnxruntime>=1.17
	Metadata   []string          `yaml:"metadata"` // keys that a model must have
	License    *License          `yaml:"license"`
	Provenance []string          `yaml:"provenance"` // what a model must say of where it comes from: author, source, producer, training-data
}

// Runtimes names the runtimes to verify models on. Without any, models are checked but not verified.
type Runtimes struct {
	Require []string `yaml:"require"` // must be there, and take the model
	Try     []string `yaml:"try"`     // may be missing
}

// Budgets are upper limits on a model; zero means no limit.
type Budgets struct {
	Bytes        Quantity `yaml:"bytes"`         // of the file and its external data
	Parameters   Quantity `yaml:"parameters"`    // elements of initializers
	MultiplyAdds Quantity `yaml:"multiply-adds"` // multiplications and additions of one run, free axes counted as one
	Activations  Quantity `yaml:"activations"`   // bytes of values that one run holds at the same time, free axes counted as one
	Opset        int64    `yaml:"opset"`         // of ai.onnx, at most
	IR           int64    `yaml:"ir"`            // version, at most
}

// Operators allows or denies operators by name, with the domain as a prefix if it is not ai.onnx.
type Operators struct {
	Allow []string `yaml:"allow"` // nothing else, if there are any
	Deny  []string `yaml:"deny"`
}

// License lists the licences that models may have.
type License struct {
	Allow []string `yaml:"allow"` // SPDX identifiers
}

// An Ignore suppresses findings, for a reason and until a date.
type Ignore struct {
	Rule   string `yaml:"rule"`
	Path   string `yaml:"path"`  // a pattern; empty for all
	Where  string `yaml:"where"` // part of the place; empty for all
	Reason string `yaml:"reason"`
	Until  string `yaml:"until"` // last day, as 2027-01-31

	day time.Time
}

// A Quantity is a number that may have a unit: 20e6, 50MB, 512MiB.
type Quantity int64

// UnmarshalYAML reads a quantity.
func (q *Quantity) UnmarshalYAML(n *yaml.Node) error {
	text := strings.ReplaceAll(strings.TrimSpace(n.Value), "_", "")
	factor := 1.0
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"B", 1}} {
		if head, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = strings.TrimSpace(head), u.factor
			break
		}
	}
	x, err := strconv.ParseFloat(text, 64)
	if x *= factor; err != nil || !(x >= 1 && x < 1<<62) {
		return fmt.Errorf("line %d: %q is not a quantity, want one such as 20e6, 50MB or 512MiB", n.Line, n.Value)
	}
	*q = Quantity(x)
	return nil
}

// A Duration is written as in Go: 90s, 5m.
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	x, err := time.ParseDuration(n.Value)
	if err != nil || x <= 0 {
		return fmt.Errorf("line %d: %q is not a time, want one such as 90s or 5m", n.Line, n.Value)
	}
	*d = Duration(x)
	return nil
}

// mostPolicy is how long a policy file may be.
const mostPolicy = 1 << 20

// Parse reads a policy. Unknown keys, rules, formats of dates and the like are errors that name them.
func Parse(b []byte) (*Policy, error) {
	if len(b) > mostPolicy {
		return nil, fmt.Errorf("the policy has %d bytes, want at most %d", len(b), mostPolicy)
	}
	var p Policy
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the policy is empty; petrify init writes one")
		}
		return nil, explained(err)
	}
	if err := d.Decode(new(Policy)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the policy has more than one document, want one")
	}
	return &p, p.validate()
}

// explained puts what yaml says of types of Go into words of the file.
func explained(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.ReplaceAll(text, "unmarshal errors:\n  ", "")
	text = regexp.MustCompile(`field (\S+) not found in type \S+`).ReplaceAllStringFunc(text, func(s string) string {
		name := strings.Fields(s)[1]
		return fmt.Sprintf("unknown key %s%s", name, suggest.DidYouMean(name, keys))
	})
	text = regexp.MustCompile(`into (\[\]string|\S*gate\.\w+)`).ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasSuffix(s, "[]string") {
			return "as a list"
		}
		return "here"
	})
	return errors.New(strings.ReplaceAll(text, "cannot unmarshal", "cannot read"))
}

// keys are those of the file, for suggestions.
var keys = []string{"version", "models", "exclude", "baseline", "ignore", "rule", "path", "where", "reason", "until", "severity", "runtimes", "require", "try",
	"arithmetic", "timeout", "budgets", "bytes", "parameters", "multiply-adds", "activations", "opset", "ir", "domains", "operators", "allow", "deny", "targets", "metadata", "license", "provenance", "overrides", "paths"}

func (p *Policy) validate() error {
	if p.Version != 1 {
		return fmt.Errorf("version is %d, want 1", p.Version)
	}
	if len(p.Models) == 0 {
		return errors.New("models is empty, want at least one path or pattern")
	}
	for _, pattern := range slices.Concat(p.Models, p.Exclude) {
		if err := validPattern(pattern); err != nil {
			return err
		}
	}
	for i := range p.Ignore {
		x := &p.Ignore[i]
		if err := knownRule("ignore", x.Rule); err != nil {
			return err
		}
		if strings.TrimSpace(x.Reason) == "" {
			return fmt.Errorf("ignore of %s has no reason, want one", x.Rule)
		}
		day, err := time.Parse(time.DateOnly, x.Until)
		if err != nil {
			return fmt.Errorf("ignore of %s: until is %q, want a day such as 2027-01-31", x.Rule, x.Until)
		}
		x.day = day
		if x.Path != "" {
			if err := validPattern(x.Path); err != nil {
				return err
			}
		}
	}
	if err := p.Settings.validate(); err != nil {
		return err
	}
	for i, o := range p.Overrides {
		if len(o.Paths) == 0 {
			return fmt.Errorf("overrides: number %d has no paths, want at least one", i+1)
		}
		for _, pattern := range o.Paths {
			if err := validPattern(pattern); err != nil {
				return err
			}
		}
		if err := o.Settings.validate(); err != nil {
			return fmt.Errorf("overrides: number %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *Settings) validate() error {
	for code, level := range s.Severity {
		if err := knownRule("severity", code); err != nil {
			return err
		}
		if !slices.Contains([]string{"error", "warning", "info", "off"}, level) {
			return fmt.Errorf("severity of %s is %q, want error, warning, info or off", code, level)
		}
	}
	if s.Arithmetic != "" {
		if _, err := reference.FindProfile(s.Arithmetic); err != nil {
			return fmt.Errorf("arithmetic: %w", err)
		}
	}
	if b := s.Budgets; b != nil && (b.Opset < 0 || b.IR < 0) {
		return fmt.Errorf("budgets: opset %d and ir %d, want numbers from 1 on", b.Opset, b.IR)
	}
	for _, text := range s.Targets {
		if _, err := target.Parse(text); err != nil {
			return fmt.Errorf("targets: %w", err)
		}
	}
	if s.License != nil {
		if len(s.License.Allow) == 0 {
			return errors.New("license: allow is empty, want SPDX identifiers such as Apache-2.0")
		}
		for _, id := range s.License.Allow {
			if e, err := parseLicense(id); err != nil || e.operator != "" {
				return fmt.Errorf("license: %q is not an SPDX identifier, want one such as Apache-2.0", id)
			}
		}
	}
	for _, what := range s.Provenance {
		if _, ok := provenance(what); !ok {
			return fmt.Errorf("provenance: unknown item %q, want one of %s%s", what, strings.Join(provenanceNames(), ", "), suggest.DidYouMean(what, provenanceNames()))
		}
	}
	return nil
}

func knownRule(where, code string) error {
	var codes []string
	for _, r := range report.Rules() {
		codes = append(codes, r.Code)
	}
	if slices.Contains(codes, code) {
		return nil
	}
	return fmt.Errorf("%s: unknown rule %q%s (petrify rules lists them)", where, code, suggest.DidYouMean(code, codes))
}

func validPattern(pattern string) error {
	switch {
	case !doublestar.ValidatePattern(pattern):
		return fmt.Errorf("%q is not a pattern, want one such as models/**/*.onnx", pattern)
	case path.IsAbs(pattern) || slices.Contains(strings.Split(pattern, "/"), ".."):
		return fmt.Errorf("%q leads out of the policy's folder, want a relative path in it", pattern)
	}
	return nil
}

// matches tells whether a path, relative to the policy's folder and with slashes, is what a pattern stands for, or below it.
func matches(pattern, name string) bool {
	pattern = path.Clean(pattern)
	if pattern == "." {
		return true
	}
	ok, _ := doublestar.Match(pattern, name)
	below, _ := doublestar.Match(pattern+"/**", name)
	return ok || below
}

// For returns the settings for a model, by its path relative to the policy's folder.
func (p *Policy) For(name string) Settings {
	s := p.Settings
	for _, o := range p.Overrides {
		if slices.ContainsFunc(o.Paths, func(pattern string) bool { return matches(pattern, name) }) {
			s = s.with(o.Settings)
		}
	}
	return s
}

// with returns the settings with those of o in place of them where o has any.
func (s Settings) with(o Settings) Settings {
	merged := maps.Clone(s.Severity)
	to, from := reflect.ValueOf(&s).Elem(), reflect.ValueOf(o)
	for i := range from.NumField() {
		if f := from.Field(i); !f.IsZero() {
			to.Field(i).Set(f)
		}
	}
	if merged != nil {
		maps.Copy(merged, o.Severity)
		s.Severity = merged
	}
	return s
}

// apply gives a finding the severity of the policy, and reports whether it stays.
func (s *Settings) apply(i *report.Item) bool {
	switch level := s.Severity[i.Rule]; level {
	case "":
	case "off":
		return false
	default:
		i.Severity = level
	}
	return true
}

// suppress marks a finding that the policy ignores on a day.
func (p *Policy) suppress(name string, i *report.Item, today time.Time, used []bool) {
	for k, x := range p.Ignore {
		if x.Rule != i.Rule || x.Path != "" && !matches(x.Path, name) || !strings.Contains(i.Where, x.Where) {
			continue
		}
		used[k] = true
		if !today.After(x.day) {
			i.Suppressed = &report.Suppression{Kind: "ignored", Reason: x.Reason, Until: x.Until}
			return
		}
		i.Message += fmt.Sprintf(" (ignored until %s: %s)", x.Until, x.Reason)
	}
}

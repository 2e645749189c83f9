package gate

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/petrify-ml/petrify/onnx/wire"
)

// Draft returns a policy for the models in a folder, with budgets a tenth above what the largest
// model takes.
func Draft(root string, names []string) ([]byte, error) {
	if len(names) == 0 {
		return nil, errors.New("no .onnx file in or below the folder, so there is nothing to write a policy for")
	}
	var most measured
	var opset int64
	for _, name := range names {
		m, err := wire.Read(filepath.Join(root, filepath.FromSlash(name)), wire.Limits{})
		if err != nil {
			continue // the gate will say so
		}
		x := measure(m)
		most.bytes = max(most.bytes, x.bytes)
		most.summary.Parameters = max(most.summary.Parameters, x.summary.Parameters)
		most.run.Work = max(most.run.Work, x.run.Work)
		most.run.Memory = max(most.run.Memory, x.run.Memory)
		opset = max(opset, x.opsets[""])
	}
	var b bytes.Buffer
	b.WriteString("# What petrify gate holds the models to: petrify gate --help, docs/ci.md.\n" +
		"# yaml-language-server: $schema=https://raw.githubusercontent.com/petrify-ml/petrify/main/docs/schema/policy.json\n" +
		"version: 1\n\n# Paths, folders and patterns, relative to this file.\nmodels:\n")
	for _, pattern := range patterns(names) {
		fmt.Fprintf(&b, "  - %s\n", strconv.Quote(pattern))
	}
	b.WriteString("\n# Where models are run and compared with the reference. Those under require must be there.\nruntimes:\n  require: [load]\n  try: [ort-node, ort-python]\n" +
		"\n# Warnings elsewhere, errors here.\nseverity: {weight-nan: error, outputs-not-finite: error, outputs-constant: error}\n" +
		"\n# Findings that are known already do not count: petrify gate --write-baseline\nbaseline: petrify-baseline.json\n" +
		"\n# A tenth above what the largest model takes today.\nbudgets:\n")
	for _, q := range []struct {
		key  string
		take int64
	}{{"bytes", most.bytes}, {"parameters", most.summary.Parameters}, {"multiply-adds", most.run.Work}, {"activations", most.run.Memory}} {
		if q.take > 0 {
			fmt.Fprintf(&b, "  %s: %d\n", q.key, q.take+q.take/10+1)
		}
	}
	if opset > 0 {
		fmt.Fprintf(&b, "  opset: %d\n", opset)
	}
	b.WriteString(`
# What else can be said; see docs/ci.md.
# severity: {external-data: info, weight-infinite: error}
# domains: [ai.onnx]
# operators: {deny: [Loop]}
# targets: ["onnxruntime>=1.17", "opencv>=4.8"]
# license: {allow: [Apache-2.0, MIT]}
# provenance: [author, source, training-data]
# arithmetic: float32
# ignore:
#   - {rule: weight-subnormal, path: "models/old.onnx", reason: "retrained in March", until: 2027-03-31}
# overrides:
#   - {paths: ["models/large/**"], timeout: 10m}
`)
	if _, err := Parse(b.Bytes()); err != nil {
		return nil, fmt.Errorf("the names of the models make no policy: %w", err)
	}
	return b.Bytes(), nil
}

// patterns are the folders of models, each as one pattern.
func patterns(names []string) []string {
	var all []string
	for _, name := range names {
		dir := path.Dir(name)
		if top, _, deep := strings.Cut(dir, "/"); deep || dir != "." {
			dir = top
		}
		pattern := "*.onnx"
		if dir != "." {
			pattern = path.Join(literal(dir), "**", "*.onnx")
		}
		if !slices.Contains(all, pattern) {
			all = append(all, pattern)
		}
	}
	slices.Sort(all)
	return all
}

// literal is a name as a pattern for itself. Bytes that are not UTF-8, which YAML cannot hold, are any character.
func literal(name string) string {
	var b strings.Builder
	for i, r := range name {
		_, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteByte('?')
		case r == '\\':
			b.WriteString(`[\\]`) // the globber takes an escaped one for an escape where nothing else in the folder is a pattern
		case strings.ContainsRune("[]{}*?", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

// A runtimeKind is a runtime as the command line knows it.
type runtimeKind struct {
	name string
	doc  string
	make func(runtimeOptions) witness.Runtime
}

// runtimeOptions say where runtimes are found.
type runtimeOptions struct {
	nodePath []string // node_modules folders, before those of NODE_PATH
}

func (o *runtimeOptions) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.nodePath, "node-path", nil, "node_modules folder with the package onnxruntime-node, before those in NODE_PATH")
}

// runtimes lists all that models can be run on, in the order of reports.
func runtimes() []runtimeKind {
	return []runtimeKind{
		{"load", "onnx-go's decoder on petrify's own operators in Gorgonia", func(runtimeOptions) witness.Runtime {
			return load.Runtime{Release: "petrify " + version()}
		}},
		{"gorgonnx", "stock onnx-go with its Gorgonia backend", func(runtimeOptions) witness.Runtime { return gorgonnx.Runtime{} }},
		{"ort-node", "ONNX Runtime for Node.js, where it is installed", func(o runtimeOptions) witness.Runtime {
			r := child.Node()
			r.Places = o.nodePath
			return r
		}},
		{"ort-python", "ONNX Runtime for Python, where it is installed", func(runtimeOptions) witness.Runtime { return child.Python() }},
	}
}

// judge is the name of the reference, which judges and is never judged: alone, it leaves recorded outputs to judge.
const judge = "reference"

// allRuntimes makes every runtime.
func allRuntimes(o runtimeOptions) []witness.Runtime {
	var all []witness.Runtime
	for _, k := range runtimes() {
		all = append(all, k.make(o))
	}
	return all
}

// findRuntimes makes the runtimes of these names, in the order of reports; the reference is accepted and adds none.
func findRuntimes(names []string, o runtimeOptions) ([]witness.Runtime, error) {
	known := runtimeNames()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no runtime is called %q: there is %s%s", name, strings.Join(known, ", "), suggest.DidYouMean(name, known))
		}
	}
	var found []witness.Runtime
	for _, k := range runtimes() {
		if slices.Contains(names, k.name) {
			found = append(found, k.make(o))
		}
	}
	return found, nil
}

func runtimeNames() []string {
	names := []string{judge}
	for _, k := range runtimes() {
		names = append(names, k.name)
	}
	return names
}

// completeRuntimes offers runtimes to the shell, also as the next of a list.
func completeRuntimes(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	offers := []string{before + judge + "\tthe judge alone: recorded outputs against float64"}
	for _, k := range runtimes() {
		offers = append(offers, before+k.name+"\t"+k.doc)
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

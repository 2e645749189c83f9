package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness/child"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

// A runtimeKind is a runtime as the command line knows it.
type runtimeKind struct {
	name string
	doc  string
	make func(runtimeOptions) verify.Runtime
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
		{"load", "onnx-go's decoder on petrify's own operators in Gorgonia", loadRuntime},
		{gorgonnx.Name, "stock onnx-go with its Gorgonia backend", gorgonnxRuntime},
		{"ort-node", "ONNX Runtime for Node.js, where it is installed", func(o runtimeOptions) verify.Runtime {
			r := child.Node()
			r.Places = o.nodePath
			return driven(r)
		}},
		{"ort-python", "ONNX Runtime for Python, where it is installed", func(runtimeOptions) verify.Runtime { return driven(child.Python()) }},
	}
}

// judge is the name of the reference, which judges and is never judged: alone, it leaves recorded outputs to judge.
const judge = "reference"

func loadRuntime(runtimeOptions) verify.Runtime {
	return verify.Runtime{
		Name:    "load",
		Version: func(context.Context) string { return "petrify " + version() },
		Open:    func(_ context.Context, m *onnx.Model) (verify.Session, error) { return session(load.Open(m)) },
	}
}

func gorgonnxRuntime(runtimeOptions) verify.Runtime {
	return versioned(gorgonnx.Version, verify.Runtime{
		Name: gorgonnx.Name,
		Open: func(ctx context.Context, m *onnx.Model) (verify.Session, error) {
			return session(gorgonnx.Open(ctx, m))
		},
	})
}

func driven(r *child.Runtime) verify.Runtime {
	return versioned(r.Version, verify.Runtime{
		Name: r.Name,
		Open: func(ctx context.Context, m *onnx.Model) (verify.Session, error) { return session(r.Open(ctx, m)) },
	})
}

// versioned completes a runtime that says its version when it is probed.
func versioned(ask func(context.Context) (string, error), rt verify.Runtime) verify.Runtime {
	var said string // written by Probe, which comes first and once
	rt.Probe = func(ctx context.Context) (err error) {
		said, err = ask(ctx)
		return err
	}
	rt.Version = func(context.Context) string { return said }
	return rt
}

// session keeps a failed Open from becoming an interface that is not nil.
func session[S verify.Session](s S, err error) (verify.Session, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// allRuntimes makes every runtime.
func allRuntimes(o runtimeOptions) []verify.Runtime {
	var all []verify.Runtime
	for _, k := range runtimes() {
		all = append(all, k.make(o))
	}
	return all
}

// findRuntimes makes the runtimes of these names, in the order of reports; the reference is accepted and adds none.
func findRuntimes(names []string, o runtimeOptions) ([]verify.Runtime, error) {
	known := runtimeNames()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no runtime is called %q: there is %s%s", name, strings.Join(known, ", "), suggest.DidYouMean(name, known))
		}
	}
	var found []verify.Runtime
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

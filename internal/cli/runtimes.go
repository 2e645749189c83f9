package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/witness"
	"github.com/petrify-ml/petrify/witness/child"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
)

// A runtimeKind is a runtime as the command line knows it.
type runtimeKind struct {
	name string
	doc  string
	when usage
	make func(runtimeOptions) witness.Runtime
}

// A usage says when a runtime is used that nobody asked for by name.
type usage int

const (
	always    usage = iota
	forOwn          // on petrify's own exports
	onRequest       // never
)

// runtimeOptions say where runtimes are found, and how their sessions are set up.
type runtimeOptions struct {
	nodePath     []string // node_modules folders, before those of NODE_PATH
	optimization string   // of graphs by ONNX Runtime; empty is its own default
	threads      int      // of one operator in ONNX Runtime
	provider     string   // execution provider of ONNX Runtime; empty is its CPU
}

// placeFlags are the flags that say where runtimes are found.
func (o *runtimeOptions) placeFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.nodePath, "node-path", nil, "node_modules folder with the package onnxruntime-node or onnxruntime-web, before those in NODE_PATH")
}

// sessionFlags are the flags that set up sessions of ONNX Runtime.
func (o *runtimeOptions) sessionFlags(f *pflag.FlagSet) {
	f.StringVar(&o.optimization, "ort-optimization", "all", "graph optimisation level of ONNX Runtime: "+strings.Join(child.Optimizations(), ", "))
	f.IntVar(&o.threads, "ort-threads", 1, "threads per operator in ONNX Runtime")
	f.StringVar(&o.provider, "ep", "", "execution provider, such as cuda or webgpu; then only ort-node and ort-python are used, and it is an error if they lack it")
}

// validate compares the settings of sessions with what there is.
func (o *runtimeOptions) validate() error {
	if !slices.Contains(child.Optimizations(), o.optimization) {
		return fmt.Errorf("--ort-optimization is %q, want one of %s", o.optimization, strings.Join(child.Optimizations(), ", "))
	}
	if o.threads < 1 || o.threads > 1024 {
		return fmt.Errorf("--ort-threads is %d, want 1 to 1024", o.threads)
	}
	return nil
}

// set sets up the sessions of a runtime. What is usual stays unsaid, so that reports name the rest.
func (o *runtimeOptions) set(r *child.Runtime) *child.Runtime {
	if o.optimization != "all" {
		r.Optimization = o.optimization
	}
	r.Threads = o.threads
	return r
}

// inNode is a package of ONNX Runtime in Node.js.
func (o *runtimeOptions) inNode(r *child.Runtime) *child.Runtime {
	r.Places = o.nodePath
	return o.set(r)
}

// withProviders are the runtimes that --ep is for.
func withProviders() []string { return []string{"ort-node", "ort-python"} }

// runtimes lists all that models can be run on, in the order of reports.
func runtimes() []runtimeKind {
	return []runtimeKind{
		{"load", "onnx-go's decoder on petrify's own operators in Gorgonia", always, func(runtimeOptions) witness.Runtime {
			return load.Runtime{Release: "petrify " + version()}
		}},
		{"gorgonnx", "stock onnx-go with its Gorgonia backend; by default on petrify's own exports only", forOwn, func(runtimeOptions) witness.Runtime {
			return gorgonnx.Runtime{}
		}},
		{"ort-node", "ONNX Runtime for Node.js, if installed", always, func(o runtimeOptions) witness.Runtime {
			r := o.inNode(child.Node())
			r.Provider = o.provider
			return r
		}},
		{"ort-web", "ONNX Runtime Web (WebAssembly) in Node.js, if installed; only on request", onRequest, func(o runtimeOptions) witness.Runtime {
			return o.inNode(child.Web())
		}},
		{"ort-python", "ONNX Runtime for Python, if installed", always, func(o runtimeOptions) witness.Runtime {
			r := o.set(child.Python())
			r.Provider = o.provider
			return r
		}},
		{"ort-c", "ONNX Runtime's C library, in ORT_LIB_LOCATION or the system's library path, called from Python with NumPy; only on request", onRequest, func(o runtimeOptions) witness.Runtime {
			return o.set(child.CLibrary())
		}},
		{"opencv", "OpenCV's dnn module for Python, if installed; only on request", onRequest, func(o runtimeOptions) witness.Runtime {
			r := child.OpenCV()
			r.Threads = o.threads
			return r
		}},
	}
}

// judge is the name of the reference, which judges and is never judged: alone, it leaves recorded outputs to judge.
const judge = "reference"

// usualRuntimes makes the runtimes that are used where none is named; notFor leaves out those that a model is not for.
func usualRuntimes(o runtimeOptions) []witness.Runtime {
	var usual []witness.Runtime
	for _, k := range runtimes() {
		if k.when != onRequest {
			usual = append(usual, k.make(o))
		}
	}
	return usual
}

// notFor reports whether nobody who did not ask for a runtime wants to hear of it on a model: stock onnx-go knows so few
// operators that it says little of other people's models.
func notFor(rt witness.Runtime, m *onnx.Model) bool {
	own := m.Proto.GetProducerName() == export.Producer
	return !own && slices.ContainsFunc(runtimes(), func(k runtimeKind) bool { return k.name == rt.Name() && k.when == forOwn })
}

// findRuntimes makes the runtimes of these names, in the order of reports; the reference is accepted and adds none.
func findRuntimes(names []string, o runtimeOptions) ([]witness.Runtime, error) {
	known := runtimeNames()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown runtime %q, want one of %s%s", name, strings.Join(known, ", "), suggest.DidYouMean(name, known))
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

// usualText names the runtimes that are used where none is named.
func usualText() string {
	var names, own []string
	for _, k := range runtimes() {
		switch k.when {
		case always:
			names = append(names, k.name)
		case forOwn:
			own = append(own, k.name)
		}
	}
	return strings.Join(names, ", ") + "; on petrify's own exports also " + strings.Join(own, ", ")
}

// completeRuntimes offers runtimes to the shell, also as the next of a list.
func completeRuntimes(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	offers := []string{before + judge + "\tonly the reference: recorded outputs against float64"}
	for _, k := range runtimes() {
		offers = append(offers, before+k.name+"\t"+k.doc)
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

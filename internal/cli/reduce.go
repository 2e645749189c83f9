package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/reduce"
)

type reduceOptions struct {
	streams *Streams
	model   string

	out      string
	runtimes []string
	force    bool
	search   time.Duration
	judging  judgingOptions
}

func newReduceCmd(s *Streams, do func(context.Context, reduceOptions) error) *cobra.Command {
	o := reduceOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "reduce MODEL",
		Short: "Find the smallest model that a runtime still gets wrong, for a bug report",
		Long: `reduce takes a model that a runtime computes wrongly, refuses, crashes or hangs on, and looks for
the smallest part of it on which the runtime fails in the same way. It begins with only the first
wrong node, on the inputs that the runtime itself gave it; then it removes nodes, also in functions,
branches and loops, optional inputs and attributes, and makes shapes and numbers smaller, as long as
the failure remains. Names are replaced as well, unless the failure depends on them.

The result is ready to attach to a bug report: model.onnx, test_data_set_0 with the inputs and the
expected outputs, and README.md, which says what fails, in which version, and how to reproduce it in
a few lines of Python. Look through the folder before you send it: the remaining weights and inputs
are yours.

MODEL is a file, or a folder with a model and its test_data_set_N. Without recorded inputs, inputs
are drawn, as verify draws them. Two failures are the same if they are of the same class, in the
same operator, and equally certain, or have the same message. The same failure always gives the same
files. If the runtime hangs, each try takes --timeout. --max-time or Ctrl-C ends the search, and the
smallest model so far is written.

Exit codes: 0 written, 1 the failure is not reproducible, or not on a copy of the model with only
these inputs, 2 nothing fails, or nothing could be read or judged, 130 interrupted, with the
smallest model so far written.`,
		Example: `  petrify reduce model.onnx
  petrify reduce model.onnx --runtime ort-node -o report
  petrify reduce golden --runtime ort-node --ort-optimization off
  petrify reduce model.onnx --max-time 10m --timeout 10s
  petrify reduce unet.onnx --shape x=1x3x256x256 --range x=0..255`,
		Args: arguments(1, 1, "a model file, or a folder with one"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.model = args[0]
			return do(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "out", "o", "", "folder to write to, which must be empty (default: the model's name with -reduced, in the working directory)")
	f.StringSliceVarP(&o.runtimes, "runtime", "r", nil, "runtimes to try until one fails; one that lacks an operator counts as failing only if it is named here (default: "+usualText()+")")
	f.BoolVar(&o.force, "force", false, "replace the files in the folder")
	f.DurationVar(&o.search, "max-time", 0, "time limit of the search; 0 means none")
	o.judging.flags(cmd)
	mustComplete(cmd, "runtime", completeRuntimes)
	mustComplete(cmd, "out", completeFolders)
	return cmd
}

func runReduce(ctx context.Context, o reduceOptions) error {
	if o.search < 0 {
		return fmt.Errorf("--max-time is %v, want 0 or more", o.search)
	}
	if o.out == "" {
		name := filepath.Base(filepath.Clean(o.model))
		o.out = strings.TrimSuffix(name, filepath.Ext(name)) + "-reduced"
	}
	v, err := o.judging.options(o.model)
	if err != nil {
		return err
	}
	settings := o.judging.settings
	if v.Named = len(o.runtimes) > 0; v.Named {
		v.Runtimes, err = findRuntimes(o.runtimes, settings)
	} else {
		v.Runtimes, v.Omit = usualRuntimes(settings), notFor
	}
	if err != nil {
		return err
	}
	if len(v.Runtimes) == 0 {
		return fmt.Errorf("--runtime %s: the reference is what runtimes are judged by, want one of %s", strings.Join(o.runtimes, ","), strings.Join(runtimeNames()[1:], ", "))
	}
	var b *bar
	all := 0
	r, err := reduce.Run(ctx, reduce.Options{Verify: v, Search: o.search, Progress: func(e reduce.Event) {
		if b == nil && e.Nodes > 0 {
			all = e.Nodes
			b = newBar(o.streams, all)
		}
		if now := time.Now(); b.due(now) {
			b.show(now, all-e.Nodes, fmt.Sprintf("%d of %d nodes left", e.Nodes, all), fmt.Sprintf("try %d", e.Tries), e.Doing)
		}
	}})
	b.clear()
	switch {
	case errors.Is(err, reduce.ErrNothing) && len(v.Runtimes) > 0:
		return fmt.Errorf("%s: %w: petrify verify shows the verdict on each runtime", quote.Name(o.model), err)
	case errors.Is(err, reduce.ErrUnsteady):
		return &exitError{exitFinding, err}
	case err != nil:
		return err
	}
	setup := reduce.Setup{
		Command:      fmt.Sprintf("petrify verify --runtime %s%s", r.Runtime, settings.said()),
		Optimization: settings.optimization, Provider: settings.provider, Threads: settings.threads, Tool: "petrify " + version(),
	}
	paths, err := r.Write(o.out, setup, o.force)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.streams.Err, "%s: %s\n", quote.Name(r.Runtime), quote.Text(r.Failure.String()))
	fmt.Fprintf(o.streams.Err, "%d of %d nodes, %d of %d bytes are left after %d tries\n", r.After.Nodes, r.Before.Nodes, r.After.Bytes, r.Before.Bytes, r.Tries)
	for _, path := range paths {
		fmt.Fprintln(o.streams.Out, quote.Name(path))
	}
	switch {
	case r.Interrupted:
		fmt.Fprintln(o.streams.Err, "petrify: interrupted; a smaller model may fail as well")
		return exit(exitInterrupted)
	case r.Unfinished:
		fmt.Fprintf(o.streams.Err, "stopped after --max-time %v; a smaller model may fail as well\n", o.search)
	}
	return nil
}

// said are the flags that set up sessions in another way than the usual.
func (o *runtimeOptions) said() string {
	var text string
	if o.optimization != "all" {
		text += " --ort-optimization " + o.optimization
	}
	if o.threads > 1 {
		text += fmt.Sprintf(" --ort-threads %d", o.threads)
	}
	if o.provider != "" {
		text += " --ep " + quote.Shell(o.provider)
	}
	return text
}

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
		Short: "Make the smallest model that a runtime still gets wrong, for a bug report",
		Long: `reduce takes a model that verify finds a runtime wrong on, or that the runtime refuses, crashes or hangs on, and looks for the
smallest part of it on which the runtime fails in the same way. It begins with the first wrong node alone, on the inputs that
the runtime itself gave it; then it leaves out nodes, also in functions, branches and loops, optional inputs and attributes,
and makes shapes and numbers smaller, as long as the failure stays. Names of the model are also replaced, unless the failure hangs
on them.

What it writes is ready to attach to a bug report: model.onnx, test_data_set_0 with the inputs and the outputs that the model
should have, and README.md, which says what fails, in which version, and how to see it in a few lines of Python. Look through
the folder before you send it: what is left of weights and inputs is yours.

MODEL is a file, or a folder with a model and its test_data_set_N. Without recorded inputs they are drawn, as verify draws
them. A failure is the same if it is of the same class, in the same operator, as certain, or with the same message. The same
failure is reduced to the same files. Of a runtime that hangs, each try takes --timeout. --max-time ends a search, and so does Ctrl-C: the smallest model until then is written.

Exit codes: 0 written, 1 the runtime fails and does not when it is asked again, or not on a copy of the model with these inputs
alone, 2 nothing fails, or nothing could be read or judged, 130 interrupted, with the smallest model so far written.`,
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
	f.StringVarP(&o.out, "out", "o", "", "folder to write to, which must be empty (default: the model's name with -reduced, here)")
	f.StringSliceVarP(&o.runtimes, "runtime", "r", nil, "runtimes to try in this order of reports until one fails; one that lacks an operator fails only if it is named (default: "+usualText()+")")
	f.BoolVar(&o.force, "force", false, "replace what is in the folder")
	f.DurationVar(&o.search, "max-time", 0, "longest search; 0 is no bound")
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
		return fmt.Errorf("--runtime %s: the reference judges, and is not judged: want one of %s", strings.Join(o.runtimes, ","), strings.Join(runtimeNames()[1:], ", "))
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
		return fmt.Errorf("%s: %w: petrify verify says what each runtime comes to", quote.Name(o.model), err)
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
		fmt.Fprintln(o.streams.Err, "petrify: interrupted: a smaller model may fail as well")
		return exit(exitInterrupted)
	case r.Unfinished:
		fmt.Fprintf(o.streams.Err, "the time of --max-time %v is over: a smaller model may fail as well\n", o.search)
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

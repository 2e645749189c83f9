package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/diff"
	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/verify"
)

type diffOptions struct {
	streams  *Streams
	old, now string

	failOn  []string
	format  string
	noRun   bool
	seed    uint64
	timeout time.Duration
	budget  byteSize
}

var diffFormats = []string{"text", "json", "markdown"}

func newDiffCmd(s *Streams, run func(context.Context, diffOptions) error) *cobra.Command {
	o := diffOptions{streams: s, budget: 2 << 30}
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show what changed from one model to another, and its effect on the outputs",
		Long: `diff compares two models: their interface (inputs, outputs, types and free axes), versions,
metadata, the graph node by node, weights with their largest change, also in units in the last
place, sizes and work, and what both compute on the same inputs, with limits that tell whether the
difference is more than rounding. If the new model keeps weights or values in fewer bits (float16,
bfloat16, DequantizeLinear, MatMulNBits), the effect on the outputs is predicted and measured.
Inputs come from the test_data_set_N beside OLD, or are drawn.

The exit code is 1 only for the parts that --fail-on names: interface (changes that break callers), versions, metadata, graph,
weights, sizes (one that grew), outputs (different by more than rounding).`,
		Example: `  petrify diff old.onnx new.onnx
  petrify diff old.onnx new.onnx --fail-on interface,outputs
  petrify diff old.onnx new.onnx --format markdown > comment.md
  petrify diff old.onnx new.onnx --no-run --format json`,
		Args: arguments(2, 2, "two model files"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.old, o.now = args[0], args[1]
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.failOn, "fail-on", nil, "parts whose change is a finding: "+strings.Join(partNames(), ", "))
	f.StringVar(&o.format, "format", "text", "what to show: "+strings.Join(diffFormats, ", "))
	f.BoolVar(&o.noRun, "no-run", false, "compare only the files, not what they compute")
	f.Uint64Var(&o.seed, "seed", 1, "seed for the inputs of models without recorded ones")
	patienceVar(f, &o.timeout, "timeout", 2*time.Minute, "time limit of each evaluation")
	f.Var(&o.budget, "budget", "memory limit for the values of one evaluation")
	mustComplete(cmd, "fail-on", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return partNames(), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func partNames() []string {
	var names []string
	for _, p := range diff.Parts() {
		names = append(names, string(p))
	}
	return names
}

func runDiff(ctx context.Context, o diffOptions) error {
	for _, part := range o.failOn {
		if !slices.Contains(partNames(), part) {
			return fmt.Errorf("--fail-on: unknown part %q, want one of %s%s", part, strings.Join(partNames(), ", "), suggest.DidYouMean(part, partNames()))
		}
	}
	if !slices.Contains(diffFormats, o.format) {
		return fmt.Errorf("--format: unknown format %q, want one of %s%s", o.format, strings.Join(diffFormats, ", "), suggest.DidYouMean(o.format, diffFormats))
	}
	if o.noRun && slices.Contains(o.failOn, string(diff.Computed)) {
		return errors.New("--fail-on outputs and --no-run: outputs are compared by running the models")
	}
	old, err := sound(o.old)
	if err != nil {
		return err
	}
	now, err := sound(o.now)
	if err != nil {
		return err
	}
	r := diff.Models(old, now)
	if !o.noRun {
		err := r.Run(ctx, old, now, verify.Options{Seed: o.seed, Timeout: o.timeout, Reference: reference.Options{Memory: int64(o.budget) / 8}})
		if err != nil {
			return err
		}
	}
	switch o.format {
	case "json":
		err = writeJSON(o.streams.Out, r)
	case "markdown":
		err = r.Markdown(o.streams.Out)
	default:
		err = r.Text(o.streams.Out)
	}
	if err != nil {
		return err
	}
	for _, part := range o.failOn {
		if r.Changed(diff.Part(part)) {
			fmt.Fprintf(o.streams.Err, "petrify: %s changed, which --fail-on names\n", part)
			return exit(exitFinding)
		}
		if part == string(diff.Computed) && r.Outputs.Verdict != verify.Equal {
			fmt.Fprintf(o.streams.Err, "petrify: the outputs could not be compared: %s\n", r.Outputs.Reason)
			return exit(exitProblem)
		}
	}
	return nil
}

// sound reads a model that check finds nothing against.
func sound(path string) (*onnx.Model, error) {
	m, found, err := check.File(path, check.Options{External: true})
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(found, rule.Finding.Hinders); i >= 0 {
		return nil, &exitError{exitProblem, fmt.Errorf("%s: not valid ONNX: %s: %s: %s", shown(path), found[i].Where, found[i].Code, found[i].Message)}
	}
	return m, nil
}

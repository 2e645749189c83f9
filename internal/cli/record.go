package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/report"
	"github.com/petrify-ml/petrify/verify"
)

type recordOptions struct {
	streams *Streams
	model   string

	out     string
	runtime string
	sets    int
	force   bool
	judging judgingOptions
}

func newRecordCmd(s *Streams, do func(context.Context, recordOptions) error) *cobra.Command {
	o := recordOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "record MODEL",
		Short: "Record inputs and a runtime's outputs beside an ONNX model",
		Long: `record draws inputs for a model, as verify does, computes the outputs with a runtime, and writes
both as test_data_set_N, in the layout that ONNX's own test runners replay: input_K.pb and
output_K.pb. From then on, verify uses these inputs for the model in that folder and judges the
recorded outputs as well: later runtimes and new exports are compared on the same data.

A provenance.json beside them has the digest of the model, the runtime that computed the outputs,
with its version and settings, and what was drawn for each input, and why. It contains no times: the
same recording gives the same bytes.

Outputs that are not what the model says are not recorded unless --force is given, nor are those that depend on random numbers, as in
RandomNormalLike: no later run repeats them. Either all sets are written or none.

Exit codes: 0 recorded, 1 the runtime does not compute what the model says, 2 something could not be read, run or written.`,
		Example: `  petrify record model.onnx
  petrify record model.onnx -o golden --sets 4
  petrify record unet.onnx -o golden --shape x=1x3x256x256 --range x=0..255
  petrify record model.onnx -o golden --input x=picture.npy --sets 1
  petrify record model.onnx -o golden --runtime reference`,
		Args: arguments(1, 1, "a model file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.model = args[0]
			return do(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "out", "o", "", "folder to write to, with a copy of the model unless it is the model's own (default: the model's own)")
	f.StringVarP(&o.runtime, "runtime", "r", "ort-node", "runtime whose outputs are recorded; "+judge+" records the float64 outputs of the reference, rounded")
	quantityVar(f, &o.sets, "sets", 2, "data sets to record; further seeds are used if one seed gives too few")
	f.BoolVar(&o.force, "force", false, "replace existing recorded data, and record outputs even if they are not what the model says")
	o.judging.flags(cmd)
	mustComplete(cmd, "runtime", completeRuntimes)
	mustComplete(cmd, "out", completeFolders)
	return cmd
}

// usualProviders are what computes in runtimes that have several ways to.
var usualProviders = map[string]string{"ort-node": "cpu", "ort-python": "cpu", "ort-web": "wasm", "ort-c": "cpu"}

func runRecord(ctx context.Context, o recordOptions) error {
	if o.sets < 1 || o.sets > 1000 {
		return fmt.Errorf("--sets is %d, want 1 to 1000", o.sets)
	}
	v, err := o.judging.options(o.model)
	if err != nil {
		return err
	}
	v.Named = true
	if v.Runtimes, err = findRuntimes([]string{o.runtime}, o.judging.settings); err != nil {
		return err
	}
	recording, err := verify.Record(ctx, v, o.sets, "petrify "+version())
	if err != nil {
		return err
	}
	found := verifyReport(recording.Report, false)
	problem, wrong := false, false
	for _, m := range recording.Report.Models {
		problem = problem || m.Problem != ""
		wrong = wrong || len(v.Runtimes) > 0 && m.Verdict() != verify.Equal && m.Verdict() != verify.Unchecked
	}
	if problem || wrong && !o.force || len(recording.Sets) == 0 {
		if err := report.Text(o.streams.Err, found); err != nil {
			return err
		}
		fmt.Fprintln(o.streams.Err, "nothing was recorded")
		return exit(cmp.Or(found.ExitCode, exitProblem))
	}
	if wrong {
		if err := report.Text(o.streams.Err, found); err != nil {
			return err
		}
	}
	if len(recording.Random) > 0 && !o.force {
		return fmt.Errorf("%s: %s, so that no later run repeats it: nothing was recorded. Make the numbers an input of the model, or say --force for a recording whose inputs are used, and whose outputs are left unchecked", quote.Name(o.model), strings.Join(recording.Random, "; "))
	}
	dir := o.out
	if dir == "" {
		dir = filepath.Dir(o.model)
	}
	for i := range recording.Sets {
		recording.Sets[i].Provenance.Provider = cmp.Or(o.judging.settings.provider, usualProviders[o.runtime])
	}
	paths, err := recording.Write(dir, o.force)
	if err != nil {
		return err
	}
	for _, line := range recording.Report.Models[0].Drawn() {
		fmt.Fprintln(o.streams.Err, quote.Text(line))
	}
	for _, path := range paths {
		fmt.Fprintln(o.streams.Out, quote.Name(path))
	}
	return nil
}

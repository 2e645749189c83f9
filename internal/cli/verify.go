package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/diff"
	"github.com/petrify-ml/petrify/export"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/report"
	"github.com/petrify-ml/petrify/run"
	"github.com/petrify-ml/petrify/verify"
	"github.com/petrify-ml/petrify/witness"
)

type verifyOptions struct {
	streams *Streams
	paths   []string

	runtimes []string
	require  []string
	judging  judgingOptions
	signed   signatureOptions
	against  string
	prove    bool
	limit    string
	strict   bool
	json     bool
	verbose  bool
	junit    string
	reports  reportFiles
	parallel int
}

func newVerifyCmd(s *Streams, do func(context.Context, verifyOptions) error) *cobra.Command {
	o := verifyOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Verify that runtimes compute what ONNX models say",
		Long: `verify checks that every runtime it finds computes what a model says. A reference in float64
computes each element of each output together with the error that rounding can explain, so there is
no tolerance to choose.

A PATH is a model file, or a folder, which stands for all models in and below it.
test_data_set_N/input_K.pb and output_K.pb beside a model are recorded data, and recorded outputs
are judged like those of a runtime. Without recorded inputs, inputs are drawn from --seed: batches
of 1 and 3, lengths of other free axes that the graph accepts, and numbers that make sense to it,
such as valid rows of a table that they index. The report says what was drawn, and why. --shape,
--input and --range specify inputs, and the rest is drawn; inputs that the model refuses are left
out with a note.

The report has one line per runtime; an error of up to 8 spreads passes the screen as equal. If
"equal" means little, because every element is NaN or the output is the same for all inputs, the
line says so. -v shows a table: for each output, the largest error with its place and both values,
the spread that rounding is expected to have there, the error in spreads, the sound limit, and the
smallest fixed atol or rtol that would have passed. A runtime that is not installed, or lacks an
operator, is SKIP with the reason; one that is installed but does not start, lacks the provider of
--ep, or crashes is BROKEN. A model that takes more than --timeout or --budget is reported as not
judged.

Node.js and Python are looked up in PATH, ONNX Runtime for them in NODE_PATH, in Python's packages
or in PYTHONPATH, never in the working directory. External data is read from the model's folder
under the rules of check --external-data, and becomes part of the model before anything runs it.

--signature checks who signed a model or a folder, and that nothing in it has changed since; it runs
nothing. An invalid signature is a finding; if it cannot be read or checked, the exit code is 2.

--against MODEL compares with another model: do both compute the same, except for rounding? For a
quantised copy it reports the effect on the outputs that rounding the weights should have, and the
one that it has.

Exit codes: 0 equal, 1 a finding, 2 something could not be read or judged, nothing was compared, a
runtime crashed, one named by --runtime is broken, one named by --require is missing, or, with
--strict, something was skipped or has no recorded outputs.`,
		Example: `  petrify verify model.onnx
  petrify verify runs/gan/onnx --against runs/gan
  petrify verify model.onnx --runtime load,ort-node --prove
  petrify verify /usr/share/libonnx-testdata/data/node --runtime reference --parallel 4
  petrify verify unet.onnx --shape x=1x3x256x256 --range x=0..255
  petrify verify model.onnx --shape N=4 --input x=picture.npy
  petrify verify model.onnx --arithmetic tf32
  petrify verify model.onnx --runtime ort-node,ort-web --ort-optimization off --ort-threads 2
  petrify verify model.onnx --ep cuda --arithmetic tf32
  petrify verify model.onnx --limit rtol=1e-3,atol=1e-5
  petrify verify model.onnx --against optimised.onnx
  petrify verify model.onnx -v
  petrify verify model.onnx --signature model.sig --public-key key.pub
  petrify verify models --strict --report junit=report.xml --report html=report.html`,
		Args: arguments(1, -1, "model files or folders"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return do(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.runtimes, "runtime", "r", nil, "runtimes to compare with the reference: "+strings.Join(runtimeNames()[1:], ", ")+
		"; "+judge+" alone judges recorded outputs (default: "+usualText()+")")
	f.StringSliceVar(&o.require, "require", nil, "runtimes that must be installed: exit with 2, before any work, if one is missing or broken")
	f.StringVar(&o.against, "against", "", "run folder, whose checkpoint must have the same weights bit for bit; or another model, which must compute the same except for rounding")
	f.BoolVar(&o.prove, "prove", false, "compare every node with the reference, even where the outputs pass the screen")
	f.StringVar(&o.limit, "limit", "", "fixed tolerances instead of derived limits, as in rtol=1e-3,atol=1e-5")
	f.BoolVar(&o.strict, "strict", false, "exit with 2 if anything was skipped or is unsupported")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show a table with every figure of every output")
	f.BoolVar(&o.json, "json", false, "write every figure as JSON")
	exclusive(cmd, "json", "verbose")
	f.StringVar(&o.junit, "junit", "", "also write a JUnit report to this file: short for --report junit=FILE")
	o.reports.flag(cmd)
	f.IntVar(&o.parallel, "parallel", 1, "models to verify at the same time")
	o.judging.flags(cmd)
	o.signed.flags(f)
	mustComplete(cmd, "runtime", completeRuntimes)
	mustComplete(cmd, "require", completeRuntimes)
	mustComplete(cmd, "against", completeFolders)
	return cmd
}

func runVerify(ctx context.Context, o verifyOptions) error {
	if slices.Contains(o.paths, "-") {
		return errors.New("verify reads no standard input (-), want files; only check and inspect read a model from it")
	}
	if err := o.signed.validate(o.paths); err != nil {
		return err
	}
	if o.signed.path != "" {
		return o.signed.check(ctx, o.streams, o.paths[0])
	}
	if o.parallel < 1 {
		return fmt.Errorf("--parallel is %d, want at least 1", o.parallel)
	}
	if o.junit != "" {
		o.reports.wanted = append(o.reports.wanted, "junit="+o.junit)
	}
	if err := o.reports.check(); err != nil {
		return err
	}
	v, err := o.judging.options(o.paths...)
	if err != nil {
		return err
	}
	v.Prove, v.Parallel = o.prove, o.parallel
	var other *diff.Copy
	if err := o.choose(ctx, &v); err != nil {
		return err
	}
	if o.limit != "" {
		if v.Fixed, err = parseLimit(o.limit); err != nil {
			return err
		}
	}
	switch info, err := os.Stat(o.against); {
	case o.against == "":
	case err == nil && info.Mode().IsRegular():
		if other, err = o.otherModel(v.Reference); err != nil {
			return fmt.Errorf("--against: %w", err)
		}
		v.Runtimes, v.Omit, v.Named = []witness.Runtime{other}, nil, true
	default:
		folder, err := run.Open(o.against)
		if err != nil {
			return err
		}
		if v.Against, err = shippedWeights(folder); err != nil {
			return err
		}
	}
	found, err := watched(ctx, o.streams, v)
	if err != nil {
		return err
	}
	if other != nil && len(found.Models) > 0 {
		found.Models[0].Notes = append(found.Models[0].Notes, other.Quantisation().Lines()...)
	}
	r := verifyReport(found, o.strict)
	if err := o.reports.write(ctx, r); err != nil {
		return err
	}
	switch {
	case o.json:
		err = writeJSON(o.streams.Out, found)
	case o.verbose:
		err = found.WriteTable(o.streams.Out)
	default:
		err = report.Text(o.streams.Out, r)
	}
	if err != nil {
		return err
	}
	return exit(r.ExitCode)
}

// otherModel is a runtime that computes what the model of --against says.
func (o *verifyOptions) otherModel(options reference.Options) (*diff.Copy, error) {
	if len(o.paths) != 1 {
		return nil, fmt.Errorf("%s is a model, to compare with one other, and %d paths are given", quote.Name(o.against), len(o.paths))
	}
	old, err := sound(o.paths[0])
	if err != nil {
		return nil, err
	}
	now, err := sound(o.against)
	if err != nil {
		return nil, err
	}
	return diff.NewCopy(old, now, options), nil
}

// verifyReport is what a verification found, in the form that all formats are written from.
func verifyReport(found *verify.Report, strict bool) *report.Report {
	r := &report.Report{Tool: "petrify verify", Version: version()}
	for _, m := range found.Models {
		f := report.File{Path: m.Path}
		f.AddVerification(m)
		r.Files = append(r.Files, f)
	}
	r.Settle()
	code, why := found.Exit(strict)
	if code == exitDone {
		r.Excuse()
	}
	r.ExitCode, r.Reason = code, why
	for _, f := range r.Files {
		if f.Status == report.Finding {
			r.Next = append(r.Next, fmt.Sprintf("petrify verify %s -v shows every figure", quote.Shell(f.Path)))
			break
		}
	}
	if next := forReport(r); next != "" {
		r.Next = append(r.Next, next)
	}
	return r
}

// choose settles which runtimes are compared with the reference, and wants those there that are required.
func (o *verifyOptions) choose(ctx context.Context, v *verify.Options) error {
	names, settings := o.runtimes, o.judging.settings
	if settings.provider != "" && len(names) == 0 {
		names = withProviders()
	}
	required, err := findRuntimes(o.require, settings)
	if err != nil {
		return fmt.Errorf("--require: %w", err)
	}
	for _, rt := range required {
		limited, cancel := context.WithTimeout(ctx, o.judging.timeout)
		_, err := rt.Version(limited)
		cancel()
		if err != nil {
			return fmt.Errorf("--require %s: %w", rt.Name(), err)
		}
	}
	if v.Named = len(names) > 0; v.Named {
		if settings.provider != "" {
			if i := slices.IndexFunc(names, func(n string) bool { return n != judge && !slices.Contains(withProviders(), n) }); i >= 0 {
				return fmt.Errorf("--ep is for %s: %s has no execution providers", strings.Join(withProviders(), " and "), names[i])
			}
		}
		v.Runtimes, err = findRuntimes(slices.Concat(names, o.require), settings)
		return err
	}
	v.Runtimes, v.Omit = usualRuntimes(settings), notFor
	for _, rt := range required {
		if !slices.ContainsFunc(v.Runtimes, func(u witness.Runtime) bool { return u.Name() == rt.Name() }) {
			v.Runtimes = append(v.Runtimes, rt)
		}
	}
	return nil
}

// parseLimit reads rtol=X,atol=Y, of which either may be left out.
func parseLimit(text string) (*verify.FixedLimit, error) {
	var f verify.FixedLimit
	for part := range strings.SplitSeq(text, ",") {
		name, value, named := strings.Cut(part, "=")
		if !named {
			return nil, fmt.Errorf("--limit %s: %q does not say which tolerance it is, want rtol=1e-3, atol=1e-5 or both", text, part)
		}
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || !(x >= 0) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("--limit %s: %q is %q, want a number from 0 on, as in rtol=1e-3,atol=1e-5", text, name, value)
		}
		switch name {
		case "rtol":
			f.Rtol = verify.Number(x)
		case "atol":
			f.Atol = verify.Number(x)
		default:
			return nil, fmt.Errorf("--limit %s: unknown tolerance %q, want rtol or atol", text, name)
		}
	}
	return &f, nil
}

// watched verifies, with a bar where somebody watches.
func watched(ctx context.Context, s *Streams, o verify.Options) (*verify.Report, error) {
	var b *bar
	o.Progress = func(e verify.Event) {
		if b == nil {
			b = newBar(s, e.Models)
		}
		if now := time.Now(); b.due(now) {
			at := e.Runtime
			if e.Nodes > 0 {
				at = fmt.Sprintf("node %d of %d", e.Node, e.Nodes)
			}
			b.show(now, e.Model-1, fmt.Sprintf("%d of %d", e.Model, e.Models), at, filepath.Base(filepath.Dir(e.Path)), e.Set)
		}
	}
	if os.Getenv("GOGC") == "" { // values are few and large: to collect them early costs little
		defer debug.SetGCPercent(debug.SetGCPercent(25))
	}
	found, err := verify.Run(ctx, o)
	b.clear()
	return found, err
}

// shippedWeights gives the weights that a model of a run must hold: those of the run's latest checkpoint, as the
// file says that they are written: with batch normalisations folded into them, and for which operator.
func shippedWeights(folder *run.Folder) (func(*onnx.Model) (map[string]verify.Weight, error), error) {
	shipped, err := folder.Weights()
	if err != nil {
		return nil, err
	}
	return func(file *onnx.Model) (map[string]verify.Weight, error) {
		var o export.Options
		for _, e := range file.Proto.GetMetadataProps() {
			switch e.GetKey() {
			case export.MetaNorm:
				o.KeepBatchNorm = e.GetValue() == export.NormKept
			case export.MetaDense:
				o.Dense = export.Dense(e.GetValue())
			case export.MetaWidth:
				o.Precision = export.Precision(e.GetValue())
			}
		}
		tensors, err := shipped(file.Proto.GetGraph().GetName(), o)
		weights := map[string]verify.Weight{}
		for _, t := range tensors {
			weights[t.Name] = verify.Weight{Dims: t.Dims, Data: t.Data}
		}
		return weights, err
	}, nil
}

// verifiedExport has the usual runtimes compute what a run has exported to the paths, compares the weights with its checkpoint's, and
// writes the report to w. What is done already, should Ctrl-C end it, is said by the last argument.
func verifiedExport(ctx context.Context, s *Streams, w io.Writer, folder *run.Folder, paths []string, done string) (*verify.Report, error) {
	weights, err := shippedWeights(folder)
	if err != nil {
		return nil, err
	}
	found, err := watched(ctx, s, verify.Options{Paths: paths, Runtimes: usualRuntimes(runtimeOptions{}), Against: weights})
	if err != nil {
		return nil, interruptedAfter(ctx, err, done)
	}
	if err := report.Text(w, verifyReport(found, false)); err != nil {
		return nil, err
	}
	if code := found.ExitCode(false); code != exitDone {
		where := make([]string, len(paths))
		for i, p := range paths {
			where[i] = quote.Name(p)
		}
		return nil, &exitError{code, fmt.Errorf("the files in %s did not pass: no certificate", strings.Join(where, ", "))}
	}
	return found, nil
}

// writeCertificate puts the certificate of a report beside its models.
func writeCertificate(ctx context.Context, r *verify.Report, folder *run.Folder) error {
	c, err := r.Certificate(folder.ONNX(), "petrify "+version())
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return errors.Join(errors.New("certificate"), err)
	}
	return writeFile(ctx, folder.Certificate(), append(b, '\n'))
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/gate"
	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/report"
	"github.com/petrify-ml/petrify/witness"
)

type gateOptions struct {
	streams *Streams
	files   []string

	config   string
	places   runtimeOptions
	format   string
	verbose  bool
	reports  reportFiles
	baseline bool
	results  string
	cache    bool
	shard    string
	manifest string
	parallel int
}

// policyName is the policy file that is looked for where none is named.
const policyName = "petrify.yaml"

func newGateCmd(s *Streams, run func(context.Context, gateOptions) error) *cobra.Command {
	o := gateOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "gate [FILE...]",
		Short: "Check and verify the models of a repository as its policy says",
		Long: `gate reads petrify.yaml, checks and verifies the models that it names, and compares them with its
budgets. petrify init writes such a file for the models that it finds. Paths and patterns in it are
relative to its folder. If FILEs are given, only those are judged.

Findings that the policy ignores (until a given date), or that the baseline lists, are shown but do
not count. --write-baseline writes a baseline of all present findings, so that only new findings
fail.

--results keeps the result of each model under a digest of the model, its data, the settings and the
program: models with a result are not judged again, and petrify report merges the results of many
machines. --cache does the same in the user's own cache. --shard I/N judges the I-th of N parts,
counted from 0, which are the same on every machine; /N takes I from JOB_COMPLETION_INDEX
(Kubernetes) or SLURM_ARRAY_TASK_ID, and auto also takes N, from JOB_COMPLETIONS or the bounds of
the Slurm array.

--manifest reads the models from a list, one per line: paths relative to the policy's folder,
absolute paths, file:// URLs, and in petrify-fleet URLs of objects: s3://BUCKET/KEY and
gs://BUCKET/KEY. A URL that ends in / is a folder with a model and its data. Lines that begin with #
are skipped. - reads the list from the standard input.

Exit codes: 0 no findings that count, 1 findings, 2 something could not be judged, or the policy is invalid.`,
		Example: `  petrify gate
  petrify gate -c ci/petrify.yaml --format github --report sarif=petrify.sarif
  petrify gate --write-baseline
  petrify gate --cache models/classifier.onnx
  petrify gate --shard 3/16 --results results && petrify report results
  petrify gate --manifest models.txt --shard auto --results /shared/results
  find /data -name '*.onnx' | petrify gate --manifest - --cache`,
		Args: arguments(0, -1, "model files that the policy applies to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", policyName, "policy file")
	formatFlag(cmd, f, &o.format)
	o.verboseFlag(f)
	o.reports.flag(cmd)
	f.BoolVar(&o.baseline, "write-baseline", false, "write all present findings to the policy's baseline")
	f.StringVar(&o.results, "results", "", "folder that keeps the result of each model; in petrify-fleet also a URL, s3://BUCKET/FOLDER")
	f.BoolVar(&o.cache, "cache", false, "keep results in the user's cache")
	exclusive(cmd, "results", "cache")
	f.StringVar(&o.shard, "shard", "", "judge one of N parts: I/N, or /N with I from the environment, or auto with both")
	f.StringVar(&o.manifest, "manifest", "", "file with one model per line, instead of the policy's patterns; - is the standard input")
	f.IntVar(&o.parallel, "parallel", 0, "models to judge at the same time (default: one per processor)")
	o.places.placeFlags(f)
	return cmd
}

func (o *gateOptions) verboseFlag(f *pflag.FlagSet) {
	f.BoolVarP(&o.verbose, "verbose", "v", false, "also show a table with every figure of every output")
}

// formatFlag is the flag for the format of what is shown.
func formatFlag(cmd *cobra.Command, f *pflag.FlagSet, format *string) {
	f.StringVar(format, "format", "text", "what to show: "+strings.Join(formatNames(), ", "))
	mustComplete(cmd, "format", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var offers []string
		for _, f := range report.Formats() {
			offers = append(offers, f.Name+"\t"+f.Doc)
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	})
}

func runGate(ctx context.Context, o gateOptions) error {
	format, err := o.shape()
	if err != nil {
		return err
	}
	p, g, err := o.policy()
	if err != nil {
		return err
	}
	if o.baseline && p.Baseline == "" {
		return fmt.Errorf("--write-baseline: %s names no baseline, want a line such as baseline: petrify-baseline.json", shown(o.config))
	}
	if g.Shard, g.Shards, err = parseShard(o.shard, os.Getenv); err != nil {
		return err
	}
	if g.Files, err = o.chosen(g.Root); err != nil {
		return err
	}
	g.Store = o.streams.Objects
	g.Results, g.Parallel, g.Cache = o.results, o.parallel, o.cache
	if o.cache {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("--cache: %w", err)
		}
		g.Results = filepath.Join(dir, "petrify", "results")
	}
	shown := progress{streams: o.streams, what: "models"}
	g.Progress = func(done, all int, _ string) { shown.show(done, all) }
	r, err := gate.Run(ctx, p, g)
	shown.clear()
	if err != nil {
		return err
	}
	if o.baseline {
		b, err := gate.Baseline(r)
		if err != nil {
			return err
		}
		return writeFile(ctx, filepath.Join(g.Root, filepath.FromSlash(p.Baseline)), b)
	}
	locate(r, g.Root)
	return o.finish(ctx, format, r)
}

// locate gives files the paths that they have from the working directory, which is what hosts of code show findings beside. Baselines and
// results know them by their paths from the policy's folder. Absolute paths and URLs stay.
func locate(r *report.Report, root string) {
	if filepath.IsAbs(root) {
		here, err := os.Getwd()
		if err != nil {
			return
		}
		if root, err = filepath.Rel(here, root); err != nil {
			return
		}
	}
	for k := range r.Files {
		if name := r.Files[k].Path; filepath.IsAbs(filepath.FromSlash(name)) || strings.Contains(name, "://") { // no clean path has the latter
			continue
		}
		r.Files[k].Path = path.Join(filepath.ToSlash(root), r.Files[k].Path)
		if v := r.Files[k].Verification; v != nil {
			v.Path = r.Files[k].Path
		}
	}
}

// shape is the format that is shown, once the flags about reports are right.
func (o *gateOptions) shape() (report.Format, error) {
	format, err := findFormat("--format", o.format)
	if err != nil {
		return format, err
	}
	if o.verbose && format.Name != "text" {
		return format, fmt.Errorf("--verbose is for --format text, and %s has every figure that it can show", format.Name)
	}
	return format, o.reports.check()
}

// finish writes a report where it is wanted, and ends with its exit code.
func (o *gateOptions) finish(ctx context.Context, format report.Format, r *report.Report) error {
	if r.ExitCode != exitDone {
		for _, f := range r.Files {
			if len(f.Findings) > 0 && f.Status != report.Pass {
				r.Next = append(r.Next, fmt.Sprintf("petrify rules %s explains the first finding; %s can ignore it, with a reason and a last day", firstCounting(&f), quote.Name(o.config)))
				break
			}
		}
		if next := forReport(r); next != "" {
			r.Next = append(r.Next, next)
		}
	}
	if err := o.reports.write(ctx, r); err != nil {
		return err
	}
	if o.verbose {
		for _, f := range r.Files {
			if f.Verification == nil {
				continue
			}
			if err := f.Verification.WriteTable(o.streams.Out); err != nil {
				return err
			}
			fmt.Fprintln(o.streams.Out)
		}
	}
	if err := show(o.streams, format, r); err != nil {
		return err
	}
	return exit(r.ExitCode)
}

// forReport is how to make a bug report of the first runtime that is wrong, empty if none is.
func forReport(r *report.Report) string {
	for _, f := range r.Files {
		for _, rt := range f.Runtimes {
			if rt.Status != report.Finding || !slices.Contains(runtimeNames(), rt.Name) { // recorded, or the other model
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(f.Path)); err == nil {
				return fmt.Sprintf("petrify reduce %s --runtime %s reduces it to what the runtime gets wrong, for a bug report", quote.Shell(f.Path), quote.Shell(rt.Name))
			}
		}
	}
	return ""
}

func firstCounting(f *report.File) string {
	for _, i := range f.Findings {
		if i.Counts() {
			return i.Rule
		}
	}
	return ""
}

// policy reads the policy file.
func (o *gateOptions) policy() (*gate.Policy, gate.Options, error) {
	b, err := os.ReadFile(o.config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gate.Options{}, fmt.Errorf("%w: petrify init writes one", err)
	}
	if err != nil {
		return nil, gate.Options{}, err
	}
	p, err := gate.Parse(b)
	if err != nil {
		return nil, gate.Options{}, fmt.Errorf("%s: %w", shown(o.config), err)
	}
	g := gate.Options{
		Root: filepath.Dir(o.config), Version: version(), Today: time.Now(),
		Runtimes: func(names []string) ([]witness.Runtime, error) { return findRuntimes(names, o.places) },
	}
	for _, s := range append([]gate.Settings{p.Settings}, overridden(p)...) {
		if s.Runtimes == nil {
			continue
		}
		for _, list := range [][]string{s.Runtimes.Require, s.Runtimes.Try} {
			if _, err := findRuntimes(list, o.places); err != nil {
				return nil, g, fmt.Errorf("%s: runtimes: %w", shown(o.config), err)
			}
		}
	}
	return p, g, nil
}

func overridden(p *gate.Policy) []gate.Settings {
	var all []gate.Settings
	for _, o := range p.Overrides {
		all = append(all, o.Settings)
	}
	return all
}

// chosen are the files of the command line and of the manifest, relative to the policy's folder; nil where there are none.
func (o *gateOptions) chosen(root string) ([]string, error) {
	var files []string
	if o.manifest != "" {
		if len(o.files) > 0 {
			return nil, errors.New("both --manifest and FILEs are given, want one of them")
		}
		return readManifest(o.streams, o.manifest)
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	for _, name := range o.files {
		full, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(abs, full)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return nil, fmt.Errorf("%s is not in the policy's folder %s", quote.Name(name), quote.Name(root))
		}
		files = append(files, filepath.ToSlash(rel))
	}
	return files, nil
}

// readManifest reads a list of models, from standard input where it is called -.
func readManifest(s *Streams, path string) ([]string, error) {
	in := s.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("--manifest: %w", err)
		}
		defer f.Close()
		in = f
	}
	names, err := gate.ReadManifest(in, s.Objects)
	if err != nil {
		return nil, fmt.Errorf("--manifest: %s: %w", shown(path), err)
	}
	return names, nil
}

// parseShard reads I/N, /N or auto; zeros for "".
func parseShard(text string, env func(string) string) (shard, shards int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	i, n, ok := strings.Cut(text, "/")
	if text == "auto" {
		if i, n, err = place(env); err != nil {
			return 0, 0, fmt.Errorf("--shard auto: %w", err)
		}
		ok = true
	}
	if i == "" {
		if i = env("JOB_COMPLETION_INDEX"); i == "" {
			i = env("SLURM_ARRAY_TASK_ID")
		}
		if i == "" {
			return 0, 0, fmt.Errorf("--shard %s: neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set, want I/N", text)
		}
	}
	shard, err1 := strconv.Atoi(i)
	shards, err2 := strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || shards < 1 || shard < 0 || shard >= shards {
		return 0, 0, fmt.Errorf("--shard %s: part %s of %s, want I/N with I from 0 to N-1", text, quote.Quote(i), quote.Quote(n))
	}
	return shard, shards, nil
}

// place is which part of how many the environment says that this process is: one of an indexed Job of Kubernetes, or of an
// array of Slurm, wherever that begins and in whatever steps it counts.
func place(env func(string) string) (i, n string, err error) {
	if i, n = env("JOB_COMPLETION_INDEX"), env("JOB_COMPLETIONS"); i != "" {
		if n == "" {
			return "", "", errors.New("JOB_COMPLETION_INDEX is set and JOB_COMPLETIONS is not: give the container the Job's completions under that name, or say --shard /N")
		}
		return i, n, nil
	}
	if env("SLURM_ARRAY_TASK_ID") == "" {
		return "", "", errors.New("neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set, want I/N")
	}
	var v [5]int
	for k, name := range []string{"ID", "MIN", "MAX", "STEP", "COUNT"} {
		name = "SLURM_ARRAY_TASK_" + name
		if v[k], err = strconv.Atoi(env(name)); err != nil {
			return "", "", fmt.Errorf("%s is %s, want a number", name, quote.Quote(env(name)))
		}
	}
	id, least, most, step, count := v[0], v[1], v[2], max(v[3], 1), v[4]
	if (most-least)/step+1 != count || (id-least)%step != 0 {
		return "", "", fmt.Errorf("the array has %d tasks from %d to %d, with gaps, so that parts would be left out: say --shard /N, with the N of the whole", count, least, most)
	}
	return strconv.Itoa((id - least) / step), strconv.Itoa(count), nil
}

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
		Short: "Check and verify the models of a repository, as its policy says",
		Long: `gate reads petrify.yaml, checks and verifies the models that it names, and holds them to its budgets. petrify init writes such a
file for the models that it finds. Paths and patterns in it are relative to its folder; with FILEs, those alone are judged.

A finding that the policy ignores, until the day that it says, or that the baseline knows, is shown and does not count.
--write-baseline makes a baseline of all that is found now, so that new findings alone fail.

--results keeps the result of each model under a digest of the model, its data, the settings and the program: what is there is
not judged again, and petrify report puts the results of many machines together. --cache does the same in the user's own cache.
--shard I/N judges the I-th of N parts, counted from 0, the same on every machine; /N takes I from JOB_COMPLETION_INDEX
(Kubernetes) or SLURM_ARRAY_TASK_ID.

Exit codes: 0 no finding that counts, 1 findings, 2 something could not be judged, or the policy is wrong.`,
		Example: `  petrify gate
  petrify gate -c ci/petrify.yaml --format github --report sarif=petrify.sarif
  petrify gate --write-baseline
  petrify gate --cache models/classifier.onnx
  petrify gate --shard 3/16 --results results && petrify report results`,
		Args: arguments(0, -1, "model files that the policy is about"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", policyName, "policy file")
	formatFlag(cmd, f, &o.format)
	o.reports.flag(cmd)
	f.BoolVar(&o.baseline, "write-baseline", false, "write what is found now to the policy's baseline")
	f.StringVar(&o.results, "results", "", "folder that keeps the result of each model")
	f.BoolVar(&o.cache, "cache", false, "keep results in the user's cache")
	exclusive(cmd, "results", "cache")
	f.StringVar(&o.shard, "shard", "", "judge one of N parts: I/N, or /N with I from the environment")
	f.StringVar(&o.manifest, "manifest", "", "file with a path a line, relative to the policy's folder, in place of the policy's patterns")
	f.IntVar(&o.parallel, "parallel", 0, "models to judge at the same time (default: one a processor)")
	o.places.placeFlags(f)
	return cmd
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
	format, err := findFormat("--format", o.format)
	if err != nil {
		return err
	}
	if err := o.reports.check(); err != nil {
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
	g.Results, g.Parallel = o.results, o.parallel
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
		return writeFile(filepath.Join(g.Root, filepath.FromSlash(p.Baseline)), b)
	}
	return finish(o.streams, format, &o.reports, r, o.config)
}

// finish writes a report where it is wanted, and ends with its exit code.
func finish(s *Streams, format report.Format, files *reportFiles, r *report.Report, config string) error {
	if r.ExitCode != exitDone {
		for _, f := range r.Files {
			if len(f.Findings) > 0 && f.Status != report.Pass {
				r.Next = append(r.Next, fmt.Sprintf("petrify rules %s explains the first finding; %s can ignore it, with a reason and a last day", firstCounting(&f), quote.Name(config)))
				break
			}
		}
	}
	if err := files.write(r); err != nil {
		return err
	}
	if err := show(s, format, r); err != nil {
		return err
	}
	return exit(r.ExitCode)
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
			return nil, errors.New("--manifest and FILEs are given, want one of them")
		}
		f, err := os.Open(o.manifest)
		if err != nil {
			return nil, fmt.Errorf("--manifest: %w", err)
		}
		defer f.Close()
		files = []string{}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if strings.Contains(line, "://") {
				return nil, fmt.Errorf("--manifest: %s: objects of a store are not read, want a path; mount the store, or copy the files first", quote.Quote(line))
			}
			files = append(files, filepath.ToSlash(filepath.Clean(line)))
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("--manifest: %w", err)
		}
		return files, nil
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

// parseShard reads I/N or /N; zeros for "".
func parseShard(text string, env func(string) string) (shard, shards int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	i, n, ok := strings.Cut(text, "/")
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

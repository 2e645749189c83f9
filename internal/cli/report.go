package cli

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/gate"
)

type reportOptions struct {
	gateOptions
	dir string
}

func newReportCmd(s *Streams, run func(context.Context, reportOptions) error) *cobra.Command {
	o := reportOptions{gateOptions: gateOptions{streams: s}}
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Merge the results of petrify gate from many machines",
		Long: `report reads the results that petrify gate --results wrote to a folder (in petrify-fleet also
s3://BUCKET/FOLDER and gs://BUCKET/FOLDER), from any number of machines, and reports them as a
single gate over all models would: with the ignores and the baseline of the policy, in every format,
with the same exit code.

--manifest says which models there must be: those without a result are reported as not judged.
Without it, a part that never ran goes unnoticed.`,
		Example: `  petrify report results
  petrify report results --manifest models.txt
  petrify report results --report html=report.html --report junit=report.xml
  petrify report results -c ci/petrify.yaml --format markdown`,
		Args: arguments(1, 1, "a folder of results"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", policyName, "policy file; without one, nothing is ignored")
	formatFlag(cmd, f, &o.format)
	f.StringVar(&o.manifest, "manifest", "", "file with one model per line, as given to petrify gate: each must have a result")
	o.verboseFlag(f)
	o.reports.flag(cmd)
	return cmd
}

func runReport(ctx context.Context, o reportOptions) error {
	format, err := o.shape()
	if err != nil {
		return err
	}
	p, g, err := o.policy()
	if errors.Is(err, fs.ErrNotExist) && o.config == policyName {
		p, g, err = nil, gate.Options{Version: version()}, nil
	}
	if err != nil {
		return err
	}
	if o.manifest != "" {
		if g.Files, err = readManifest(o.streams, o.manifest); err != nil {
			return err
		}
	}
	g.Store = o.streams.Objects
	r, err := gate.Join(ctx, o.dir, p, g)
	if err != nil {
		return err
	}
	if p != nil {
		locate(r, g.Root)
	}
	return o.finish(ctx, format, r)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/gate"
	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/internal/quote"
)

type initOptions struct {
	streams *Streams
	dir     string
	force   bool
}

func newInitCmd(s *Streams, run func(context.Context, initOptions) error) *cobra.Command {
	o := initOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a policy for the models of a folder",
		Long: `init looks for models in and below a folder, and writes a petrify.yaml that shows everything a
policy can say: the models that it found, the runtimes to verify them on, and budgets slightly above
what they take today.`,
		Example: `  petrify init
  petrify init models && petrify gate -c models/petrify.yaml`,
		Args: arguments(0, 1, "at most one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = "."
			if len(args) > 0 {
				o.dir = args[0]
			}
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "overwrite an existing policy")
	return cmd
}

func runInit(ctx context.Context, o initOptions) error {
	path := filepath.Join(o.dir, policyName)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) && !o.force {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s already exists; --force overwrites it", quote.Name(path))
	}
	var names []string
	err := filepath.WalkDir(o.dir, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && at == o.dir:
			return err
		case err != nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.Type().IsRegular() && strings.EqualFold(filepath.Ext(at), ".onnx"):
			rel, err := filepath.Rel(o.dir, at)
			if err != nil {
				return err
			}
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		return err
	}
	text, err := gate.Draft(o.dir, names)
	if err != nil {
		return err
	}
	if err := writeFile(ctx, path, text); err != nil {
		return err
	}
	fmt.Fprintf(o.streams.Err, "wrote %s for %s\n  petrify gate -c %s\n", quote.Name(path), count.Of(len(names), "model"), quote.Shell(path))
	return nil
}

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/internal/suggest"
)

// usageError says what is wrong with a command line, and where to read how it is meant.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	return fmt.Errorf("%w (see %s --help)", fmt.Errorf(format, args...), cmd.CommandPath())
}

// flagError completes what pflag says about a flag.
func flagError(cmd *cobra.Command, err error) error {
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := suggest.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = "; did you mean --" + near + "?"
		}
	}
	return usageError(cmd, "%w%s", err, hint)
}

// arguments checks how many there are; what names them, such as "a run folder".
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError(cmd, "%s: want %s", cmd.Name(), what)
		case most >= 0 && len(args) > most:
			return usageError(cmd, "%s: want %s, got %d arguments: %s", cmd.Name(), what, len(args), strings.Join(args, " "))
		}
		return nil
	}
}

// rootArguments refuses what is no command.
func rootArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usageError(cmd, "no command is called %q%s", args[0], suggest.DidYouMean(args[0], names))
}

// mustComplete registers completion for a flag that exists.
func mustComplete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

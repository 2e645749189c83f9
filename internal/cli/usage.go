package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/internal/suggest"
)

// usageError says what is wrong with a command line, and where to read how it is meant.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	return fmt.Errorf("%w (see %s --help)", fmt.Errorf(format, args...), cmd.CommandPath())
}

// flagError says in petrify's words what pflag says about a flag.
func flagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		hint := ""
		if near := suggest.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = "; did you mean --" + near + "?"
		}
		return usageError(cmd, "%w%s", err, hint)
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag, value := wrong.GetFlag(), quote.Quote(wrong.GetValue())
		want, cause := wanted[flag.Value.Type()], wrong.Unwrap().Error()
		if said, ok := strings.CutPrefix(cause, "want "); ok {
			want = said
		}
		if want != "" {
			return usageError(cmd, "--%s is %s, want %s", flag.Name, value, want)
		}
		return usageError(cmd, "--%s: %s", flag.Name, cause)
	}
	return usageError(cmd, "%w", err)
}

// wanted says what flags of a type take.
var wanted = map[string]string{
	"duration": "a time with its unit, such as 5s, 2m or 1h30m",
	"int":      "a whole number",
	"int64":    "a whole number",
	"uint64":   "a whole number from 0 on",
	"float64":  "a number",
	"bool":     "true or false",
}

// A patience is a time above zero.
type patience time.Duration

// patienceVar is DurationVar for a time that something may take.
func patienceVar(f *pflag.FlagSet, d *time.Duration, name string, value time.Duration, usage string) {
	*d = value
	f.Var((*patience)(d), name, usage)
}

func (p *patience) String() string { return time.Duration(*p).String() }
func (p *patience) Type() string   { return "duration" }

func (p *patience) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	if d <= 0 {
		return errors.New("want a time above 0, such as 5s, 2m or 1h30m")
	}
	*p = patience(d)
	return nil
}

// exclusive refuses more than one of these flags.
func exclusive(cmd *cobra.Command, names ...string) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		var given []string
		for _, n := range names {
			if cmd.Flags().Changed(n) {
				given = append(given, "--"+n)
			}
		}
		if len(given) > 1 {
			return usageError(cmd, "%s cannot be given together: choose one", strings.Join(given, " and "))
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// refuseEmpty refuses flags that were given an empty text, as a variable of a script that is not set gives it: to take it for
// "not given" would do something else than was asked for.
func refuseEmpty(cmd *cobra.Command) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		var empty *pflag.Flag
		cmd.Flags().Visit(func(f *pflag.Flag) {
			switch list, isList := f.Value.(pflag.SliceValue); {
			case empty != nil:
			case isList && !slices.ContainsFunc(list.GetSlice(), func(s string) bool { return s != "" }),
				f.Value.Type() == "string" && f.Value.String() == "":
				empty = f
			}
		})
		if empty != nil {
			return usageError(cmd, "--%s is empty: give it a value, or leave it out", empty.Name)
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// newHelpCmd is cobra's, but that it refuses what is not a command.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about := cmd.Root()
			for _, name := range args {
				inner, _, err := about.Find([]string{name})
				if err != nil || inner == about {
					return unknownCommand(about, name)
				}
				about = inner
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, _, err := cmd.Root().Find(args)
			if err != nil || about == cmd.Root() && len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(about), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// strictCompletion makes cobra's command for completion refuse shells that it does not know.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	cmd, _, err := root.Find([]string{"completion"})
	if err != nil {
		panic(err)
	}
	cmd.Short = "Write the completion script for a shell"
	cmd.Long = "completion writes the script by which a shell completes petrify's commands, flags and models.\nThe help of each shell says how to load it."
	cmd.Args = nil
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		shells := strings.Join(commandNames(cmd), ", ")
		if len(args) == 0 {
			return usageError(cmd, "completion: want a shell: %s", shells)
		}
		return usageError(cmd, "unknown shell %s, want one of %s", quote.Quote(args[0]), shells)
	}
	for _, shell := range cmd.Commands() {
		shell.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(cmd, "completion: want one shell, got %s %s", cmd.Name(), strings.Join(args, " "))
			}
			return nil
		}
	}
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

func unknownCommand(cmd *cobra.Command, name string) error {
	return usageError(cmd, "unknown command %s%s", quote.Quote(name), suggest.DidYouMean(name, commandNames(cmd)))
}

// arguments checks how many there are; what names them, such as "a run folder".
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError(cmd, "%s: want %s", cmd.Name(), what)
		case most >= 0 && len(args) > most:
			return usageError(cmd, "%s: want %s, got %s", cmd.Name(), what, strings.Join(args, " "))
		}
		return nil
	}
}

// rootArguments refuses what is not a command.
func rootArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unknownCommand(cmd, args[0])
}

// helpWidth is how many columns help takes at most.
const helpWidth = 100

// fitHelp breaks the lines of all help texts again: paragraphs are filled, indented lines stay.
func fitHelp(root *cobra.Command) {
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages ", fmt.Sprintf(".FlagUsagesWrapped %d ", helpWidth)))
	for _, c := range append(root.Commands(), root) {
		c.Long = fill(c.Long, helpWidth)
	}
}

// fill breaks lines so that they take at most so many columns.
func fill(text string, width int) string {
	var b strings.Builder
	column := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, " ") {
			if column > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line + "\n")
			column = 0
			continue
		}
		for word := range strings.FieldsSeq(line) {
			switch n := utf8.RuneCountInString(word); {
			case column == 0:
				column = n
			case column+1+n > width:
				b.WriteByte('\n')
				column = n
			default:
				b.WriteByte(' ')
				column += 1 + n
			}
			b.WriteString(word)
		}
	}
	return b.String()
}

// mustComplete registers completion for a flag that exists.
func mustComplete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

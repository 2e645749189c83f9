package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/petrify-ml/petrify/internal/suggest"
	"github.com/petrify-ml/petrify/report"
)

type rulesOptions struct {
	streams *Streams
	codes   []string
	json    bool
}

func newRulesCmd(s *Streams, run func(context.Context, rulesOptions) error) *cobra.Command {
	o := rulesOptions{streams: s}
	cmd := &cobra.Command{
		Use:   "rules [CODE...]",
		Short: "Explain a finding, with an example and how to fix it",
		Long: `rules lists the rules of check, verify and gate, or explains each CODE: what the rule requires, an
example of what breaks it, and how to fix that. Codes do not change between versions. docs/rules.md
has the same text.`,
		Example: `  petrify rules
  petrify rules outputs-differ
  petrify rules --json weight-nan`,
		Args: arguments(0, -1, "codes of rules"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.codes = args
			return run(cmd.Context(), o)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return ruleCodes(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "write JSON")
	return cmd
}

func ruleCodes() []string {
	var codes []string
	for _, r := range report.Rules() {
		codes = append(codes, r.Code)
	}
	return codes
}

// A ruleEntry is a rule in JSON.
type ruleEntry struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	From     string `json:"from"`
	Doc      string `json:"doc"`
	Example  string `json:"example"`
	Repair   string `json:"repair"`
}

func runRules(_ context.Context, o rulesOptions) error {
	all := report.Rules()
	chosen := all
	if len(o.codes) > 0 {
		chosen = nil
	}
	for _, code := range o.codes {
		i := slices.IndexFunc(all, func(r report.Rule) bool { return r.Code == code })
		if i < 0 {
			return fmt.Errorf("unknown rule %q%s (petrify rules lists them)", code, suggest.DidYouMean(code, ruleCodes()))
		}
		chosen = append(chosen, all[i])
	}
	if o.json {
		entries := []ruleEntry{}
		for _, r := range chosen {
			entries = append(entries, ruleEntry{r.Code, r.Severity.String(), r.From, r.Doc, r.Example, r.Repair})
		}
		return writeJSON(o.streams.Out, entries)
	}
	for i, r := range chosen {
		var err error
		if len(o.codes) == 0 {
			_, err = fmt.Fprintf(o.streams.Out, "%-36s %-8s %s\n", r.Code, r.Severity, r.Doc)
		} else {
			if i > 0 {
				fmt.Fprintln(o.streams.Out)
			}
			_, err = fmt.Fprintf(o.streams.Out, "%s (%s, found by petrify %s)\n%s\nExample: %s\nFix: %s\n", r.Code, r.Severity, r.From, r.Doc, r.Example, r.Repair)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

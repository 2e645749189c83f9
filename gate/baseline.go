package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/petrify-ml/petrify/report"
)

// A baseline is the findings that are known: fingerprints with what they stand for, so that people can read the file.
type baseline map[string]known

type known struct {
	Fingerprint string `json:"fingerprint"`
	Path        string `json:"path"`
	Rule        string `json:"rule"`
	Where       string `json:"where,omitempty"`
}

type baselineFile struct {
	Format   int     `json:"format"` // 1
	Findings []known `json:"findings"`
}

// baseline reads the baseline of a policy; a file that is not there yet knows nothing.
func (p *Policy) baseline(root string) (baseline, error) {
	if p.Baseline == "" {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p.Baseline)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	var f baselineFile
	err = json.Unmarshal(b, &f)
	if err == nil && f.Format != 1 {
		err = fmt.Errorf("its format is %d", f.Format)
	}
	if err != nil {
		return nil, fmt.Errorf("baseline: %s is not a baseline of format 1 (%w): petrify gate --write-baseline writes one", p.Baseline, err)
	}
	all := baseline{}
	for _, k := range f.Findings {
		all[k.Fingerprint] = k
	}
	return all, nil
}

func (b baseline) suppress(i *report.Item) {
	if _, ok := b[i.Fingerprint]; ok && i.Suppressed == nil {
		i.Suppressed = &report.Suppression{Kind: "baseline", Reason: "known when the baseline was written"}
	}
}

// Baseline returns a baseline file with a report's findings: those that count, and those that an earlier
// baseline suppressed.
func Baseline(r *report.Report) ([]byte, error) {
	f := baselineFile{Format: 1, Findings: []known{}}
	for _, file := range r.Files {
		for _, i := range file.Findings {
			if i.Counts() || i.Suppressed != nil && i.Suppressed.Kind == "baseline" {
				f.Findings = append(f.Findings, known{i.Fingerprint, file.Path, i.Rule, i.Where})
			}
		}
	}
	slices.SortFunc(f.Findings, func(a, b known) int {
		return slices.Compare([]string{a.Path, a.Rule, a.Where, a.Fingerprint}, []string{b.Path, b.Rule, b.Where, b.Fingerprint})
	})
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

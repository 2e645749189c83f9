package report

import (
	"io"

	"github.com/petrify-ml/petrify/internal/quote"
)

type gitlabIssue struct {
	Description string         `json:"description"`
	CheckName   string         `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"` // info, minor, major, critical or blocker
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string      `json:"path"`
	Lines gitlabLines `json:"lines"`
}

type gitlabLines struct {
	Begin int `json:"begin"`
}

// GitLab writes the findings that are not suppressed as GitLab's code quality report.
func GitLab(w io.Writer, r *Report) error {
	issues := []gitlabIssue{}
	for _, f := range r.Files {
		for _, i := range f.Findings {
			if i.Suppressed != nil {
				continue
			}
			severity := map[string]string{"error": "critical", "warning": "minor"}[i.Severity]
			if severity == "" {
				severity = "info"
			}
			issues = append(issues, gitlabIssue{quote.Text(i.line()), i.Rule, i.Fingerprint, severity,
				gitlabLocation{quote.Text(slashed(f.Path)), gitlabLines{1}}})
		}
	}
	return writeJSON(w, issues)
}

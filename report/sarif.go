package report

import (
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
)

// SARIF 2.1.0 (OASIS), as far as findings about files need it.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	URI     string      `json:"informationUri"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID      string      `json:"id"`
	Short   sarifText   `json:"shortDescription"`
	Help    sarifText   `json:"help"`
	HelpURI string      `json:"helpUri"`
	Default sarifConfig `json:"defaultConfiguration"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	Successful    bool          `json:"executionSuccessful"`
	ExitCode      int           `json:"exitCode"`
	Reason        string        `json:"exitCodeDescription,omitempty"`
	Notifications []sarifNotice `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotice struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

// A sarifRegion is the beginning of the file: GitHub shows nothing that has no line.
type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

var sarifLevels = map[string]string{"error": "error", "warning": "warning", "info": "note"}

// home is where the pages on rules are found.
const home = "https://github.com/petrify-ml/petrify"

// SARIF writes a report as a SARIF log.
func SARIF(w io.Writer, r *Report) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: r.Tool, Version: r.Version, URI: home}}, Results: []sarifResult{}}
	run.Tool.Driver.Rules = []sarifRule{}
	rules := Rules()
	for _, rule := range rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{rule.Code, sarifText{rule.Doc}, sarifText{rule.Doc + " " + rule.Repair},
			home + "/blob/main/docs/rules.md#" + rule.Code, sarifConfig{sarifLevels[rule.Severity.String()]}})
	}
	call := sarifInvocation{Successful: true, ExitCode: r.ExitCode, Reason: quote.Text(r.Reason)}
	for _, f := range r.Files {
		for _, i := range f.Findings {
			if i.Problem && i.Suppressed == nil {
				call.Successful = false
				call.Notifications = append(call.Notifications, sarifNotice{sarifLevels[i.Severity], sarifMessage(f.Path + ": " + i.Message)})
			}
			at := sarifLocation{Physical: sarifPhysical{sarifArtifact{fileURI(f.Path)}, sarifRegion{1}}}
			message := i.Message
			if i.Where != "" {
				at.Logical = []sarifLogical{{quote.Text(i.Where)}}
				message = i.Where + ": " + i.Message
			}
			result := sarifResult{RuleID: i.Rule, RuleIndex: slices.IndexFunc(rules, func(rule Rule) bool { return rule.Code == i.Rule }),
				Level: sarifLevels[i.Severity], Message: sarifMessage(message), Locations: []sarifLocation{at},
				Fingerprints: map[string]string{"petrify/v1": i.Fingerprint}}
			if s := i.Suppressed; s != nil {
				result.Suppressions = []sarifSuppression{{"external", quote.Text(s.Kind + ": " + s.Reason)}}
			}
			run.Results = append(run.Results, result)
		}
	}
	run.Invocations = []sarifInvocation{call}
	return writeJSON(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// sarifMessage is a message that readers show as it stands: what would read as a link in it (SARIF 2.1.0, 3.11.6) is none.
func sarifMessage(text string) sarifText {
	text = quote.Text(text)
	if strings.Contains(text, "](") {
		text = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(text)
	}
	return sarifText{text}
}

// slashed is the path of a file as hosts of code know it: without ./ before it. The URL of an object stays.
func slashed(name string) string {
	if _, _, ok := object(name); ok {
		return name
	}
	return path.Clean(filepath.ToSlash(name))
}

// object takes the URL of an object apart.
func object(name string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(name, "://")
	return scheme, rest, ok && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// fileURI is the name of a file as a relative reference, or as a URI when it is absolute.
func fileURI(name string) string {
	u := url.URL{Path: slashed(name)}
	if scheme, rest, ok := object(name); ok {
		u = url.URL{Scheme: scheme}
		u.Host, u.Path, _ = strings.Cut(rest, "/")
		u.Path = "/" + u.Path
	} else if filepath.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}

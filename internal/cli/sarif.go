package cli

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx/rule"
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
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID            string      `json:"id"`
	Short         sarifText   `json:"shortDescription"`
	Configuration sarifConfig `json:"defaultConfiguration"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	Successful    bool          `json:"executionSuccessful"`
	Notifications []sarifNotice `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotice struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex int             `json:"ruleIndex"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

var sarifLevels = map[string]string{"error": "error", "warning": "warning", "info": "note"}

// sarif turns reports into one log.
func sarif(reports []checkReport) sarifLog {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "petrify check", Version: version()}}, Results: []sarifResult{}}
	rules := rule.All()
	for _, r := range rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{r.Code, sarifText{r.Doc}, sarifConfig{sarifLevels[r.Severity.String()]}})
	}
	call := sarifInvocation{Successful: true}
	for _, r := range reports {
		if r.Problem != "" {
			call.Successful = false
			call.Notifications = append(call.Notifications, sarifNotice{"error", sarifMessage(r.Problem)})
		}
		for _, f := range r.Findings {
			at := sarifLocation{sarifPhysical{sarifArtifact{fileURI(r.File)}}, []sarifLogical{{f.Where}}}
			index := slices.IndexFunc(rules, func(rule rule.Rule) bool { return rule.Code == f.Code })
			run.Results = append(run.Results, sarifResult{f.Code, index, sarifLevels[f.Severity], sarifMessage(f.Where + ": " + f.Message), []sarifLocation{at}})
		}
	}
	run.Invocations = []sarifInvocation{call}
	return sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}
}

// sarifMessage is a message that readers show as it stands: what would read as a link in it (SARIF 2.1.0, 3.11.6) is none.
func sarifMessage(text string) sarifText {
	if strings.Contains(text, "](") {
		text = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(text)
	}
	return sarifText{text}
}

// fileURI is the name of a file as a relative reference, or as a URI when it is absolute.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}

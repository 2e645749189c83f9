// Package report writes one result in every format: text for people, and the formats that CI systems, code hosts
// and browsers read.
//
// What a command finds becomes a [Report]: files, the runtimes that were tried on them, and findings under the codes of rules.
// [Formats] lists what it can be written as; a format is a file of this package and a line in that list. Names and messages may
// come out of hostile files, so that each format escapes them in its own way, and the tests hold every format to the same names.
package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/count"
	"github.com/petrify-ml/petrify/verify"
)

// A Status is what became of a file, or of a runtime on it.
type Status string

const (
	Pass    Status = "pass"
	Finding Status = "finding"
	Problem Status = "problem" // it could not be judged
	Skipped Status = "skipped"
)

// A Report is what a command found.
type Report struct {
	Schema   int     `json:"schema"` // of this structure: 1
	Tool     string  `json:"tool"`   // such as "petrify gate"
	Version  string  `json:"version"`
	Files    []File  `json:"files"`
	Summary  Summary `json:"summary"`
	ExitCode int     `json:"exit_code"`
	// Reason says why the exit code is not 0.
	Reason string `json:"reason,omitempty"`
	// Next are sentences that say what to do now.
	Next []string `json:"next,omitempty"`
}

// A Summary counts files by their status, and findings that count and that do not.
type Summary struct {
	Files      int `json:"files"`
	Passed     int `json:"passed"`
	Findings   int `json:"findings"` // files with findings that count
	Problems   int `json:"problems"`
	Skipped    int `json:"skipped"`
	Suppressed int `json:"suppressed"` // findings that a policy or a baseline takes out of the count
}

// A File is what was found about one file.
type File struct {
	Path     string    `json:"path"`
	SHA256   string    `json:"sha256,omitempty"`
	Status   Status    `json:"status"`
	Runtimes []Runtime `json:"runtimes,omitempty"`
	Findings []Item    `json:"findings"`
	Notes    []string  `json:"notes,omitempty"`
	// Verification has every figure from which the runtimes' lines are made.
	Verification *verify.ModelReport `json:"verification,omitempty"`
}

// A Runtime is a line on one runtime.
type Runtime struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Settings are those of its sessions, where they are not the usual ones: provider, optimisations, threads.
	Settings string `json:"settings,omitempty"`
	Status   Status `json:"status"`
	Word     string `json:"word"`           // equal, DIFFERENT, SKIP ...
	Text     string `json:"text,omitempty"` // such as "3 sets  worst 1.2 spreads", or the reason
}

// An Item is one finding.
type Item struct {
	Rule     string `json:"rule"`     // a stable code
	Severity string `json:"severity"` // error, warning or info
	Where    string `json:"where,omitempty"`
	Message  string `json:"message"`
	// Problem says that something could not be judged, which is not the file's fault.
	Problem     bool         `json:"problem,omitempty"`
	Fingerprint string       `json:"fingerprint"`
	Suppressed  *Suppression `json:"suppressed,omitempty"`
}

// A Suppression says why a finding does not count.
type Suppression struct {
	Kind   string `json:"kind"` // ignored or baseline
	Reason string `json:"reason"`
	Until  string `json:"until,omitempty"` // the last day of it, as 2026-12-31
}

// Add adds a finding, with its fingerprint.
func (f *File) Add(i Item) {
	i.Fingerprint = fingerprint(f.Path, i)
	f.Findings = append(f.Findings, i)
}

// fingerprint tells a finding from others over changes that do not concern it: figures in a message change from machine to
// machine, so that digits do not count.
func fingerprint(path string, i Item) string {
	words := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' || r == '+' || r == '-' {
			return -1
		}
		return r
	}, i.Message)
	if i.Problem {
		words = ""
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{strings.ReplaceAll(path, `\`, "/"), i.Rule, i.Where, words}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// Counts reports whether a finding counts: it is an error or a problem, and nothing suppresses it.
func (i *Item) Counts() bool { return i.Suppressed == nil && i.Severity == "error" }

// Settle derives what follows from the findings: each file's status, the summary, the exit code (0, 1 for findings, 2 for
// problems alone) and its reason.
func (r *Report) Settle() {
	r.Schema = 1
	r.Summary = Summary{Files: len(r.Files)}
	var reasons []string
	for k := range r.Files {
		f := &r.Files[k]
		if f.Findings == nil {
			f.Findings = []Item{}
		}
		if f.Status != Skipped {
			f.Status = Pass
		}
		for _, i := range f.Findings {
			switch {
			case i.Suppressed != nil:
				r.Summary.Suppressed++
			case !i.Counts():
			case !i.Problem:
				f.Status = Finding
			case f.Status != Finding:
				f.Status = Problem
			}
		}
		switch f.Status {
		case Pass:
			r.Summary.Passed++
		case Finding:
			r.Summary.Findings++
		case Problem:
			r.Summary.Problems++
		case Skipped:
			r.Summary.Skipped++
		}
	}
	s := r.Summary
	r.ExitCode, r.Reason = 0, ""
	if s.Problems > 0 {
		r.ExitCode = 2
		reasons = append(reasons, fmt.Sprintf("%d of %s could not be judged", s.Problems, count.Of(s.Files, "file")))
	}
	if s.Findings > 0 {
		r.ExitCode = 1
		reasons = append([]string{fmt.Sprintf("%d of %s have findings", s.Findings, count.Of(s.Files, "file"))}, reasons...)
		if s.Findings == 1 {
			reasons[0] = fmt.Sprintf("1 of %s has findings", count.Of(s.Files, "file"))
		}
	}
	r.Reason = strings.Join(reasons, ", ")
}

// Fail sets an exit code that no finding gives, with its reason, unless a graver one is set.
func (r *Report) Fail(code int, reason string) {
	if r.ExitCode == 0 || code == 1 && r.ExitCode != 1 {
		r.ExitCode = code
	}
	if !slices.Contains(strings.Split(r.Reason, ", "), reason) {
		r.Reason = strings.Trim(r.Reason+", "+reason, ", ")
	}
}

// Excuse makes warnings of all that counts, for a command whose exit code is 0 all the same: what could not be judged of one
// file is no failure where others were.
func (r *Report) Excuse() {
	for k := range r.Files {
		for i := range r.Files[k].Findings {
			if x := &r.Files[k].Findings[i]; x.Counts() {
				x.Severity = "warning"
			}
		}
		if r.Files[k].Status == Problem {
			r.Files[k].Status = Skipped
		}
	}
	r.Settle()
}

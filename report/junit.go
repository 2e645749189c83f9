package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/petrify-ml/petrify/internal/quote"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes a report as test results: a suite for each file, a case for the file, for each runtime and for each finding.
func JUnit(w io.Writer, r *Report) error {
	all := junitSuites{Name: r.Tool}
	for _, f := range r.Files {
		s := junitSuite{Name: quote.Text(f.Path)}
		if len(f.Runtimes)+len(f.Findings) == 0 || f.Status == Pass || f.Status == Skipped {
			s.add("file", f.Status, "", "")
		}
		for _, rt := range f.Runtimes {
			status := rt.Status
			if status == Finding || status == Problem {
				continue // its findings are cases of their own
			}
			s.add(rt.Name, status, "", rt.Text)
		}
		for _, i := range f.Findings {
			status := Finding
			switch {
			case !i.Counts():
				status = Skipped
			case i.Problem:
				status = Problem
			}
			name := i.Rule
			if i.Where != "" {
				name += ": " + i.Where
			}
			s.add(name, status, i.Rule, i.line())
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(name string, status Status, kind, why string) {
	c := junitCase{Name: quote.Text(name), Class: s.Name}
	m := &junitMessage{quote.Text(why), kind, ""}
	s.Tests++
	switch status {
	case Finding:
		m.Text = m.Message
		c.Failure = m
		s.Failures++
	case Problem:
		m.Text = m.Message
		c.Error = m
		s.Errors++
	case Skipped:
		c.Skipped = m
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

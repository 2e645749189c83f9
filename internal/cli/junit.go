package cli

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/verify"
)

// The form of test reports that CI systems read: a suite for each model, a case for each output of each runtime.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
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
}

// writeJUnit writes a report in that form.
func writeJUnit(w io.Writer, r *verify.Report) error {
	var all junitSuites
	for _, m := range r.Models {
		s := junitSuite{Name: quote.Text(m.Path)}
		if m.Weights != nil {
			v := verify.Equal
			if !m.Weights.Equal {
				v = verify.Different
			}
			s.add("weights", v, strings.Join(m.Weights.Problems, "; "))
		}
		if m.Problem != "" {
			s.add("model", m.Verdict(), m.Problem)
		}
		for _, rt := range m.Runtimes {
			if rt.Reason != "" {
				s.add(rt.Name, rt.Status, rt.Reason)
			}
		}
		for _, row := range m.Rows {
			why := row.Reason
			if row.Measure != nil && row.Worst != nil {
				why = fmt.Sprintf("largest error %.3g at %v: got %v, want %v, sound limit %.3g; %s", float64(row.Worst.Error),
					row.Worst.Index, float64(row.Worst.Got), float64(row.Worst.Want), float64(row.Worst.Sound), row.Reason)
			}
			s.add(fmt.Sprintf("%s, %s, %s", row.Runtime, row.Set, row.Output), row.Verdict, why)
		}
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(name string, v verify.Verdict, why string) {
	c := junitCase{Name: quote.Text(name), Class: s.Name}
	message := &junitMessage{quote.Text(why)}
	s.Tests++
	switch v {
	case verify.Equal:
	case verify.Different:
		c.Failure = message
		s.Failures++
	case verify.Skipped:
		c.Skipped = message
		s.Skipped++
	default:
		c.Error = message
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

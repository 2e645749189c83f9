package run

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/checkpoint"
	"github.com/petrify-ml/petrify/internal/filetest"
	"github.com/petrify-ml/petrify/train"
)

func event(step int, loss float64) Report {
	return Report{Step: step, Metrics: []train.Metric{{Name: "d_loss", Value: loss}, {Name: "accuracy", Value: 0.9609}}}
}

// report appends events and closes the log.
func report(t *testing.T, f *Folder, resumed int, events ...Report) {
	t.Helper()
	l, _, err := f.openLog(resumed)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := l.append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
}

// steps lists the steps in the log.
func steps(t *testing.T, f *Folder) []int {
	t.Helper()
	events, err := f.Reports()
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for _, e := range events {
		list = append(list, e.Step)
	}
	return list
}

func TestEventIsOneFlatLine(t *testing.T) {
	e := Report{Step: 1000, Metrics: []train.Metric{{Name: "d_loss", Value: 0.129656}, {Name: "acc. <\"%\">", Value: 96.09}, {Name: "g_loss", Value: math.NaN()}, {Name: "rate", Value: math.Inf(1)}, {Name: "tiny", Value: 1e-300}}}
	const want = `{"step":1000,"d_loss":0.129656,"acc. <\"%\">":96.09,"g_loss":null,"rate":null,"tiny":1e-300}`
	b, err := e.MarshalJSON()
	if err != nil || string(b) != want {
		t.Fatalf("line %s, %v; want %s", b, err, want)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Step != 1000 || len(back.Metrics) != 5 || back.Metrics[1] != e.Metrics[1] || !math.IsNaN(back.Get("rate")) || back.Get("tiny") != 1e-300 {
		t.Errorf("read %v, want %v", back, e)
	}
	if !math.IsNaN(back.Get("no such thing")) {
		t.Error("a value that is not there has a number")
	}
	for _, name := range []string{"step", "d_loss"} {
		if _, err := event(1, 1).with(name).MarshalJSON(); err == nil {
			t.Errorf("two values called %s are written", name)
		}
	}
}

func (e Report) with(name string) Report {
	e.Metrics = append(slices.Clone(e.Metrics), train.Metric{Name: name, Value: 1})
	return e
}

func TestEventsAppend(t *testing.T) {
	f := created(t, 0)
	if got := steps(t, f); got != nil {
		t.Errorf("a new run has events of steps %v", got)
	}
	report(t, f, 0, event(100, 1), event(200, 2))
	report(t, f, 200, event(300, 3))
	if got, want := steps(t, f), []int{100, 200, 300}; !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
}

func TestResumingDropsLaterLines(t *testing.T) {
	f := created(t, 0)
	report(t, f, 0, event(100, 1), event(200, 2), event(300, 3))
	report(t, f, 150, event(160, 4))
	if got, want := steps(t, f), []int{100, 160}; !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
	report(t, f, 0, event(10, 5))
	if got, want := steps(t, f), []int{10}; !slices.Equal(got, want) {
		t.Errorf("started again: steps %v, want %v", got, want)
	}
}

func TestResumingKeepsLinesAsTheyWere(t *testing.T) {
	f := created(t, 0)
	const mine = `{ "step": 5, "by hand": 1.50 }` + "\n"
	if err := os.WriteFile(f.path(eventsFile), []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	report(t, f, 5, Report{Step: 6})
	if got, want := filetest.Contents(t, f.Dir())[eventsFile], mine+`{"step":6}`+"\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestEveryCutOfTheLogCanBeResumed(t *testing.T) {
	f := created(t, 0)
	report(t, f, 0, event(100, 1), event(200, 2))
	whole := filetest.Contents(t, f.Dir())[eventsFile]
	first := strings.Index(whole, "\n") + 1
	for n := range len(whole) + 1 {
		if err := os.WriteFile(f.path(eventsFile), []byte(whole[:n]), 0o644); err != nil {
			t.Fatal(err)
		}
		var want []int
		if n >= first {
			want = append(want, 100)
		}
		if n == len(whole) {
			want = append(want, 200)
		}
		if got := steps(t, f); !slices.Equal(got, want) {
			t.Errorf("cut to %d bytes: read %v, want %v", n, got, want)
		}
		report(t, f, 200, event(300, 3))
		if got, want := steps(t, f), append(want, 300); !slices.Equal(got, want) {
			t.Errorf("cut to %d bytes and resumed: %v, want %v", n, got, want)
		}
	}
}

func TestDamagedLineIsNamedAndResumedOver(t *testing.T) {
	for _, test := range []struct{ line, say string }{
		{`{"step":150,"d_lo{"step":160}`, "line 2"},
		{`[]`, "want {"},
		{`{"loss":1}`, "report without a step"},
		{`{"step":-1}`, "step: -1, want a whole number"},
		{`{"step":1.5}`, "step: 1.5, want a whole number"},
		{`{"step":null}`, "step: <nil>"},
		{`{"step":1,"step":2}`, `key "step" appears twice`},
		{`{"step":1,"loss":"low"}`, "loss: low, want a number"},
		{`{"step":1,"loss":{}}`, "loss: {, want a number"},
		{`{"step":1,"loss":1e999}`, "loss"},
		{``, "line 2"},
	} {
		f := created(t, 0)
		text := `{"step":100}` + "\n" + test.line + "\n" + `{"step":200}` + "\n"
		if err := os.WriteFile(f.path(eventsFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := f.Reports()
		if _, ok := errors.AsType[*checkpoint.FormatError](err); !ok {
			t.Errorf("%s: error %v, want a *checkpoint.FormatError", test.line, err)
		} else if !strings.Contains(err.Error(), "events.jsonl: line 2: ") || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %q does not say %q", test.line, err, test.say)
		}
		report(t, f, 200)
		if got, want := steps(t, f), []int{100, 200}; !slices.Equal(got, want) {
			t.Errorf("%s: resumed with %v, want %v", test.line, got, want)
		}
	}
}

func FuzzEvent(f *testing.F) {
	for _, line := range []string{`{"step":1,"a":null,"b":-0.5e3}`, `{"step":0}`, `{}`, `{"step":1,"step":1}`, `{"a":[`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var e Report
		if json.Unmarshal(line, &e) != nil {
			return
		}
		b, err := e.MarshalJSON()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var again Report
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		equal := func(a, b train.Metric) bool {
			return a.Name == b.Name && (a.Value == b.Value || math.IsNaN(a.Value) && math.IsNaN(b.Value))
		}
		if again.Step != e.Step || !slices.EqualFunc(e.Metrics, again.Metrics, equal) {
			t.Fatalf("%v comes back as %v", e, again)
		}
	})
}

package verify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/witness"
)

func recording(t *testing.T, m *onnx.Model, sets int, runtimes ...witness.Runtime) *Recording {
	t.Helper()
	r, err := Record(t.Context(), Options{Paths: []string{writeModel(t, t.TempDir(), m)}, Runtimes: runtimes, Seed: 1}, sets, "test")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatWasRecordedIsVerified(t *testing.T) {
	m := netModel(t)
	r := recording(t, m, 3, (&fake{}).runtime("fake"))
	if len(r.Sets) != 3 {
		t.Fatalf("%d sets, want 3", len(r.Sets))
	}
	dir, again := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, again} {
		if paths, err := r.Write(d, false); err != nil || len(paths) != 3 {
			t.Fatalf("%q, %v", paths, err)
		}
	}
	got := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{(&fake{}).runtime("fake")}})
	if rows := rowsOf(got, Recorded); len(rows) != 3 || got.ExitCode(true) != 0 {
		t.Errorf("%+v, exit code %d", rows, got.ExitCode(true))
	}
	var p Provenance
	for _, file := range []string{"net.onnx", "test_data_set_2/input_0.pb", "test_data_set_2/output_0.pb", "test_data_set_2/provenance.json"} {
		one, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if other, _ := os.ReadFile(filepath.Join(again, file)); !slices.Equal(one, other) {
			t.Errorf("%s has other bytes the second time", file)
		}
		if filepath.Base(file) == provenanceFile {
			if err := json.Unmarshal(one, &p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if p.Runtime != "fake" || p.SHA256 != got.Models[0].SHA256 || p.Arithmetic != "float32" || len(p.Inputs) != 1 || p.Inputs[0].Drawn == "" || p.Verdict != Equal || p.Set == "" {
		t.Errorf("%+v", p)
	}
	// A later runtime that computes something else is held to it, as is a model that was exported again.
	if rows := rowsOf(report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{(&fake{flip: "net.a.weight", bit: 31}).runtime("other")}}), "other"); rows[0].Verdict != Different {
		t.Errorf("another runtime: %+v", rows[0])
	}
	w := m.Proto.Graph.Initializer[0]
	w.RawData = slices.Clone(w.RawData)
	w.RawData[3] ^= 0x80
	var err error
	if m.Bytes, err = onnx.Marshal(m.Proto); err != nil {
		t.Fatal(err)
	}
	writeModel(t, dir, m)
	if rows := rowsOf(report(t, Options{Paths: []string{dir}}), Recorded); rows[0].Verdict != Different {
		t.Errorf("another model: %+v", rows[0])
	}
}

func TestRecordingReplacesNothingUnasked(t *testing.T) {
	r := recording(t, netModel(t), 2, (&fake{}).runtime("fake"))
	dir := t.TempDir()
	if _, err := r.Write(dir, false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(dir, false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a second time: %v", err)
	}
	if _, err := r.Write(dir, true); err != nil {
		t.Errorf("with force: %v", err)
	}
	writeModelAs(t, filepath.Join(dir, "other.onnx"), netModel(t))
	if _, err := r.Write(dir, true); err == nil || !strings.Contains(err.Error(), "has other models") {
		t.Errorf("two models: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "other.onnx")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "net.onnx"), []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(dir, true); err == nil || !strings.Contains(err.Error(), "is not the model that was recorded") {
		t.Errorf("another model of that name: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("%v is left, want the model and two sets", entries)
	}
}

func writeModelAs(t *testing.T, path string, m *onnx.Model) {
	t.Helper()
	if err := os.WriteFile(path, m.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestARecordingIsWholeOrNotAtAll(t *testing.T) {
	r := recording(t, netModel(t), 3, (&fake{}).runtime("fake"))
	dir := t.TempDir()
	if _, err := r.Write(dir, false); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "test_data_set_0", "output_0.pb"))
	if err != nil {
		t.Fatal(err)
	}
	// A file in the way of the last set, whose name no set has.
	if err := os.RemoveAll(filepath.Join(dir, "test_data_set_2")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "test_data_set_2"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	other := recording(t, netModel(t), 3)
	if _, err := other.Write(dir, true); err == nil {
		t.Fatal("no error")
	}
	if after, err := os.ReadFile(filepath.Join(dir, "test_data_set_0", "output_0.pb")); err != nil || !slices.Equal(before, after) {
		t.Errorf("the old sets are not back: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("%v is left, want the model, two sets and the file", entries)
	}
}

func TestTheReferenceRecordsSequencesAndOptionals(t *testing.T) {
	m := sketch{inputs: []witness.Port{rankless("s", 0)}, nodes: []node{{"y", "Identity", []string{"s"}, nil}}, outputs: []witness.Port{rankless("y", 0)}}.model(t)
	sequence := &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: typed(float, onnx.Unknown(), onnx.Fixed(3)).Proto()}}}
	optional := &pb.TypeProto{Value: &pb.TypeProto_OptionalType{OptionalType: &pb.TypeProto_Optional{ElemType: sequence}}}
	for _, typ := range []*pb.TypeProto{sequence, optional} {
		m.Proto.Graph.Input[0].Type, m.Proto.Graph.Output[0].Type = typ, typ
		var err error
		if m.Bytes, err = onnx.Marshal(m.Proto); err != nil {
			t.Fatal(err)
		}
		r := recording(t, m, 1)
		if problem := r.Report.Models[0].Problem; problem != "" {
			t.Fatal(problem)
		}
		dir := t.TempDir()
		if _, err := r.Write(dir, false); err != nil {
			t.Fatal(err)
		}
		if got := report(t, Options{Paths: []string{dir}}); got.ExitCode(true) != 0 || len(rowsOf(got, Recorded)) != 3 {
			t.Errorf("%+v", got.Models[0])
		}
	}
}

func TestInputsWithDefaultsLeaveNoGap(t *testing.T) {
	m := sketch{inputs: []witness.Port{port("a", float, 2), port("b", float, 2)}, weights: []*onnx.Tensor{weight("a", []float32{1, 2}, 2)},
		nodes: []node{{"y", "Add", []string{"a", "b"}, nil}}, outputs: []witness.Port{port("y", float, 2)}}.model(t)
	r := recording(t, m, 1)
	dir := t.TempDir()
	if _, err := r.Write(dir, false); err != nil {
		t.Fatal(err)
	}
	if got := report(t, Options{Paths: []string{dir}}); got.ExitCode(true) != 0 {
		t.Errorf("%+v", got.Models[0])
	}
}

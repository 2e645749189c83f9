package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/atomicfile"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
)

// A Recording holds data sets of a model with the outputs of one runtime.
type Recording struct {
	Report *Report // of the runtime on these inputs, one model entry per seed
	Sets   []RecordedSet
	// Random names the outputs that depend on random numbers, with the nodes that draw them. No later run repeats
	// such an output, so that a recording of it holds nobody to anything.
	Random []string
	file   []byte // the model
}

// A RecordedSet is one data set of a Recording.
type RecordedSet struct {
	Provenance      Provenance
	inputs, outputs []proto.Message
}

// A Provenance says where recorded outputs come from. It contains no times: repeating a recording
// gives the same bytes.
type Provenance struct {
	Format  int    `json:"format"` // of this structure: 1
	Tool    string `json:"tool"`   // what recorded
	Model   string `json:"model"`  // file name of the model
	SHA256  string `json:"sha256"` // of the model file
	Opset   int64  `json:"opset"`
	Runtime string `json:"runtime"`
	Version string `json:"version,omitempty"`
	// Settings are those of the session, where they differ from the defaults: provider, optimisations,
	// threads.
	Settings   string       `json:"settings,omitempty"`
	Provider   string       `json:"provider,omitempty"`
	Arithmetic string       `json:"arithmetic"`
	Seed       uint64       `json:"seed"`
	Set        string       `json:"set"`
	Inputs     []PortReport `json:"inputs"`
	Outputs    []PortReport `json:"outputs"`
	Verdict    Verdict      `json:"verdict"` // of the reference on these outputs
}

// provenanceFile is the name of a Provenance in a folder of recorded data.
const provenanceFile = "provenance.json"

// Record draws the given number of sets of inputs for the model at o.Paths, as Run does, and
// computes the outputs with the runtime in o.Runtimes; without one, they are the reference's,
// rounded to their types. There must be one path and at most one runtime. If the runtime does not
// compute what the model says, the report's verdict says so.
func Record(ctx context.Context, o Options, sets int, tool string) (*Recording, error) {
	switch {
	case len(o.Paths) != 1 || len(o.Runtimes) > 1:
		return nil, fmt.Errorf("%d models and %d runtimes, want one of each", len(o.Paths), len(o.Runtimes))
	case sets < 1:
		return nil, fmt.Errorf("%d sets, want at least 1", sets)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	info, err := os.Stat(o.Paths[0])
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, want a model file", o.Paths[0])
	}
	r := &Recording{Report: &Report{named: true}}
	for seed := o.Seed; len(r.Sets) < sets; seed++ {
		o.Seed = seed
		j := &job{options: o, source: source{model: o.Paths[0]}, probes: &probes{done: map[string]probed{}}, progress: newProgress(o.Progress, 1), report: &ModelReport{Path: o.Paths[0]}, recorded: true}
		j.run(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.file = j.file
		r.Report.Models = append(r.Report.Models, j.report)
		if j.report.Problem != "" || len(o.Runtimes) > 0 && j.report.Verdict() == Skipped {
			break
		}
		for _, d := range j.sets[:min(len(j.sets), sets-len(r.Sets))] {
			s, err := j.record(ctx, d, tool)
			if err != nil {
				return nil, err
			}
			r.Sets = append(r.Sets, s)
			for _, w := range d.want {
				if by := d.byChance(w); by != "" {
					r.Random = union(r.Random, []string{fmt.Sprintf("output %s depends on the random numbers of %s", onnx.Quote(w.Name), by)})
				}
			}
		}
	}
	r.Report.summarize()
	return r, nil
}

// record has the runtime compute the outputs of a data set.
func (j *job) record(ctx context.Context, d dataSet, tool string) (RecordedSet, error) {
	p := Provenance{
		Format: 1, Tool: tool, Model: filepath.Base(j.report.Path), SHA256: j.report.SHA256, Opset: j.report.Opset, Runtime: "reference",
		Arithmetic: j.options.Reference.Profile.Name, Seed: j.options.Seed, Set: d.name, Inputs: describe(d).Inputs, Outputs: []PortReport{}, Verdict: Equal,
	}
	if p.Arithmetic == "" {
		p.Arithmetic = reference.Profiles()[0].Name
	}
	outputs := d.want
	if len(j.options.Runtimes) > 0 {
		info := j.report.Runtimes[0]
		p.Runtime, p.Version, p.Settings, p.Verdict = info.Name, info.Version, info.Settings, info.Status
		l := &lane{job: j, rt: j.options.Runtimes[0]}
		defer l.close(ctx)
		tensors, err := l.call(ctx, d.inputs)
		if err != nil {
			return RecordedSet{}, fmt.Errorf("%s: %w", d.name, err)
		}
		p.Settings = l.settings
		if outputs = valuesOf(tensors); len(outputs) != len(d.want) {
			return RecordedSet{}, fmt.Errorf("%s: %d outputs came, want %d", d.name, len(outputs), len(d.want))
		}
	}
	s := RecordedSet{Provenance: p}
	if err := j.outputMessages(&s, d, outputs); err != nil {
		return s, err
	}
	var err error
	s.inputs, err = j.inputMessages(d)
	return s, err
}

// outputMessages adds the outputs in the order of the graph, and of what it gives as maps, those maps.
func (j *job) outputMessages(s *RecordedSet, d dataSet, outputs []*reference.Value) error {
	zips := zipsOf(j.mapped)
	for _, port := range j.mapped.GetOutput() {
		name := port.GetName()
		n := zips[name]
		if n != nil {
			name = n.Input[0]
		}
		i := slices.IndexFunc(d.want, func(w *reference.Value) bool { return w.Name == name })
		if i < 0 {
			return fmt.Errorf("output %q: nothing was computed for it", port.GetName())
		}
		v := outputs[i]
		m, err := messageOf(v)
		what := v.String()
		if n != nil {
			m, err = zipped(port.GetName(), n, v)
			what = "maps of " + what
		}
		if err != nil {
			return fmt.Errorf("output %q: %w", port.GetName(), err)
		}
		s.outputs = append(s.outputs, m)
		p := PortReport{Name: port.GetName(), Type: what}
		if by := d.byChance(d.want[i]); by != "" {
			p.Drawn, p.Why = "at random", by
		}
		s.Provenance.Outputs = append(s.Provenance.Outputs, p)
	}
	return nil
}

// inputMessages are the inputs in the order of the graph. Between them stand the
// initializers of those that are not given, so that none is missing.
func (j *job) inputMessages(d dataSet) ([]proto.Message, error) {
	for _, in := range j.mapped.GetInput() {
		if in.GetType().GetMapType() != nil {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("input %q is a map, which is not recorded", in.GetName())}
		}
	}
	var list []proto.Message
	given := 0
	for _, in := range j.program.Inputs() {
		if given == len(d.values) {
			break
		}
		v := j.program.Constant(in.Name)
		if i := slices.IndexFunc(d.values, func(v *reference.Value) bool { return v.Name == in.Name }); i >= 0 {
			v = d.values[i]
			given++
		}
		m, err := messageOf(v)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", in.Name, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// messageOf writes a value as ONNX's folders of test data have it.
func messageOf(v *reference.Value) (proto.Message, error) {
	switch v.Kind {
	case reference.Tensor:
		t, err := v.Tensor()
		if err != nil {
			return nil, err
		}
		p := t.Proto()
		p.Name = &v.Name
		return p, nil
	case reference.Optional:
		p := &pb.OptionalProto{Name: &v.Name, ElemType: new(int32(pb.OptionalProto_UNDEFINED))}
		if len(v.Elems) == 0 {
			return p, nil
		}
		m, err := messageOf(v.Elems[0])
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *pb.TensorProto:
			p.ElemType, p.TensorValue = new(int32(pb.OptionalProto_TENSOR)), m
		case *pb.SequenceProto:
			p.ElemType, p.SequenceValue = new(int32(pb.OptionalProto_SEQUENCE)), m
		default:
			return nil, &onnx.UnsupportedError{Why: "an optional of an optional"}
		}
		return p, nil
	case reference.Map:
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("value %q is a %s, which is not recorded", v.Name, v)}
	}
	p := &pb.SequenceProto{Name: &v.Name, ElemType: new(int32(pb.SequenceProto_TENSOR))}
	for _, e := range v.Elems {
		m, err := messageOf(e)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *pb.TensorProto:
			p.TensorValues = append(p.TensorValues, m)
		case *pb.SequenceProto:
			p.ElemType, p.SequenceValues = new(int32(pb.SequenceProto_SEQUENCE)), append(p.SequenceValues, m)
		case *pb.OptionalProto:
			p.ElemType, p.OptionalValues = new(int32(pb.SequenceProto_OPTIONAL)), append(p.OptionalValues, m)
		}
	}
	return p, nil
}

// Write writes the sets into a folder as test_data_set_0, test_data_set_1 and so on, each with its
// provenance, and copies the model there if the folder has none. It writes all sets or none.
// Without force it refuses to replace a set.
func (r *Recording) Write(dir string, force bool) ([]string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	name := filepath.Base(r.Report.Models[0].Path)
	f := listFolder(dir)
	switch {
	case f.err != nil:
		return nil, f.err
	case len(f.models) > 1 || len(f.models) == 1 && f.models[0] != name:
		return nil, fmt.Errorf("%s has other models (%s), and recorded data belong to one: choose another folder with -o", dir, f.models)
	case len(f.sets) > 0 && !force:
		return nil, fmt.Errorf("%s has recorded data (%s) that would be replaced: say --force, or choose another folder with -o", dir, filepath.Base(f.sets[0]))
	}
	if len(f.models) == 1 {
		if same, err := sameFile(filepath.Join(dir, name), r.Report.Models[0].SHA256); err != nil || !same {
			return nil, errors.Join(fmt.Errorf("%s is not the model that was recorded", filepath.Join(dir, name)), err)
		}
	}
	temporary, err := os.MkdirTemp(dir, ".record-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	for i, s := range r.Sets {
		if err := s.write(filepath.Join(temporary, fmt.Sprintf("%s%d", setPrefix, i))); err != nil {
			return nil, err
		}
	}
	if len(f.models) == 0 {
		if r.Report.Models[0].External {
			return nil, fmt.Errorf("%s has elements in other files, of which no copy is made: record beside the model, or copy it with them", name)
		}
		if err := atomicfile.Write(filepath.Join(dir, name), r.file); err != nil {
			return nil, err
		}
	}
	return place(dir, temporary, f.sets, len(r.Sets))
}

// place moves the sets from the temporary folder to where they belong, in place of
// the old ones, which come back where that fails.
func place(dir, temporary string, old []string, sets int) (paths []string, err error) {
	aside := filepath.Join(temporary, "old")
	if err := os.Mkdir(aside, 0o777); err != nil {
		return nil, err
	}
	var undo []func() error
	defer func() {
		if err != nil {
			for _, f := range slices.Backward(undo) {
				err = errors.Join(err, f())
			}
			paths = nil
		}
	}()
	move := func(from, to string) error {
		if err := os.Rename(from, to); err != nil {
			return err
		}
		undo = append(undo, func() error { return os.Rename(to, from) })
		return nil
	}
	for _, path := range old {
		if err := move(path, filepath.Join(aside, filepath.Base(path))); err != nil {
			return nil, err
		}
	}
	for i := range sets {
		name := fmt.Sprintf("%s%d", setPrefix, i)
		if err := move(filepath.Join(temporary, name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths, nil
}

func (s *RecordedSet) write(dir string) error {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	for _, list := range []struct {
		what     string
		messages []proto.Message
	}{{"input", s.inputs}, {"output", s.outputs}} {
		for i, m := range list.messages {
			b, err := onnx.Marshal(m)
			if err != nil {
				return err
			}
			if err := atomicfile.Write(filepath.Join(dir, fmt.Sprintf("%s_%d.pb", list.what, i)), b); err != nil {
				return err
			}
		}
	}
	b, err := json.MarshalIndent(s.Provenance, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, provenanceFile), append(b, '\n'))
}

// sameFile reports whether a file has this digest.
func sameFile(path, sum string) (bool, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return false, err
	}
	defer root.Close()
	_, got, err := digest(root, filepath.Dir(path), path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return got == sum, err
}

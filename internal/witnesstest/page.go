package witnesstest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/web"
	"github.com/petrify-ml/petrify/witness"
)

// Page is what runs models in the page of petrify web, in one Node process for the test, as a runtime among others.
func Page(t testing.TB) witness.Runtime {
	t.Helper()
	node := Program(t, "node")
	_, script := web.Scripts()
	cmd := exec.Command(node, "-e", script+pageDriver)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the page's runtime: %v\n%s", err, &said)
		}
	})
	return &page{in: in, out: bufio.NewReader(out)}
}

const pageDriver = `
const lines = require('node:readline').createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on('line', (line) => {
  let answer;
  try {
    const { model, inputs } = JSON.parse(line);
    for (const t of Object.values(inputs)) t.data = Float32Array.from(t.data); // the text of a float32 is not its value
    const results = new Model(new Uint8Array(Buffer.from(model, 'base64'))).run(inputs);
    answer = Object.fromEntries(Object.entries(results).map(([name, t]) => [name, { dims: t.dims, data: Array.from(t.data) }]));
  } catch (e) {
    answer = { error: { words: e.message } };
  }
  console.log(JSON.stringify(answer));
});
`

type page struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

func (*page) Name() string                            { return "page" }
func (*page) Version(context.Context) (string, error) { return "page", nil }

func (p *page) Open(_ context.Context, m *onnx.Model) (witness.Session, error) {
	b, err := onnx.Marshal(m.Proto)
	if err != nil {
		return nil, err
	}
	s := &pageSession{page: p, model: base64.StdEncoding.EncodeToString(b)}
	for _, o := range m.Proto.GetGraph().GetOutput() {
		t, _ := onnx.TypeOf(o.GetType())
		s.outputs = append(s.outputs, pageOutput{o.GetName(), t.Elem})
	}
	return s, nil
}

type pageSession struct {
	page    *page
	model   string
	outputs []pageOutput
}

type pageOutput struct {
	name string
	elem pb.TensorProto_DataType
}

func (*pageSession) Close() error { return nil }

type pageTensor struct {
	Dims  []int     `json:"dims"`
	Data  []float32 `json:"data"`
	Words string    `json:"words,omitempty"`
}

func (s *pageSession) Run(_ context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	given := map[string]pageTensor{}
	for _, t := range inputs {
		var data []float32
		switch d := t.Data.(type) {
		case onnx.Slice[float32]:
			data = d
		case onnx.Slice[uint8]:
			for _, v := range d {
				data = append(data, float32(v))
			}
		case onnx.Slice[int64]: // numbers of classes
			for _, v := range d {
				data = append(data, float32(v))
			}
		default:
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("input %s is of neither floats nor bytes", t.Name)}
		}
		given[t.Name] = pageTensor{Dims: t.Dims, Data: data}
	}
	request, err := json.Marshal(map[string]any{"model": s.model, "inputs": given})
	if err != nil {
		return nil, err
	}
	s.page.mu.Lock()
	defer s.page.mu.Unlock()
	if _, err := s.page.in.Write(append(request, '\n')); err != nil {
		return nil, err
	}
	line, err := s.page.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var answer map[string]pageTensor
	if err := json.Unmarshal(line, &answer); err != nil {
		return nil, err
	}
	if e := answer["error"].Words; e != "" {
		return nil, errors.New(e)
	}
	var outputs []*onnx.Tensor
	for _, o := range s.outputs {
		got := answer[o.name]
		t, err := onnx.NewTensor(o.name, got.Data, got.Dims...)
		if err != nil {
			return nil, err
		}
		if o.elem == pb.TensorProto_UINT8 {
			b := make(onnx.Slice[uint8], len(got.Data))
			for i, v := range got.Data {
				if b[i] = uint8(v); float32(b[i]) != v {
					return nil, fmt.Errorf("output %s has %v, which is not a byte", o.name, v)
				}
			}
			t.Data = b
		}
		outputs = append(outputs, t)
	}
	return outputs, nil
}

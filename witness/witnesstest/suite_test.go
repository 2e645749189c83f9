package witnesstest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness/child"
	"github.com/petrify-ml/petrify/witness/gorgonnx"
	suite "github.com/petrify-ml/petrify/witness/witnesstest"
)

func TestMain(m *testing.M) {
	gorgonnx.Main()
	os.Exit(m.Run())
}

func TestReference(t *testing.T) { suite.Suite(t, reference.Runtime{Release: "test"}) }

func TestRecorded(t *testing.T) { suite.Suite(t, suite.Recorded(t)) }

func TestLoad(t *testing.T) { suite.Suite(t, load.Runtime{Release: "test"}) }

func TestGorgonnx(t *testing.T) { suite.Suite(t, gorgonnx.Runtime{}) }

func TestNode(t *testing.T) { inNode(t, "onnxruntime-node", child.Node) }

func TestWeb(t *testing.T) { inNode(t, "onnxruntime-web", child.Web) }

func inNode(t *testing.T, module string, in func() *child.Runtime) {
	program := witnesstest.Node(t, module)
	variant := func(old, new string) *child.Runtime {
		r := in()
		r.Program = program
		replace(t, r, old, new)
		return r
	}
	suite.Suite(t, variant("", ""),
		suite.Fault{Name: "crash", Runtime: variant("results = await session.run(feeds)", "process.abort()")},
		suite.Fault{Name: "hang", Runtime: variant("results = await session.run(feeds)", "for (;;);")},
		suite.Fault{Name: "leaves in silence", Runtime: variant("results = await session.run(feeds)", "process.exit(0)")},
		suite.Fault{Name: "nonsense", Runtime: variant("results = await session.run(feeds)", "out('Segmentation fault\\n'); await new Promise(() => {})")})
}

func TestPython(t *testing.T) {
	program := witnesstest.Python(t, "onnx", "numpy")
	variant := func(old, new string) *child.Runtime {
		r := child.Python()
		r.Program, r.Places = program, []string{"../child/testdata/standin"}
		replace(t, r, old, new)
		return r
	}
	suite.Suite(t, variant("", ""),
		suite.Fault{Name: "crash", Runtime: variant("session.run(None, feeds)", "os.abort()")},
		suite.Fault{Name: "hang", Runtime: variant("session.run(None, feeds)", "time.sleep(1e6)")})
}

func TestCLibrary(t *testing.T) {
	program := witnesstest.Python(t, "numpy")
	library := witnesstest.ORTLibrary(t)
	variant := func(old, new string) *child.Runtime {
		r := child.CLibrary()
		r.Program, r.Places = program, []string{library}
		replace(t, r, old, new)
		return r
	}
	suite.Suite(t, variant("", ""),
		suite.Fault{Name: "crash", Runtime: variant(`call("Run"`, `os.abort(); call("Run"`)},
		suite.Fault{Name: "hang", Runtime: variant(`call("Run"`, `time.sleep(1e6); call("Run"`)})
}

func TestOpenCV(t *testing.T) {
	program := witnesstest.Python(t, "numpy", "cv2")
	variant := func(old, new string) *child.Runtime {
		r := child.OpenCV()
		r.Program = program
		replace(t, r, old, new)
		return r
	}
	suite.Suite(t, variant("", ""),
		suite.Fault{Name: "crash", Runtime: variant("net.forward(layers)", "os.abort()")},
		suite.Fault{Name: "hang", Runtime: variant("net.forward(layers)", "time.sleep(1e6)")})
}

// replace changes the text of a driver.
func replace(t *testing.T, r *child.Runtime, old, new string) {
	t.Helper()
	if old == "" {
		return
	}
	found := false
	for i, arg := range r.Args {
		if strings.Contains(arg, old) {
			r.Args[i], found = strings.ReplaceAll(arg, old, new), true
		}
	}
	if !found {
		t.Fatalf("the driver has no %q", old)
	}
}

//go:build unix

package child

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// TestABusyRuntimeDiesWithItsParent kills a process whose runtime is in a run without an
// end, in which ONNX Runtime's JavaScript looks at nothing else.
func TestABusyRuntimeDiesWithItsParent(t *testing.T) {
	for _, name := range []string{"node", "web"} {
		t.Run(name, func(t *testing.T) {
			node := witnesstest.Node(t, "onnxruntime-"+name)
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			parent := exec.Command(exe)
			parent.Env = append(os.Environ(), behaviourEnv+"=runs for ever in "+name, "PETRIFY_TEST_NODE="+node)
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			pid, err2 := strconv.Atoi(strings.TrimSpace(line))
			if err != nil || err2 != nil {
				parent.Process.Kill()
				t.Fatalf("the parent said %q: %v", line, err)
			}
			time.Sleep(time.Second) // so that the run has begun
			if err := syscall.Kill(pid, 0); err != nil {
				t.Errorf("the runtime did not live to see it: %v", err)
			}
			parent.Process.Kill()
			parent.Wait()
			for deadline := time.Now().Add(20 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					syscall.Kill(pid, syscall.SIGKILL)
					t.Fatal("the runtime goes on without its parent")
				}
			}
		})
	}
}

func init() {
	for name, runtime := range map[string]func() *Runtime{"node": Node, "web": Web} {
		behaviours["runs for ever in "+name] = func() { runForEver(runtime()) }
	}
}

// runForEver prints the process id of a runtime's process, and has it run a loop without an end.
func runForEver(r *Runtime) {
	r.Program = os.Getenv("PETRIFY_TEST_NODE")
	ctx := context.Background()
	s, err := r.Start(ctx, &onnx.Model{Proto: endless()})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.cmd.Process.Pid)
	_, err = s.Run(ctx, []*onnx.Tensor{{Name: "x", Dims: []int{1}, Data: onnx.Slice[float32]{1}}})
	fmt.Fprintln(os.Stderr, err)
}

// endless is a Loop that adds 1 to x as often as there are int64.
func endless() *pb.ModelProto {
	typed := func(name string, elem pb.TensorProto_DataType, dims ...onnx.Dim) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: append([]onnx.Dim{}, dims...)}.Proto()}
	}
	float, one := pb.TensorProto_FLOAT, onnx.Fixed(1)
	body := &pb.GraphProto{
		Name:   proto.String("body"),
		Input:  []*pb.ValueInfoProto{typed("i", pb.TensorProto_INT64), typed("go", pb.TensorProto_BOOL), typed("a", float, one)},
		Output: []*pb.ValueInfoProto{typed("on", pb.TensorProto_BOOL), typed("b", float, one)},
		Node: []*pb.NodeProto{
			{OpType: proto.String("Identity"), Input: []string{"go"}, Output: []string{"on"}},
			{OpType: proto.String("Add"), Input: []string{"a", "x"}, Output: []string{"b"}},
		},
	}
	return &pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
		Graph: &pb.GraphProto{
			Name: proto.String("endless"), Input: []*pb.ValueInfoProto{typed("x", float, one)}, Output: []*pb.ValueInfoProto{typed("y", float, one)},
			Initializer: []*pb.TensorProto{{Name: proto.String("n"), DataType: proto.Int32(int32(pb.TensorProto_INT64)), Int64Data: []int64{1<<63 - 1}}},
			Node: []*pb.NodeProto{{
				OpType: proto.String("Loop"), Input: []string{"n", "", "x"}, Output: []string{"y"},
				Attribute: []*pb.AttributeProto{{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: body}},
			}},
		},
	}
}

package check

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// A hostile class is one way to make a file that no runtime should be given.
type hostile struct {
	class string
	make  func(r *rand.Rand) []byte
}

// What reading and checking one hostile file may take.
var (
	hostileMemory = race.Pick[int64](256<<20, 1<<30) // resident, beside the file itself
	hostileTime   = race.Pick(5*time.Second, 50*time.Second)
)

// hostileSlack is address space that heap arenas and the stacks of threads reserve, beyond what they use.
const hostileSlack = 1 << 30

// fixed is a class whose file is always the same.
func fixed(b []byte) func(*rand.Rand) []byte { return func(*rand.Rand) []byte { return b } }

// broken is a class that breaks the dense model.
func broken(t testing.TB, change func(m *pb.ModelProto)) func(*rand.Rand) []byte {
	return func(*rand.Rand) []byte {
		m := onnxtest.DenseModel(t)
		change(m)
		return onnxtest.Bytes(t, m)
	}
}

// hostileClasses returns all classes. Every one is rejected: by the reader, or
// by a finding that is an error.
func hostileClasses(t testing.TB) []hostile {
	var all []hostile
	add := func(class string, make func(*rand.Rand) []byte) { all = append(all, hostile{class, make}) }
	for _, c := range onnxtest.WireFaults {
		add("wire: "+c.Name, fixed(c.Bytes))
	}
	for _, c := range onnxtest.ForeignFiles {
		add("foreign: "+c.Name, fixed([]byte(c.Bytes)))
	}
	for _, c := range slices.Concat(onnxtest.CheckCases, onnxtest.InferCases) {
		if s, _ := rule.SeverityOf(c.Code); s == rule.Error {
			add("rule: "+c.Name, broken(t, c.Break))
		}
	}
	for i, c := range onnxtest.NodeCases {
		if code, _, ok := strings.Cut(c.Want[0], ": "); ok {
			m := c.Model(t.(*testing.T), len(c.Want))
			for _, out := range m.Graph.Node[0].Output {
				m.Graph.Output = append(m.Graph.Output, onnxtest.ValueInfo(out, pb.TensorProto_FLOAT, []onnx.Dim{onnx.Unknown()}))
			}
			add(fmt.Sprintf("node: %s %d %s", c.Op, i, code), fixed(onnxtest.Bytes(t, m)))
		}
	}
	for _, location := range []string{
		"..", "../w", "a/..", "a/../../w", "./../w", "/w", "//server/share/w", `\\server\share\w`, `a\..\..\w`, "C:/w", "c:w", "w:stream",
		"file:///etc/passwd", "http://localhost/w", "w\x00", "w\n", "\x7fw", "", ".", "./", "a/", "a/.", "NUL", "a/con.bin", "COM1", "lpt9.txt", "AUX ", "w.", "w ", "a /w", "...",
	} {
		add(fmt.Sprintf("external: at %q", location), broken(t, onnxtest.External("location", location)))
	}
	for _, n := range []string{"", " 1", "1 ", "+1", "-0x1", "1e3", "1.0", "١", "9223372036854775808", "99999999999999999999", "NaN"} {
		add(fmt.Sprintf("external: of length %q", n), broken(t, onnxtest.External("location", "w", "length", n)))
		add(fmt.Sprintf("external: at offset %q", n), broken(t, onnxtest.External("location", "w", "offset", n)))
	}
	dense := onnxtest.Bytes(t, onnxtest.DenseModel(t))
	for i := range 20 {
		add(fmt.Sprintf("cut: %d", i), func(r *rand.Rand) []byte { return dense[:1+r.IntN(len(dense)-1)] })
	}
	for typ := range pb.TensorProto_DataType_name {
		if typ == 0 {
			continue
		}
		for name, tensor := range map[string]*pb.TensorProto{
			"too short":         {Dims: []int64{7}, RawData: []byte{0}},
			"in the wrong type": {Dims: []int64{1}, Int64Data: []int64{1}, StringData: [][]byte{{0}}},
			"of 2^62 elements":  {Dims: []int64{1 << 31, 1 << 31}, RawData: make([]byte, 16)},
		} {
			tensor.Name, tensor.DataType = proto.String("w"), proto.Int32(typ)
			add(fmt.Sprintf("tensor: %s %s", onnx.ElemName(pb.TensorProto_DataType(typ)), name), broken(t, func(m *pb.ModelProto) {
				m.IrVersion = proto.Int64(13)
				m.Graph.Initializer = append(m.Graph.Initializer, tensor)
			}))
		}
	}
	return append(all, bombs(t)...)
}

// bombs are the classes that go for memory or time.
func bombs(t testing.TB) []hostile {
	var all []hostile
	add := func(class string, make func(r *rand.Rand) []byte) { all = append(all, hostile{"bomb: " + class, make}) }
	graph := func(parts ...[]byte) []byte { return onnxtest.LenField(7, onnxtest.Cat(parts...)...) }
	imports := onnxtest.Cat(onnxtest.VarintField(1, 8), onnxtest.LenField(8, onnxtest.Cat(onnxtest.LenField(1), onnxtest.VarintField(2, 13))...))
	// repeated is a message as often as fits into n bytes.
	repeated := func(n int, message []byte) []byte { return bytes.Repeat(message, n/len(message)) }
	size := 8 << 20
	if onnxtest.Long() {
		size *= 4
	}

	for name, message := range map[string][]byte{
		"empty nodes":             onnxtest.LenField(1),
		"empty initializers":      onnxtest.LenField(5),
		"empty inputs":            onnxtest.LenField(11),
		"empty outputs":           onnxtest.LenField(12),
		"empty value infos":       onnxtest.LenField(13),
		"empty annotations":       onnxtest.LenField(14),
		"empty sparse tensors":    onnxtest.LenField(15),
		"empty metadata":          onnxtest.LenField(16),
		"nodes that read nothing": onnxtest.LenField(1, onnxtest.Cat(onnxtest.LenField(2, 'y'), onnxtest.LenField(4, []byte("Relu")...))...),
		"nodes of no domain":      onnxtest.LenField(1, onnxtest.Cat(onnxtest.LenField(2, 'y'), onnxtest.LenField(4, 'A'), onnxtest.LenField(7, 'd'))...),
	} {
		add(name, func(*rand.Rand) []byte { return onnxtest.Cat(imports, graph(repeated(size, message))) })
	}
	for name, field := range map[string][]byte{
		"empty attributes":     onnxtest.LenField(5),
		"empty input names":    onnxtest.LenField(1),
		"empty output names":   onnxtest.LenField(2),
		"one-letter inputs":    onnxtest.LenField(1, 'x'),
		"attributes of graphs": onnxtest.LenField(5, onnxtest.LenField(11)...),
		"device settings":      onnxtest.LenField(10),
	} {
		add(name+" of one node", func(*rand.Rand) []byte {
			return onnxtest.Cat(imports, graph(onnxtest.LenField(1, repeated(size, field)...)))
		})
	}
	attribute := func(b []byte) []byte { return graph(onnxtest.LenField(1, onnxtest.LenField(5, b...)...)) }
	for name, field := range map[string][]byte{
		"empty strings":   onnxtest.LenField(9),
		"empty tensors":   onnxtest.LenField(10),
		"empty graphs":    onnxtest.LenField(11),
		"empty types":     onnxtest.LenField(15),
		"unpacked ints":   onnxtest.VarintField(8, 1),
		"unpacked floats": append(protowire.AppendTag(nil, 7, protowire.Fixed32Type), 0, 0, 0, 0),
	} {
		add(name+" of one attribute", func(*rand.Rand) []byte { return onnxtest.Cat(imports, attribute(repeated(size, field))) })
	}
	add("packed ints of one attribute", func(*rand.Rand) []byte {
		return onnxtest.Cat(imports, attribute(onnxtest.LenField(8, make([]byte, size)...)))
	})
	tensor := func(b []byte) []byte { return graph(onnxtest.LenField(5, b...)) }
	for name, field := range map[string][]byte{
		"empty strings":            onnxtest.LenField(6),
		"empty external data":      onnxtest.LenField(13),
		"floats in packs of one":   onnxtest.LenField(4, 0, 0, 0, 0),
		"unpacked floats":          append(protowire.AppendTag(nil, 4, protowire.Fixed32Type), 0, 0, 0, 0),
		"doubles in packs of none": onnxtest.LenField(10),
		"int32 in packs of one":    onnxtest.LenField(5, 0),
		"uint64 in packs of none":  onnxtest.LenField(11),
	} {
		add(name+" of one tensor", func(*rand.Rand) []byte { return onnxtest.Cat(imports, tensor(repeated(size, field))) })
	}
	for name, number := range map[string]protowire.Number{"int64_data": 7, "int32_data": 5, "uint64_data": 11} {
		add("packed "+name, func(*rand.Rand) []byte {
			return onnxtest.Cat(imports, tensor(onnxtest.LenField(number, make([]byte, size)...)))
		})
	}
	add("axes in packs of none", func(*rand.Rand) []byte { return onnxtest.Cat(imports, tensor(repeated(size, onnxtest.LenField(1)))) })
	add("a long name", func(*rand.Rand) []byte {
		return onnxtest.Cat(imports, onnxtest.LenField(2, bytes.Repeat([]byte{'a'}, size)...))
	})
	add("a doc string as long as the file", func(*rand.Rand) []byte {
		return onnxtest.Cat(imports, onnxtest.LenField(6, bytes.Repeat([]byte{'a'}, 100<<20)...))
	})
	add("unknown fields", func(*rand.Rand) []byte { return repeated(size, onnxtest.VarintField(99, 1)) })
	add("unknown groups", func(*rand.Rand) []byte {
		return repeated(size, onnxtest.Cat(protowire.AppendTag(nil, 30, protowire.StartGroupType), protowire.AppendTag(nil, 30, protowire.EndGroupType)))
	})
	add("zeros", func(*rand.Rand) []byte { return make([]byte, size) })
	add("noise", func(r *rand.Rand) []byte {
		b := make([]byte, 0, 1<<20)
		for len(b) < 1<<20 {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
		return b
	})
	add("graphs 100,000 deep", func(*rand.Rand) []byte { return deep(100_000, 1, 5, 6) })
	add("types 100,000 deep", func(*rand.Rand) []byte { return deep(100_000, 4, 1) })
	add("imports", func(*rand.Rand) []byte {
		return onnxtest.Cat(onnxtest.VarintField(1, 8), repeated(size, onnxtest.LenField(8)))
	})
	add("functions", func(*rand.Rand) []byte { return onnxtest.Cat(imports, repeated(size, onnxtest.LenField(25))) })
	add("training", func(*rand.Rand) []byte { return onnxtest.Cat(imports, repeated(size, onnxtest.LenField(20))) })
	add("metadata of one key", func(*rand.Rand) []byte {
		return onnxtest.Cat(imports, repeated(size, onnxtest.LenField(14, onnxtest.LenField(1, 'k')...)))
	})

	grow := func(name string, change func(m *pb.ModelProto)) { add(name, broken(t, change)) }
	after := func(m *pb.ModelProto, nodes ...*pb.NodeProto) { m.Graph.Node = append(m.Graph.Node, nodes...) }
	give := func(m *pb.ModelProto, name string, v ...int64) {
		m.Graph.Initializer = append(m.Graph.Initializer, onnxtest.Int64s(name, v))
	}
	grow("100,000 nodes in the wrong order", func(m *pb.ModelProto) {
		for i := range 100_000 {
			after(m, onnxtest.Node("Relu", onnxtest.Names(fmt.Sprint("n", i+1)), onnxtest.Names(fmt.Sprint("n", i))))
		}
	})
	grow("a cycle of 100,000 nodes", func(m *pb.ModelProto) {
		for i := range 100_000 {
			after(m, onnxtest.Node("Relu", onnxtest.Names(fmt.Sprint("n", (i+1)%100_000)), onnxtest.Names(fmt.Sprint("n", i))))
		}
	})
	grow("a Concat of 500,000 inputs of other shapes", func(m *pb.ModelProto) {
		in := make([]string, 500_000)
		for i := range in {
			in[i] = []string{"x", "net.fc1"}[i%2]
		}
		after(m, onnxtest.Node("Concat", in, onnxtest.Names("c"), onnx.Int("axis", 0)))
	})
	grow("axes put in 60 at a time", func(m *pb.ModelProto) {
		axes := make([]int64, 60)
		for i := range axes {
			axes[i] = int64(i)
		}
		give(m, "axes", axes...)
		at := "net.fc1"
		for i := range 5000 {
			next := fmt.Sprint("u", i)
			after(m, onnxtest.Node("Unsqueeze", onnxtest.Names(at, "axes"), onnxtest.Names(next)))
			at = next
		}
	})
	grow("shapes of 1000 elements added 100,000 times, then a contradiction", func(m *pb.ModelProto) {
		give(m, "ones", slices.Repeat([]int64{1}, 1000)...)
		at := "ones"
		for i := range 100_000 {
			next := fmt.Sprint("s", i)
			after(m, onnxtest.Node("Add", onnxtest.Names(at, "ones"), onnxtest.Names(next)))
			at = next
		}
		after(m, onnxtest.Node("MatMul", onnxtest.Names("net.fc1.weight", "net.fc1.weight"), onnxtest.Names("z")))
	})
	grow("a Reshape to 1000 axes", func(m *pb.ModelProto) {
		give(m, "shape", slices.Repeat([]int64{1}, 1000)...)
		after(m, onnxtest.Node("Reshape", onnxtest.Names("x", "shape"), onnxtest.Names("z")))
	})
	grow("an equation of a million letters", func(m *pb.ModelProto) {
		after(m, onnxtest.Node("Einsum", onnxtest.Names("x"), onnxtest.Names("z"), onnx.String("equation", "ab->"+strings.Repeat("ab", 500_000))))
	})
	grow("a perm of a million axes", func(m *pb.ModelProto) {
		after(m, onnxtest.Node("Transpose", onnxtest.Names("x"), onnxtest.Names("z"), onnx.Ints("perm", make([]int64, 1_000_000)...)))
	})
	grow("a chain of 5000 functions", func(m *pb.ModelProto) {
		onnxtest.WithFunction(m)
		for i := range 5000 {
			f := onnxtest.ReluFunction()
			f.Name, f.Attribute, f.OpsetImport = proto.String(fmt.Sprint("f", i)), nil, append(f.OpsetImport, m.OpsetImport[1])
			n := onnxtest.Node(fmt.Sprint("f", i+1), onnxtest.Names("a"), onnxtest.Names("b"))
			n.Domain = proto.String("local")
			f.Node = []*pb.NodeProto{n}
			m.Functions = append(m.Functions, f)
		}
		m.Graph.Node[2].OpType, m.Graph.Node[2].Attribute = proto.String("f0"), nil
		after(m, onnxtest.Node("MatMul", onnxtest.Names("net.fc1.weight", "net.fc1.weight"), onnxtest.Names("z")))
	})
	grow("loops in loops", func(m *pb.ModelProto) {
		give(m, "times", 1_000_000)
		g := &pb.GraphProto{Name: proto.String("inner"), Output: []*pb.ValueInfoProto{{Name: proto.String("c")}}, Node: []*pb.NodeProto{onnxtest.Node("Constant", nil, onnxtest.Names("c"), onnx.Int("value_int", 1))}}
		for i := range 5 {
			loopInputs := []*pb.ValueInfoProto{{Name: proto.String(fmt.Sprint("i", i))}, {Name: proto.String(fmt.Sprint("k", i))}}
			g.Input = loopInputs
			c := fmt.Sprint("c", i)
			g = &pb.GraphProto{
				Name: proto.String("body"),
				Node: []*pb.NodeProto{
					onnxtest.Node("Identity", onnxtest.Names(fmt.Sprint("k", i+1)), onnxtest.Names(c)),
					onnxtest.Node("Loop", onnxtest.Names("times", ""), onnxtest.Names(fmt.Sprint("l", i)), onnx.AttrOf(&pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: scanOut(g)})),
				},
				Output: []*pb.ValueInfoProto{{Name: proto.String(c)}},
			}
		}
		g.Input = []*pb.ValueInfoProto{{Name: proto.String("i5")}, {Name: proto.String("k5")}}
		after(m, onnxtest.Node("Loop", onnxtest.Names("times", ""), onnxtest.Names("l"), onnx.AttrOf(&pb.AttributeProto{Name: proto.String("body"), Type: pb.AttributeProto_GRAPH.Enum(), G: scanOut(g)})))
	})
	for _, c := range []struct {
		op    string
		shape []int64
	}{
		{"ConstantOfShape", []int64{1 << 20, 1 << 20}}, {"ConstantOfShape", []int64{1 << 62, 1 << 62}}, {"ConstantOfShape", []int64{3 << 30}},
	} {
		grow(fmt.Sprintf("%s of %v", c.op, c.shape), func(m *pb.ModelProto) {
			give(m, "s", c.shape...)
			after(m, onnxtest.Node(c.op, onnxtest.Names("s"), onnxtest.Names("z")))
		})
	}
	grow("Tile by 2^40", func(m *pb.ModelProto) {
		give(m, "s", 1<<40, 1)
		after(m, onnxtest.Node("Tile", onnxtest.Names("net.fc1", "s"), onnxtest.Names("z")))
	})
	grow("Expand to 2^62", func(m *pb.ModelProto) {
		give(m, "s", 1<<31, 1, 1<<31, 1, 1)
		after(m, onnxtest.Node("Expand", onnxtest.Names("net.fc1.bias", "s"), onnxtest.Names("z")))
	})
	grow("Pad by 2^39", func(m *pb.ModelProto) {
		give(m, "s", 0, 0, 0, 1<<39)
		after(m, onnxtest.Node("Pad", onnxtest.Names("net.fc1", "s"), onnxtest.Names("z")))
	})
	grow("OneHot of depth 2^40", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, &pb.TensorProto{Name: proto.String("d"), DataType: proto.Int32(7), Int64Data: []int64{1 << 40}})
		give(m, "i", 1, 2)
		after(m, onnxtest.Node("OneHot", onnxtest.Names("i", "d", "net.fc1.flat"), onnxtest.Names("z")))
		m.Graph.Initializer = append(m.Graph.Initializer, onnxtest.Floats("net.fc1.flat", []int64{2}, 0, 1))
	})
	grow("Resize by 2^30", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, onnxtest.Floats("sc", []int64{2}, 1, 1<<30), onnxtest.Floats("roi", []int64{0}))
		after(m, onnxtest.Node("Resize", onnxtest.Names("net.fc1", "roi", "sc"), onnxtest.Names("z")), onnxtest.Node("Resize", onnxtest.Names("z", "roi", "sc"), onnxtest.Names("z2")))
	})
	grow("pads of 2^62", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, onnxtest.Floats("img", []int64{1, 1, 2, 2}, 1, 2, 3, 4), onnxtest.Floats("ker", []int64{1, 1, 1, 1}, 1))
		after(m, onnxtest.Node("Conv", onnxtest.Names("img", "ker"), onnxtest.Names("z"), onnx.Ints("pads", 1<<62, 1<<62, 1<<62, 1<<62)))
	})
	grow("dilations of 2^62", func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, onnxtest.Floats("img", []int64{1, 1, 2, 2}, 1, 2, 3, 4), onnxtest.Floats("ker", []int64{1, 1, 1, 2}, 1, 2))
		after(m, onnxtest.Node("Conv", onnxtest.Names("img", "ker"), onnxtest.Names("z"), onnx.Ints("dilations", 1, 1<<62)))
	})
	return all
}

// scanOut adds a second output to a loop's body, so that the loop gives one.
func scanOut(g *pb.GraphProto) *pb.GraphProto {
	g.Output = append(g.Output, &pb.ValueInfoProto{Name: g.Output[0].Name})
	return g
}

// deep nests messages through the given fields, n times, from the inside out
// but with lengths that a single pass can write.
func deep(n int, fields ...protowire.Number) []byte {
	var parts [][]byte // from the innermost out
	size := 0
	for i := range n {
		number := fields[len(fields)-1-i%len(fields)]
		head := protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(size))
		parts = append(parts, head)
		size += len(head)
	}
	slices.Reverse(parts)
	return onnxtest.LenField(7, onnxtest.Cat(parts...)...)
}

// judged is what a child says of one file.
type judged struct {
	Rejected bool
	Why      string
	Millis   int64
}

func judge(path string) judged {
	start := processorTime()
	j := judged{}
	m, err := wire.Read(path, wire.Limits{})
	if err != nil {
		j.Rejected, j.Why = true, err.Error()
	} else {
		for _, f := range Model(m.Proto) {
			if f.Severity == rule.Error {
				j.Rejected, j.Why = true, f.String()
				break
			}
		}
	}
	j.Millis = (processorTime() - start).Milliseconds()
	j.Why = j.Why[:min(len(j.Why), 300)]
	return j
}

// processorTime is what this process has taken of all processors, which does not
// grow while other programs have them. It is counted in hundredths of a second.
func processorTime() time.Duration {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		panic(err)
	}
	// The name in brackets may hold anything; user and system time are the 12th
	// and 13th number after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	var total time.Duration
	for _, f := range fields[11:13] {
		var ticks time.Duration
		if _, err := fmt.Sscan(f, &ticks); err != nil {
			panic(err)
		}
		total += ticks * (time.Second / 100)
	}
	return total
}

const hostileChild = "PETRIFY_HOSTILE_CHILD"

// TestHostileChild judges the files named on its input. It is what
// TestNoHostileFileHurts runs under limits.
func TestHostileChild(t *testing.T) {
	if os.Getenv(hostileChild) == "" {
		t.Skip("run by TestNoHostileFileHurts")
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		b, err := json.Marshal(judge(in.Text()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("judged %s\n", b)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") || strings.HasPrefix(line, "VmPeak:") {
			fmt.Print(line)
		}
	}
}

// idle is the address space of a child that judges nothing, in bytes: Go
// reserves far more of it than it uses.
var idle = sync.OnceValues(func() (int64, error) {
	_, size, _, err := runHostileChild(context.Background(), 0, nil)
	return size, err
})

// underLimits judges files in a child under RLIMIT_AS, which ends it where it
// asks for much more than the largest file and hostileMemory beside it. It
// returns what the child said and its largest resident size, which is what is
// compared with hostileMemory.
func underLimits(t *testing.T, largest int, paths []string) ([]judged, int64) {
	t.Helper()
	reserved, err := idle()
	if err != nil {
		t.Fatal(err)
	}
	all, _, peak, err := runHostileChild(t.Context(), reserved+int64(largest)+hostileMemory+hostileSlack, paths)
	if err != nil {
		t.Fatalf("%d files from %s on: %v", len(paths), paths[0], err)
	}
	if len(all) != len(paths) || peak == 0 {
		t.Fatalf("%d of %d files judged, %d bytes at most", len(all), len(paths), peak)
	}
	return all, peak
}

// runHostileChild runs TestHostileChild under a limit of address space, 0 for
// none. It returns what the child said, its largest address space and its
// largest resident size.
func runHostileChild(ctx context.Context, limit int64, paths []string) (all []judged, size, resident int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, 0, err
	}
	ulimit := "unlimited"
	if limit > 0 {
		ulimit = fmt.Sprint(limit >> 10)
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -v $1; exec "$0" -test.run='^TestHostileChild$'`, self, ulimit)
	cmd.Env = append(os.Environ(), hostileChild+"=1")
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%w\n%s%s", err, out, stderr.String())
	}
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "judged "); ok {
			var j judged
			if err := json.Unmarshal([]byte(rest), &j); err != nil {
				return nil, 0, 0, err
			}
			all = append(all, j)
		}
		for name, into := range map[string]*int64{"VmPeak:": &size, "VmHWM:": &resident} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				if _, err := fmt.Sscan(rest, into); err != nil {
					return nil, 0, 0, err
				}
				*into <<= 10
			}
		}
	}
	return all, size, resident, nil
}

func TestNoHostileFileHurts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident sizes are measured on Linux")
	}
	t.Parallel()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(5, 2))
	classes := hostileClasses(t)
	seen := make(map[string]bool)
	groups := make(map[string]int)
	var small, smallNames []string
	largest := 0
	var most int64
	slowest := judged{}
	verdict := func(class string, j judged) {
		if !j.Rejected {
			t.Errorf("%s: accepted", class)
		}
		if time.Duration(j.Millis)*time.Millisecond > hostileTime {
			t.Errorf("%s: took %d ms, want %v at most", class, j.Millis, hostileTime)
		}
		if j.Millis > slowest.Millis {
			slowest = judged{Why: class, Millis: j.Millis}
		}
	}
	for i, c := range classes {
		if seen[c.class] {
			t.Errorf("%s comes twice", c.class)
		}
		seen[c.class] = true
		group, _, _ := strings.Cut(c.class, ": ")
		groups[group]++
		b := c.make(r)
		path := filepath.Join(dir, fmt.Sprintf("%d.onnx", i))
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if len(b) < 1<<20 {
			small, smallNames = append(small, path), append(smallNames, c.class)
			largest = max(largest, len(b))
			continue
		}
		all, rss := underLimits(t, len(b), []string{path})
		verdict(c.class, all[0])
		most = max(most, rss-int64(len(b)))
		if rss > int64(len(b))+hostileMemory {
			t.Errorf("%s: %d MiB resident for a file of %d MiB, want %d more at most", c.class, rss>>20, len(b)>>20, hostileMemory>>20)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	all, rss := underLimits(t, largest, small)
	for i, j := range all {
		verdict(smallNames[i], j)
	}
	if rss > hostileMemory {
		t.Errorf("%d MiB resident for all small files together, want %d at most", rss>>20, hostileMemory>>20)
	}
	if len(classes) < 300 {
		t.Errorf("%d classes, want 300", len(classes))
	}
	t.Logf("%d classes %v, %d MiB beside the file at most, slowest %s with %d ms", len(classes), groups, most>>20, slowest.Why, slowest.Millis)
}

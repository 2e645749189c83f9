// Command asm prints the assembly of package kernel: AVX2 with FMA, and AVX-512.
//
// Each file of this package holds one subject: gemm.go and gemm512.go the
// micro-kernels and the packing of the matrix product, elementwise.go loops over vectors,
// functions.go the approximations that they apply, random.go the generator.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	dir := flag.String("dir", ".", "the `folder` of package kernel, to write into")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "asm:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sources are the files to print. Each becomes PATH_amd64.s and, with the Go
// declarations, PATH_amd64.go.
var sources = []struct {
	path string
	emit func(*gen)
}{
	{"gemm", gemm},
	{"gemm512", gemm512},
	{"elementwise", elementwise},
	{"pick", picks},
	{"runs", runs},
	{"random", random},
	{"pause", pause},
	{"peak/fma", fmaLoops},
}

// generate returns the text of every file under its path, relative to the
// folder of package kernel.
func generate() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, s := range sources {
		g := &gen{Context: build.NewContext(), data: map[string]operand.Mem{}}
		g.ConstraintExpr("!noasm")
		s.emit(g)
		f, err := g.Result()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		if err := pass.Compile.Execute(f); err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		pkg := "kernel"
		if dir := path.Dir(s.path); dir != "." {
			pkg = dir
		}
		cfg := printer.Config{Name: "internal/kernel/asm", Pkg: pkg}
		text, err1 := printer.NewGoAsm(cfg).Print(f)
		stubs, err2 := printer.NewStubs(cfg).Print(f)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		files[s.path+"_amd64.s"], files[s.path+"_amd64.go"] = text, stubs
	}
	return files, nil
}

// gen is avo's context of one file with the idioms that all subjects share.
type gen struct {
	*build.Context
	data map[string]operand.Mem
}

// function begins a function whose pointers do not escape.
func (g *gen) function(name, signature string, doc ...string) {
	g.Function(name)
	g.Attributes(attr.NOSPLIT)
	g.Pragma("noescape")
	g.SignatureExpr(signature)
	g.Doc(doc...)
}

// end leaves the function.
func (g *gen) end() {
	g.VZEROUPPER()
	g.RET()
}

// arg loads an integer or pointer argument.
func (g *gen) arg(name string) reg.GPVirtual {
	r := g.GP64()
	g.Load(g.Param(name), r)
	return r
}

// argMem is the place of an argument in memory, for operands used once.
func (g *gen) argMem(name string) operand.Mem {
	b, err := g.Param(name).Resolve()
	if err != nil {
		panic(err) // a name that the signature lacks
	}
	return b.Addr
}

// argVector broadcasts a float32 argument.
func (g *gen) argVector(name string) reg.VecVirtual {
	v := g.YMM()
	g.VBROADCASTSS(g.argMem(name), v)
	return v
}

// words is a read-only table of 32-bit words, printed once per file.
func (g *gen) words(name string, w ...uint32) operand.Mem {
	if m, ok := g.data[name]; ok {
		return m
	}
	m := g.StaticGlobal(name)
	g.DataAttributes(attr.RODATA | attr.NOPTR)
	for i, v := range w {
		g.AddDatum(4*i, operand.U32(v))
	}
	g.data[name] = m
	return m
}

// word8 is one 32-bit word eight times over: a memory operand as wide as a
// register.
func (g *gen) word8(name string, w uint32) operand.Mem {
	return g.words(name, w, w, w, w, w, w, w, w)
}

// mask loads a mask whose first n lanes of 8 are set, n in a register, 0 to 8.
func (g *gen) mask(n reg.GPVirtual) reg.VecVirtual {
	const on = ^uint32(0)
	table := g.words("lanes", on, on, on, on, on, on, on, on, 0, 0, 0, 0, 0, 0, 0, 0)
	base, back, m := g.GP64(), g.GP64(), g.YMM()
	g.LEAQ(table.Offset(32), base)
	g.MOVQ(n, back)
	g.NEGQ(back)
	g.VMOVUPS(operand.Mem{Base: base, Index: back, Scale: 4}, m)
	return m
}

// at addresses base plus a constant number of bytes.
func at(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

// atIndex addresses base + index*scale.
func atIndex(base, index reg.Register, scale uint8) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale}
}

// imm is an immediate operand of integer arithmetic.
func imm(n int) operand.Constant { return operand.U32(n) }

// Package op is the schema of ONNX's operators: it defines what a node of each version of each
// operator must look like.
//
// A model imports a version of a domain, its opset; that selects, for each
// operator, the newest version that is not newer. Find looks it up. The facts
// are those of the specification's change logs, kept as text, a file
// for each family of operators; the Go file of the same name has the rules that
// say what comes out of a node.
package op

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Schema is one version of an operator: what a node must look like whose
// opset import selects it.
type Schema struct {
	Name         string
	Domain       string // "" for ai.onnx
	Since        int64
	Deprecated   bool // from Since on there is no such operator
	Experimental bool
	Contributed  bool // of no specification: ONNX Runtime has it in ONNX's domain
	In, Out      []Formal
	Attrs        map[string]Attr
	Types        map[string]TypeSet // of the type variables
	Choices      []Choice
	Rule         Rule // what comes out, nil where only its type is known

	versions []*Schema // of the operator, in ascending order
}

// A Formal is a formal input or output.
type Formal struct {
	Name     string
	Type     string // a type variable, or a type
	Optional bool
	Variadic bool // the last one: any number
	AtLeast  int  // of a variadic one
	Mixed    bool // a variadic one's types may differ
	Variable bool // Type is a type variable
	Set      TypeSet
	Shapes   [][]onnx.Dim // those allowed; any where there are none
}

// An Attr says what an attribute must be.
type Attr struct {
	Type        pb.AttributeProto_AttributeType
	Required    bool
	Default     *pb.AttributeProto // nil where there is none
	Flag        bool               // an int that is 0 or 1
	Enum        []string           // the strings allowed; any where there are none
	AnyCase     bool               // of the letters of Enum
	Least, Most float64            // of each number; infinite where there is no limit
}

// A Choice is a rule about which inputs, outputs and attributes are given
// together.
type Choice struct {
	Kind  ChoiceKind
	Names []string
}

// A ChoiceKind says how many of the names of a Choice are given, or what those
// that are have in common.
type ChoiceKind uint8

const (
	ExactlyOne ChoiceKind = iota
	AtMostOne
	AtLeastOne
	AllOrNone
	SameLength // the lists that are given, of attributes
)

// choiceWords are the kinds of choices as the text has them.
var choiceWords = [...]string{ExactlyOne: "one", AtMostOne: "most", AtLeastOne: "some", AllOrNone: "together", SameLength: "equal"}

// A TypeSet is a set of types: element types of tensors, sequences and
// optionals as bits by DataType, and what else there is by name.
type TypeSet struct {
	Tensor, Seq, Opt, OptSeq uint64
	Other                    []string
}

// Find returns the operator that a model with that opset import means: the
// newest version that is not newer. It is nil when there is none.
func Find(domain, name string, opset int64) *Schema {
	for _, s := range slices.Backward(Versions(domain, name)) {
		if s.Since <= opset {
			return s
		}
	}
	return nil
}

// Versions returns all versions of an operator in ascending order, none where
// the operator is not known.
func Versions(domain, name string) []*Schema {
	return operators().versions[key{onnx.Domain(domain), name}]
}

// Newest returns the newest known version of a domain, false where the domain is
// not known.
func Newest(domain string) (int64, bool) {
	n, ok := operators().newest[onnx.Domain(domain)]
	return n, ok
}

// Partly reports whether only some operators of a domain are known: it is not one of ONNX's
// domains, and no specification lists them.
func Partly(domain string) bool { return onnx.Domain(domain) == "com.microsoft" }

// Default returns the default of an attribute, nil where there is none. Of a
// version that lacks the attribute yet it is that of the first one that has it:
// with it the operator does what it did before.
func (s *Schema) Default(name string) *pb.AttributeProto {
	for _, v := range s.versions {
		if a, ok := v.Attrs[name]; ok && v.Since >= s.Since {
			return a.Default
		}
	}
	return nil
}

// Arity returns the smallest and largest number of inputs or outputs that a list of formals allows.
func Arity(list []Formal) (least, most int) {
	for i, p := range list {
		switch {
		case p.Variadic:
			return max(least, i+p.AtLeast), math.MaxInt
		case !p.Optional:
			least = i + 1
		}
	}
	return least, len(list)
}

// FormalOf returns the formal of argument i; the last one stands for all further
// ones when it is variadic.
func FormalOf(list []Formal, i int) (Formal, bool) {
	if i < len(list) {
		return list[i], true
	}
	if n := len(list); n > 0 && list[n-1].Variadic {
		return list[n-1], true
	}
	return Formal{}, false
}

// A table holds the versions of each operator in ascending order, and the
// newest version of each domain.
type table struct {
	versions map[key][]*Schema
	newest   map[string]int64
}

type key struct{ domain, name string }

// operators returns the table. It is whole: a test reads it without an error.
var operators = sync.OnceValue(func() *table {
	t, _ := readTable()
	return t
})

func readTable() (*table, error) {
	t := &table{versions: make(map[key][]*Schema), newest: make(map[string]int64)}
	for _, f := range families() {
		text, err := texts.ReadFile(f.name + ".txt")
		if err == nil {
			err = t.parse(string(text), f.rules)
		}
		if err != nil {
			return t, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return t, t.resolve()
}

// A family is a file of operators, with the rules of those whose shapes can be
// inferred; of others only the element types are.
type family struct {
	name  string
	rules map[string]Rule
}

func families() []family {
	return []family{
		{"elementwise", elementwise()},
		{"quantize", quantize()},
		{"constant", constants()},
		{"product", products()},
		{"conv", convolutions()},
		{"pool", pools()},
		{"norm", norms()},
		{"recurrent", recurrent()},
		{"shape", shapes()},
		{"image", images()},
		{"gather", gathers()},
		{"reduce", reductions()},
		{"signal", signals()},
		{"sequence", sequences()},
		{"control", controls()},
		{"attention", attentions()},
		{"text", textual()},
		{"ml", machineLearning()},
		{"training", training()},
		{"experimental", experiments()},
		{"microsoft", microsoft()},
		{"microsoft_general", microsoftGeneral()},
		{"microsoft_gates", microsoftGates()},
		{"microsoft_quantize", microsoftQuantized()},
	}
}

// All yields every version of every operator, by domain, name and version.
func All() iter.Seq[*Schema] {
	return func(yield func(*Schema) bool) {
		t := operators()
		keys := slices.SortedFunc(maps.Keys(t.versions), func(a, b key) int {
			return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.name, b.name))
		})
		for _, k := range keys {
			for _, s := range t.versions[k] {
				if !yield(s) {
					return
				}
			}
		}
	}
}
